/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the steps of a restore hand to each other. */
#ifndef CF_RESTORE_H
#define CF_RESTORE_H

#include <clockferry/clock-ladder.h>
#include "carry.h"
#include "kvm/calls.h"

/* Restore - a restore under way */
typedef struct Restore {
    const CfVm *vm;           /* the destination */
    const CfState *state;     /* what is restored, validated */
    CfRestoreOptions options; /* what its caller chose */
    CfAnchor anchor;          /* the destination's */
    struct cf_move move;      /* from the source's anchor to that */
    struct cf_vcpu *vcpus;    /* all vCPUs' TSCs */
    /* what KVM had been asked for where that was changed, else 0 */
    uint32_t *before_khz;
    bool tsc_changed;         /* a frequency or an offset was written */
    struct cf_ladder ladder;  /* how kvmclock is set */
    CfReport report;          /* what was achieved so far */
} Restore;

/* exchange.c: what both sides noted, into CF_EXCHANGES_MAX places; returns how
 * many. */
uint32_t cf_join_exchanges(const CfExchanges *sent, const CfExchanges *arrived,
                           CfExchange *ret_both);

/* restore-tsc.c: what is there, and what is to be; frequencies, then offsets;
 * all of it back. */
void cf_read_tscs(Restore *restore);
gboolean cf_restore_tsc(Restore *restore, GError **error);
void cf_undo_tsc(Restore *restore);

/* restore-clock.c: kvmclock, down the ladder. */
gboolean cf_restore_clock(Restore *restore, GError **error);

#endif /* CF_RESTORE_H */
