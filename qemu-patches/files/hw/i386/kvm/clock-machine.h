/*
 * Machine types with guest-clock=on
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_I386_KVM_CLOCK_MACHINE_H
#define HW_I386_KVM_CLOCK_MACHINE_H

#include "hw/boards.h"

/* For pc-q35-10.0, of which @base is the type: pc-q35-10.0-clockferry. */
void kvmclock_register_machine(const TypeInfo *base);

/* The name of the machine type that the guest sees: the one without it. */
const char *kvmclock_machine_guest_name(MachineClass *mc);

#endif
