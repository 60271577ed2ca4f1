/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How fast a host's TSC really runs, how long a time is by it, and whether it
 * ran on all that time.
 *
 * A kernel tells a TSC's frequency in kHz, as it measured it when it booted,
 * or as the CPU claims. The real one is up to tens of ppm away from that, and
 * a guest that computes time from its TSC has got used to the real one: after
 * 600 s away a TSC that went on by the printed frequency is 6 ms off for 10
 * ppm. Two things tell more: the correction by which the kernel turns its TSC
 * into real time, and real time itself, read twice together with the TSC.
 *
 * Pure functions, header-only; the rules of clock-math.h hold. Rates are
 * (real frequency) / (printed frequency) - 1, in 10^-12 (ppt).
 */
#ifndef CLOCKFERRY_CLOCK_RATE_H
#define CLOCKFERRY_CLOCK_RATE_H

#include "clock-causal.h"

/*
 * How far a TSC's rate may be from 0: 500 ppm, which is all that the kernel's
 * NTP can correct. So two guesses at it are at most twice that apart.
 */
#define CF_TSC_DOUBT_PPT 500000000LL

/*
 * How far it may be, while the guest is away, from its mean of before: 2 ppm.
 * A quartz crystal in a server changes by some 0.1 ppm per degree.
 */
#define CF_TSC_WARMTH_PPT 2000000LL

/**
 * struct cf_host_rate - what is known of a TSC's rate
 * @ppt: the best estimate
 * @doubt_ppt: it isn't farther from true; 0: nothing is known, so that the
 *             rate is 0 to within CF_TSC_DOUBT_PPT
 */
struct cf_host_rate {
    int64_t ppt;
    int64_t doubt_ppt;
};

/*
 * cf_host_rate_valid - can this be? It may come from anywhere. Who knows
 * nothing of a rate doesn't tell one.
 */
static inline bool cf_host_rate_valid(const struct cf_host_rate *rate)
{
    return rate->doubt_ppt >= 0 && rate->doubt_ppt <= 2 * CF_TSC_DOUBT_PPT &&
           rate->ppt >= -CF_TSC_DOUBT_PPT && rate->ppt <= CF_TSC_DOUBT_PPT &&
           (rate->doubt_ppt || !rate->ppt);
}

/**
 * cf_clock_adjustment_ppt - by how much a kernel makes its clock faster than
 *                           its clocksource
 * @freq: "freq" of adjtimex: ppm, with 16 fraction bits
 * @tick: "tick": microseconds that are added @hz times a second
 * @hz: USER_HZ
 */
static inline int64_t cf_clock_adjustment_ppt(int64_t freq, int64_t tick,
                                              int64_t hz)
{
    const int64_t ppm = 1000000;

    return freq * ppm / 65536 + (tick * hz - ppm) * ppm;
}

/**
 * cf_clock_error_ns - how far off a kernel's real time may be
 * @max_error_us: "maxerror" of adjtimex
 * @offset: "offset": what it has still to correct, little by little
 * @nano: that is in ns, not us
 *
 * Daemons that let the kernel correct its clock don't count that as an error:
 * systemd-timesyncd says that there is none, with 0.4 s to go.
 */
static inline uint64_t cf_clock_error_ns(int64_t max_error_us, int64_t offset,
                                         bool nano)
{
    return (uint64_t)(max_error_us > 0 ? max_error_us : 0) * 1000 +
           cf_magnitude(offset) * (nano ? 1 : 1000);
}

/**
 * struct cf_moment - one reading of a host's TSC and real time
 * @instant: both
 * @error_ns: how far off real time may be; UINT64_MAX: unknown
 */
struct cf_moment {
    struct cf_instant instant;
    uint64_t error_ns;
};

/**
 * cf_host_rate_measure - a TSC's mean rate between two readings of one host
 * @then: the earlier one
 * @now: the later one
 * @khz: the TSC's printed frequency, not 0
 * @ret_ppt: what it is at least and at most, rounded outwards; @best isn't
 *           written
 *
 * That the readings are of one host, and its TSC ran on, is the caller's to
 * know.
 *
 * Return: false if nothing is known: an error isn't, or it is as large as the
 * time in between, or no tick passed.
 */
static inline bool cf_host_rate_measure(const struct cf_moment *then,
                                       const struct cf_moment *now,
                                       uint32_t khz, struct cf_span *ret_ppt)
{
    const uint64_t error_ns = cf_bounds_ns(cf_bounds_ns(then->error_ns,
                                                        now->error_ns), 2);
    uint64_t tsc_ns, tick_ns;
    int64_t real_ns;

    if (now->instant.host_ticks < then->instant.host_ticks ||
        !cf_ticks_to_ns(now->instant.host_ticks - then->instant.host_ticks,
                        khz, &tsc_ns) || tsc_ns > INT64_MAX ||
        !cf_elapsed_ns(&now->instant, &then->instant, &real_ns) ||
        real_ns <= 0 || error_ns >= (uint64_t)real_ns) {
        return false;
    }
    tick_ns = 1000000 / khz + 2;    /* readings are whole ticks and ns */
    if (tsc_ns < tick_ns) {
        return false;
    }
    ret_ppt->least = cf_rate_clip(
        cf_div_down((cf_s128)(tsc_ns - tick_ns) * CF_PPT,
                    (cf_s128)real_ns + (int64_t)error_ns) - CF_PPT);
    ret_ppt->greatest = cf_rate_clip(
        cf_div_up((cf_s128)(tsc_ns + tick_ns) * CF_PPT,
                  (cf_s128)real_ns - (int64_t)error_ns) - CF_PPT);
    return true;
}

/**
 * cf_host_rate_told - the rate by which a kernel computes real time
 * @adjustment_ppt: by so much it makes its clock faster than its TSC, because
 *                  that is slow
 *
 * More than CF_TSC_DOUBT_PPT is no rate: a time daemon turns the clock.
 */
static inline int64_t cf_host_rate_told(int64_t adjustment_ppt)
{
    return cf_magnitude(adjustment_ppt) > CF_TSC_DOUBT_PPT
           ? 0
           : (int64_t)cf_div_down(-(cf_s128)adjustment_ppt * CF_PPT,
                                  CF_PPT + adjustment_ppt);
}

/**
 * cf_host_rate_learn - what is known of a TSC's rate
 * @adjustment_ppt: see cf_host_rate_told(); 0 if real time isn't synchronised,
 *                  or isn't computed from this TSC
 * @measured_ppt: from cf_host_rate_measure(); NULL: nothing
 *
 * The kernel's is the estimate, as far as what was measured allows. It proves
 * nothing: a daemon also uses it to move the clock a little. A measurement
 * that no TSC can have means that real time was set meanwhile; it is ignored.
 */
static inline struct cf_host_rate
cf_host_rate_learn(int64_t adjustment_ppt, const struct cf_span *measured_ppt)
{
    const struct cf_span all = { -CF_TSC_DOUBT_PPT, CF_TSC_DOUBT_PPT, 0 };
    struct cf_span span = all;
    struct cf_host_rate rate;
    int64_t below, above;

    if (measured_ppt && measured_ppt->least <= all.greatest &&
        measured_ppt->greatest >= all.least) {
        span.least = cf_span_nearest(&all, measured_ppt->least);
        span.greatest = cf_span_nearest(&all, measured_ppt->greatest);
    }
    rate.ppt = cf_span_nearest(&span, cf_host_rate_told(adjustment_ppt));
    below = rate.ppt - cf_span_nearest(&all, span.least - CF_TSC_WARMTH_PPT);
    above = cf_span_nearest(&all, span.greatest + CF_TSC_WARMTH_PPT) -
            rate.ppt;
    rate.doubt_ppt = below > above ? below : above;
    return rate;
}

/* cf_host_rate_or_any - that, or all that a TSC may do if nothing is known */
static inline struct cf_host_rate
cf_host_rate_or_any(const struct cf_host_rate *rate)
{
    const struct cf_host_rate any = { 0, CF_TSC_DOUBT_PPT };

    return rate->doubt_ppt ? *rate : any;
}

/**
 * cf_tsc_time - how long a time is by a TSC, counted by its printed frequency
 * @real_ns: the real time
 * @bound_ns: how far that may be from true; UINT64_MAX: unknown
 * @rate: the TSC's
 * @ret_ns: @real_ns x (1 + rate), rounded down
 * @ret_bound_ns: how far that may be from true, rounded up; UINT64_MAX: unknown
 *
 * Return: false if it doesn't fit 63 bits.
 */
static inline bool cf_tsc_time(int64_t real_ns, uint64_t bound_ns,
                               const struct cf_host_rate *rate,
                               int64_t *ret_ns, uint64_t *ret_bound_ns)
{
    const struct cf_host_rate r = cf_host_rate_or_any(rate);
    const cf_s128 ns = real_ns + cf_div_down((cf_s128)real_ns * r.ppt, CF_PPT);
    const cf_s128 doubt = (cf_s128)cf_magnitude(real_ns) * r.doubt_ppt;
    const cf_s128 of_bound = (cf_s128)bound_ns *
                             (cf_s128)(cf_magnitude(r.ppt) +
                                       (uint64_t)r.doubt_ppt);

    if (ns > INT64_MAX || ns < INT64_MIN) {
        return false;
    }
    *ret_ns = (int64_t)ns;
    *ret_bound_ns = cf_bounds_ns(bound_ns,
                                 (uint64_t)cf_div_up(doubt + of_bound,
                                                     CF_PPT) + 1);
    return true;
}

/**
 * cf_tsc_went_on - is the later of two readings of the same TSC, never reset?
 * @now: the later reading
 * @then: the earlier one
 * @khz: the TSC's printed frequency at @then
 * @rate: and its rate
 * @ret_bound_ns: if it is another TSC after all, that happens to fit, the time
 *                by it may be that far from true
 *
 * It advanced by as much as real time did, to within what both errors and the
 * rate leave open, and is older than that: a TSC that was reset meanwhile
 * can't be, for it began at 0.
 *
 * Return: false also when it can't be told, as by a TSC that was young at
 * @then, or by a real time that isn't synchronised.
 */
static inline bool cf_tsc_went_on(const struct cf_moment *now,
                                  const struct cf_moment *then, uint32_t khz,
                                  const struct cf_host_rate *rate,
                                  uint64_t *ret_bound_ns)
{
    const uint64_t error_ns = cf_bounds_ns(then->error_ns, now->error_ns);
    uint64_t age_ns, tsc_ns, bound_ns;
    int64_t real_ns, time_ns, apart_ns;

    if (now->instant.host_ticks < then->instant.host_ticks ||
        !cf_ticks_to_ns(now->instant.host_ticks, khz, &age_ns) ||
        !cf_ticks_to_ns(now->instant.host_ticks - then->instant.host_ticks,
                        khz, &tsc_ns) || tsc_ns > INT64_MAX ||
        !cf_elapsed_ns(&now->instant, &then->instant, &real_ns) ||
        !cf_tsc_time(real_ns, error_ns, rate, &time_ns, &bound_ns)) {
        return false;
    }
    if (__builtin_sub_overflow((int64_t)tsc_ns, time_ns, &apart_ns) ||
        bound_ns > INT64_MAX || cf_magnitude(apart_ns) > bound_ns ||
        (cf_s128)age_ns <= (cf_s128)time_ns + (int64_t)bound_ns) {
        return false;
    }
    *ret_bound_ns = bound_ns + cf_magnitude(apart_ns);
    return true;
}

#endif /* CLOCKFERRY_CLOCK_RATE_H */
