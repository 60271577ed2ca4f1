/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is decided about arm64's counter, the clock of guests there.
 *
 * A guest's counter is the host's minus an offset. Nothing can scale it: the
 * guest reads its frequency from CNTFRQ_EL0, which KVM can't give it another
 * value of.
 *
 * Pure and header-only, like clock-policy.h; the QEMU series doesn't use it.
 */
#ifndef CLOCKFERRY_CLOCK_COUNTER_H
#define CLOCKFERRY_CLOCK_COUNTER_H

#include <stdbool.h>
#include <stdint.h>
#include "clock-math.h"
#include "clock-policy.h"
#include "clock-tsc.h"

/**
 * cf_counter_rate - may a guest go to a counter of this frequency?
 * @policy: the user's choice
 * @here_hz: frequency of the counter where the guest is; 0 when unknown
 * @there_hz: the same where it goes
 *
 * Another frequency isn't a matter of how exact: time would run at the wrong
 * rate by a factor, so it is refused whatever the policy.
 */
static inline enum cf_verdict cf_counter_rate(enum cf_policy policy,
                                              uint32_t here_hz,
                                              uint32_t there_hz)
{
    if (here_hz && there_hz) {
        return here_hz == there_hz ? CF_VERDICT_GO : CF_VERDICT_REFUSE;
    }
    return policy == CF_POLICY_LAX ? CF_VERDICT_WARN : CF_VERDICT_REFUSE;
}

/**
 * cf_counter_rate_error_ppt - by how much a destination's counter is faster
 * @there_hz: its frequency
 * @here_hz: that of the source's
 * @ret_ppt: (there - here) / here in 10^-12, rounded away from zero
 *
 * Return: false if either is unknown.
 */
static inline bool cf_counter_rate_error_ppt(uint32_t there_hz,
                                             uint32_t here_hz,
                                             int64_t *ret_ppt)
{
    /* In a quotient the unit doesn't matter. */
    const struct cf_tsc_freq there = { there_hz, 0, 1 };
    const struct cf_tsc_freq here = { here_hz, 0, 1 };

    return cf_tsc_rate_error_ppt(&there, &here, ret_ppt);
}

/*
 * cf_counter_khz - a frequency in whole kHz, rounded down; 0 when unknown
 *
 * For what may be off by 1000 ppm: whether a counter ran on, how long a tick
 * is. A frequency below 1 MHz, which that would spoil, counts as unknown.
 */
static inline uint32_t cf_counter_khz(uint32_t hz)
{
    return hz < 1000000 ? 0 : hz / 1000;
}

/**
 * struct cf_counter_offset - limits of host's counter - guest's
 * @least_ticks: the least it may be, modulo 2^64
 * @width_ticks: by so much more it may be
 */
struct cf_counter_offset {
    uint64_t least_ticks;
    uint64_t width_ticks;
};

/* cf_counter_offset_seen - as a guest's counter between two of the host's
 * shows it, or one that was written between two */
static inline struct cf_counter_offset
cf_counter_offset_seen(const struct cf_tsc_reading *reading)
{
    const struct cf_counter_offset seen = {
        reading->before_ticks - reading->guest_ticks,
        reading->after_ticks - reading->before_ticks,
    };

    return seen;
}

/* cf_counter_obeys - is an offset what was written, as far as both show? */
static inline enum cf_offset
cf_counter_obeys(const struct cf_counter_offset *written,
                 const struct cf_counter_offset *seen)
{
    return seen->least_ticks - written->least_ticks <= written->width_ticks ||
           written->least_ticks - seen->least_ticks <= seen->width_ticks
           ? CF_OFFSET_STICKS : CF_OFFSET_IGNORED;
}

#endif /* CLOCKFERRY_CLOCK_COUNTER_H */
