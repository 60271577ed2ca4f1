/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What kvmclock was meant to be when the guest arrived, and whether it still
 * is: what an arrival is off by must not add up over many.
 *
 * Pure, header-only and shared with the QEMU series, like clock-plan.h.
 */
#ifndef CLOCKFERRY_CLOCK_MEANT_H
#define CLOCKFERRY_CLOCK_MEANT_H

#include "clock-fn.h"

/* How far apart two functions that are meant to be one may be. */
#define CF_FN_APART_NS (CF_SETTLED_NS + CF_ROUNDING_NS)

/**
 * cf_fn_count - how far a function has come, without its roundings
 * @fn: the function
 * @guest_ticks: guest TSC
 * @ret_count: in 2^-32 ns, odd ticks and all
 *
 * Return: false as for cf_clock_fn_eval().
 */
static inline bool cf_fn_count(const struct cf_clock_fn *fn,
                               uint64_t guest_ticks, cf_u128 *ret_count)
{
    const uint64_t ticks = guest_ticks - fn->tsc_ticks;
    int64_t ns;

    if (!cf_clock_fn_eval(fn, guest_ticks, &ns)) {
        return false;
    }
    *ret_count = ((cf_u128)fn->system_ns << 32) +
                 (fn->shift < 0 ? (cf_u128)ticks * fn->mul >> -fn->shift
                                : (cf_u128)(ticks << fn->shift) * fn->mul);
    return true;
}

/**
 * cf_fn_ticks_of_part - when has a clock counted a part of a nanosecond?
 * @slope: its mul and shift
 * @part: in 2^-32 ns
 *
 * mul has an inverse modulo 2^32, but for its factors of 2 and those of shift:
 * these are the steps to which a part can be hit.
 *
 * Return: ticks, less than 2^32 << -shift, after which it has counted @part
 * and any number of whole nanoseconds, or as near to that as it ever is.
 */
static inline uint64_t cf_fn_ticks_of_part(const struct cf_clock_fn *slope,
                                           uint32_t part)
{
    const int of_mul = __builtin_ctz(slope->mul);
    const int twos = of_mul + (slope->shift > 0 ? slope->shift : 0);
    const uint32_t odd = slope->mul >> of_mul;
    uint32_t inverse = odd;
    uint64_t steps;
    int i;

    if (twos > 31) {
        return 0;
    }
    /* 3 bits of it are right, then 6, 12, 24, 48 */
    for (i = 0; i < 4; i++) {
        inverse *= 2 - odd * inverse;
    }
    steps = (part + (1ULL << twos >> 1)) >> twos;
    steps = (uint32_t)steps * inverse & UINT32_MAX >> twos;
    return slope->shift < 0 ? steps << -slope->shift : steps;
}

/**
 * cf_fn_bend - a function as it goes on with another slope
 * @fn: the function
 * @slope: its mul and shift from then on
 * @guest_ticks: guest TSC at which that begins
 * @ret_bent: from there on @fn with @slope; not before
 *
 * Where a line of KVM's begins, what was left of a nanosecond is dropped, and
 * an odd tick with it: some 0.7 ns at each change of the slope, always in one
 * direction. @ret_bent counts from an earlier tick, from which its slope leads
 * to that part. False if @guest_ticks lies before @fn, or @fn can't be
 * computed.
 */
static inline bool cf_fn_bend(const struct cf_clock_fn *fn,
                              const struct cf_clock_fn *slope,
                              uint64_t guest_ticks,
                              struct cf_clock_fn *ret_bent)
{
    struct cf_clock_fn bent = { 0, 0, slope->mul, slope->shift };
    cf_u128 was, passed;
    uint64_t ticks;

    if (!cf_clock_fn_valid(slope) || !cf_fn_count(fn, guest_ticks, &was)) {
        return false;
    }
    ticks = cf_fn_ticks_of_part(slope, (uint32_t)was);
    bent.tsc_ticks = guest_ticks - ticks;
    if (guest_ticks < ticks || !cf_fn_count(&bent, guest_ticks, &passed) ||
        was < passed + ((cf_u128)CF_FN_APART_NS << 32)) {
        bent.tsc_ticks = guest_ticks;          /* it has just been started */
        passed = 0;
    }
    bent.system_ns = (uint64_t)((was - passed + (1U << 31)) >> 32);
    *ret_bent = bent;
    return true;
}

/**
 * cf_fn_as_meant - is kvmclock still what it was set to be when it arrived?
 * @captured: what it is, as a function of the boot vCPU's TSC
 * @meant: what it was to be
 * @since_ticks: guest TSC from which it counts with this host's slope
 * @ret_meant: that, with the slope that KVM gave it here
 * @ret_ahead_ns: how far it is ahead of that, at the anchor
 *
 * If so, @ret_meant is to be carried on: each arrival is off by up to 2 ns, and
 * a hundred of them must not add up. False if KVM or anybody has changed it
 * since, or it is but a line through a clock that was read in parts; nothing
 * is written then.
 */
static inline bool cf_fn_as_meant(const struct cf_clock_fn *captured,
                                  const struct cf_clock_fn *meant,
                                  uint64_t since_ticks,
                                  const struct cf_tsc *boot,
                                  const struct cf_anchor *anchor,
                                  struct cf_clock_fn *ret_meant,
                                  int64_t *ret_ahead_ns)
{
    struct cf_clock_fn bent = *meant;
    uint64_t ticks;
    int64_t is_ns, meant_ns;

    if ((captured->system_ns == anchor->clock_ns && anchor->slack_ns) ||
        ((captured->mul != meant->mul || captured->shift != meant->shift) &&
         !cf_fn_bend(meant, captured, since_ticks, &bent)) ||
        !cf_tsc_at(boot, anchor->instant.host_ticks, &ticks) ||
        !cf_clock_fn_eval(captured, ticks, &is_ns) ||
        !cf_clock_fn_eval(&bent, ticks, &meant_ns) ||
        cf_magnitude(is_ns - meant_ns) > CF_FN_APART_NS) {
        return false;
    }
    *ret_meant = bent;
    *ret_ahead_ns = is_ns - meant_ns;
    return true;
}

#endif /* CLOCKFERRY_CLOCK_MEANT_H */
