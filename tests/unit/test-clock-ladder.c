/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests of clock-ladder.h: the closed loop, and whole ladders on a kernel of a
 * few lines, whose clock is known.
 *
 * CLOCKFERRY_SEED=N repeats a run; the seed and the case stand in a failure.
 */
#include <glib.h>
#include <clockferry/clock-ladder.h>

#include "clock-cases.h"

#define KHZ 2500000u
#define MAX_CALLS 20000

static uint64_t seed;

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

/* -- The loop -- */

/**
 * Misses - how KVM_SET_CLOCK misses on a host
 * @bias_ns: always
 * @noise_ns: and at most this much to either side
 * @outliers: one in so many misses by microseconds more
 * @shifts: one in so many changes the bias for good
 */
typedef struct Misses {
    int64_t bias_ns;
    uint64_t noise_ns;
    uint64_t outliers;
    uint64_t shifts;
} Misses;

static int64_t miss(Misses *m, uint64_t *r)
{
    int64_t ns;

    if (m->shifts && !cases_below(r, m->shifts)) {
        m->bias_ns += (int64_t)cases_below(r, 61) - 30;
    }
    ns = m->bias_ns + (int64_t)cases_below(r, m->noise_ns + 1) +
         (int64_t)cases_below(r, m->noise_ns + 1) - (int64_t)m->noise_ns;
    if (!cases_below(r, m->outliers)) {
        ns += 20 + (int64_t)cases_below(r, 5000);
    }
    return ns;
}

/* How often it ends off 2 ns. A preempted try takes 10 ms. */
static unsigned unsettled(const char *name, uint64_t noise_ns, uint64_t shifts,
                          uint64_t try_ns, unsigned most_tries)
{
    enum { LOOPS = 20000 };
    uint64_t tries = 0;
    unsigned i, off = 0;

    for (i = 0; i < LOOPS; i++) {
        uint64_t r = seed * 1000003 + i;
        Misses m = { (int64_t)cases_below(&r, 1801) - 900, noise_ns, 50,
                     shifts };
        bool cold = cases_below(&r, 2), done;
        struct cf_loop loop = { 0 };
        int64_t residual;

        do {
            residual = miss(&m, &r) - loop.correction_ns + (cold ? 4000 : 0);
            cold = false;
            done = cf_loop_learn(&loop, residual,
                                 cases_below(&r, 100) ? try_ns : 10000000);
            if (cf_magnitude(loop.correction_ns) > CF_LOOP_CLAMP_NS ||
                loop.tries > 8000) {
                g_error("CLOCKFERRY_SEED=%" PRIu64 ", case %u", seed, i);
            }
        } while (!done);
        tries += (unsigned)loop.tries;
        off += cf_magnitude(residual) > CF_SETTLED_NS;
    }
    g_test_message("%s: %.2f tries a loop, %u of %d beyond 2 ns", name,
                   (double)tries / LOOPS, off, LOOPS);
    g_assert_cmpuint(tries, <, (uint64_t)most_tries * LOOPS);
    return off;
}

static void test_loop_settles(void)
{
    g_assert_cmpuint(unsettled("quiet", 1, 0, 500, 6), ==, 0);
    g_assert_cmpuint(unsettled("shifts", 1, 10, 500, 8), ==, 0);
    g_assert_cmpuint(unsettled("noisy", 20, 0, 500, 30), ==, 0);
    /* like an emulated host on a machine with ten times too much to do */
    g_assert_cmpuint(unsettled("busy", 180, 0, 20000, 100), <=, 200);
}

static void test_loop_vectors(void)
{
    struct cf_loop loop = { 0 };
    int i;

    g_assert_true(cf_loop_learn(&loop, 0, 1));

    /* 0.25 ms are for 0 ns, and no less than eight tries; then 1 ns will do,
     * and after 1.25 ms also 2. */
    loop = (struct cf_loop){ 0 };
    for (i = 0; i < 24; i++) {
        g_assert_false(cf_loop_learn(&loop, i % 2 ? -1 : 1, 10000));
    }
    g_assert_false(cf_loop_learn(&loop, 2, 10000));
    g_assert_true(cf_loop_learn(&loop, -1, 10000));
    loop = (struct cf_loop){ 0 };
    for (i = 0; i < 124; i++) {
        g_assert_false(cf_loop_learn(&loop, i % 2 ? -2 : 2, 10000));
    }
    g_assert_true(cf_loop_learn(&loop, -2, 10000));

    /* 40 ns too late each time; a cold start does no lasting harm */
    loop = (struct cf_loop){ 0 };
    g_assert_false(cf_loop_learn(&loop, 5040, 1));
    g_assert_cmpint(loop.correction_ns, ==, CF_LOOP_CLAMP_NS);
    g_assert_false(cf_loop_learn(&loop, 40 - loop.correction_ns, 1));
    g_assert_cmpint(loop.correction_ns, ==, 40);
    g_assert_true(cf_loop_learn(&loop, 0, 1));

    /* The past is forgotten: four of seven are at the new level. */
    loop = (struct cf_loop){ 0 };
    for (i = 0; i < 30; i++) {
        g_assert_false(cf_loop_learn(&loop, 3 + (i ? 0 : 7), 1));
        loop.correction_ns = 7;
    }
    for (i = 0; i < 4; i++) {
        g_assert_cmpint(loop.correction_ns, <, 50);
        g_assert_false(cf_loop_learn(&loop, 50 - loop.correction_ns, 1));
    }
    g_assert_cmpint(loop.correction_ns, ==, 50);

    /* What sums up misses must not overflow. */
    loop = (struct cf_loop){ 0 };
    g_assert_false(cf_loop_learn(&loop, INT64_MIN, 1));
    g_assert_cmpint(loop.correction_ns, ==, -CF_LOOP_CLAMP_NS);
    g_assert_false(cf_loop_learn(&loop, INT64_MIN, 1));
    g_assert_false(cf_loop_learn(&loop, INT64_MAX, 1));
}

/* Tries until a loop gives up that never comes near, each taking so long */
static int tries_of(uint64_t took_ns)
{
    struct cf_loop loop = { 0 };
    int64_t worse = 100000;

    while (!cf_loop_learn(&loop, worse, took_ns)) {
        worse += 100000;        /* so that none is as good as the best */
    }
    return loop.tries;
}

static void test_loop_budget(void)
{
    struct cf_loop loop = { 0 };
    int i;

    g_assert_cmpint(tries_of(500), ==, 8000);
    g_assert_cmpint(tries_of(10000), ==, 400);
    /* a slow host, or one that preempts each try, has as many as this */
    g_assert_cmpint(tries_of(15625), ==, CF_LOOP_MIN_TRIES);
    g_assert_cmpint(tries_of(100000000), ==, CF_LOOP_MIN_TRIES);
    g_assert_cmpint(tries_of(UINT64_MAX), ==, CF_LOOP_MIN_TRIES);

    /* In the last eighth the like of the best is good enough. */
    for (i = 0; i < 349; i++) {
        g_assert_false(cf_loop_learn(&loop, i == 5 ? -7 : 7 + i % 2, 10000));
    }
    g_assert_false(cf_loop_learn(&loop, 8, 10000));
    g_assert_true(cf_loop_learn(&loop, 7, 10000));
}

/* -- The ladder -- */

/**
 * Kernel - a kernel, its VM's clock, and what shall be wrong with it
 * @now_ns: true time; the host's TSC and its real time follow from it
 * @clock_ns: kvmclock - true time
 * @records: it has KVM_{GET,SET}_CLOCK_GUEST
 * @refuses: it refuses a record of another slope than its own, of @hz
 * @record_late_ns: it sets the clock late by this from a record
 * @exact: anchors are; else they are off by up to their slack
 * @realtime: KVM_SET_CLOCK takes real time
 * @fail: which call fails, counted from 1; and from there on all @for_good
 * @failed: and which one that was
 * @asked: all calls that were asked for, a bit for each kind
 */
typedef struct Kernel {
    uint64_t now_ns;
    int64_t clock_ns;
    bool records;
    bool refuses;
    uint64_t hz;
    int64_t record_late_ns;
    bool exact;
    bool realtime;
    int fail;
    bool for_good;
    int calls;
    enum cf_ask failed;
    unsigned asked;
    Misses misses;
    uint64_t random;
} Kernel;

#define REALTIME_NS (1700000000 * CF_NS_PER_SEC)
#define OFFSET_TICKS 12345678901ULL

static uint64_t ticks_at(uint64_t ns)
{
    return (uint64_t)((cf_u128)ns * KHZ / 1000000);
}

static int set_clock(Kernel *kernel, const struct cf_call *call)
{
    int64_t ns = (int64_t)call->clock_ns - (int64_t)kernel->now_ns;

    if (call->realtime_ns && !kernel->realtime) {
        return -EINVAL;
    }
    if (call->realtime_ns) {
        ns += (int64_t)(REALTIME_NS + kernel->now_ns - call->realtime_ns);
    }
    kernel->clock_ns = ns + miss(&kernel->misses, &kernel->random);
    return 0;
}

static void get_clock(Kernel *kernel, struct cf_anchor *anchor)
{
    *anchor = (struct cf_anchor) {
        .instant = { ticks_at(kernel->now_ns), REALTIME_NS + kernel->now_ns,
                     37 },
        .clock_ns = kernel->now_ns + (uint64_t)kernel->clock_ns,
        .slack_ns = kernel->exact ? 0 : 300,
        .flags = kernel->exact ? CF_KVM_CLOCK_EXACT : 0,
    };
    anchor->clock_ns += cases_below(&kernel->random, anchor->slack_ns + 1);
}

static void get_record(Kernel *kernel, struct cf_clock_fn *fn)
{
    fn->tsc_ticks = ticks_at(kernel->now_ns) + OFFSET_TICKS;
    fn->system_ns = kernel->now_ns + (uint64_t)kernel->clock_ns;
    g_assert_true(cf_clock_fn_set_hz(fn, kernel->hz));
}

static int set_record(Kernel *kernel, const struct cf_clock_fn *fn)
{
    struct cf_clock_fn own;
    int64_t ns;

    get_record(kernel, &own);
    if (kernel->refuses && (fn->mul != own.mul || fn->shift != own.shift)) {
        return -ERANGE;
    }
    if (!cf_clock_fn_eval(fn, own.tsc_ticks, &ns)) {
        return -EINVAL;
    }
    kernel->clock_ns = ns - (int64_t)kernel->now_ns + kernel->record_late_ns;
    return 0;
}

static void make(Kernel *kernel, struct cf_call *call)
{
    kernel->now_ns += 200 + cases_below(&kernel->random, 50);
    call->result = 0;
    kernel->calls++;
    kernel->asked |= 1u << call->ask;
    if (kernel->calls == kernel->fail ||
        (kernel->for_good && kernel->calls > kernel->fail)) {
        call->result = -EIO;
        kernel->failed = call->ask;
    } else if (call->ask == CF_ASK_SET_CLOCK) {
        call->result = set_clock(kernel, call);
    } else if (call->ask == CF_ASK_GET_CLOCK) {
        get_clock(kernel, &call->anchor);
    } else if (!kernel->records) {
        call->result = -EINVAL;
    } else if (call->ask == CF_ASK_GET_RECORD) {
        get_record(kernel, &call->fn);
    } else {
        call->result = set_record(kernel, &call->fn);
    }
    kernel->now_ns += 30;
    call->now_ticks = ticks_at(kernel->now_ns);
}

/* The best that there is; a guest that has run for an hour */
static Kernel newest(uint64_t random)
{
    return (Kernel) {
        .now_ns = 7200 * CF_NS_PER_SEC, .records = true, .refuses = true,
        .hz = KHZ * 1000ULL, .exact = true, .realtime = true,
        .misses = { 40, 1, 50, 0 }, .random = random,
    };
}

static struct cf_ladder climb(Kernel *kernel, int *ret_result)
{
    struct cf_ladder ladder = {
        .target = {
            .fn = { .tsc_ticks = ticks_at(3600 * CF_NS_PER_SEC) + OFFSET_TICKS },
            .carried = true,
            .boot = { .known = true, .freq = { KHZ, 0, 1 },
                      .offset_ticks = OFFSET_TICKS },
            .host_khz = KHZ,
        },
        .records = kernel->records,
    };
    struct cf_call call = { .now_ticks = ticks_at(kernel->now_ns) };

    g_assert_true(cf_clock_fn_set_hz(&ladder.target.fn, KHZ * 1000ULL));
    while (cf_ladder_next(&ladder, &call)) {
        make(kernel, &call);
        g_assert_cmpint(kernel->calls, <, MAX_CALLS);
    }
    *ret_result = call.result;
    return ladder;
}

/* kvmclock - what it shall be, now */
static int64_t truth(const Kernel *kernel, const struct cf_ladder *ladder)
{
    int64_t ns = 0;

    g_assert_true(cf_target_ns(&ladder->target, ticks_at(kernel->now_ns),
                               &ns));
    return (int64_t)kernel->now_ns + kernel->clock_ns - ns;
}

static void check_rung(Kernel kernel, enum cf_rung rung, int tries,
                       uint64_t within_ns)
{
    int result;
    const struct cf_ladder ladder = climb(&kernel, &result);

    g_assert_cmpint(result, ==, 0);
    g_assert_cmpint(ladder.rung, ==, rung);
    if (tries) {
        g_assert_cmpint(ladder.tries, ==, tries);
    }
    g_assert_cmpuint(cf_magnitude(truth(&kernel, &ladder)), <=, within_ns);
}

static void test_rungs(void)
{
    Kernel kernel = newest(seed);

    check_rung(kernel, CF_RUNG_EXACT, 1, 1);
    /* 2 kHz more: refused, and from just before now on at KVM's own rate */
    kernel.hz += 2000;
    check_rung(kernel, CF_RUNG_REANCHORED, 0, 3);
    kernel.record_late_ns = 500;
    check_rung(kernel, CF_RUNG_REANCHORED, 0, 3);
    kernel.record_late_ns = 2 * CF_LOOP_CLAMP_NS;
    check_rung(kernel, CF_RUNG_CLOSED_LOOP, 0, 3);
    kernel = newest(seed);
    kernel.records = false;
    check_rung(kernel, CF_RUNG_CLOSED_LOOP, 0, 2);
    /* twice as far off as the clamp can correct */
    kernel.misses.bias_ns = 2 * CF_LOOP_CLAMP_NS;
    check_rung(kernel, CF_RUNG_REALTIME, 0, 2 * CF_LOOP_CLAMP_NS);
    kernel = newest(seed);
    kernel.records = kernel.exact = false;
    kernel.misses.outliers = UINT64_MAX;
    check_rung(kernel, CF_RUNG_PLAIN, 1, 300);
    kernel.realtime = false;
    check_rung(kernel, CF_RUNG_PLAIN, 2, 600);
    /* the way to the kernel isn't a miss that repeats */
    kernel.exact = true;
    check_rung(kernel, CF_RUNG_PLAIN, 2, 600);
    kernel.exact = false;
    kernel.misses.bias_ns = 5000;
    check_rung(kernel, CF_RUNG_PLAIN, CF_PLAIN_TRIES, 6000);
}

/* A clock that isn't the source's function isn't exact, whatever KVM takes. */
static void test_not_carried(void)
{
    Kernel kernel = newest(seed);
    struct cf_ladder ladder = { .records = true };
    struct cf_call call = { .now_ticks = ticks_at(kernel.now_ns) };

    g_assert_true(cf_ladder_next(&ladder, &call));
    g_assert_cmpint(call.ask, ==, CF_ASK_GET_RECORD);
    g_assert_cmpint(ladder.rung, ==, CF_RUNG_REANCHORED);
}

/*
 * Whatever the kernel can do, and whichever call fails, once or from then on:
 * the ladder ends, the clock is set unless nothing could be set, and what it
 * says of it is true.
 */
static void test_any_failure(void)
{
    unsigned i, known = 0, failed = 0;

    for (i = 0; i < 20000; i++) {
        uint64_t r = seed * 1000003 + i;
        Kernel kernel = newest(cases_next(&r));
        struct cf_ladder ladder;
        int result;

        kernel.records = cases_below(&r, 2);
        kernel.exact = cases_below(&r, 3);
        kernel.realtime = kernel.exact || cases_below(&r, 2);
        kernel.hz += cases_below(&r, 2) * 2000;
        kernel.fail = (int)cases_below(&r, 12);
        kernel.for_good = kernel.fail && !cases_below(&r, 4);
        kernel.misses.shifts = cases_below(&r, 2) * 10;
        ladder = climb(&kernel, &result);

        if (result < 0) {
            HOLDS(i, kernel.for_good || !kernel.realtime);
            failed++;
        } else if (ladder.residual_known) {
            const int64_t apart = truth(&kernel, &ladder) - ladder.residual_ns;

            HOLDS(i, cf_magnitude(apart) <= ladder.error_ns + 2);
            HOLDS(i, ladder.rung >= CF_RUNG_REALTIME ||
                     cf_magnitude(ladder.residual_ns) <= CF_SETTLED_NS);
            known++;
        } else {
            HOLDS(i, ladder.rung == CF_RUNG_PLAIN && kernel.fail);
        }
        HOLDS(i, ladder.tries > 0);
        HOLDS(i, kernel.records ||
                 !(kernel.asked & (1u << CF_ASK_SET_RECORD |
                                   1u << CF_ASK_GET_RECORD)));
        /* a failure on an upper rung costs no more than that rung */
        if (kernel.exact && !kernel.for_good &&
            (kernel.failed == CF_ASK_SET_RECORD ||
             kernel.failed == CF_ASK_GET_RECORD)) {
            HOLDS(i, ladder.rung <= CF_RUNG_REALTIME);
        }
    }
    g_assert_cmpuint(known, >, 10000);
    g_assert_cmpuint(failed, >, 500);
}

/* Patience is a time: as many pauses as are in a millisecond */
static void test_busy(void)
{
    uint32_t waited_us = 0, pauses = 0;

    while (cf_busy_again(&waited_us)) {
        pauses++;
    }
    g_assert_cmpuint(pauses * CF_BUSY_PAUSE_US, ==, CF_BUSY_PATIENCE_US);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    seed = cases_seed();
    g_test_message("CLOCKFERRY_SEED=%" PRIu64, seed);
    g_test_add_func("/clock-ladder/loop-settles", test_loop_settles);
    g_test_add_func("/clock-ladder/loop-vectors", test_loop_vectors);
    g_test_add_func("/clock-ladder/loop-budget", test_loop_budget);
    g_test_add_func("/clock-ladder/rungs", test_rungs);
    g_test_add_func("/clock-ladder/not-carried", test_not_carried);
    g_test_add_func("/clock-ladder/any-failure", test_any_failure);
    g_test_add_func("/clock-ladder/busy", test_busy);
    return g_test_run();
}
