/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A guest that goes there and back a thousand times, between model hosts. */
#include "crossing.h"

#define HOPS 1000

/* What its kvmclock is ahead of what it was to be all the time. */
static int64_t ahead_ns(const Crossing *c, const struct cf_clock_fn *first)
{
    int64_t ns = 0;

    g_assert_true(cf_clock_fn_eval(first, fake_guest_ticks(&c->to->vcpus[0]),
                                   &ns));
    return fake_guest_clock(c->to, 0) - ns;
}

/* From where it went to where it came from. */
static void turn_round(Crossing *c)
{
    const CfVm source = c->source;
    FakeVm *from = c->from;

    c->source = c->destination;
    c->destination = source;
    c->from = c->to;
    c->to = from;
}

/* One hop; the report is that of the former one. */
static void hop(Crossing *c, bool as_meant)
{
    struct cf_clock_fn was;
    uint64_t bound_ns;
    GError *error = NULL;

    fake_enter(c->from->host);
    cf_capture(&c->source, &c->state, &error);
    g_assert_no_error(error);
    was = c->state->fn;
    if (as_meant) {
        (void)cf_state_as_meant(c->state, &c->report);
    }
    fake_wait(CF_NS_PER_SEC / 10);
    fake_enter(c->to->host);
    cf_restore(&c->destination, c->state, NULL, &c->report, &error);
    g_assert_no_error(error);
    fake_run(c->to);
    g_assert_true(cf_report_bound(&c->destination, &c->report, &bound_ns));
    assert_within(ahead_ns(c, &was), (int64_t)bound_ns);
    fake_wait(CF_NS_PER_SEC);
}

/* The farthest that it ever is. */
static uint64_t wander_ns(Crossing *c, bool as_meant, enum cf_rung rung)
{
    struct cf_clock_fn first;
    uint64_t farthest_ns = 0, ns;
    int i;

    crossing_begin(c, 2);
    for (i = 0; i < HOPS; i++) {
        hop(c, as_meant);
        if (i == 0) {
            first = c->state->fn;
        }
        g_assert_cmpint(c->report.rung, ==, rung);
        ns = cf_magnitude(ahead_ns(c, &first));
        farthest_ns = MAX(farthest_ns, ns);
        cf_state_free(c->state);
        turn_round(c);
    }
    return farthest_ns;
}

static void released_kernels(void)
{
    int i;

    for (i = 0; i < FAKE_HOSTS; i++) {
        fake_hosts[i].clock_guest = FAKE_CLOCK_GUEST_ABSENT;
        fake_hosts[i].noise_ns = 8;
    }
}

static void test_exact(void)
{
    uint64_t farthest_ns;
    Crossing c;

    fake_reset();
    farthest_ns = wander_ns(&c, true, CF_RUNG_EXACT);
    g_test_message("exact: %" G_GUINT64_FORMAT " ns in %d hops", farthest_ns,
                   HOPS);
    g_assert_cmpuint(farthest_ns, <=, 2);
}

static void test_closed_loop(void)
{
    uint64_t farthest_ns;
    Crossing c;

    fake_reset();
    released_kernels();
    farthest_ns = wander_ns(&c, true, CF_RUNG_CLOSED_LOOP);
    g_test_message("closed loop: %" G_GUINT64_FORMAT " ns in %d hops",
                   farthest_ns, HOPS);
    g_assert_cmpuint(farthest_ns, <=, 2);
}

/* That it would add up otherwise. */
static void test_without(void)
{
    uint64_t farthest_ns;
    Crossing c;

    fake_reset();
    released_kernels();
    farthest_ns = wander_ns(&c, false, CF_RUNG_CLOSED_LOOP);
    g_test_message("closed loop, not as meant: %" G_GUINT64_FORMAT " ns in %d "
                   "hops", farthest_ns, HOPS);
    g_assert_cmpuint(farthest_ns, >, 10);
}

/* A guest that has arrived once, and is about to leave again */
static void arrive_once(Crossing *c)
{
    fake_reset();
    crossing_begin(c, 1);
    hop(c, true);
    cf_state_free(c->state);
    turn_round(c);
}

/* A clock that was changed meanwhile is what it is. */
static void test_changed(void)
{
    CfKvmClock clock;
    Crossing c;

    arrive_once(&c);
    g_assert_cmpint(fake_ops.get_clock(c.source.vm_fd, &clock), ==, 0);
    clock.clock_ns += 10;
    g_assert_cmpint(fake_ops.set_clock(c.source.vm_fd, &clock), ==, 0);
    fake_run(c.from);
    cf_capture(&c.source, &c.state, NULL);
    g_assert_false(cf_state_as_meant(c.state, &c.report));
    g_assert_cmpint(c.state->fn_ahead_ns, ==, 0);
    crossing_end(&c);
}

/* Who asks twice isn't told less. */
static void test_twice(void)
{
    int64_t ahead_ns;
    Crossing c;

    arrive_once(&c);
    cf_capture(&c.source, &c.state, NULL);
    c.state->fn.system_ns += 2;
    g_assert_true(cf_state_as_meant(c.state, &c.report));
    ahead_ns = c.state->fn_ahead_ns;
    g_assert_cmpint(ahead_ns, !=, 0);
    g_assert_false(cf_state_as_meant(c.state, &c.report));
    g_assert_cmpint(c.state->fn_ahead_ns, ==, ahead_ns);
    crossing_end(&c);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/chain/exact", test_exact);
    g_test_add_func("/chain/closed-loop", test_closed_loop);
    g_test_add_func("/chain/without", test_without);
    g_test_add_func("/chain/changed", test_changed);
    g_test_add_func("/chain/twice", test_twice);
    return g_test_run();
}
