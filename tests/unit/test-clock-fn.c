/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests of clock-fn.h and clock-meant.h: what is decided about kvmclock, case by
 * case. oracle.py checks the values of random cases.
 */
#include <glib.h>
#include <clockferry/clock-meant.h>

#include "clock-cases.h"
#include "two-hosts.h"

static struct cf_clock_fn line(uint64_t tsc_ticks, uint64_t system_ns)
{
    struct cf_clock_fn fn = { .tsc_ticks = tsc_ticks, .system_ns = system_ns };

    g_assert_true(cf_clock_fn_set_hz(&fn, KHZ * 1000ULL));
    return fn;
}

/* Plainly an hour of kvmclock at the source's anchor */
static struct cf_anchor hour(void)
{
    return (struct cf_anchor) {
        .instant = other_host().then, .clock_ns = 3600 * CF_NS_PER_SEC,
        .flags = CF_KVM_CLOCK_EXACT,
    };
}

static void test_build(void)
{
    struct cf_tsc boot = tsc(7, 0);
    struct cf_anchor anchor = hour();
    struct cf_clock_fn fn = { 0 };

    g_assert_true(cf_fn_build(&boot, &anchor, &fn));
    g_assert_cmpuint(fn.tsc_ticks, ==, 100 * SECOND_TICKS + 7);
    g_assert_cmpuint(fn.system_ns, ==, anchor.clock_ns);
    boot.freq = faster;
    g_assert_false(cf_fn_build(&boot, &anchor, &fn));
    boot = tsc(7, 0);
    anchor.clock_ns = 1ULL << 63;
    g_assert_false(cf_fn_build(&boot, &anchor, &fn));
    boot.known = false;
    g_assert_false(cf_fn_build(&boot, &anchor, &fn));
}

static const char *fault(const struct cf_anchor *anchor,
                         const struct cf_clock_fn *fn,
                         const struct cf_tsc *boot)
{
    return cf_clocks_fault(anchor, KHZ, fn, boot);
}

static void test_fn_fault(void)
{
    const uint64_t limit_ns = CF_NS_PER_SEC + CF_NS_PER_SEC / 1000;
    struct cf_tsc boot = tsc(0, 0);
    struct cf_anchor anchor = hour();
    struct cf_clock_fn fn = line(99 * SECOND_TICKS, 3599 * CF_NS_PER_SEC);

    /* within two roundings */
    anchor.clock_ns += limit_ns - 2;
    g_assert_null(fault(&anchor, &fn, &boot));
    anchor.clock_ns += 4;
    g_assert_nonnull(fault(&anchor, &fn, &boot));
    g_assert_null(fault(&anchor, NULL, &boot));
    boot.known = false;
    g_assert_null(fault(&anchor, &fn, &boot));

    /* a slope of 1 per mille, and more */
    g_assert_true(cf_clock_fn_set_hz(&fn, KHZ * 1001ULL));
    g_assert_null(fault(&anchor, &fn, &boot));
    g_assert_true(cf_clock_fn_set_hz(&fn, KHZ * 1001ULL + 2));
    g_assert_nonnull(fault(&anchor, &fn, &boot));
    boot.freq.ratio = 0;
    g_assert_null(fault(&anchor, &fn, &boot));

    boot = tsc(0, 0);
    anchor = hour();
    fn = line(101 * SECOND_TICKS, 3599 * CF_NS_PER_SEC);
    g_assert_nonnull(fault(&anchor, &fn, &boot));
    fn.mul = 0;
    boot = (struct cf_tsc) { 0 };
    g_assert_nonnull(fault(&anchor, &fn, &boot));
}

static void anchor_fails(struct cf_anchor anchor)
{
    const struct cf_tsc boot = tsc(0, 0);

    g_assert_nonnull(fault(&anchor, NULL, &boot));
}

static void test_anchor_fault(void)
{
    const struct cf_tsc boot = tsc(0, 0);
    struct cf_anchor anchor = hour(), wrong = hour();

    g_assert_nonnull(cf_clocks_fault(&anchor, 0, NULL, &boot));
    anchor.slack_ns = CF_SLACK_MAX_NS;
    anchor.clock_ns = INT64_MAX;
    anchor.instant = (struct cf_instant) { 0, INT64_MAX, -1000 };
    g_assert_null(fault(&anchor, NULL, &boot));
    anchor.instant = (struct cf_instant) { UINT64_MAX, 1, 1000 };
    g_assert_null(fault(&anchor, NULL, &boot));

    wrong.slack_ns = CF_SLACK_MAX_NS + 1;
    anchor_fails(wrong);
    wrong = hour();
    wrong.clock_ns = 1ULL << 63;
    anchor_fails(wrong);
    wrong = hour();
    wrong.instant.realtime_ns = 0;
    anchor_fails(wrong);
    wrong.instant.realtime_ns = 1ULL << 63;
    anchor_fails(wrong);
    wrong = hour();
    wrong.instant.tai_offset_s = 1001;
    anchor_fails(wrong);
}

static struct cf_target target_meant(enum cf_tsc_outcome outcome,
                                     const struct cf_clock_fn *fn,
                                     const int64_t *ahead_ns,
                                     uint64_t slack_ns)
{
    const struct cf_tsc src = tsc(7, 0);
    struct cf_target target = {
        .boot = tsc(7 - 1000 * SECOND_TICKS, 0), .host_khz = KHZ,
    };
    struct cf_anchor anchor = hour();
    struct cf_move move = other_host();

    anchor.slack_ns = slack_ns;
    g_assert_true(cf_move_plan(&move, NULL, false, INT64_MAX));
    g_assert_true(cf_target_plan(&move, fn, ahead_ns, &anchor, &src, outcome,
                                 &target));
    return target;
}

static struct cf_target target_after(enum cf_tsc_outcome outcome,
                                     const struct cf_clock_fn *fn,
                                     uint64_t slack_ns)
{
    return target_meant(outcome, fn, NULL, slack_ns);
}

static int64_t now_ns(const struct cf_target *target)
{
    int64_t ns = 0;

    g_assert_true(cf_target_ns(target, other_host().now.host_ticks, &ns));
    return ns;
}

static void test_target(void)
{
    /* as the guest has it: 5 us more than KVM says */
    const struct cf_clock_fn fn = line(99 * SECOND_TICKS + 7,
                                       3599 * CF_NS_PER_SEC + 5000);
    const struct cf_clock_fn built = line(100 * SECOND_TICKS + 7,
                                          3600 * CF_NS_PER_SEC);
    struct cf_target target = target_after(CF_TSC_COMPUTED, &fn, 99);

    g_assert_true(target.carried);
    g_assert_cmpuint(target.fn.tsc_ticks, ==, fn.tsc_ticks);
    g_assert_cmpuint(target.slack_ns, ==, 0);
    target = target_after(CF_TSC_UNVERIFIED, &built, 99);
    g_assert_true(target.carried);
    g_assert_cmpuint(target.slack_ns, ==, 99);

    /* the TSC didn't arrive: by time, from the guest's own clock on; one
     * second of its slope is rounded down */
    target = target_after(CF_TSC_NOT_SET, &fn, 99);
    g_assert_false(target.carried);
    g_assert_cmpuint(target.slack_ns, ==, 0);
    g_assert_cmpint(now_ns(&target), ==, 3610 * SECOND + 5000 - 1);
    /* or from KVM's */
    target = target_after(CF_TSC_COMPUTED, NULL, 99);
    g_assert_false(target.carried);
    g_assert_cmpint(now_ns(&target), ==, 3610 * SECOND);
}

/* What was meant counts, and how far the guest's clock was from it, rounded. */
static void test_target_meant(void)
{
    const struct cf_clock_fn fn = line(99 * SECOND_TICKS + 7,
                                       3599 * CF_NS_PER_SEC + 5000);
    const int64_t ahead_ns[] = { -3, 0, 4 };
    struct cf_target target;
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(ahead_ns); i++) {
        target = target_meant(CF_TSC_COMPUTED, &fn, &ahead_ns[i], 99);
        g_assert_true(target.carried);
        g_assert_cmpuint(target.fn.system_ns, ==, fn.system_ns);
        g_assert_cmpuint(target.slack_ns, ==,
                         cf_magnitude(ahead_ns[i]) + CF_ROUNDING_NS);
        target = target_meant(CF_TSC_NOT_SET, &fn, &ahead_ns[i], 99);
        g_assert_cmpuint(target.slack_ns, ==, 0);
    }
}

static int64_t clock_at(const struct cf_clock_fn *fn, uint64_t ticks)
{
    int64_t ns = 0;

    g_assert_true(cf_clock_fn_eval(fn, ticks, &ns));
    return ns;
}

/* A clock that was set to @meant at some time and is a little off it */
static struct cf_clock_fn nearly(uint64_t *r, const struct cf_clock_fn *meant)
{
    struct cf_clock_fn fn = *meant;

    fn.tsc_ticks += cases_below(r, SECOND_TICKS);
    fn.system_ns = (uint64_t)clock_at(meant, fn.tsc_ticks) + cases_near(r);
    return fn;
}

/* What was read at one time holds at another one but for roundings: how much
 * more does the guest see than was read when it left and when it arrived? */
static uint64_t unread_ns(uint64_t *r)
{
    struct cf_clock_fn meant = { SECOND_TICKS, CF_NS_PER_SEC, 0, 0 }, was, is;
    uint64_t left_ticks, arrived_ticks, seen_ticks, read_ns, seen_ns;

    g_assert_true(cf_clock_fn_set_hz(&meant, 1000 *
                                     (1000000 + cases_below(r, 7000000))));
    was = nearly(r, &meant);
    is = nearly(r, &meant);
    left_ticks = 2 * SECOND_TICKS + cases_below(r, SECOND_TICKS);
    arrived_ticks = left_ticks + cases_below(r, SECOND_TICKS);
    seen_ticks = arrived_ticks + cases_below(r, SECOND_TICKS);
    read_ns = cf_magnitude(clock_at(&was, left_ticks) -
                           clock_at(&meant, left_ticks)) +
              cf_magnitude(clock_at(&is, arrived_ticks) -
                           clock_at(&meant, arrived_ticks));
    seen_ns = cf_magnitude(clock_at(&is, seen_ticks) -
                           clock_at(&was, seen_ticks));
    return seen_ns > read_ns ? seen_ns - read_ns : 0;
}

/* One rounding for each of the two readings: no less, and no more. */
static void test_meant_bound(void)
{
    uint64_t r = cases_seed(), most_ns = 0, ns;
    int i;

    g_test_message("CLOCKFERRY_SEED=%" G_GUINT64_FORMAT, r);
    for (i = 0; i < 1000000; i++) {
        ns = unread_ns(&r);
        most_ns = MAX(most_ns, ns);
    }
    g_assert_cmpuint(most_ns, >, CF_ROUNDING_NS);
    g_assert_cmpuint(most_ns, <=, 2 * CF_ROUNDING_NS);
}

/* Where the new slope begins nothing is lost but what can't be told: half the
 * step of its slope, if that has factors of 2. */
static void check_bent(const struct cf_clock_fn *fn,
                       const struct cf_clock_fn *slope, uint64_t ticks)
{
    const int twos = __builtin_ctz(slope->mul) + MAX(slope->shift, 0);
    struct cf_clock_fn bent = { 0 };

    g_assert_true(cf_fn_bend(fn, slope, ticks, &bent));
    g_assert_cmpuint(bent.mul, ==, slope->mul);
    g_assert_cmpint(bent.shift, ==, slope->shift);
    g_assert_cmpuint(bent.tsc_ticks, <=, ticks);
    g_assert_cmpuint(cf_magnitude((int64_t)(cases_exactly(&bent, ticks) -
                                            cases_exactly(fn, ticks))),
                     <=, 1ULL << MIN(twos, 32) >> 1);
}

static void test_bend(void)
{
    const uint64_t day_ticks = 86400ULL * SECOND_TICKS;
    uint64_t r = cases_seed();
    int i;

    g_test_message("CLOCKFERRY_SEED=%" G_GUINT64_FORMAT, r);
    for (i = 0; i < 100000; i++) {
        const uint64_t khz = 100000 + cases_below(&r, 7900000);
        struct cf_clock_fn fn = { cases_below(&r, day_ticks),
                                  100 * CF_NS_PER_SEC, 0, 0 };
        const uint64_t ticks = fn.tsc_ticks + day_ticks +
                               cases_below(&r, day_ticks);
        struct cf_clock_fn slope = fn;

        g_assert_true(cf_clock_fn_set_hz(&fn, khz * 1000));
        g_assert_true(cf_clock_fn_set_hz(&slope, (khz + 1) * 1000));
        check_bent(&fn, &slope, ticks);
        /* of some slopes no part of a nanosecond can be told */
        slope.mul = 1U << cases_below(&r, 32);
        check_bent(&fn, &slope, ticks);
    }
}

/* It hasn't run for as long as the part takes: half a nanosecond can be lost. */
static void test_bend_young(void)
{
    const struct cf_clock_fn fn = { 100, 7, 1U << 31, 0 };
    const struct cf_clock_fn slope = { 0, 0, 3, 0 };
    struct cf_clock_fn bent = { 0 };

    g_assert_true(cf_fn_bend(&fn, &slope, 105, &bent));
    g_assert_cmpuint(bent.tsc_ticks, ==, 105);
    g_assert_cmpuint(bent.system_ns, ==, 7 + 3);
}

static void test_bend_fails(void)
{
    struct cf_clock_fn fn = { 100, 7, 1U << 31, 0 }, slope = { 0, 0, 1, 1 };
    struct cf_clock_fn bent = { 1, 2, 3, 4 };

    g_assert_false(cf_fn_bend(&fn, &slope, 99, &bent));
    fn.mul = 0;
    g_assert_false(cf_fn_bend(&fn, &slope, 200, &bent));
    fn.mul = 1U << 31;
    fn.system_ns = INT64_MAX;
    g_assert_false(cf_fn_bend(&fn, &slope, 200, &bent));
    fn.system_ns = 7;
    slope.mul = 0;
    g_assert_false(cf_fn_bend(&fn, &slope, 200, &bent));
    g_assert_cmpuint(bent.tsc_ticks, ==, 1);
}

static void test_target_fails(void)
{
    struct cf_move move = other_host();
    const struct cf_tsc src = tsc(7, 0);
    struct cf_anchor anchor = hour();
    struct cf_target target = { .boot = tsc(0, 0), .host_khz = KHZ };

    g_assert_true(cf_move_plan(&move, NULL, false, INT64_MAX));
    anchor.clock_ns = INT64_MAX - 9 * CF_NS_PER_SEC;
    g_assert_false(cf_target_plan(&move, NULL, NULL, &anchor, &src,
                                  CF_TSC_COMPUTED, &target));
    anchor = hour();
    target.boot.known = false;
    g_assert_false(cf_target_plan(&move, NULL, NULL, &anchor, &src,
                                  CF_TSC_COMPUTED, &target));
}

/* A record of the future has nothing to be caught up with. */
static void test_no_catch_up(void)
{
    const struct cf_tsc boot = { .known = true, .freq = { 1000000, 0, 1 } };
    const struct cf_anchor anchor = { .clock_ns = 3600 * CF_NS_PER_SEC };
    const struct cf_record record = {
        .tsc_timestamp = CF_NS_PER_SEC, .system_time = anchor.clock_ns + 1,
    };

    g_assert_cmpuint(cf_catch_up_ticks(&record, &boot, &anchor), ==, 0);
}

static void test_catch_up(void)
{
    /* The TSC was put back by 2 s of kvmclock to where the record was made. */
    const struct cf_tsc boot = tsc(7 - 2 * SECOND_TICKS, 0);
    const struct cf_anchor anchor = hour();
    struct cf_record record = {
        .tsc_timestamp = 98 * SECOND_TICKS + 7,
        .system_time = 3598 * CF_NS_PER_SEC,
    };

    g_assert_cmpuint(cf_catch_up_ticks(&record, &boot, &anchor), ==,
                     2 * SECOND_TICKS);
    record.version = 1;
    g_assert_cmpuint(cf_catch_up_ticks(&record, &boot, &anchor), ==, 0);
    record.version = 2;
    /* 10 s are a long stop; more are a lie, and so is less than nothing */
    record.tsc_timestamp += 8 * SECOND_TICKS;
    g_assert_cmpuint(cf_catch_up_ticks(&record, &boot, &anchor), ==,
                     10 * SECOND_TICKS);
    record.tsc_timestamp++;
    g_assert_cmpuint(cf_catch_up_ticks(&record, &boot, &anchor), ==, 0);
    record.tsc_timestamp = 96 * SECOND_TICKS + 6;
    g_assert_cmpuint(cf_catch_up_ticks(&record, &boot, &anchor), ==, 0);
}

static void test_rungs(void)
{
    const struct cf_tsc_freq near = { KHZ + 1, 0, 1 }, far = { KHZ + 2, 0, 1 };

    g_assert_cmpint(cf_best_rung(true, false), ==, CF_RUNG_EXACT);
    g_assert_cmpint(cf_best_rung(false, true), ==, CF_RUNG_CLOSED_LOOP);
    g_assert_cmpint(cf_best_rung(false, false), ==, CF_RUNG_PLAIN);
    g_assert_cmpint(cf_expected_rung(CF_RUNG_EXACT, &near, &plain), ==,
                    CF_RUNG_EXACT);
    g_assert_cmpint(cf_expected_rung(CF_RUNG_EXACT, &far, &plain), ==,
                    CF_RUNG_REANCHORED);
    g_assert_cmpint(cf_expected_rung(CF_RUNG_EXACT, &plain, &far), ==,
                    CF_RUNG_REANCHORED);
    g_assert_cmpint(cf_expected_rung(CF_RUNG_PLAIN, &far, &plain), ==,
                    CF_RUNG_PLAIN);
}

static uint64_t bound(enum cf_rung rung, int64_t rate_error_ppt, bool pending,
                      uint64_t first_run_ns)
{
    const struct cf_result result = {
        .rung = rung, .residual_known = true, .residual_ns = -2,
        .carried = true, .pending = pending, .rate_known = true,
        .rate_error_ppt = rate_error_ppt,
    };
    uint64_t ns = 0;

    g_assert_true(cf_bound_ns(&result, first_run_ns, &ns));
    return ns;
}

static void test_bound(void)
{
    g_assert_cmpuint(bound(CF_RUNG_EXACT, 0, false, 50000000), ==, 4);
    g_assert_cmpuint(bound(CF_RUNG_EXACT, 800000, true, 50000000), ==, 4);
    g_assert_cmpuint(bound(CF_RUNG_CLOSED_LOOP, 1000, false, 50000000), ==, 4);
    g_assert_cmpuint(bound(CF_RUNG_CLOSED_LOOP, 0, true, 50000000), ==, 55);
    g_assert_cmpuint(bound(CF_RUNG_CLOSED_LOOP, 0, true, 0), ==, 5);
    g_assert_cmpuint(bound(CF_RUNG_CLOSED_LOOP, -800000, false, 50000000), ==,
                     45);
    g_assert_cmpuint(bound(CF_RUNG_PLAIN, 800000, true, 50000000), ==, 95);
}

/* The TSC is the same, but the kernel takes it for another: on any rung. */
static void test_kexec_bound(void)
{
    struct cf_result result = {
        .rung = CF_RUNG_REANCHORED, .residual_known = true,
        .residual_ns = 1, .carried = true, .rate_known = true,
        .kexec_ppt = -1200000,
    };
    uint64_t ns = 0;

    g_assert_true(cf_bound_ns(&result, 50000000, &ns));
    g_assert_cmpuint(ns, ==, 1 + 2 + 60 + 1);
    /* a record from before tells nothing of when the guest ran */
    g_assert_true(cf_bound_ns(&result, 0, &ns));
    g_assert_cmpuint(ns, ==, 1 + 2 + 60 + 1);
    g_assert_true(cf_bound_ns(&result, 100000000, &ns));
    g_assert_cmpuint(ns, ==, 1 + 2 + 120 + 1);
    result.rung = CF_RUNG_CLOSED_LOOP;
    result.pending = true;
    g_assert_true(cf_bound_ns(&result, 50000000, &ns));
    g_assert_cmpuint(ns, ==, 1 + 2 + 110 + 1);
}

static void test_first_run(void)
{
    struct cf_record record = { .tsc_timestamp = 2 * KHZ };

    g_assert_cmpuint(cf_first_run_ns(&record, KHZ, KHZ), ==, 1000000);
    g_assert_cmpuint(cf_first_run_ns(&record, 2 * KHZ, KHZ), ==, 0);
    g_assert_cmpuint(cf_first_run_ns(NULL, KHZ, KHZ), ==, CF_FIRST_RUN_NS);
    g_assert_cmpuint(cf_first_run_ns(&record, 2 * KHZ + 1, KHZ), ==,
                     CF_FIRST_RUN_NS);
    g_assert_cmpuint(cf_first_run_ns(&record, KHZ, 0), ==, CF_FIRST_RUN_NS);
    record.version = 1;
    g_assert_cmpuint(cf_first_run_ns(&record, KHZ, KHZ), ==, CF_FIRST_RUN_NS);
}

/* In parts: the narrowest counts, and the clock is that of its middle */
static void test_anchor(void)
{
    const struct cf_instant before = { 5 * KHZ, 1000000000, 37 };
    struct cf_anchor best = { .slack_ns = UINT64_MAX };

    cf_anchor_keep(&best, &before, 77, 15 * KHZ, KHZ);
    g_assert_cmpuint(best.instant.host_ticks, ==, 10 * KHZ);
    g_assert_cmpuint(best.instant.realtime_ns, ==, 1005000000);
    g_assert_cmpint(best.instant.tai_offset_s, ==, 37);
    g_assert_cmpuint(best.slack_ns, ==, 5000001);
    cf_anchor_keep(&best, &before, 78, 15 * KHZ + 9, KHZ);
    g_assert_cmpuint(best.clock_ns, ==, 77);
    cf_anchor_keep(&best, &before, 79, 7 * KHZ, KHZ);
    g_assert_cmpuint(best.clock_ns, ==, 79);
    g_assert_cmpuint(best.slack_ns, ==, 1000001);
    g_assert_false(cf_anchor_is_exact(&best));
    best.flags = CF_KVM_CLOCK_EXACT | 1;
    g_assert_true(cf_anchor_is_exact(&best));

    g_assert_cmpuint(cf_anchor_error_ns(&best, 7), ==, 2000009);
    g_assert_cmpuint(cf_anchor_error_ns(&best, UINT64_MAX), ==, UINT64_MAX);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/clock-fn/build", test_build);
    g_test_add_func("/clock-fn/fn-fault", test_fn_fault);
    g_test_add_func("/clock-fn/anchor-fault", test_anchor_fault);
    g_test_add_func("/clock-fn/target", test_target);
    g_test_add_func("/clock-fn/target-meant", test_target_meant);
    g_test_add_func("/clock-fn/meant-bound", test_meant_bound);
    g_test_add_func("/clock-fn/target-fails", test_target_fails);
    g_test_add_func("/clock-fn/catch-up", test_catch_up);
    g_test_add_func("/clock-fn/no-catch-up", test_no_catch_up);
    g_test_add_func("/clock-fn/bend", test_bend);
    g_test_add_func("/clock-fn/bend-young", test_bend_young);
    g_test_add_func("/clock-fn/bend-fails", test_bend_fails);
    g_test_add_func("/clock-fn/rungs", test_rungs);
    g_test_add_func("/clock-fn/bound", test_bound);
    g_test_add_func("/clock-fn/kexec-bound", test_kexec_bound);
    g_test_add_func("/clock-fn/first-run", test_first_run);
    g_test_add_func("/clock-fn/anchor", test_anchor);
    return g_test_run();
}
