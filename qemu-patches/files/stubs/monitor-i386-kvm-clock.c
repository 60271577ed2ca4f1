/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-kvm-clock.h"

KvmClockInfo *qmp_query_kvm_clock(Error **errp)
{
    error_setg(errp, "kvmclock is not available in this QEMU");
    return NULL;
}
