/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The policy table: may a guest go to this destination, and how well?
 *
 * Pure functions, header-only, no text: callers turn reasons into sentences.
 * The same file, byte for byte, serves libclockferry and the QEMU series, so
 * that a check before a migration and QEMU itself can't disagree.
 */
#ifndef CLOCKFERRY_CLOCK_POLICY_H
#define CLOCKFERRY_CLOCK_POLICY_H

#include <stdbool.h>
#include <stdint.h>

/**
 * enum cf_policy - how much inexactness the user accepts
 * @CF_POLICY_AUTO: what a guest can't notice, or was never promised
 * @CF_POLICY_STRICT: nothing that can be known beforehand
 * @CF_POLICY_LAX: everything; degradations are only reported
 */
enum cf_policy {
    CF_POLICY_AUTO,
    CF_POLICY_STRICT,
    CF_POLICY_LAX,
};

/**
 * enum cf_rung - how a kvmclock was restored, best first
 * @CF_RUNG_EXACT: KVM_SET_CLOCK_GUEST with the source's own record
 * @CF_RUNG_REANCHORED: the same call, record re-expressed with the
 *                      destination's slope
 * @CF_RUNG_CLOSED_LOOP: KVM_SET_CLOCK, read back and corrected until within
 *                       2 ns
 * @CF_RUNG_REALTIME: the same, but it didn't settle
 * @CF_RUNG_PLAIN: KVM_SET_CLOCK that can't be read back to the nanosecond
 */
enum cf_rung {
    CF_RUNG_EXACT,
    CF_RUNG_REANCHORED,
    CF_RUNG_CLOSED_LOOP,
    CF_RUNG_REALTIME,
    CF_RUNG_PLAIN,
};

/**
 * enum cf_offset - what a host does with a TSC offset that is written
 * @CF_OFFSET_STICKS: keeps it
 * @CF_OFFSET_IGNORED: says success and goes on as before
 * @CF_OFFSET_REWINDS: the host's TSC is unstable, the guest's is rewound at
 *                     each vCPU ioctl
 */
enum cf_offset {
    CF_OFFSET_STICKS,
    CF_OFFSET_IGNORED,
    CF_OFFSET_REWINDS,
};

enum cf_verdict {
    CF_VERDICT_GO,
    CF_VERDICT_REPORT,  /* go; inexact, and the report says so */
    CF_VERDICT_WARN,    /* go; worse than most users would accept */
    CF_VERDICT_REFUSE,
};

/* Why a verdict isn't CF_VERDICT_GO. */
enum cf_reason {
    CF_REASON_NONE,
    CF_REASON_RATE_UNKNOWN,    /* frequencies couldn't be compared */
    CF_REASON_RATE,            /* the guest TSC would run at another rate */
    CF_REASON_OFFSET_IGNORED,  /* the guest TSC would jump */
    CF_REASON_TSC_UNSTABLE,
    CF_REASON_RUNG,            /* kvmclock wouldn't be as exact as it must */
    CF_REASON_OFFSET_MEASURED, /* the guest TSC would be set inexactly */
    CF_REASON_TIME,            /* both clocks may step, together */
};

/* Clocks farther off than this NTP's daemon steps: they count as wrong. */
#define CF_TIME_LIMIT_NS 128000000ULL

#define CF_RATE_EXACT_PPT 1000LL          /* 1 ppb */
#define CF_RATE_CLOSE_PPT 1000000LL       /* 1 ppm */
#define CF_RATE_LIMIT_PPT 250000000LL     /* 250 ppm, KVM's own tolerance */

/* cf_rate_is_within - is a rate's error, either way, no more than this? */
static inline bool cf_rate_is_within(int64_t error_ppt, int64_t limit_ppt)
{
    return error_ppt >= -limit_ppt && error_ppt <= limit_ppt;
}

/* cf_rate_is_exact - is a rate's error none that counts? */
static inline bool cf_rate_is_exact(int64_t error_ppt)
{
    return cf_rate_is_within(error_ppt, CF_RATE_EXACT_PPT);
}

/**
 * struct cf_policy_facts - what is known before a guest moves
 * @policy: the user's choice
 * @promised: the guest was given invtsc or a tsc-frequency
 * @same_host: source and destination share one TSC, and that is proven
 * @kexec: it was given another kernel in between, so that only real time proves
 *         that
 * @rate_known: @rate_error_ppt could be computed
 * @rate_error_ppt: (destination - source) / source in 10^-12
 * @offset: what the destination does with a TSC offset
 * @measured: it can't read one to the tick, as far as is known
 * @time_bound_ns: how far both clocks may step, because the hosts' clocks
 *                 differ; UINT64_MAX when unknown
 * @best_rung: the best rung that the destination's kernel can reach
 * @required_rung: the worst rung that the user accepts
 */
struct cf_policy_facts {
    enum cf_policy policy;
    bool promised;
    bool same_host;
    bool kexec;
    bool rate_known;
    int64_t rate_error_ppt;
    enum cf_offset offset;
    bool measured;
    uint64_t time_bound_ns;
    enum cf_rung best_rung;
    enum cf_rung required_rung;
};

/* cf_policy_stricter - which one holds if source and destination differ */
static inline enum cf_policy cf_policy_stricter(enum cf_policy a,
                                                enum cf_policy b)
{
    return a == CF_POLICY_STRICT || b == CF_POLICY_STRICT ? CF_POLICY_STRICT
           : a == CF_POLICY_AUTO || b == CF_POLICY_AUTO ? CF_POLICY_AUTO
           : CF_POLICY_LAX;
}

static inline enum cf_verdict cf_policy_rate(const struct cf_policy_facts *f)
{
    const int64_t error = f->rate_error_ppt;

    if (f->rate_known && cf_rate_is_exact(error)) {
        return CF_VERDICT_GO;
    }
    if (f->policy == CF_POLICY_STRICT) {
        return CF_VERDICT_REFUSE;
    }
    if (!f->rate_known || !cf_rate_is_within(error, CF_RATE_LIMIT_PPT)) {
        return f->policy == CF_POLICY_LAX ? CF_VERDICT_WARN
                                          : CF_VERDICT_REFUSE;
    }
    if (f->policy == CF_POLICY_AUTO && f->promised &&
        !cf_rate_is_within(error, CF_RATE_CLOSE_PPT)) {
        return CF_VERDICT_REFUSE;
    }
    return CF_VERDICT_REPORT;
}

/* cf_offset_fits - will a guest's TSC be what is wanted, as far as is known? */
static inline bool cf_offset_fits(const struct cf_policy_facts *f)
{
    return f->offset == CF_OFFSET_STICKS ||
           (f->offset == CF_OFFSET_IGNORED && f->same_host);
}

static inline enum cf_verdict cf_policy_offset(const struct cf_policy_facts *f)
{
    if (cf_offset_fits(f)) {
        return CF_VERDICT_GO;
    }
    if (f->policy == CF_POLICY_LAX) {
        return CF_VERDICT_WARN;
    }
    if (f->offset == CF_OFFSET_REWINDS && f->policy == CF_POLICY_AUTO &&
        !f->promised) {
        return CF_VERDICT_REPORT;
    }
    return CF_VERDICT_REFUSE;
}

/* cf_policy_inexact - the verdict by what is inexact, but no worse than that */
static inline enum cf_verdict cf_policy_inexact(const struct cf_policy_facts *f,
                                                bool inexact)
{
    return !inexact ? CF_VERDICT_GO
           : f->policy == CF_POLICY_STRICT ? CF_VERDICT_REFUSE
           : CF_VERDICT_REPORT;
}

/* cf_policy_required - the worst rung that isn't refused */
static inline enum cf_rung cf_policy_required(const struct cf_policy_facts *f)
{
    return f->policy == CF_POLICY_STRICT &&
           f->required_rung > CF_RUNG_CLOSED_LOOP
           ? CF_RUNG_CLOSED_LOOP : f->required_rung;
}

static inline enum cf_verdict cf_policy_rung(const struct cf_policy_facts *f)
{
    return f->best_rung > cf_policy_required(f) ? CF_VERDICT_REFUSE
           : cf_policy_inexact(f, f->best_rung > CF_RUNG_CLOSED_LOOP);
}

static inline enum cf_verdict
cf_policy_measured(const struct cf_policy_facts *f)
{
    return cf_policy_inexact(f, f->measured);
}

static inline enum cf_verdict cf_policy_time(const struct cf_policy_facts *f)
{
    return cf_policy_inexact(f, (!f->same_host || f->kexec) &&
                             f->time_bound_ns > CF_TIME_LIMIT_NS);
}

static inline void cf_policy_worse(enum cf_verdict verdict,
                                   enum cf_reason reason,
                                   enum cf_verdict *worst,
                                   enum cf_reason *worst_reason)
{
    if (verdict > *worst) {
        *worst = verdict;
        *worst_reason = reason;
    }
}

/**
 * cf_policy_decide - the verdict of the whole table
 * @f: the facts
 * @ret_reason: the reason of the worst row, of the first of those that are
 *              equally bad; CF_REASON_NONE when all is well
 *
 * Return: the worst verdict of all rows.
 */
static inline enum cf_verdict cf_policy_decide(const struct cf_policy_facts *f,
                                               enum cf_reason *ret_reason)
{
    enum cf_verdict worst = CF_VERDICT_GO;

    *ret_reason = CF_REASON_NONE;
    cf_policy_worse(cf_policy_rate(f),
                    f->rate_known ? CF_REASON_RATE : CF_REASON_RATE_UNKNOWN,
                    &worst, ret_reason);
    cf_policy_worse(cf_policy_offset(f),
                    f->offset == CF_OFFSET_IGNORED ? CF_REASON_OFFSET_IGNORED
                                                   : CF_REASON_TSC_UNSTABLE,
                    &worst, ret_reason);
    cf_policy_worse(cf_policy_rung(f), CF_REASON_RUNG, &worst, ret_reason);
    cf_policy_worse(cf_policy_measured(f), CF_REASON_OFFSET_MEASURED, &worst,
                    ret_reason);
    cf_policy_worse(cf_policy_time(f), CF_REASON_TIME, &worst, ret_reason);
    return worst;
}

#endif /* CLOCKFERRY_CLOCK_POLICY_H */
