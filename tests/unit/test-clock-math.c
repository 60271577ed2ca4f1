/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests of clock-math.h: vectors worked out by hand, and properties that
 * must hold for random cases. oracle.py checks the values of random cases.
 *
 * CLOCKFERRY_SEED=N repeats a run; the seed and the case stand in a failure.
 */
#include <glib.h>
#include <string.h>

#include "clock-cases.h"

#define N_RANDOM 100000

#define ONE_AMD (1ULL << 32)
#define ONE_INTEL (1ULL << 48)
#define FREQ(...) ((struct cf_tsc_freq){ __VA_ARGS__ })
#define PLAIN(khz) FREQ(khz, 0, 1)

static uint64_t seed;

/* The random numbers of case @i */
static uint64_t case_random(unsigned i)
{
    return seed * 1000003 + i;
}

/* End the test with the seed and the case when a property doesn't hold */
#define HOLDS(i, property) \
    do { \
        if (!(property)) { \
            g_test_message("CLOCKFERRY_SEED=%" PRIu64 ", case %u: %s", \
                           seed, (unsigned)(i), #property); \
            g_test_fail(); \
            return; \
        } \
    } while (0)

static void check_host_to_guest(uint64_t host, struct cf_tsc_freq freq,
                                uint64_t offset, uint64_t wanted)
{
    uint64_t guest = 0;

    g_assert_true(cf_tsc_host_to_guest(host, &freq, offset, &guest));
    g_assert_cmpuint(guest, ==, wanted);
}

static void test_host_to_guest(void)
{
    const struct cf_tsc_freq same = { 2500000, 48, ONE_INTEL };
    const struct cf_tsc_freq half_more = { 2500000, 32, 3ULL << 31 };
    const struct cf_tsc_freq triple = { 1, 0, 3 };
    const struct cf_tsc_freq most = { UINT32_MAX, 63, UINT64_MAX };
    const struct cf_tsc_freq bad[] = {
        { 0, 48, ONE_INTEL }, { 1, 48, 0 }, { 1, 64, 1 }, { 1, 255, 1 },
        { 1, UINT32_MAX, 1 },
    };
    size_t i;

    check_host_to_guest(0, same, 0, 0);
    check_host_to_guest(1000, same, 5, 1005);
    check_host_to_guest(UINT64_MAX, same, 0, UINT64_MAX);
    check_host_to_guest(UINT64_MAX, same, 1, 0);
    check_host_to_guest(1000, same, -1001ULL, UINT64_MAX);
    check_host_to_guest(2, half_more, 0, 3);
    check_host_to_guest(1, half_more, 0, 1);
    check_host_to_guest(3, half_more, 0, 4);
    check_host_to_guest(1ULL << 63, triple, 0, 1ULL << 63);
    /* (2^64 - 1)^2 >> 63 = 2^65 - 4, modulo 2^64 */
    check_host_to_guest(UINT64_MAX, most, 0, UINT64_MAX - 3);

    for (i = 0; i < G_N_ELEMENTS(bad); i++) {
        uint64_t result = 77;

        g_assert_false(cf_tsc_freq_valid(&bad[i]));
        g_assert_false(cf_tsc_host_to_guest(1, &bad[i], 0, &result));
        g_assert_false(cf_tsc_offset_for(1, 1, &bad[i], &result));
        g_assert_false(cf_ns_to_ticks(1, &bad[i], &result));
        g_assert_cmpuint(result, ==, 77);
    }
    g_assert_false(cf_tsc_is_scaled(&same));
    g_assert_true(cf_tsc_is_scaled(&half_more));
}

static void check_ratio(uint32_t guest, uint32_t host, uint32_t bits,
                        bool ok, uint64_t wanted)
{
    uint64_t ratio = 77;

    g_assert_true(ok == cf_tsc_ratio_from_khz(guest, host, bits, &ratio));
    g_assert_cmpuint(ratio, ==, ok ? wanted : 77);
}

static void test_ratio(void)
{
    check_ratio(2500000, 2500000, 32, true, ONE_AMD);
    check_ratio(2500000, 2500000, 48, true, ONE_INTEL);
    check_ratio(2500000, 2596120, 32, true, 4135948353);
    check_ratio(2500000, 2596120, 48, true, 271053511307890);
    check_ratio(1, UINT32_MAX, 32, true, 1);
    check_ratio(1, UINT32_MAX, 48, true, 65536);
    check_ratio(255, 1, 32, true, 255ULL << 32);
    check_ratio(256, 1, 32, false, 0);
    check_ratio(UINT32_MAX, 1 << 24, 32, true, (1ULL << 40) - 256);
    check_ratio(UINT32_MAX, (1 << 24) - 1, 32, false, 0);
    check_ratio(65535, 1, 48, true, 65535ULL << 48);
    check_ratio(65536, 1, 48, false, 0);
    check_ratio(UINT32_MAX, 65535, 48, false, 0);
    check_ratio(0, 2500000, 48, false, 0);
    check_ratio(2500000, 0, 48, false, 0);
    check_ratio(1, 1, 0, false, 0);
    check_ratio(1, 1, 63, false, 0);
    check_ratio(1, 1, 64, false, 0);
}

static void check_freq_khz(struct cf_tsc_freq freq, bool ok, uint32_t wanted)
{
    uint32_t khz = 77;

    g_assert_true(ok == cf_tsc_freq_khz(&freq, &khz));
    g_assert_cmpuint(khz, ==, ok ? wanted : 77);
}

static void test_freq_khz(void)
{
    check_freq_khz(FREQ(2500000, 48, ONE_INTEL), true, 2500000);
    /* The AMD ratio for 2500000 of 2596120 gives 2499999.9996 */
    check_freq_khz(FREQ(2596120, 32, 4135948353), true, 2500000);
    check_freq_khz(FREQ(1, 1, 3), true, 2); /* 1.5 */
    check_freq_khz(FREQ(1, 2, 5), true, 1); /* 1.25 */
    check_freq_khz(FREQ(1, 2, 2), true, 1); /* 0.5 */
    check_freq_khz(FREQ(1, 2, 1), false, 0);
    check_freq_khz(FREQ(UINT32_MAX, 0, 1), true, UINT32_MAX);
    check_freq_khz(FREQ(UINT32_MAX, 32, ONE_AMD + 1), false, 0);
    check_freq_khz(FREQ(UINT32_MAX, 0, UINT64_MAX), false, 0);
    check_freq_khz(FREQ(1, 64, 1), false, 0);
}

static void check_ns_to_ticks(uint64_t ns, struct cf_tsc_freq freq,
                              uint64_t wanted)
{
    uint64_t ticks = 0;

    g_assert_true(cf_ns_to_ticks(ns, &freq, &ticks));
    g_assert_cmpuint(ticks, ==, wanted);
}

static void test_ns_to_ticks(void)
{
    const struct cf_tsc_freq same = { 2500000, 48, ONE_INTEL };
    const struct cf_tsc_freq double_rate = { 2500000, 32, 2 * ONE_AMD };
    const struct cf_tsc_freq third = { 1, 0, 1 };
    const struct cf_tsc_freq most = { UINT32_MAX, 0, UINT64_MAX };
    const struct cf_tsc_freq fine = { 1000000, 63, (1ULL << 63) + 1 };

    check_ns_to_ticks(0, same, 0);
    check_ns_to_ticks(1, same, 2);
    check_ns_to_ticks(2, same, 5);
    check_ns_to_ticks(CF_NS_PER_SEC, same, 2500000000);
    check_ns_to_ticks(CF_NS_PER_SEC, double_rate, 5000000000);
    /* 3690 s: more than 2^63 when ns x kHz are multiplied */
    check_ns_to_ticks(3690 * CF_NS_PER_SEC, same, 9225000000000);
    /* 100 years, 292 years (wraps), 584 years (wraps twice) */
    check_ns_to_ticks(3155760000 * CF_NS_PER_SEC, same, 7889400000000000000);
    check_ns_to_ticks(INT64_MAX, same, (1ULL << 62) - 3);
    check_ns_to_ticks(UINT64_MAX, same, (1ULL << 63) - 3);
    check_ns_to_ticks(999999, third, 0);
    check_ns_to_ticks(1000000, third, 1);
    check_ns_to_ticks(UINT64_MAX, most, 8561687326930818486);
    check_ns_to_ticks(1ULL << 62, fine, 1ULL << 62);
    check_ns_to_ticks(1ULL << 63, fine, (1ULL << 63) + 1);
}

static void check_ticks_to_ns(uint64_t ticks, uint32_t khz, bool ok,
                              uint64_t wanted)
{
    uint64_t ns = 77;

    g_assert_true(ok == cf_ticks_to_ns(ticks, khz, &ns));
    g_assert_cmpuint(ns, ==, ok ? wanted : 77);
}

static void test_ticks_to_ns(void)
{
    check_ticks_to_ns(0, 1, true, 0);
    check_ticks_to_ns(2, 3000000, true, 0);
    check_ticks_to_ns(3, 3000000, true, 1);
    check_ticks_to_ns(1, 1, true, 1000000);
    check_ticks_to_ns(UINT64_MAX, 1000000, true, UINT64_MAX);
    check_ticks_to_ns(UINT64_MAX, 999999, false, 0);
    check_ticks_to_ns(UINT64_MAX, 3000000, true, 6148914691236517205);
    check_ticks_to_ns(1, 0, false, 0);
}

static void check_rate(struct cf_tsc_freq dst, struct cf_tsc_freq src,
                       bool ok, int64_t wanted)
{
    int64_t ppt = 77;

    g_assert_true(ok == cf_tsc_rate_error_ppt(&dst, &src, &ppt));
    g_assert_cmpint(ppt, ==, ok ? wanted : 77);
}

static void test_rate_error(void)
{
    const struct cf_tsc_freq amd = { 2500000, 32, ONE_AMD };
    const struct cf_tsc_freq intel = { 2500000, 48, ONE_INTEL };
    const struct cf_tsc_freq faster = { 2500000, 48, ONE_INTEL + 1 };
    const struct cf_tsc_freq deepest = { 2500000, 63, 1ULL << 63 };
    const struct cf_tsc_freq most = { UINT32_MAX, 0, UINT64_MAX };

    check_rate(amd, intel, true, 0);
    check_rate(intel, amd, true, 0);
    check_rate(deepest, PLAIN(2500000), true, 0);
    /* 2^-48 is 0.0036 ppt: not 0, so it must not read as 0 */
    check_rate(faster, intel, true, 1);
    check_rate(intel, faster, true, -1);
    check_rate(PLAIN(2499999), PLAIN(2500000), true, -400000);
    check_rate(PLAIN(2500000), PLAIN(2499999), true, 400001);
    check_rate(PLAIN(2500625), PLAIN(2500000), true, 250000000);
    check_rate(PLAIN(5), PLAIN(10), true, -500000000000);
    check_rate(PLAIN(1), PLAIN(UINT32_MAX), true, -999999999768);
    check_rate(PLAIN(9223373), PLAIN(1), true, 9223372000000000000);
    check_rate(PLAIN(9223374), PLAIN(1), false, 0);
    check_rate(PLAIN(UINT32_MAX), PLAIN(1), false, 0);
    check_rate(most, most, true, 0);
    check_rate(most, deepest, false, 0);
    check_rate(deepest, most, false, 0);
    /* a product of 2^128, and an error that fits 63 bits modulo 2^128 */
    check_rate(FREQ(4, 0, 1ULL << 63), deepest, false, 0);
    check_rate(FREQ(1057846139, 0, 15031841085932039761ULL), FREQ(1, 22, 1),
               false, 0);
    check_rate(PLAIN(0), PLAIN(1), false, 0);
    check_rate(PLAIN(1), PLAIN(0), false, 0);
}

static void check_eval(struct cf_clock_fn fn, uint64_t ticks, bool ok,
                       int64_t wanted)
{
    int64_t ns = 77;

    g_assert_true(ok == cf_clock_fn_eval(&fn, ticks, &ns));
    g_assert_cmpint(ns, ==, ok ? wanted : 77);
}

#define FN(...) ((struct cf_clock_fn){ __VA_ARGS__ })
#define HALF 0x80000000u /* mul for 1/2 ns a tick */

static void test_eval(void)
{
    check_eval(FN(0, 0, HALF, 1), 1000000000, true, 1000000000);
    check_eval(FN(10, 7, HALF, 0), 13, true, 8);
    check_eval(FN(UINT64_MAX, 5, HALF, 1), 0, true, 6);
    check_eval(FN(5, 5, HALF, 1), 4, false, 0);
    check_eval(FN(5, 5, HALF, 1), 5, true, 5);
    check_eval(FN(0, 0, 1, 0), INT64_MAX, true, INT32_MAX);
    check_eval(FN(0, 0, 1, 0), 1ULL << 63, false, 0);
    check_eval(FN(7, 0, 1, 0), (1ULL << 63) + 7, false, 0);
    check_eval(FN(0, 0, UINT32_MAX, 0), INT64_MAX, true,
               INT64_MAX - INT32_MAX - 1);
    /* where a shift to the left begins to lose bits */
    check_eval(FN(0, 0, 1, 31), (1ULL << 33) - 1, true, UINT32_MAX);
    check_eval(FN(0, 0, 1, 31), 1ULL << 33, false, 0);
    check_eval(FN(0, 0, 1, 1), INT64_MAX, true, UINT32_MAX);
    check_eval(FN(0, 0, HALF, -31), 1ULL << 33, true, 2);
    check_eval(FN(0, INT64_MAX, HALF, 1), 0, true, INT64_MAX);
    check_eval(FN(0, INT64_MAX, HALF, 1), 1, false, 0);
    check_eval(FN(0, 1ULL << 63, HALF, 1), 0, false, 0);
    check_eval(FN(0, UINT64_MAX, HALF, 1), 1, false, 0);
    /* 100 years at 2.5 GHz, to the nanosecond: mul is 0.233 ppb low */
    check_eval(FN(0, 0, 3435973836, -1), 7889400000000000000, true,
               3155759999265242367);
    check_eval(FN(0, 0, 0, 0), 1, false, 0);
    check_eval(FN(0, 0, HALF, 32), 1, false, 0);
    check_eval(FN(0, 0, HALF, -32), 1, false, 0);
    check_eval(FN(0, 0, HALF, 127), 1, false, 0);
    check_eval(FN(0, 0, HALF, -128), 1, false, 0);
}

static void check_hz(uint32_t mul, int32_t shift, bool ok, uint64_t wanted)
{
    const struct cf_clock_fn fn = { 1, 2, mul, shift };
    uint64_t hz = 77;

    g_assert_true(ok == cf_clock_fn_hz(&fn, &hz));
    g_assert_cmpuint(hz, ==, ok ? wanted : 77);
}

static void check_set_hz(uint64_t hz, bool ok, uint32_t mul, int32_t shift)
{
    struct cf_clock_fn fn = { 1, 2, 3, 4 };

    g_assert_true(ok == cf_clock_fn_set_hz(&fn, hz));
    g_assert_cmpuint(fn.tsc_ticks, ==, 1);
    g_assert_cmpuint(fn.system_ns, ==, 2);
    g_assert_cmpuint(fn.mul, ==, ok ? mul : 3);
    g_assert_cmpint(fn.shift, ==, ok ? shift : 4);
}

static void test_hz(void)
{
    check_hz(HALF, 1, true, 1000000000);
    check_hz(HALF, 0, true, 2000000000);
    check_hz(3435973836, -1, true, 2500000001);
    check_hz(4000000000, 30, true, 1);
    check_hz(HALF, 31, true, 1);        /* 0.93 */
    check_hz(UINT32_MAX, 31, false, 0); /* 0.47 */
    check_hz(HALF, 30, true, 2);        /* 1.86 */
    check_hz(1, -2, true, CF_NS_PER_SEC << 34);
    check_hz(1, -3, false, 0);
    check_hz(0, 0, false, 0);
    check_hz(HALF, 32, false, 0);
    check_hz(HALF, -32, false, 0);
    check_hz(HALF, 127, false, 0);
    check_hz(HALF, -128, false, 0);

    check_set_hz(1000000000, true, HALF, 1);
    check_set_hz(2000000000, true, HALF, 0);
    check_set_hz(4000000000, true, HALF, -1);
    check_set_hz(2500000000, true, 3435973836, -1);
    check_set_hz(2100000000, true, 4090445043, -1);
    check_set_hz(1000000001, true, 4294967291, 0);
    check_set_hz(999999999, true, 2147483650, 1);
    check_set_hz(1, true, 4000000000, 30);
    check_set_hz(CF_NS_PER_SEC << 32, true, HALF, -31);
    check_set_hz((CF_NS_PER_SEC << 32) + 1, false, 0, 0);
    check_set_hz(UINT64_MAX, false, 0, 0);
    check_set_hz(0, false, 0, 0);
}

#define SECOND(s) ((uint64_t)(s) * CF_NS_PER_SEC)
#define AT(...) (&(const struct cf_instant){ __VA_ARGS__ })

static void check_elapsed(const struct cf_instant *dst,
                          const struct cf_instant *src, bool ok,
                          int64_t wanted)
{
    int64_t ns = 77;

    g_assert_true(ok == cf_elapsed_ns(dst, src, &ns));
    g_assert_cmpint(ns, ==, ok ? wanted : 77);
}

static void test_elapsed(void)
{
    check_elapsed(AT(0, 7, 0), AT(0, 5, 0), true, 2);
    check_elapsed(AT(0, 5, 37), AT(0, 7, 37), true, -2);
    /* a leap second between the two: TAI says two, UTC one */
    check_elapsed(AT(0, SECOND(11), 38), AT(0, SECOND(10), 37), true,
                  2000000000);
    check_elapsed(AT(0, SECOND(11), 38), AT(0, SECOND(10), 0), true,
                  1000000000);
    check_elapsed(AT(0, SECOND(11), 0), AT(0, SECOND(10), 37), true,
                  1000000000);
    /* across the ends of 31-bit and 32-bit seconds, 2038 and 2106 */
    check_elapsed(AT(0, SECOND(1ULL << 31), 37),
                  AT(0, SECOND(1ULL << 31) - 1, 37), true, 1);
    check_elapsed(AT(0, SECOND(1ULL << 32) + 1, 37),
                  AT(0, SECOND(1ULL << 32) - 1, 37), true, 2);
    check_elapsed(AT(0, INT64_MAX, 0), AT(0, 0, 0), true, INT64_MAX);
    check_elapsed(AT(0, 0, 0), AT(0, INT64_MAX, 0), true, -INT64_MAX);
    check_elapsed(AT(0, 1ULL << 63, 0), AT(0, 0, 0), false, 0);
    check_elapsed(AT(0, 0, 0), AT(0, UINT64_MAX, 0), false, 0);
    check_elapsed(AT(0, INT64_MAX, 2), AT(0, 0, 1), false, 0);
    check_elapsed(AT(0, 0, 1), AT(0, INT64_MAX, 2), false, 0);
    check_elapsed(AT(0, 0, 1000), AT(0, 0, -1000), true, 2000000000000);
    check_elapsed(AT(0, 0, 1001), AT(0, 0, 1), false, 0);
    check_elapsed(AT(0, 0, 1), AT(0, 0, -1001), false, 0);
    check_elapsed(AT(0, 0, -1001), AT(0, 0, 0), false, 0);
    check_elapsed(AT(0, 0, 0), AT(0, 0, INT32_MIN), false, 0);
    check_elapsed(AT(0, 0, 0), AT(0, 0, INT32_MAX), false, 0);
}

static void test_continuous(void)
{
    const uint32_t khz = 2000000;
    const uint64_t real = SECOND(1700000000);
    const uint64_t tsc = 1ULL << 50;
    /* 100 s later: 100 ms and 100 ms of slack */
    const uint64_t then = tsc + 100 * 2000000000ULL;
    const struct cf_instant src = { tsc, real, 37 };
    const uint64_t slack = 200000000;

    g_assert_true(cf_tsc_continuous(&src, &src, khz));
    g_assert_true(cf_tsc_continuous(AT(then, real + SECOND(100), 37), &src,
                                    khz));
    g_assert_true(cf_tsc_continuous(AT(then, real + SECOND(100) + slack, 37),
                                    &src, khz));
    g_assert_false(cf_tsc_continuous(
        AT(then, real + SECOND(100) + slack + 1, 37), &src, khz));
    g_assert_true(cf_tsc_continuous(AT(then, real + SECOND(100) - slack, 37),
                                    &src, khz));
    g_assert_false(cf_tsc_continuous(
        AT(then, real + SECOND(100) - slack - 1, 37), &src, khz));
    /* an unnoticed leap second is no break; an unknown one is */
    g_assert_true(cf_tsc_continuous(AT(then, real + SECOND(99), 38), &src,
                                    khz));
    g_assert_false(cf_tsc_continuous(AT(then, real + SECOND(99), 0), &src,
                                     khz));
    /* restarted, another rate, no rate, no time */
    g_assert_false(cf_tsc_continuous(AT(tsc - 1, real, 37), &src, khz));
    g_assert_false(cf_tsc_continuous(AT(then, real + SECOND(100), 37), &src,
                                     khz + 10000));
    g_assert_false(cf_tsc_continuous(&src, &src, 0));
    g_assert_false(cf_tsc_continuous(AT(then, UINT64_MAX, 37), &src, khz));
    g_assert_false(cf_tsc_continuous(AT(UINT64_MAX, INT64_MAX, 37),
                                     AT(0, 0, 37), 1));
    /* 2^63 + 1 ns of TSC and -(2^63 - 1) of real time aren't the same */
    g_assert_false(cf_tsc_continuous(AT((1ULL << 63) + 1, 0, 37),
                                     AT(0, INT64_MAX, 37), 1000000));
}

/* Restoring what was just restored must change nothing */
static void test_restore_twice(void)
{
    unsigned i;

    for (i = 0; i < N_RANDOM; i++) {
        uint64_t r = case_random(i);
        const struct cf_tsc_freq freq = cases_valid_freq(&r);
        const uint64_t wanted = cases_u64(&r), now = cases_u64(&r);
        const uint64_t later = cases_u64(&r);
        uint64_t offset = 0, again = 0, guest = 0;

        HOLDS(i, cf_tsc_offset_for(wanted, now, &freq, &offset));
        HOLDS(i, cf_tsc_host_to_guest(now, &freq, offset, &guest));
        HOLDS(i, guest == wanted);
        HOLDS(i, cf_tsc_offset_for(guest, now, &freq, &again));
        HOLDS(i, again == offset);
        HOLDS(i, cf_tsc_host_to_guest(later, &freq, offset, &guest));
        HOLDS(i, cf_tsc_offset_for(guest, later, &freq, &again));
        HOLDS(i, again == offset);
    }
}

static void test_rebase_twice(void)
{
    unsigned i, done = 0;

    for (i = 0; i < N_RANDOM; i++) {
        uint64_t r = case_random(i);
        const struct cf_clock_fn src = cases_fn(&r), slope = cases_fn(&r);
        const uint64_t ticks = cases_guest_tsc(&r, &src);
        struct cf_clock_fn once = { 0 }, twice = { 0 };
        int64_t before, after;

        if (!cf_clock_fn_rebase(&src, &slope, ticks, &once)) {
            continue;
        }
        HOLDS(i, cf_clock_fn_eval(&src, ticks, &before));
        HOLDS(i, cf_clock_fn_eval(&once, ticks, &after));
        HOLDS(i, before == after);
        HOLDS(i, cf_clock_fn_rebase(&once, &slope, ticks, &twice));
        HOLDS(i, !memcmp(&once, &twice, sizeof(once)));
        /* in place, too */
        HOLDS(i, cf_clock_fn_rebase(&twice, &twice, ticks, &twice));
        HOLDS(i, !memcmp(&once, &twice, sizeof(once)));
        done++;
    }
    g_assert_cmpuint(done, >, N_RANDOM / 10);
}

/* A clock never runs backwards, and a record's rate survives its encoding */
static void test_eval_steady(void)
{
    unsigned i;

    for (i = 0; i < N_RANDOM; i++) {
        uint64_t r = case_random(i);
        struct cf_clock_fn fn = cases_fn(&r);
        const uint64_t hz = 1000 * (1 + cases_below(&r, 16000000));
        const uint64_t ticks = cases_guest_tsc(&r, &fn);
        int64_t ns, next;
        uint64_t back = 0;

        if (cf_clock_fn_eval(&fn, ticks, &ns) &&
            cf_clock_fn_eval(&fn, ticks + 1, &next)) {
            HOLDS(i, next >= ns);
        }
        HOLDS(i, cf_clock_fn_set_hz(&fn, hz));
        HOLDS(i, fn.mul >= HALF);
        HOLDS(i, cf_clock_fn_hz(&fn, &back));
        /* 2^-31, and half a Hz */
        HOLDS(i, back >= hz && back - hz <= 1 + hz / HALF);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    seed = cases_seed();
    g_test_message("CLOCKFERRY_SEED=%" PRIu64, seed);

    g_test_add_func("/clock-math/host-to-guest", test_host_to_guest);
    g_test_add_func("/clock-math/ratio", test_ratio);
    g_test_add_func("/clock-math/freq-khz", test_freq_khz);
    g_test_add_func("/clock-math/ns-to-ticks", test_ns_to_ticks);
    g_test_add_func("/clock-math/ticks-to-ns", test_ticks_to_ns);
    g_test_add_func("/clock-math/rate-error", test_rate_error);
    g_test_add_func("/clock-math/eval", test_eval);
    g_test_add_func("/clock-math/hz", test_hz);
    g_test_add_func("/clock-math/elapsed", test_elapsed);
    g_test_add_func("/clock-math/continuous", test_continuous);
    g_test_add_func("/clock-math/restore-twice", test_restore_twice);
    g_test_add_func("/clock-math/rebase-twice", test_rebase_twice);
    g_test_add_func("/clock-math/eval-steady", test_eval_steady);
    return g_test_run();
}
