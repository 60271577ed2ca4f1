/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What may have been loaded; anything else ends this run. */
#ifndef TESTS_FUZZ_SECTIONS_PLAUSIBLE_H
#define TESTS_FUZZ_SECTIONS_PLAUSIBLE_H

#include "hw/i386/kvm/clock-carrier.h"
#include "fuzz.h"

void must_be_plausible_offer(const KVMClockCarrier *c);
void must_be_plausible_arrival(const KVMClockCarrier *c,
                               unsigned int n_vcpus);

#endif
