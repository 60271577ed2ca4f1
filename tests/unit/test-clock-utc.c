/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests of clock-utc.h: what a guest is told of UTC is right to within what it
 * is told, by whatever its hosts know.
 */
#include <clockferry/clock-utc.h>
#include <glib.h>

#include "clock-cases.h"

#define PPM 1000000LL
#define SEC ((uint64_t)CF_NS_PER_SEC)
#define KHZ 2500000u
#define BASE_NS (1800000000 * SEC)

static const struct cf_utc unknown = { 0, UINT64_MAX };

static int64_t about(uint64_t *r, int64_t limit)
{
    return (int64_t)cases_below(r, (uint64_t)(2 * limit + 1)) - limit;
}

static struct cf_host_rate rate_about(uint64_t *r, int64_t *ret_true_ppt)
{
    struct cf_host_rate rate = { about(r, 400 * PPM), 0 };

    rate.doubt_ppt = 1 + (int64_t)cases_below(r, 100 * PPM);
    *ret_true_ppt = rate.ppt + about(r, rate.doubt_ppt);
    return rate;
}

static struct cf_utc utc_about(uint64_t *r, uint64_t true_ns)
{
    const int64_t error_ns = (int64_t)(cases_any(r) >> 36);

    return (struct cf_utc) {
        .ns = true_ns + (uint64_t)about(r, error_ns),
        .error_ns = (uint64_t)error_ns,
    };
}

static void assert_true(const struct cf_utc *utc, uint64_t true_ns)
{
    g_assert_cmpuint(cf_magnitude((int64_t)(utc->ns - true_ns)), <=,
                     utc->error_ns);
}

/* Time by a TSC whose rate is known to within a doubt */
static void test_after(void)
{
    uint64_t r = 1;
    int i;

    for (i = 0; i < 100000; i++) {
        const uint64_t took_ns = cases_any(&r) >> 20;
        const struct cf_utc then = utc_about(&r, BASE_NS);
        const int64_t step_ns = about(&r, 1000000);
        int64_t ppt;
        struct cf_move move = {
            .rate = rate_about(&r, &ppt),
            .same_host = cases_below(&r, 2),
            .time = { .bound_ns = (uint64_t)ABS(step_ns) },
        };
        struct cf_utc now;

        move.passed_ns = (int64_t)((cf_s128)took_ns * (CF_PPT + ppt) / CF_PPT);
        if (!move.same_host) {
            move.passed_ns += step_ns;
        }
        now = cf_utc_after(&then, &move);
        /* 2: @passed_ns above is rounded */
        g_assert_cmpuint(cf_magnitude((int64_t)(now.ns - BASE_NS - took_ns)),
                         <=, now.error_ns + 2);
        g_assert_cmpuint(now.error_ns, >=, then.error_ns);
    }
}

/*
 * A leap second within the move, which a TSC doesn't know; or one of the hosts
 * has the TAI offset wrong
 */
static void test_leap(void)
{
    const struct cf_utc then = { BASE_NS, 10 };
    struct cf_move move = {
        .then.tai_offset_s = 37, .now.tai_offset_s = 38, .same_host = true,
        .passed_ns = 5 * (int64_t)SEC,
    };

    g_assert_cmpuint(cf_utc_after(&then, &move).ns, ==, BASE_NS + 4 * SEC);
    g_assert_cmpuint(cf_utc_after(&then, &move).error_ns, >, SEC);
    move.now.tai_offset_s = -900;
    g_assert_cmpuint(cf_utc_after(&then, &move).ns, ==, BASE_NS + 942 * SEC);
    g_assert_cmpuint(cf_utc_after(&then, &move).error_ns, >, 937 * SEC);
    move.now.tai_offset_s = 37;
    g_assert_cmpuint(cf_utc_after(&then, &move).error_ns, <, SEC);
    move.now.tai_offset_s = 38;
    move.then.tai_offset_s = 0;
    g_assert_cmpuint(cf_utc_after(&then, &move).ns, ==, BASE_NS + 5 * SEC);
}

static void test_after_unknown(void)
{
    const struct cf_utc then = { BASE_NS, 10 };
    const struct cf_move move = {
        .passed_ns = 5, .time.bound_ns = UINT64_MAX,
    };
    const struct cf_move here = { .passed_ns = 5, .same_host = true };

    g_assert_cmpuint(cf_utc_after(&then, &move).error_ns, ==, UINT64_MAX);
    g_assert_cmpuint(cf_utc_after(&unknown, &here).error_ns, ==, UINT64_MAX);
}

/*
 * The destination's clock is wrong and doesn't know it; nothing else tells how
 * much time passed, but maybe that the destination saw it pass.
 */
static void test_after_a_liar(void)
{
    uint64_t r = 4;
    int i;

    for (i = 0; i < 100000; i++) {
        const struct cf_utc then = utc_about(&r, BASE_NS);
        const int64_t took_ns = (int64_t)(cases_any(&r) >> 30);
        const int64_t wrong_ns = about(&r, 1LL << (20 + cases_below(&r, 20)));
        const uint64_t error_ns = cases_below(&r, 1000000);
        const bool seen = cases_below(&r, 2);
        struct cf_utc here = { BASE_NS, error_ns }, now;
        struct cf_move move = {
            .then.realtime_ns = BASE_NS,
            .now.realtime_ns = BASE_NS + (uint64_t)(took_ns + wrong_ns),
            .host_khz = KHZ, .rate = { 0, PPM },
            .clocks_bound_ns = error_ns,
            .seen_ns = seen ? took_ns + (int64_t)(cases_any(&r) >> 30) + 1 : 0,
        };

        g_assert_true(cf_move_plan(&move, NULL, false, INT64_MAX));
        now = cf_utc_after(&then, &move);
        if (cf_move_is_least(&move)) {
            g_assert_cmpint(wrong_ns, <, 0);
            g_assert_false(seen);
            g_assert_cmpuint(now.ns - now.error_ns, <=,
                             BASE_NS + (uint64_t)took_ns);
            here.ns += (uint64_t)(took_ns + wrong_ns);
            /* It contradicts, unless what came was that wrong itself. */
            if (cf_utc_not_before(&here, &now).error_ns != UINT64_MAX) {
                g_assert_cmpuint(here.ns + error_ns, >=, now.ns - now.error_ns);
            }
        } else if (move.behind_ns > move.time.bound_ns ||
                   move.ahead_ns > move.time.bound_ns) {
            assert_true(&now, BASE_NS + (uint64_t)took_ns);
        }
    }
}

static void test_not_before(void)
{
    const struct cf_utc here = { BASE_NS, 5 };
    struct cf_utc least = { BASE_NS - SEC, 7 };

    g_assert_cmpuint(cf_utc_not_before(&here, &least).error_ns, ==, 5);
    least.ns = BASE_NS + 12;
    g_assert_cmpuint(cf_utc_not_before(&here, &least).error_ns, ==, 5);
    least.ns++;
    g_assert_cmpuint(cf_utc_not_before(&here, &least).error_ns, ==, UINT64_MAX);
    g_assert_cmpuint(cf_utc_not_before(&here, &unknown).error_ns, ==, 5);
}

/* As long as one of both is right, so is what comes of them. */
static void test_merge(void)
{
    uint64_t r = 2;
    int i;

    for (i = 0; i < 100000; i++) {
        const struct cf_utc right = utc_about(&r, BASE_NS);
        const struct cf_utc wrong = {
            .ns = BASE_NS + (uint64_t)about(&r, 1000000000),
            .error_ns = cases_below(&r, 4) ? cases_any(&r) >> 36 : UINT64_MAX,
        };
        const struct cf_utc a = cf_utc_merge(&right, &wrong);
        const struct cf_utc b = cf_utc_merge(&wrong, &right);
        const bool agree = cf_magnitude((int64_t)(wrong.ns - right.ns)) <=
                           cf_bounds_ns(wrong.error_ns, right.error_ns);

        g_assert_cmpuint(a.error_ns, ==, b.error_ns);
        if (!agree || right.error_ns <= wrong.error_ns) {
            assert_true(&a, BASE_NS);
            assert_true(&b, BASE_NS);
        }
        if (agree) {
            g_assert_cmpuint(a.error_ns, ==,
                             MIN(right.error_ns, wrong.error_ns));
        }
    }
}

static void test_merge_unknown(void)
{
    const struct cf_utc known = { BASE_NS, 5 };
    const struct cf_utc lost = { 7, UINT64_MAX };

    g_assert_cmpuint(cf_utc_merge(&lost, &known).ns, ==, BASE_NS);
    g_assert_cmpuint(cf_utc_merge(&known, &lost).error_ns, ==, 5);
    g_assert_cmpuint(cf_utc_merge(&lost, &unknown).ns, ==, 7);
    g_assert_cmpuint(cf_utc_merge(&lost, &unknown).error_ns, ==, UINT64_MAX);
}

/* UTC at another TSC, as a guest computes it (vmclock-abi.h), in 2^-64 s */
static cf_u128 line_at(const struct cf_utc_line *line, uint64_t ticks)
{
    const cf_u128 passed = (cf_u128)(ticks - line->ticks) * line->period;

    return ((cf_u128)line->sec << 64 | line->frac) + (passed >> line->shift);
}

static uint64_t to_ns(cf_u128 time)
{
    return (uint64_t)(time >> 64) * SEC +
           (uint64_t)((cf_u128)(uint64_t)time * SEC >> 64);
}

/* Hosts of 0.8 to 6 GHz, guests of other frequencies, rates, and minutes. */
static void test_tell(void)
{
    uint64_t r = 3;
    int i;

    for (i = 0; i < 100000; i++) {
        const uint32_t khz = 800000 + (uint32_t)cases_below(&r, 5200000);
        const bool amd = cases_below(&r, 2);
        const uint64_t host_ticks = cases_any(&r) >> 2;
        const uint64_t later_ns = cases_any(&r) >> 26;
        const struct cf_utc utc = utc_about(&r, BASE_NS + cases_below(&r, SEC));
        struct cf_tsc tsc = {
            .known = true, .offset_ticks = cases_any(&r),
            .freq = { khz, amd ? 32 : 48, 0 },
        };
        struct cf_utc_line line = { 0 };
        struct cf_host_rate rate;
        uint64_t ticks = 0, error_ns, passed_ticks;
        int64_t ppt;

        rate = rate_about(&r, &ppt);
        g_assert_true(cf_tsc_ratio_from_khz(
            800000 + (uint32_t)cases_below(&r, 5200000), khz,
            tsc.freq.frac_bits, &tsc.freq.ratio));
        g_assert_true(cf_utc_tell(&utc, host_ticks, &tsc, &rate, &line));
        g_assert_cmpuint(to_ns((cf_u128)line.sec << 64 | line.frac) + 1, >=,
                         utc.ns);

        passed_ticks = (uint64_t)((cf_u128)later_ns * khz / 1000000 *
                                  (cf_u128)(CF_PPT + ppt) / CF_PPT);
        g_assert_true(cf_tsc_at(&tsc, host_ticks + passed_ticks, &ticks));
        error_ns = line.error_ns + 3 + to_ns(
            (cf_u128)(ticks - line.ticks) * line.period_error >> line.shift);
        g_assert_cmpuint(cf_magnitude((int64_t)(to_ns(line_at(&line, ticks)) -
                                                utc.ns - later_ns)), <=,
                         error_ns - utc.error_ns);
        g_assert_cmpuint(line.period >> 63, ==, 1);
    }
}

static void test_tell_not(void)
{
    const struct cf_utc utc = { BASE_NS, 5 };
    const struct cf_host_rate rate = { 0, 0 };
    struct cf_tsc tsc = { .known = true, .freq = { KHZ, 32, 1ULL << 32 } };
    struct cf_utc_line line = { .ticks = 1 };

    g_assert_true(cf_utc_tell(&unknown, 0, &tsc, &rate, &line));
    g_assert_cmpuint(line.error_ns, ==, UINT64_MAX);
    tsc.error_ticks = KHZ / 1000;
    g_assert_true(cf_utc_tell(&utc, 0, &tsc, &rate, &line));
    g_assert_cmpuint(line.error_ns, >=, 1005);
    line.ticks = 1;
    tsc.known = false;
    g_assert_false(cf_utc_tell(&utc, 0, &tsc, &rate, &line));
    tsc.known = true;
    tsc.freq.ratio = 0;
    g_assert_false(cf_utc_tell(&utc, 0, &tsc, &rate, &line));
    tsc.freq = (struct cf_tsc_freq) { UINT32_MAX, 0, UINT64_MAX };
    g_assert_false(cf_utc_tell(&utc, 0, &tsc, &rate, &line));
    g_assert_cmpuint(line.ticks, ==, 1);
}

static void test_spread(void)
{
    struct cf_tsc a = {
        .known = true, .seen = true, .freq = { KHZ, 32, 1ULL << 32 },
        .offset_ticks = 5, .error_ticks = 3,
    };
    struct cf_tsc b = a;

    g_assert_cmpuint(cf_tsc_spread_ticks(&a, &b), ==, 6);
    b.offset_ticks -= 105;
    g_assert_cmpuint(cf_tsc_spread_ticks(&a, &b), ==, 111);
    g_assert_cmpuint(cf_tsc_spread_ticks(&b, &a), ==, 111);
    b.freq.ratio++;
    g_assert_cmpuint(cf_tsc_spread_ticks(&a, &b), ==, UINT64_MAX);
    b = a;
    b.seen = false;
    g_assert_cmpuint(cf_tsc_spread_ticks(&a, &b), ==, UINT64_MAX);
    b = a;
    b.known = false;
    g_assert_cmpuint(cf_tsc_spread_ticks(&b, &a), ==, UINT64_MAX);
}

static void test_good_for(void)
{
    const struct cf_host_rate rate = { 0, 2 * PPM };
    struct cf_utc utc = { BASE_NS - BASE_NS % (86400 * SEC) + SEC, 1000 };

    g_assert_cmpint(cf_utc_good_for_ns(&utc, &rate, false), ==, SEC);
    utc.error_ns = 32000;
    g_assert_cmpint(cf_utc_good_for_ns(&utc, &rate, false), <=, 4 * SEC);
    g_assert_cmpint(cf_utc_good_for_ns(&utc, &rate, false), >, 4 * SEC - PPM);
    utc.error_ns = UINT64_MAX;
    g_assert_cmpint(cf_utc_good_for_ns(&utc, &rate, true), ==, 16 * SEC);
    utc.ns -= SEC + 3;
    g_assert_cmpint(cf_utc_good_for_ns(&utc, &rate, true), ==, 3);
    g_assert_cmpint(cf_utc_good_for_ns(&utc, &rate, false), ==, 16 * SEC);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/clock-utc/after", test_after);
    g_test_add_func("/clock-utc/leap", test_leap);
    g_test_add_func("/clock-utc/after-unknown", test_after_unknown);
    g_test_add_func("/clock-utc/after-a-liar", test_after_a_liar);
    g_test_add_func("/clock-utc/not-before", test_not_before);
    g_test_add_func("/clock-utc/merge", test_merge);
    g_test_add_func("/clock-utc/merge-unknown", test_merge_unknown);
    g_test_add_func("/clock-utc/tell", test_tell);
    g_test_add_func("/clock-utc/tell-not", test_tell_not);
    g_test_add_func("/clock-utc/spread", test_spread);
    g_test_add_func("/clock-utc/good-for", test_good_for);
    return g_test_run();
}
