/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/sysbus.h"
#include "hw/acpi/vmclock.h"

bool vmclock_begin_host_time(VmclockState *vms, Error **errp)
{
    error_setg(errp, "this QEMU has no KVM on x86-64, which it needs");
    return false;
}
