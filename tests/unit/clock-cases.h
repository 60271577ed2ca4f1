/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random cases for the tests of clock-math.h, weighted towards the edges.
 *
 * The generator is our own, and no expression draws from it twice (C leaves
 * the order open), so a seed gives the same cases on every machine.
 */
#ifndef TESTS_UNIT_CLOCK_CASES_H
#define TESTS_UNIT_CLOCK_CASES_H

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include <clockferry/clock-math.h>

#define PICK(r, table) \
    ((table)[cases_below(r, sizeof(table) / sizeof((table)[0]))])

/* splitmix64: the next 64 random bits */
static inline uint64_t cases_next(uint64_t *r)
{
    uint64_t z = (*r += 0x9e3779b97f4a7c15ULL);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

static inline uint64_t cases_below(uint64_t *r, uint64_t limit)
{
    return cases_next(r) % limit;
}

/* CLOCKFERRY_SEED when it is set, else the time */
static inline uint64_t cases_seed(void)
{
    const char *text = getenv("CLOCKFERRY_SEED");

    if (text && *text) {
        return strtoull(text, NULL, 0);
    }
    return (uint64_t)time(NULL);
}

/* A number of random length, so that small and huge ones are as frequent */
static inline uint64_t cases_any(uint64_t *r)
{
    const uint64_t shift = cases_below(r, 64);

    return cases_next(r) >> shift;
}

/* -2, -1, 0, 1 or 2, modulo 2^64 */
static inline uint64_t cases_near(uint64_t *r)
{
    return cases_below(r, 5) - 2;
}

static inline uint64_t cases_u64(uint64_t *r)
{
    static const uint64_t edges[] = {
        0, 1, 2, 3, 1ULL << 31, UINT32_MAX, 1ULL << 32, 1ULL << 33,
        1ULL << 62, 1ULL << 63, UINT64_MAX,
    };
    const uint64_t edge = PICK(r, edges);

    switch (cases_below(r, 4)) {
    case 0:
        return edge + cases_near(r);
    case 1:
        return cases_next(r);
    default:
        return cases_any(r);
    }
}

static inline uint32_t cases_khz(uint64_t *r)
{
    static const uint32_t edges[] = {
        0, 1, 2, 65535, 65536, 1000000, 2000000, 2100000, 2400000, 2499999,
        2500000, 2596120, 3700000, 5000000, 16000000, 1u << 31, UINT32_MAX,
    };

    switch (cases_below(r, 4)) {
    case 0:
        return PICK(r, edges);
    case 1:
        return (uint32_t)cases_any(r);
    default:
        return (uint32_t)(500000 + cases_below(r, 6000000));
    }
}

static inline struct cf_tsc_freq cases_freq(uint64_t *r)
{
    static const uint32_t bits[] = {
        0, 1, 31, 32, 32, 32, 32, 47, 48, 48, 48, 48, 62, 63, 64, 255,
        UINT32_MAX,
    };
    static const uint64_t ratios[] = {
        0, 1, 2, (1ULL << 40) - 1, 1ULL << 40, 1ULL << 63, UINT64_MAX - 1,
        UINT64_MAX,
    };
    struct cf_tsc_freq freq;
    uint64_t one;

    freq.host_khz = cases_khz(r);
    freq.frac_bits = cases_below(r, 8) ? PICK(r, bits)
                                       : (uint32_t)cases_below(r, 64);
    one = freq.frac_bits < 64 ? 1ULL << freq.frac_bits : 1;
    switch (cases_below(r, 6)) {
    case 0:
        freq.ratio = PICK(r, ratios);
        break;
    case 1:
        freq.ratio = cases_any(r);
        break;
    case 2:
        freq.ratio = one + cases_near(r);
        break;
    case 3:
        /* within about 0.1 % of 1 */
        freq.ratio = one + (one >> 10) - cases_below(r, (one >> 9) + 1);
        break;
    default:
        freq.ratio = one;
        break;
    }
    return freq;
}

/* A frequency that can be computed with; a plausible one */
static inline struct cf_tsc_freq cases_valid_freq(uint64_t *r)
{
    struct cf_tsc_freq freq;

    do {
        freq = cases_freq(r);
    } while (!cf_tsc_freq_valid(&freq));
    return freq;
}

static inline struct cf_clock_fn cases_fn(uint64_t *r)
{
    static const int32_t shifts[] = {
        -31, -30, -2, -1, 0, 1, 2, 30, 31, -32, 32, -63, 63, -64, 64, -128,
        127, INT32_MIN, INT32_MAX,
    };
    static const uint32_t muls[] = {
        0, 1, 2, (1u << 31) - 1, 1u << 31, (1u << 31) + 1, UINT32_MAX - 1,
        UINT32_MAX,
    };
    struct cf_clock_fn fn;

    fn.tsc_ticks = cases_u64(r);
    fn.system_ns = cases_u64(r);
    switch (cases_below(r, 4)) {
    case 0:
        fn.mul = PICK(r, muls);
        fn.shift = PICK(r, shifts);
        break;
    case 1:
        fn.mul = (uint32_t)cases_any(r);
        fn.shift = (int32_t)cases_below(r, 63) - 31;
        break;
    default:
        fn.mul = (uint32_t)cases_next(r) | 1u << 31;
        fn.shift = (int32_t)cases_below(r, 5) - 2;
        break;
    }
    return fn;
}

/* A guest TSC to evaluate @fn at; mostly after the record, often just */
static inline uint64_t cases_guest_tsc(uint64_t *r,
                                       const struct cf_clock_fn *fn)
{
    switch (cases_below(r, 6)) {
    case 0:
        return cases_u64(r);
    case 1:
        return fn->tsc_ticks + cases_near(r);
    case 2:
        /* where the shift begins to lose bits */
        if (fn->shift > 0 && fn->shift < 64) {
            return fn->tsc_ticks + (1ULL << (64 - fn->shift)) + cases_near(r);
        }
        return fn->tsc_ticks + (1ULL << 63) + cases_near(r);
    default:
        return fn->tsc_ticks + cases_any(r);
    }
}

static inline uint64_t cases_elapsed_ns(uint64_t *r)
{
    static const uint64_t edges[] = {
        0, 1, 999999, 1000000, CF_NS_PER_SEC,
        3600 * CF_NS_PER_SEC, 3690 * CF_NS_PER_SEC, /* past 1.02 h */
        3155760000 * CF_NS_PER_SEC,                 /* 100 years */
        INT64_MAX, 1ULL << 63, UINT64_MAX,          /* 292 and 584 years */
    };

    return cases_below(r, 3) ? cases_any(r) : PICK(r, edges);
}

static inline uint64_t cases_hz(uint64_t *r)
{
    const uint64_t shift = cases_below(r, 33);

    switch (cases_below(r, 4)) {
    case 0:
        return cases_u64(r);
    case 1:
        return (uint64_t)cases_khz(r) * 1000;
    case 2:
        /* about a power of two times 1 GHz, where the shift changes */
        return (CF_NS_PER_SEC << shift) + cases_near(r);
    default:
        return 1000 * cases_below(r, 16000001);
    }
}

static inline struct cf_instant cases_instant(uint64_t *r)
{
    static const uint64_t times[] = {
        0, 1, CF_NS_PER_SEC << 31, /* 2038 */
        CF_NS_PER_SEC << 32,       /* 2106 */
        INT64_MAX, 1ULL << 63, UINT64_MAX,
    };
    static const int32_t tai[] = {
        0, 0, 1, -1, 10, 37, 37, 37, 38, 1000, -1000, 1001, -1001,
        INT32_MIN, INT32_MAX,
    };
    struct cf_instant at;

    at.host_ticks = cases_u64(r);
    at.realtime_ns = PICK(r, times);
    if (cases_below(r, 3)) {
        at.realtime_ns = 1700000000 * CF_NS_PER_SEC + (cases_next(r) >> 8);
    } else {
        at.realtime_ns += cases_near(r);
    }
    at.tai_offset_s = PICK(r, tai);
    return at;
}

/* An instant after @src that the same TSC may have reached, or nearly */
static inline struct cf_instant cases_later(uint64_t *r,
                                            const struct cf_instant *src,
                                            uint32_t khz)
{
    const uint64_t shift = 10 + cases_below(r, 40);
    const uint64_t ns = cases_next(r) >> shift;
    const uint64_t slack_ns = ns / 1000 + CF_NS_PER_SEC / 10;
    struct cf_instant at = *src;

    at.host_ticks += (uint64_t)((cf_u128)ns * khz / 1000000);
    at.realtime_ns += ns;
    switch (cases_below(r, 5)) {
    case 0:
        at.realtime_ns += slack_ns + cases_below(r, 9) - 4;
        break;
    case 1:
        at.realtime_ns -= slack_ns + cases_below(r, 9) - 4;
        break;
    case 2:
        at.realtime_ns += slack_ns - cases_below(r, 2 * slack_ns);
        break;
    case 3:
        at.tai_offset_s += (int32_t)(src->tai_offset_s > 0 &&
                                     src->tai_offset_s < 1000);
        break;
    default:
        break;
    }
    return at;
}

/* A time that a loop's clock misses by */
static inline int64_t cases_residual(uint64_t *r)
{
    static const int64_t edges[] = {
        0, 1, -1, 2, -2, 3, -3, 999, 1000, 1001, -1000, -1001,
        2LL * INT32_MAX, 2LL * INT32_MAX + 1, INT64_MAX, INT64_MIN,
    };

    switch (cases_below(r, 8)) {
    case 0:
        return PICK(r, edges);
    case 1:
        return (int64_t)cases_below(r, 20001) - 10000;
    default:
        return (int64_t)cases_below(r, 21) - 10 + 3;
    }
}

/* A clock function in 2^-32 ns, without its last rounding. In words of its own,
 * for it is what cf_fn_count() is held against. */
static inline cf_u128 cases_exactly(const struct cf_clock_fn *fn,
                                    uint64_t ticks)
{
    const bool before = (int64_t)(ticks - fn->tsc_ticks) < 0;
    const uint64_t apart = before ? fn->tsc_ticks - ticks
                                  : ticks - fn->tsc_ticks;
    const cf_u128 product = (cf_u128)apart * fn->mul;
    const cf_u128 ns = fn->shift < 0 ? product >> -fn->shift
                                     : product << fn->shift;

    return ((cf_u128)fn->system_ns << 32) + (before ? -ns : ns);
}

#endif /* TESTS_UNIT_CLOCK_CASES_H */
