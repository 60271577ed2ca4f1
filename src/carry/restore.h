/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the steps of a restore hand to each other. */
#ifndef CF_RESTORE_H
#define CF_RESTORE_H

#include <clockferry/clock-ladder.h>
#include "carry.h"
#include "kvm/calls.h"

/**
 * Restore - a restore under way
 * @vm: the destination
 * @state: what is restored, validated
 * @anchor: the destination's
 * @move: from the source's anchor to that
 * @vcpus: all vCPUs' TSCs
 * @before_khz: what KVM had been asked for where that was changed, else 0
 * @tsc_changed: a frequency or an offset was written
 * @ladder: how kvmclock is set
 * @report: what was achieved so far
 */
typedef struct Restore {
    const CfVm *vm;
    const CfState *state;
    CfAnchor anchor;
    struct cf_move move;
    struct cf_vcpu *vcpus;
    uint32_t *before_khz;
    bool tsc_changed;
    struct cf_ladder ladder;
    CfReport report;
} Restore;

/* restore-tsc.c: what is there, and what is to be; frequencies, then offsets;
 * all of it back. */
void cf_read_tscs(Restore *restore);
gboolean cf_restore_tsc(Restore *restore, GError **error);
void cf_undo_tsc(Restore *restore);

/* restore-clock.c: kvmclock, down the ladder. */
gboolean cf_restore_clock(Restore *restore, GError **error);

#endif /* CF_RESTORE_H */
