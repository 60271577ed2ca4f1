/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests of clock-causal.h: migrations over simulated channels, whose truth is
 * known to the tick, and the merge with the hosts' clocks, case by case.
 * oracle.py checks the limits against exact ones.
 *
 * CLOCKFERRY_CHANNELS=1000000 simulates so many; CLOCKFERRY_SEED=N the same.
 */
#include <glib.h>
#include <clockferry/clock-causal.h>

#include "sim-channel.h"

static Way way_new(uint64_t *r)
{
    static const int64_t lengths[] = {
        0, 5 * US, 50 * US, 200 * US, 2 * MS, 40 * MS,
    };
    static const int64_t extras[] = {
        0, 0, 0, 20 * US, MS, 20 * MS, 2 * S,
    };

    return (Way) {
        .least_ns = PICK(r, lengths), .jitter_ns = PICK(r, extras),
        .burst_ns = PICK(r, extras), .moved_ns = PICK(r, lengths),
        .moves_ns = (int64_t)cases_below(r, 60 * (uint64_t)S),
    };
}

static struct cf_channel channel_of(const Migration *m,
                                    const struct cf_exchange *exchanges,
                                    uint32_t n)
{
    return (struct cf_channel) {
        .exchanges = exchanges, .n = n, .src_khz = m->src.khz,
        .dst_khz = m->dst.khz,
        .doubt_ppt = m->ideal ? 0 : CF_RATE_DOUBT_PPT,
        .wander_ppt = m->ideal ? 0 : CF_RATE_WANDER_PPT,
    };
}

/* -- The truth is within the limits -- */

static Migration migration_new(uint64_t *r)
{
    static const int64_t aparts[] = { 0, MS, 200 * MS, 2 * S };
    static const uint64_t busy[] = { 0, 20000 };
    const bool ideal = !cases_below(r, 4);
    /* two hosts' together, and the change adds to it */
    const int64_t wander_ppt = ideal ? 0 : CF_RATE_WANDER_PPT / 2 - 1;
    const int64_t doubt_ppt = ideal ? 0 : CF_RATE_DOUBT_PPT / 2 - 1000000;
    Migration m = {
        .ideal = ideal,
        .src = host_new(r, doubt_ppt, wander_ppt),
        .there = way_new(r), .lost = (uint32_t)cases_below(r, 8),
        .n = 1 + (uint32_t)cases_below(r, CF_EXCHANGES_MAX),
        .apart_ns = PICK(r, aparts), .busy_ns = PICK(r, busy),
    };

    m.dst = host_new(r, doubt_ppt, wander_ppt);
    m.back = cases_below(r, 2) ? m.there : way_new(r);
    m.stop_ns = (m.n + 1) * (m.apart_ns + MS) +
                (int64_t)cases_below(r, (uint64_t)S);
    m.now_ns = m.stop_ns + 5 * S + (int64_t)cases_below(r, 100 * (uint64_t)S);
    return m;
}

/* A host's rate beside its kHz, before it turns */
static double host_ppm(const Host *host)
{
    return ((double)host->rate_mhz / host->khz / 1e6 - 1) * 1e6;
}

static bool rates_are_usual(const Migration *m)
{
    return ABS(host_ppm(&m->src) - host_ppm(&m->dst)) <
           (CF_RATE_USUAL_PPT - 3 * CF_RATE_WANDER_PPT) / 1e6;
}

static void check_truth(uint64_t seed)
{
    uint64_t r = seed;
    const Migration m = migration_new(&r);
    struct cf_exchange exchanges[CF_EXCHANGES_MAX];
    const uint32_t n = simulate(&m, &r, exchanges);
    const struct cf_channel channel = channel_of(&m, exchanges, n);
    const uint64_t stop_ticks = host_ticks(&m.src, m.stop_ns);
    const int64_t truth = (int64_t)(host_ticks(&m.src, m.now_ns) - stop_ticks);
    struct cf_channel_says says = { 0 };

    if (!cf_channel_evaluate(&channel, stop_ticks,
                             host_ticks(&m.dst, m.now_ns), &says) ||
        !cf_span_holds(&says.passed_ticks, truth)) {
        g_error("CLOCKFERRY_SEED=%" PRIu64 " CLOCKFERRY_CHANNELS=1: %" PRId64
                " ticks passed, not %" PRId64 " to %" PRId64, seed, truth,
                says.passed_ticks.least, says.passed_ticks.greatest);
    }
    g_assert_true(cf_span_holds(&says.passed_ticks, says.passed_ticks.best));
    g_assert_true(cf_span_holds(&says.passed_ticks, says.usual_ticks.least));
    g_assert_true(cf_span_holds(&says.passed_ticks,
                                says.usual_ticks.greatest));
    g_assert_true(!rates_are_usual(&m) ||
                  cf_span_holds(&says.usual_ticks, truth));
    g_assert_true(cf_span_holds(&says.rate_ppt, says.rate_ppt.best));
}

static void test_truth(void)
{
    const char *wanted = g_getenv("CLOCKFERRY_CHANNELS");
    const uint64_t n = wanted ? g_ascii_strtoull(wanted, NULL, 0) : 20000;
    const uint64_t seed = cases_seed();
    uint64_t i;

    g_test_message("CLOCKFERRY_SEED=%" PRIu64, seed);
    for (i = 0; i < n; i++) {
        check_truth(seed + i);
    }
}

/* -- The limits are narrow -- */

/* An idle channel between two hosts 100 ppm apart; nothing is random. */
static Migration quiet(int64_t there_ns, int64_t back_ns)
{
    const Migration m = {
        .src = { 2500000, 1000000, 2500000000000, 0, 0 },
        .dst = { 3000000, 5000000000, 3000300000000, 0, 0 },
        .there = { .least_ns = there_ns, .moved_ns = there_ns },
        .back = { .least_ns = back_ns, .moved_ns = back_ns },
        .busy_ns = 20000, .n = 20, .apart_ns = 200 * MS, .stop_ns = 4200 * MS,
        .now_ns = 4210 * MS,
    };

    return m;
}

static struct cf_channel_says says_of(const Migration *m)
{
    struct cf_exchange exchanges[CF_EXCHANGES_MAX];
    uint64_t r = 1;
    const uint32_t n = simulate(m, &r, exchanges);
    const struct cf_channel channel = channel_of(m, exchanges, n);
    struct cf_channel_says says;

    g_assert_true(cf_channel_evaluate(&channel,
                                      host_ticks(&m->src, m->stop_ns),
                                      host_ticks(&m->dst, m->now_ns), &says));
    return says;
}

static struct cf_span quiet_ns(int64_t there_ns, int64_t back_ns)
{
    const Migration m = quiet(there_ns, back_ns);
    const struct cf_channel_says says = says_of(&m);
    struct cf_span ns;

    g_assert_true(cf_span_ticks_to_ns(&says.passed_ticks, m.src.khz, &ns));
    return ns;
}

/* 10 ms passed; the answers come 0 to 20 us after the message */
static void test_narrow(void)
{
    const struct cf_span even = quiet_ns(50 * US, 50 * US);
    const struct cf_span slow = quiet_ns(20 * MS, 50 * US);

    g_assert_cmpint(even.greatest - even.least, <=, 135 * US);
    g_assert_cmpint(ABS(even.best - 10 * MS), <=, 15 * US);
    /*
     * A way there that takes long says little of one side, and nothing of the
     * rate, whose doubt of 1000 ppm is 0.4 ms since the last answer.
     */
    g_assert_cmpint(slow.greatest - 10 * MS, <=, 500 * US);
    g_assert_cmpint(10 * MS - slow.least, <=, 20500 * US);
    g_assert_cmpint(10 * MS - slow.least, >=, 19900 * US);
}

static void test_rate(void)
{
    const Migration m = quiet(50 * US, 50 * US);
    const struct cf_channel_says says = says_of(&m);

    /* 120 us in 3.8 s are 32 ppm, and the change of both is 0.2. */
    g_assert_cmpint(says.rate_ppt.least, <=, -99990000);
    g_assert_cmpint(says.rate_ppt.greatest, >=, -99990000);
    g_assert_cmpint(says.rate_ppt.greatest - says.rate_ppt.least, <=,
                    65000000);
    g_assert_cmpuint(says.round_trip_ticks, <=, 120 * 2500);
    g_assert_cmpuint(says.round_trip_ticks, >=, 100 * 2500);
}

/* What waits there, behind RAM, comes back at once, and the other way round */
static void test_each_way(void)
{
    static const struct cf_exchange each[] = {
        { 1000000, 1100000, 9000000, true },
        { 51000000, 58900000, 59000000, true },
    };
    const struct cf_channel channel = {
        each, 2, 1000000, 1000000, CF_RATE_DOUBT_PPT, CF_RATE_WANDER_PPT,
    };
    struct cf_channel_says says;

    /* Both took 8 ms, and the middle of each is 3.9 ms off. */
    g_assert_true(cf_channel_evaluate(&channel, 60000000, 160000000, &says));
    g_assert_cmpint(says.round_trip_ticks, ==, 8000000);
    g_assert_cmpint(says.rate_ppt.best, ==, 0);
    g_assert_cmpuint(cf_magnitude(says.passed_ticks.best - 100000000), <=, 1);
}

/* Rates that are seldom so far off don't make a guess; proven ones do. */
static void test_usual(void)
{
    Migration m = quiet(50 * US, 50 * US);
    struct cf_channel_says says;
    int64_t width;

    /* 2 s after two messages, 120 us each; 200 ppm of that to either side */
    m.n = 2;
    m.stop_ns = 400 * MS;
    m.now_ns = 2250 * MS;
    says = says_of(&m);
    width = says.usual_ticks.greatest - says.usual_ticks.least;
    g_assert_cmpint(width, >=, 2500 * 2 * 2 * 200);
    g_assert_cmpint(width, <=, 2500 * (2 * 2 * 210 + 120));
    g_assert_cmpint(says.passed_ticks.greatest - says.passed_ticks.least, >=,
                    2500 * 2 * 600);
    /* 400 ppm apart */
    m.dst.rate_mhz = 3001200000000;
    m.n = 20;
    m.stop_ns = 4200 * MS;
    m.now_ns = 6200 * MS;
    says = says_of(&m);
    g_assert_cmpint(says.usual_ticks.least, ==, says.passed_ticks.least);
    g_assert_cmpint(says.usual_ticks.greatest, ==, says.passed_ticks.greatest);
}

/* -- What proves nothing -- */

static const struct cf_exchange steady[] = {
    { 1000000, 500000, 1100000, true },
    { 3501000000, 3500500000, 3501100000, true },
};

static bool says_something(const struct cf_channel *channel,
                           uint64_t dst_ticks)
{
    struct cf_channel_says says;

    return cf_channel_evaluate(channel, 4000000000, dst_ticks, &says);
}

static void test_nothing(void)
{
    struct cf_exchange own[2] = { steady[0], steady[1] };
    const struct cf_channel all = {
        own, 2, 2500000, 2500000, CF_RATE_DOUBT_PPT, CF_RATE_WANDER_PPT,
    };
    struct cf_channel channel = all;

    g_assert_true(says_something(&all, 5000000000));
    g_assert_false(says_something(&all, 400000));
    channel.n = 0;
    g_assert_false(says_something(&channel, 5000000000));
    channel.n = CF_EXCHANGES_MAX + 1;
    g_assert_false(says_something(&channel, 5000000000));
    channel = all;
    channel.dst_khz = 0;
    g_assert_false(says_something(&channel, 5000000000));
    channel = all;
    channel.doubt_ppt = -1;
    g_assert_false(says_something(&channel, 5000000000));
    own[0].answered = own[1].answered = false;
    g_assert_false(says_something(&all, 5000000000));
    /* A TSC that was set back by a second in between */
    own[0] = steady[0];
    own[1] = steady[1];
    own[1].arrived_ticks -= 2500000000;
    g_assert_false(says_something(&all, 5000000000));
    /* 4 ms, within a tick of the other; so long ago that rates explain it */
    own[1] = (struct cf_exchange) { 11000000, 500001, 11100000, true };
    own[0] = (struct cf_exchange) { 21000000, 500000, 21100000, true };
    g_assert_false(says_something(&all, 10000000000));
    own[0] = steady[0];
    /* An answer before its message */
    own[1] = steady[1];
    own[1].back_ticks = own[1].sent_ticks - 1;
    g_assert_false(says_something(&all, 5000000000));
}

/* -- The hosts' clocks in that light -- */

static void check_merge(int64_t clocks_ns, uint64_t bound_ns,
                        enum cf_time_from from, int64_t passed_ns,
                        uint64_t merged_ns, uint64_t wrong_ns)
{
    const struct cf_span channel = { 900, 1100, 980 };
    const struct cf_span usual = { 950, 1100, 0 };
    const struct cf_time time = cf_time_merge(clocks_ns, bound_ns, &channel,
                                              &usual);

    g_assert_cmpint(time.from, ==, from);
    g_assert_cmpint(time.passed_ns, ==, passed_ns);
    g_assert_cmpuint(time.bound_ns, ==, merged_ns);
    g_assert_cmpuint(time.wrong_ns, ==, wrong_ns);
}

static void test_merge(void)
{
    const struct cf_time none = cf_time_merge(-5, UINT64_MAX, NULL, NULL);

    g_assert_cmpint(none.from, ==, CF_TIME_CLOCKS);
    g_assert_cmpint(none.passed_ns, ==, -5);
    g_assert_cmpuint(none.bound_ns, ==, UINT64_MAX);
    g_assert_cmpuint(none.wrong_ns, ==, 0);

    /* Not contradicted: the clocks, by the narrower limits of each side */
    check_merge(1050, 10, CF_TIME_CLOCKS, 1050, 10, 0);
    check_merge(1050, 1000, CF_TIME_CLOCKS, 1050, 150, 0);
    check_merge(1050, UINT64_MAX, CF_TIME_CLOCKS, 1050, 150, 0);
    check_merge(1100, 10, CF_TIME_CLOCKS, 1100, 10, 0);
    /* By unusual rates only: the channel, but nothing proves them wrong */
    check_merge(949, UINT64_MAX, CF_TIME_CHANNEL, 980, 120, 0);
    check_merge(949, 40, CF_TIME_CHANNEL, 980, 71, 0);
    check_merge(949, 10, CF_TIME_CHANNEL, 959, 20, 0);
    /* Wrong, but by no more than they say: what both leave */
    check_merge(1110, 20, CF_TIME_CHANNEL, 1090, 10, 10);
    check_merge(1110, 200, CF_TIME_CHANNEL, 980, 120, 10);
    /* Wrong beyond that: they count for nothing */
    check_merge(5000, 20, CF_TIME_CHANNEL, 980, 120, 3900);
    check_merge(-5000, UINT64_MAX, CF_TIME_CHANNEL, 980, 120, 5900);
    check_merge(INT64_MIN, 0, CF_TIME_CHANNEL, 980, 120,
                900 + (1ULL << 63));
    check_merge(INT64_MAX, INT64_MAX, CF_TIME_CHANNEL, 980, 120,
                INT64_MAX - 1100);
}

/* Limits may be as far apart as a hostile frequency makes them. */
static void test_merge_far(void)
{
    const struct cf_span low = { 9 - INT64_MAX, INT64_MAX, 20 - INT64_MAX };
    const struct cf_span high = { -INT64_MAX, INT64_MAX - 9, INT64_MAX - 20 };
    struct cf_time time = cf_time_merge(-INT64_MAX, 1, &low, &low);

    g_assert_cmpuint(time.bound_ns, ==, 2 * (uint64_t)INT64_MAX - 20);
    time = cf_time_merge(INT64_MAX, 1, &high, &high);
    g_assert_cmpuint(time.bound_ns, ==, 2 * (uint64_t)INT64_MAX - 20);
}

/* A message on one TSC arrives after it was sent and before its answer. */
static void test_one_tsc(void)
{
    struct cf_exchange each[2] = {
        { 1000000, 1002000, 1004000, true }, { 0, 0, 0, false },
    };
    const struct cf_channel channel = { each, 2, 3000000, 3000000, 0, 0 };

    g_assert_false(cf_channel_denies_one_tsc(&channel));
    each[1] = (struct cf_exchange) { UINT64_MAX - 5, 5, 20, true };
    g_assert_false(cf_channel_denies_one_tsc(&channel));
    /* a microsecond, by which cores may differ */
    each[1].arrived_ticks = 20 + 3000;
    g_assert_false(cf_channel_denies_one_tsc(&channel));
    each[1].arrived_ticks = 20 + 3001;
    g_assert_true(cf_channel_denies_one_tsc(&channel));
    each[1].arrived_ticks = UINT64_MAX - 5 - 3000;
    g_assert_false(cf_channel_denies_one_tsc(&channel));
    each[1].arrived_ticks--;
    g_assert_true(cf_channel_denies_one_tsc(&channel));
    each[1].answered = false;
    g_assert_false(cf_channel_denies_one_tsc(&channel));
}

static void test_units(void)
{
    const struct cf_span ticks = { -1, 1, 0 };
    const struct cf_span far = { -(1LL << 62), 1LL << 62, 0 };
    struct cf_span ns;

    g_assert_true(cf_span_ticks_to_ns(&ticks, 3000000, &ns));
    g_assert_cmpint(ns.least, ==, -1);
    g_assert_cmpint(ns.greatest, ==, 1);
    g_assert_false(cf_span_ticks_to_ns(&ticks, 0, &ns));
    g_assert_false(cf_span_ticks_to_ns(&far, 1, &ns));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/clock-causal/truth", test_truth);
    g_test_add_func("/clock-causal/narrow", test_narrow);
    g_test_add_func("/clock-causal/rate", test_rate);
    g_test_add_func("/clock-causal/each-way", test_each_way);
    g_test_add_func("/clock-causal/usual", test_usual);
    g_test_add_func("/clock-causal/nothing", test_nothing);
    g_test_add_func("/clock-causal/merge", test_merge);
    g_test_add_func("/clock-causal/merge-far", test_merge_far);
    g_test_add_func("/clock-causal/one-tsc", test_one_tsc);
    g_test_add_func("/clock-causal/units", test_units);
    return g_test_run();
}
