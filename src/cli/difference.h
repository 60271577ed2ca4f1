/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What happened to a guest's clocks between two captures. */
#ifndef CF_DIFFERENCE_H
#define CF_DIFFERENCE_H

#include <clockferry/state.h>

/* Difference - after minus before */
typedef struct Difference {
    /* both were captured on the same host, and that is proven */
    bool same_host;
    bool kexec;                 /* but with another kernel since */
    /* time between the captures: by the host's TSC on the same host,
     * otherwise by the hosts' clocks */
    int64_t elapsed_ns;
    bool elapsed_error_known;   /* @elapsed_error_ns is known */
    uint64_t elapsed_error_ns;  /* @elapsed_ns is right to within this */
    bool tsc_known;             /* the TSC steps are known */
    /* the boot vCPU's TSC minus what it should be after @elapsed_ns at its
     * former rate */
    int64_t tsc_step_ticks;
    int64_t tsc_step_ns;        /* the same in time */
    bool clock_known;           /* @clock_step_ns is known */
    int64_t clock_step_ns;      /* kvmclock minus what it was and @elapsed_ns */
    bool mismatch_known;        /* @mismatch_ns is known */
    /* kvmclock minus what it would be as the former function of the guest's
     * TSC; no host's clock is involved */
    int64_t mismatch_ns;
    bool mismatch_exact;        /* known, and no more than a restore leaves */
    bool skew_known;            /* @skew_ticks is known */
    uint64_t skew_ticks;        /* how far the vCPUs' TSCs moved apart */
    bool rate_known;            /* @rate_error_ppt is known */
    /* how much faster the boot vCPU's TSC runs, in 10^-12 */
    int64_t rate_error_ppt;
} Difference;

/* Compares two captures of one guest, both valid. */
gboolean difference_of(const CfState *before, const CfState *after,
                       Difference *ret_difference, GError **error);

/* Did the clocks stay what they were, as far as can be seen? */
bool difference_is_exact(const Difference *difference);

#endif /* CF_DIFFERENCE_H */
