/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A guest that crosses from model host 0 to model host 1. */
#ifndef CF_CROSSING_H
#define CF_CROSSING_H

#include "fake-kvm.h"

/**
 * Crossing - a guest under way
 * @from: the source's VM; stays as it was, so it tells the truth afterwards
 * @to: the destination's VM, never run
 * @run_after_ns: so long after the restore it runs first
 */
typedef struct Crossing {
    FakeVm *from;
    FakeVm *to;
    CfHost hosts[FAKE_HOSTS];
    int fds[FAKE_HOSTS][FAKE_MAX_VCPUS];
    CfVm source;
    CfVm destination;
    CfState *state;
    CfRestoreOptions options;
    CfReport report;
    uint64_t run_after_ns;
} Crossing;

/* The guest boots on host 0: offsets, kvmclock on, a while goes by. */
void crossing_begin(Crossing *crossing, uint32_t n_vcpus);

/* The same with TSCs of another frequency than the host's. */
void crossing_begin_khz(Crossing *crossing, uint32_t n_vcpus, uint32_t khz);

void crossing_capture(Crossing *crossing);

/* Ten seconds of blackout, then the restore, then the first run. */
void crossing_restore(Crossing *crossing);

/* As a whole. */
void crossing_cross(Crossing *crossing);

/* Frees; to be called last. */
void crossing_end(Crossing *crossing);

/* Destination - what the source would be now: kvmclock, and a TSC. */
int64_t crossing_step_ns(const Crossing *crossing);
int64_t crossing_tsc_step(const Crossing *crossing, uint32_t vcpu);

/* |value| <= limit */
void assert_within(int64_t value, int64_t limit);

#endif /* CF_CROSSING_H */
