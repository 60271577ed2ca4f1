/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two hosts with one frequency, ten seconds apart, for tests of decisions. */
#ifndef TESTS_UNIT_TWO_HOSTS_H
#define TESTS_UNIT_TWO_HOSTS_H

#include <clockferry/clock-plan.h>

#define KHZ 2500000u
#define SECOND ((int64_t)CF_NS_PER_SEC)
#define SECOND_TICKS (KHZ * 1000ULL)

static const struct cf_tsc_freq plain = { KHZ, 48, 1ULL << 48 };
static const struct cf_tsc_freq faster = { KHZ, 48, (1ULL << 48) + (1u << 30) };

static inline struct cf_tsc tsc(uint64_t offset_ticks, uint64_t error_ticks)
{
    return (struct cf_tsc) {
        .known = true, .seen = true, .freq = plain,
        .offset_ticks = offset_ticks, .error_ticks = error_ticks,
    };
}

/* Ten seconds later, on a host whose TSC is 1000 s ahead */
static inline struct cf_move other_host(void)
{
    return (struct cf_move) {
        .then = { 100 * SECOND_TICKS, 1700000000 * CF_NS_PER_SEC, 37 },
        .now = { 1110 * SECOND_TICKS, 1700000010 * CF_NS_PER_SEC, 37 },
        .host_khz = KHZ,
    };
}

#endif
