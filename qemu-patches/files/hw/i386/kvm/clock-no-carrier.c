/*
 * kvmclock on hosts without 128-bit integers, which carry no guest's clocks
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "cpu.h"
#include "kvm/kvm_i386.h"
#include "hw/i386/kvm/clock-carrier.h"

void kvmclock_carrier_realize(KVMClockCarrier *c,
                              VMChangeStateHandler *handler, Error **errp)
{
    qemu_add_vm_change_state_handler(handler, c);
}

void kvmclock_carrier_stop(KVMClockCarrier *c, RunState state)
{
    kvm_synchronize_all_tsc();
}

bool kvmclock_carrier_run(KVMClockCarrier *c)
{
    return false;
}

void kvmclock_carrier_warn_of_no_device(const char *type)
{
}

static bool kvmclock_never(void *opaque)
{
    return false;
}

const VMStateDescription vmstate_kvmclock_guest_clock = {
    .name = "kvmclock/guest_clock",
    .needed = kvmclock_never,
    .fields = (const VMStateField[]) {
        VMSTATE_END_OF_LIST()
    }
};

static const TypeInfo kvmclock_carrier_info = {
    .name          = TYPE_KVM_CLOCK_CARRIER,
    .parent        = TYPE_SYS_BUS_DEVICE,
    .instance_size = sizeof(KVMClockCarrier),
    .abstract      = true,
};

static void kvmclock_carrier_register_types(void)
{
    type_register_static(&kvmclock_carrier_info);
}

type_init(kvmclock_carrier_register_types)
