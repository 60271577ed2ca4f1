/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages between two model hosts whose clocks lie, through the library's own
 * functions: what cf_restore() makes of them, against the truth.
 *
 * CLOCKFERRY_SEED=N repeats the random crossings.
 */
#include "clock-cases.h"
#include "crossing.h"

#define US 1000ULL
#define MS 1000000ULL
#define S ((int64_t)CF_NS_PER_SEC)

/* Two sides' notes, and how their channel is. */
typedef struct Talk {
    Crossing c;
    CfExchanges sent;
    CfExchanges arrived;
    uint64_t there_ns;          /* at most, as the next one */
    uint64_t back_ns;
    uint32_t lost;              /* of 16 messages, and of 16 answers */
    uint32_t answered;          /* so many were */
    bool altered;               /* somebody changes a table */
    bool unstable;              /* the destination's TSC is */
    bool freeze;                /* the blackout is not to count */
    uint64_t r;
} Talk;

static bool lost(Talk *talk)
{
    return cases_below(&talk->r, 16) < talk->lost;
}

static void message(Talk *talk)
{
    uint32_t number;

    fake_enter(&fake_hosts[0]);
    g_assert_true(cf_exchange_send(&fake_ops, &talk->sent, &number));
    fake_wait(cases_below(&talk->r, talk->there_ns + 1));
    if (lost(talk)) {
        return;
    }
    fake_enter(&fake_hosts[1]);
    g_assert_true(cf_exchange_arrived(&fake_ops, &talk->arrived, number));
    fake_wait(cases_below(&talk->r, talk->back_ns + 1));
    fake_enter(&fake_hosts[0]);
    if (!lost(talk)) {
        g_assert_true(cf_exchange_answered(&fake_ops, &talk->sent, number));
        talk->answered++;
    }
}

/* The source's table travels in the state, as text. */
static void cross(Talk *talk, uint32_t n)
{
    Crossing *c = &talk->c;
    g_autofree char *json = NULL;
    GError *error = NULL;

    crossing_begin(c, 1);
    for (; n > 0; n--) {
        message(talk);
        fake_wait(cases_below(&talk->r, 100 * MS));
    }
    if (talk->altered) {
        talk->arrived.each[0].arrived_ticks += 1ULL << 40;
    }
    crossing_capture(c);
    c->state->exchanges = talk->sent;
    json = cf_state_to_json(c->state);
    cf_state_free(c->state);
    cf_state_from_json(json, strlen(json), &c->state, &error);
    g_assert_no_error(error);
    c->options.exchanges = &talk->arrived;
    c->options.freeze = talk->freeze;
    crossing_restore(c);
}

static uint64_t error_ns(const Talk *talk)
{
    return cf_magnitude(crossing_tsc_step(&talk->c, 0)) * 1000000 /
           fake_hosts[0].khz;
}

static Talk quick(void)
{
    return (Talk) { .there_ns = 50 * US, .back_ns = 50 * US, .r = 1 };
}

/* -- What is decided -- */

static void test_wrong_clocks(void)
{
    Talk talk = quick();
    const CfReport *report = &talk.c.report;

    fake_reset();
    fake_hosts[1].realtime_base_ns += 540 * CF_NS_PER_SEC;
    cross(&talk, 8);
    g_assert_cmpint(report->elapsed_from, ==, CF_ELAPSED_CHANNEL);
    /* 1000 ppm of ten seconds, unless the messages limit the rate */
    g_assert_cmpuint(report->time_bound_ns, <=, 11 * MS);
    g_assert_cmpuint(error_ns(&talk), <=, report->time_bound_ns);
    g_assert_cmpuint(report->round_trip_ns, <=, 101 * US);
    g_assert_cmpuint(report->clocks_wrong_ns, >, 539 * CF_NS_PER_SEC);
    g_assert_cmpuint(report->clocks_wrong_ns, <=, 540 * CF_NS_PER_SEC);
    assert_within(crossing_step_ns(&talk.c), 11 * (int64_t)MS);
    crossing_end(&talk.c);
}

/* The clocks are better by far, and nothing contradicts them. */
static void test_right_clocks(void)
{
    Talk talk = quick();
    const CfReport *report = &talk.c.report;

    fake_reset();
    cross(&talk, 8);
    g_assert_cmpint(report->elapsed_from, ==, CF_ELAPSED_TAI);
    /* and 2 ppm of ten seconds, by which the TSC may have changed its rate */
    g_assert_cmpuint(report->time_bound_ns, >=, 20 * US);
    g_assert_cmpuint(report->time_bound_ns, <=, 24 * US);
    g_assert_cmpuint(report->round_trip_ns, <=, 101 * US);
    g_assert_cmpuint(report->clocks_wrong_ns, ==, 0);
    g_assert_cmpuint(error_ns(&talk), <=, 2);
    crossing_end(&talk.c);
}

/* A minute ahead, and the messages say nothing of it. */
static void check_silent(Talk talk, uint32_t n)
{
    const CfReport *report = &talk.c.report;

    fake_reset();
    fake_hosts[1].realtime_base_ns += 60 * CF_NS_PER_SEC;
    fake_hosts[1].time.tai_offset_s = 0;
    fake_hosts[1].offset = talk.unstable ? CF_OFFSET_REWINDS
                                         : CF_OFFSET_STICKS;
    cross(&talk, n);
    g_assert_cmpint(report->elapsed_from, ==, CF_ELAPSED_UTC);
    g_assert_cmpuint(report->round_trip_ns, ==, UINT64_MAX);
    g_assert_cmpuint(report->clocks_wrong_ns, ==, 0);
    g_assert_cmpint(report->passed_ns, >, 70 * S - S / 2);
    crossing_end(&talk.c);
}

static void test_without(void)
{
    Talk lossy = quick(), altered = quick(), unstable = quick();

    check_silent(quick(), 0);
    lossy.lost = 16;
    check_silent(lossy, 8);
    altered.altered = true;
    check_silent(altered, 8);
    unstable.unstable = true;
    check_silent(unstable, 8);
}

static void test_same_host(void)
{
    Talk talk = quick();

    fake_reset();
    memcpy(fake_hosts[1].id.boot_id, fake_hosts[0].id.boot_id,
           CF_BOOT_ID_SIZE);
    fake_hosts[1].tsc_base_ticks = fake_hosts[0].tsc_base_ticks;
    cross(&talk, 8);
    g_assert_cmpint(talk.c.report.elapsed_from, ==, CF_ELAPSED_TSC);
    g_assert_cmpuint(talk.c.report.round_trip_ns, ==, UINT64_MAX);
    g_assert_cmpuint(talk.c.report.time_bound_ns, ==, 0);
    crossing_end(&talk.c);
}

/* Another host with the identity of the first, and a TSC that is 40 ms ahead:
 * booted together, and known by its boot id; or by its machine, with a kernel
 * that takes the TSC for another one. */
static void check_alike(bool boot_id)
{
    Talk talk = quick();
    const CfReport *report = &talk.c.report;
    FakeHost *a = &fake_hosts[0], *b = &fake_hosts[1];

    fake_reset();
    a->time.max_error_ns = b->time.max_error_ns = 50 * MS;
    b->tsc_base_ticks = a->tsc_base_ticks + 40 * MS * a->khz / 1000000;
    if (boot_id) {
        memcpy(b->id.boot_id, a->id.boot_id, CF_BOOT_ID_SIZE);
    } else {
        a->id.machine = b->id.machine = 7;
        b->khz = a->khz + 3;
    }
    cross(&talk, 8);
    g_assert_false(report->same_host || report->kexec);
    g_assert_cmpuint(report->round_trip_ns, <=, 101 * US);
    g_assert_cmpuint(error_ns(&talk), <=, report->time_bound_ns);
    g_assert_cmpuint(error_ns(&talk), <=, 100 * US);
    crossing_end(&talk.c);
}

static void test_alike(void)
{
    check_alike(true);
    check_alike(false);
}

static void test_frozen(void)
{
    Talk talk = quick();

    fake_reset();
    talk.freeze = true;
    cross(&talk, 8);
    g_assert_true(talk.c.report.frozen);
    g_assert_cmpuint(talk.c.report.time_bound_ns, ==, UINT64_MAX);
    crossing_end(&talk.c);
}

/* -- What is noted -- */

static void test_numbers(void)
{
    CfExchanges sent = { 0 }, arrived = { 0 };
    uint32_t number, i;

    fake_reset();
    fake_enter(&fake_hosts[0]);
    g_assert_false(cf_exchange_answered(&fake_ops, &sent, 0));
    for (i = 0; i < CF_EXCHANGES_MAX; i++) {
        g_assert_true(cf_exchange_send(&fake_ops, &sent, &number));
        g_assert_cmpuint(number, ==, i);
    }
    g_assert_false(cf_exchange_send(&fake_ops, &sent, &number));
    g_assert_true(cf_exchange_answered(&fake_ops, &sent, 7));
    g_assert_false(cf_exchange_answered(&fake_ops, &sent, 7));
    g_assert_false(cf_exchange_answered(&fake_ops, &sent, UINT32_MAX));
    g_assert_true(cf_exchange_arrived(&fake_ops, &arrived, 7));
    g_assert_cmpuint(arrived.n, ==, 8);
    g_assert_false(cf_exchange_arrived(&fake_ops, &arrived,
                                       CF_EXCHANGES_MAX));
    g_assert_false(cf_exchange_arrived(&fake_ops, &arrived, UINT32_MAX));
}

/* Nothing behind a table is written, whatever its number says. */
static void test_spoilt(void)
{
    struct {
        CfExchanges table;
        CfExchange behind[2];
    } sent = { .table.n = UINT32_MAX };
    uint32_t number;

    fake_reset();
    fake_enter(&fake_hosts[0]);
    g_assert_false(cf_exchange_send(&fake_ops, &sent.table, &number));
    g_assert_false(cf_exchange_answered(&fake_ops, &sent.table,
                                        CF_EXCHANGES_MAX));
    g_assert_false(sent.behind[0].answered || sent.behind[1].answered);
}

/* -- The truth is within the reported bound -- */

/* What the hosts claim of their clocks is true, or a lie that shows. */
static void set_clocks(uint64_t *r)
{
    static const int64_t aparts[] = {
        0, 20000, -3 * (int64_t)MS, S, -S, 540 * S, -86400 * S,
    };
    const int64_t apart_ns = PICK(r, aparts);
    CfHostTime *time = &fake_hosts[1].time;

    fake_hosts[1].realtime_base_ns += (uint64_t)apart_ns;
    time->synchronised = cases_below(r, 3) != 0;
    if (cf_magnitude(apart_ns) < (uint64_t)S || !cases_below(r, 2)) {
        time->max_error_ns = cf_magnitude(apart_ns) + 1000;
    }
    if (!cases_below(r, 4)) {
        fake_hosts[cases_below(r, 2)].time.tai_offset_s = 0;
    }
}

static void check_truth(uint64_t seed)
{
    static const uint64_t ways_ns[] = { 0, 50 * US, 2 * MS, 40 * MS };
    Talk talk = { .r = seed };
    const CfReport *report = &talk.c.report;
    bool proven;

    fake_reset();
    fake_hosts[1].khz = 2000000 + (uint32_t)cases_below(&talk.r, 2000000);
    fake_hosts[1].tsc_base_ticks = cases_u64(&talk.r);
    set_clocks(&talk.r);
    talk.there_ns = PICK(&talk.r, ways_ns);
    talk.back_ns = PICK(&talk.r, ways_ns);
    talk.lost = (uint32_t)cases_below(&talk.r, 12);
    cross(&talk, (uint32_t)cases_below(&talk.r, CF_EXCHANGES_MAX + 1));
    proven = talk.answered > 0;
    if (proven != (report->round_trip_ns != UINT64_MAX) ||
        (proven && error_ns(&talk) > report->time_bound_ns) ||
        (proven && report->time_bound_ns > 60 * MS)) {
        g_error("CLOCKFERRY_SEED=%" PRIu64 ": off by %" PRIu64 " ns, bound %"
                PRIu64 " ns, %u answers", seed, error_ns(&talk),
                report->time_bound_ns, talk.answered);
    }
    crossing_end(&talk.c);
}

static void test_truth(void)
{
    const uint64_t seed = cases_seed();
    uint64_t i;

    g_test_message("CLOCKFERRY_SEED=%" PRIu64, seed);
    for (i = 0; i < 2000; i++) {
        check_truth(seed + i);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/exchange/wrong-clocks", test_wrong_clocks);
    g_test_add_func("/exchange/right-clocks", test_right_clocks);
    g_test_add_func("/exchange/without", test_without);
    g_test_add_func("/exchange/same-host", test_same_host);
    g_test_add_func("/exchange/alike", test_alike);
    g_test_add_func("/exchange/frozen", test_frozen);
    g_test_add_func("/exchange/numbers", test_numbers);
    g_test_add_func("/exchange/spoilt", test_spoilt);
    g_test_add_func("/exchange/truth", test_truth);
    return g_test_run();
}
