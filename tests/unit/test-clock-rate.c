/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests of clock-rate.h: TSCs whose real rate is known, and hosts that know
 * it more or less. The formulas themselves are compared by oracle_rate.py.
 */
#include <clockferry/clock-rate.h>
#include <glib.h>

#include "clock-cases.h"

#define PPM 1000000LL
#define SEC ((uint64_t)CF_NS_PER_SEC)
#define KHZ 2500000u

/* A host's reading after some time, with a real time that is @wrong_ns off. */
static struct cf_moment reading(uint64_t true_ns, int64_t rate_ppt,
                                int64_t wrong_ns, uint64_t error_ns)
{
    const cf_u128 ppt = (cf_u128)((int64_t)CF_PPT + rate_ppt);
    const uint64_t tsc_ns = (uint64_t)(true_ns * ppt / CF_PPT);

    return (struct cf_moment) {
        .instant = {
            .host_ticks = (uint64_t)((cf_u128)tsc_ns * KHZ / 1000000),
            .realtime_ns = (uint64_t)((int64_t)(1800000000 * SEC + true_ns) +
                                      wrong_ns),
            .tai_offset_s = 37,
        },
        .error_ns = error_ns,
    };
}

static int64_t below(uint64_t *r, int64_t limit)
{
    return (int64_t)cases_below(r, (uint64_t)(2 * limit + 1)) - limit;
}

/* However wrong the clocks are within what they say, the rate is within. */
static void test_truth(void)
{
    uint64_t r = 1;
    int i;

    for (i = 0; i < 100000; i++) {
        const int64_t error_ns = (int64_t)(cases_any(&r) >> 34);
        const int64_t rate_ppt = below(&r, 400 * PPM);
        const uint64_t from_ns = cases_any(&r) >> 12;
        const uint64_t took_ns = SEC + (cases_any(&r) >> 12);
        const struct cf_moment then = reading(from_ns, rate_ppt,
                                              below(&r, error_ns),
                                              (uint64_t)error_ns);
        const struct cf_moment now = reading(from_ns + took_ns, rate_ppt,
                                             below(&r, error_ns),
                                             (uint64_t)error_ns);
        const int64_t warmer_ppt = rate_ppt + below(&r, CF_TSC_WARMTH_PPT);
        const int64_t adjustment_ppt = below(&r, 400 * PPM);
        struct cf_host_rate rate;
        struct cf_span span;

        if (!cf_host_rate_measure(&then, &now, KHZ, &span)) {
            g_assert_cmpuint(took_ns, <=, 4 * (uint64_t)error_ns + 2);
            continue;
        }
        g_assert_true(cf_span_holds(&span, rate_ppt));
        rate = cf_host_rate_learn(adjustment_ppt, &span);
        g_assert_true(cf_host_rate_valid(&rate));
        g_assert_cmpint(ABS(rate.ppt - warmer_ppt), <=, rate.doubt_ppt);
        rate = cf_host_rate_learn(adjustment_ppt, NULL);
        g_assert_cmpint(ABS(rate.ppt - rate_ppt), <=, rate.doubt_ppt);
    }
}

/* A day at 20 ms tells 0.5 ppm; what may change since is added. */
static void test_day(void)
{
    const uint64_t day_ns = 86400 * SEC, error_ns = SEC / 50;
    const struct cf_moment then = reading(0, 40 * PPM, 0, error_ns);
    const struct cf_moment now = reading(day_ns, 40 * PPM, 0, error_ns);
    struct cf_host_rate rate;
    struct cf_span span;

    if (!cf_host_rate_measure(&then, &now, KHZ, &span)) {
        g_assert_not_reached();
    }
    rate = cf_host_rate_learn(-40 * PPM, &span);
    g_assert_cmpint(rate.ppt, ==, cf_host_rate_told(-40 * PPM));
    g_assert_cmpint(rate.doubt_ppt, <=, CF_TSC_WARMTH_PPT + PPM / 2);

    /* A kernel that is wrong is corrected to what was measured. */
    rate = cf_host_rate_learn(-80 * PPM, &span);
    g_assert_cmpint(rate.ppt, ==, span.greatest);
    g_assert_cmpint(rate.doubt_ppt, <=, CF_TSC_WARMTH_PPT + PPM);
}

/* The TSC is slow by as much as the kernel makes its clock faster. */
static void test_told(void)
{
    struct cf_host_rate rate = cf_host_rate_learn(50 * PPM, NULL);

    g_assert_cmpint(rate.ppt, >, -50 * PPM);
    g_assert_cmpint(rate.ppt, <, -50 * PPM + PPM / 100);
    /* so that it may still be 500 ppm fast */
    g_assert_cmpint(rate.doubt_ppt, ==, CF_TSC_DOUBT_PPT - rate.ppt);

    /* A daemon at its wits' end: the TSC would be 500.25 ppm fast. */
    rate = cf_host_rate_learn(-CF_TSC_DOUBT_PPT, NULL);
    g_assert_true(cf_host_rate_valid(&rate));
    g_assert_cmpint(cf_host_rate_told(0), ==, 0);
    g_assert_cmpint(cf_host_rate_told(83333 * PPM), ==, 0);
    g_assert_cmpint(cf_host_rate_told(INT64_MIN), ==, 0);
}

/* A clock that was set in between is no measure of a TSC. */
static void test_nonsense(void)
{
    const int64_t steps_ns[] = { -10 * (int64_t)SEC, 10 * (int64_t)SEC };
    const struct cf_moment then = reading(0, 0, 0, 1000);
    struct cf_host_rate rate;
    struct cf_span span;
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(steps_ns); i++) {
        const struct cf_moment now = reading(1000 * SEC, 0, steps_ns[i], 1000);

        if (!cf_host_rate_measure(&then, &now, KHZ, &span)) {
            g_assert_not_reached();
        }
        rate = cf_host_rate_learn(7 * PPM, &span);
        g_assert_cmpint(rate.ppt, ==, cf_host_rate_told(7 * PPM));
        g_assert_cmpint(rate.doubt_ppt, ==, CF_TSC_DOUBT_PPT - rate.ppt);
    }
}

/* What isn't known is 500 ppm, also in a structure of zeros. */
static void test_unknown(void)
{
    const struct cf_host_rate unknown = { 0 };
    uint64_t bound_ns;
    int64_t ns;

    g_assert_true(cf_tsc_time(600 * SEC, 1000, &unknown, &ns, &bound_ns));
    g_assert_cmpint(ns, ==, 600 * SEC);
    g_assert_cmpuint(bound_ns, >=, 3 * SEC / 10 + 1000);
    g_assert_cmpuint(bound_ns, <=, 3 * SEC / 10 + 1003);
    g_assert_true(cf_tsc_time(600 * SEC, UINT64_MAX, &unknown, &ns,
                              &bound_ns));
    g_assert_cmpuint(bound_ns, ==, UINT64_MAX);
}

/* Two readings of one TSC, whose clock is within its error: is it proven? */
static bool went_on(uint64_t from_ns, uint64_t to_ns, uint64_t error_ns,
                    int64_t wrong_ns, uint64_t *ret_bound_ns)
{
    const struct cf_host_rate rate = { 0, 1 };
    const struct cf_moment then = reading(from_ns, 0, 0, error_ns);
    const struct cf_moment now = reading(to_ns, 0, wrong_ns, 0);

    return cf_tsc_went_on(&now, &then, KHZ, &rate, ret_bound_ns);
}

static void test_went_on(void)
{
    uint64_t bound_ns = 7;

    g_assert_true(went_on(9 * SEC, 20 * SEC, SEC, 0, &bound_ns));
    g_assert_cmpuint(bound_ns, >=, SEC);
    g_assert_cmpuint(bound_ns, <, SEC + 10);
    g_assert_true(went_on(9 * SEC, 20 * SEC, SEC, SEC, &bound_ns));
    g_assert_cmpuint(bound_ns, >=, 2 * SEC);

    /* clocks that differ by more than they may; a TSC that is too young, and
     * one that is just old enough; clocks of which nothing is known */
    bound_ns = 7;
    g_assert_false(went_on(9 * SEC, 20 * SEC, SEC, SEC + 100, &bound_ns));
    g_assert_false(went_on(9 * SEC, 20 * SEC, SEC, -(int64_t)SEC - 100,
                           &bound_ns));
    g_assert_false(went_on(SEC, 20 * SEC, SEC, 0, &bound_ns));
    g_assert_false(went_on(9 * SEC, 20 * SEC, UINT64_MAX, 0, &bound_ns));
    g_assert_false(went_on(20 * SEC, 9 * SEC, 20 * SEC, 0, &bound_ns));
    g_assert_cmpuint(bound_ns, ==, 7);
    g_assert_true(went_on(SEC + 100, 20 * SEC, SEC, 0, &bound_ns));
}

/*
 * Machines that were reset at any time in between, whatever their clocks and
 * rates are within what is known of them: none passes for one that ran on. One
 * that did, and is old enough, always passes.
 */
static void test_reset(void)
{
    uint64_t r = 2, bound_ns;
    int i, kept = 0;

    for (i = 0; i < 200000; i++) {
        const int64_t error_ns = (int64_t)(cases_any(&r) >> (20 + i % 30));
        const int64_t doubt_ppt = 1 + (int64_t)cases_below(&r, 500 * PPM);
        const int64_t told_ppt = below(&r, 400 * PPM);
        const int64_t rate_ppt = told_ppt + below(&r, doubt_ppt);
        const struct cf_host_rate rate = { told_ppt, doubt_ppt };
        const uint64_t age_ns = cases_any(&r) >> (12 + i % 40);
        const uint64_t took_ns = cases_any(&r) >> (12 + i % 37);
        const struct cf_moment then = reading(age_ns, rate_ppt,
                                              below(&r, error_ns),
                                              (uint64_t)error_ns);
        struct cf_moment now = reading(age_ns + took_ns, rate_ppt,
                                       below(&r, error_ns),
                                       (uint64_t)error_ns);
        const uint64_t doubt_ns = 4 * (uint64_t)error_ns + took_ns / 400 + 99;

        if (cf_tsc_went_on(&now, &then, KHZ, &rate, &bound_ns)) {
            kept++;
            g_assert_cmpuint(bound_ns, >=, 2 * (uint64_t)error_ns);
        } else {
            g_assert_cmpuint(age_ns, <=, doubt_ns);
        }
        now.instant.host_ticks =
            reading(cases_below(&r, took_ns + 1), rate_ppt, 0,
                    0).instant.host_ticks;
        g_assert_false(cf_tsc_went_on(&now, &then, KHZ, &rate, &bound_ns));
    }
    g_assert_cmpint(kept, >, 50000);
}

static void test_kernel(void)
{
    g_assert_cmpuint(cf_clock_error_ns(20, -3, true), ==, 20003);
    g_assert_cmpuint(cf_clock_error_ns(20, 3, false), ==, 23000);
    g_assert_cmpuint(cf_clock_error_ns(-1, 0, false), ==, 0);
    g_assert_cmpint(cf_clock_adjustment_ppt(0, 10000, 100), ==, 0);
    g_assert_cmpint(cf_clock_adjustment_ppt(-65536, 10001, 100), ==, 99 * PPM);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/clock-rate/kernel", test_kernel);
    g_test_add_func("/clock-rate/truth", test_truth);
    g_test_add_func("/clock-rate/day", test_day);
    g_test_add_func("/clock-rate/told", test_told);
    g_test_add_func("/clock-rate/nonsense", test_nonsense);
    g_test_add_func("/clock-rate/unknown", test_unknown);
    g_test_add_func("/clock-rate/went-on", test_went_on);
    g_test_add_func("/clock-rate/reset", test_reset);
    return g_test_run();
}
