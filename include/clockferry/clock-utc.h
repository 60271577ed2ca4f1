/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * UTC as a function of a guest's TSC, and how far it may be off: what a
 * hypervisor tells its guest on a vmclock page (Linux: vmclock-abi.h).
 *
 * Two may know it: the host that runs the guest, and the one that it came
 * from, whose word is as good as before plus what the move may be off.
 *
 * Pure functions, header-only; the rules of clock-math.h hold.
 */
#ifndef CLOCKFERRY_CLOCK_UTC_H
#define CLOCKFERRY_CLOCK_UTC_H

#include "clock-plan.h"

/**
 * struct cf_utc - UTC at some instant
 * @ns: since 1970
 * @error_ns: how far it may be off; UINT64_MAX: unknown
 */
struct cf_utc {
    uint64_t ns;
    uint64_t error_ns;
};

/*
 * cf_tick_doubt_ppt - how far a TSC's tick may be longer or shorter than by the
 * estimate of its rate
 */
static inline uint64_t cf_tick_doubt_ppt(const struct cf_host_rate *rate)
{
    const struct cf_host_rate r = cf_host_rate_or_any(rate);

    return (uint64_t)cf_div_up((cf_s128)r.doubt_ppt * CF_PPT,
                               CF_PPT + r.ppt - r.doubt_ppt);
}

/**
 * cf_move_is_least - is nothing known of the time that passed, but that it
 *                    isn't negative?
 *
 * A clock that is behind by more than it may be off tells no more, where nobody
 * saw the guest come in.
 */
static inline bool cf_move_is_least(const struct cf_move *move)
{
    return move->behind_ns > move->time.bound_ns && move->seen_ns <= 0;
}

/*
 * How far @passed_ns may be from true, between two hosts. It is between none
 * and what was seen, by a TSC that may be 1000 ppm faster than who saw it. Of
 * a clock that shows itself wrong that is all that is left.
 */
static inline uint64_t cf_move_passed_bound_ns(const struct cf_move *move)
{
    const uint64_t bound_ns = move->time.bound_ns;
    const uint64_t seen_ns = (uint64_t)move->seen_ns;
    const uint64_t limit_ns = move->seen_ns > 0 ? seen_ns + seen_ns / 1000 + 1
                                                : UINT64_MAX;

    return bound_ns > limit_ns || move->behind_ns > bound_ns ||
           move->ahead_ns > bound_ns ? limit_ns : bound_ns;
}

/**
 * cf_utc_after - UTC after a move, by what was known before it
 * @then: UTC at @move's beginning
 * @move: what is known of the time that passed, see cf_move_plan(); it makes
 *        no difference whether it counts for the guest
 *
 * The time is counted by the source's TSC. A leap second in between is known
 * if both hosts know TAI. But one of them may have it wrong: then the error
 * covers that there was none. If cf_move_is_least(@move), this is the least
 * that UTC may be, and something for cf_utc_not_before() only.
 */
static inline struct cf_utc cf_utc_after(const struct cf_utc *then,
                                         const struct cf_move *move)
{
    const struct cf_host_rate *rate = &move->rate;
    const int64_t ppt = cf_host_rate_or_any(rate).ppt;
    const cf_s128 doubt_ppt = (cf_s128)cf_tick_doubt_ppt(rate);
    const cf_s128 real_ns = cf_div_down((cf_s128)move->passed_ns * CF_PPT,
                                        CF_PPT + ppt);
    const bool exact = (move->same_host && !move->kexec_khz) ||
                       cf_move_is_least(move);
    const cf_s128 bound_ns = exact ? 0 : cf_move_passed_bound_ns(move);
    const cf_s128 doubt_ns = cf_div_up(
        ((real_ns < 0 ? -real_ns : real_ns) + bound_ns) * doubt_ppt +
        bound_ns * (cf_s128)cf_magnitude(ppt) * 2, CF_PPT);
    struct cf_utc now = *then;
    int64_t leap_s = 0;

    if (cf_elapsed_by_tai(&move->now, &move->then)) {
        leap_s = (int64_t)move->now.tai_offset_s - move->then.tai_offset_s;
    }
    now.ns += (uint64_t)real_ns -
              (uint64_t)leap_s * (uint64_t)CF_NS_PER_SEC;
    now.error_ns = cf_bounds_ns(cf_bounds_ns(now.error_ns, (uint64_t)bound_ns),
                                (uint64_t)doubt_ns + 1);
    now.error_ns = cf_bounds_ns(now.error_ns, cf_magnitude(leap_s) *
                                              (uint64_t)CF_NS_PER_SEC);
    return now;
}

/**
 * cf_utc_not_before - what a host says of UTC, where it can't be earlier
 * @here: what the host's kernel says
 * @least: UTC isn't before that
 *
 * If they contradict each other, either may be wrong, and nothing is known.
 */
static inline struct cf_utc cf_utc_not_before(const struct cf_utc *here,
                                              const struct cf_utc *least)
{
    const int64_t early_ns = (int64_t)(least->ns - here->ns);
    struct cf_utc utc = *here;

    if (early_ns > 0 && (uint64_t)early_ns > cf_bounds_ns(here->error_ns,
                                                          least->error_ns)) {
        utc.error_ns = UINT64_MAX;
    }
    return utc;
}

/**
 * cf_utc_merge - UTC by what two hosts know
 * @here: what this host's kernel says
 * @brought: what the guest brought, at the same instant
 *
 * The narrower one is the estimate. If they contradict each other, one of the
 * hosts is wrong and doesn't know it; then the error covers what both say.
 */
static inline struct cf_utc cf_utc_merge(const struct cf_utc *here,
                                         const struct cf_utc *brought)
{
    const bool as_brought = brought->error_ns < here->error_ns;
    struct cf_utc utc = as_brought ? *brought : *here;
    const struct cf_utc *other = as_brought ? here : brought;
    const uint64_t apart_ns = cf_magnitude((int64_t)(utc.ns - other->ns));

    if (apart_ns > cf_bounds_ns(utc.error_ns, other->error_ns)) {
        utc.error_ns = cf_bounds_ns(apart_ns, other->error_ns);
    }
    return utc;
}

/**
 * cf_utc_good_for_ns - how long to leave a guest with what it was told
 * @utc: that
 * @rate: of the host's TSC
 * @leap: a leap second is announced for the end of the day
 *
 * Until the doubt about the rate has made it a quarter worse; between 1 and
 * 16 s, so that the guest soon hears that its host knows better now.
 */
static inline int64_t cf_utc_good_for_ns(const struct cf_utc *utc,
                                         const struct cf_host_rate *rate,
                                         bool leap)
{
    const uint64_t second_ns = (uint64_t)CF_NS_PER_SEC;
    const uint64_t day_ns = 86400 * second_ns;
    const uint64_t left_ns = day_ns - utc->ns % day_ns;
    const cf_u128 doubt_ns = (cf_u128)utc->error_ns * CF_PPT /
                             (4 * (cf_u128)cf_tick_doubt_ppt(rate));
    uint64_t ns = 16 * second_ns;

    ns = doubt_ns < ns ? (uint64_t)doubt_ns : ns;
    ns = ns < second_ns ? second_ns : ns;
    return (int64_t)(leap && left_ns < ns ? left_ns : ns);
}

/**
 * struct cf_utc_line - UTC as a function of a guest's TSC, as vmclock has it
 * @ticks: the guest's TSC at @sec and @frac
 * @sec: UTC then, in s since 1970,
 * @frac: and in 2^-64 s
 * @period: length of a tick, in 2^-(64 + @shift) s
 * @period_error: how far that may be off
 * @shift: of @period
 * @error_ns: how far the time may be off at @ticks; UINT64_MAX: unknown
 */
struct cf_utc_line {
    uint64_t ticks;
    uint64_t sec;
    uint64_t frac;
    uint64_t period;
    uint64_t period_error;
    uint8_t shift;
    uint64_t error_ns;
};

/**
 * cf_tsc_spread_ticks - how far apart the TSCs of two vCPUs may be
 *
 * UINT64_MAX if one isn't known, or they have different ratios: then they come
 * farther apart.
 */
static inline uint64_t cf_tsc_spread_ticks(const struct cf_tsc *a,
                                           const struct cf_tsc *b)
{
    const uint64_t error_ticks = a->error_ticks + b->error_ticks;
    const int64_t apart = (int64_t)(a->offset_ticks - b->offset_ticks);

    return a->known && a->seen && b->known && b->seen &&
           a->freq.ratio == b->freq.ratio &&
           a->freq.frac_bits == b->freq.frac_bits
           ? cf_magnitude(apart) + error_ticks : UINT64_MAX;
}

/**
 * cf_utc_tell - UTC by a guest's TSC
 * @utc: UTC now
 * @host_ticks: the host's TSC now
 * @tsc: the guest's; of several vCPUs that of one, whose @error_ticks are those
 *       of all others, too, see cf_tsc_spread_ticks()
 * @rate: how fast the host's TSC really is
 * @ret: written only on success
 *
 * The frequency is rounded to 2^-16 Hz, and the period to 64 bits.
 *
 * Return: false if it isn't known, or none that a TSC can have.
 */
static inline bool cf_utc_tell(const struct cf_utc *utc, uint64_t host_ticks,
                               const struct cf_tsc *tsc,
                               const struct cf_host_rate *rate,
                               struct cf_utc_line *ret)
{
    const struct cf_tsc_freq *freq = &tsc->freq;
    const int64_t ppt = cf_host_rate_or_any(rate).ppt;
    const uint64_t second_ns = (uint64_t)CF_NS_PER_SEC;
    cf_u128 hz, period, error;
    uint64_t ticks, error_ns;
    uint8_t shift = 127 - 16 - 64;
    uint32_t khz;

    if (!cf_tsc_at(tsc, host_ticks, &ticks) || !cf_tsc_freq_khz(freq, &khz) ||
        !cf_ticks_to_ns(tsc->error_ticks, khz, &error_ns)) {
        return false;
    }
    /* khz x 1000 x ratio, with 16 fraction bits */
    hz = (cf_u128)freq->host_khz * 1000 * freq->ratio;
    hz = freq->frac_bits >= 16 ? hz >> (freq->frac_bits - 16)
                               : hz << (16 - freq->frac_bits);
    if (!hz || hz >> 58) {
        return false;
    }
    hz = hz * (cf_u128)((cf_s128)CF_PPT + ppt) / CF_PPT;
    for (period = ((cf_u128)1 << 127) / hz; period >> 64; period >>= 1) {
        if (!shift--) {
            return false;
        }
    }
    error = period * cf_tick_doubt_ppt(rate) / CF_PPT + period / hz + 2;
    ret->ticks = ticks;
    ret->sec = utc->ns / second_ns;
    ret->frac = (uint64_t)(((cf_u128)(utc->ns % second_ns) << 64) / second_ns);
    ret->period = (uint64_t)period;
    ret->period_error = (uint64_t)error;
    ret->shift = shift;
    ret->error_ns = cf_bounds_ns(utc->error_ns, error_ns + 2);
    return true;
}

#endif /* CLOCKFERRY_CLOCK_UTC_H */
