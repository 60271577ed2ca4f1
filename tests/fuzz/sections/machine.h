/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What of a QEMU there is. */
#ifndef TESTS_FUZZ_SECTIONS_MACHINE_H
#define TESTS_FUZZ_SECTIONS_MACHINE_H

#include "cpu.h"
#include "hw/i386/kvm/clock-carrier.h"
#include "sections/modelled.h"

/* Where a stream comes from. */
typedef enum From {
    FROM_SOCKET, FROM_FILE, FROM_PIPE, FROM_MAX,
} From;

extern KVMClockCarrier *carrier;
extern X86CPU *cpus[VCPUS_MAX];
extern const VMStateDescription vmstate_cpu, *kvmclock_vmsd;
/* All errors and warnings since it was emptied. */
extern GString *said;

/* Returns how many hosts there are. */
unsigned int machine_begin(void);
void machine_set_vcpus(unsigned int n);
void machine_come_from(From from);

/* As when QEMU starts. */
void machine_forget(void);

#endif
