/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the steps of a restore hand to each other. */
#ifndef CF_RESTORE_H
#define CF_RESTORE_H

#include "carry.h"
#include "kvm/calls.h"

/**
 * Restore - a restore under way
 * @vm: the destination
 * @state: what is restored, validated
 * @freeze: the time since the capture shall not count
 * @anchor: the destination's instant
 * @vcpus: the destination's vCPUs as they are, then as they were left
 * @tsc_changed: a frequency or an offset was written
 * @tsc_error_ticks: guest TSCs are known to within this
 * @fn: the function that kvmclock shall be, of the boot vCPU's TSC
 * @set_host_ticks: host TSC at the instant for which kvmclock was set last
 * @report: what was achieved so far
 */
typedef struct Restore {
    const CfVm *vm;
    const CfState *state;
    bool freeze;
    CfAnchor anchor;
    CfVcpuState *vcpus;
    bool tsc_changed;
    uint64_t tsc_error_ticks;
    struct cf_clock_fn fn;
    uint64_t set_host_ticks;
    CfReport report;
} Restore;

/* restore-tsc.c: frequencies, then offsets. */
gboolean cf_restore_tsc(Restore *restore, GError **error);

/* restore-ladder.c: kvmclock, down the ladder. */
gboolean cf_restore_clock(Restore *restore, GError **error);

/* restore-target.c: which function kvmclock shall be. */
gboolean cf_restore_choose_function(Restore *restore, GError **error);

/* The boot vCPU's TSC at a host TSC. */
bool cf_restore_guest_ticks(const Restore *restore, uint64_t host_ticks,
                            uint64_t *ret_guest_ticks);

/* kvmclock as it shall be at a host TSC. */
bool cf_restore_intended(const Restore *restore, uint64_t host_ticks,
                         int64_t *ret_ns);

/*
 * The rungs. Each returns true if kvmclock is now right by its standard, and
 * then has filled in the report's rung, tries and residual.
 */
bool cf_rung_exact(Restore *restore);       /* rungs-record.c */
bool cf_rung_reanchored(Restore *restore);
bool cf_rung_loop(Restore *restore);        /* rungs-clock.c */
gboolean cf_rung_plain(Restore *restore, GError **error);

#endif /* CF_RESTORE_H */
