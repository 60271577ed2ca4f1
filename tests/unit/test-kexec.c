/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Test of cf_restore(): the same machine after a kexec, on model hosts. */
#include "crossing.h"

/* The same TSC under another kernel, which takes it for 3 kHz faster. */
static void kexec(void)
{
    fake_one_host();
    fake_hosts[0].id.machine = fake_hosts[1].id.machine = 77;
    fake_hosts[1].id.boot_id[0] = 'k';
    fake_hosts[1].khz += 3;
    fake_hosts[1].tsc_khz = fake_hosts[0].khz;
}

static void assert_kexec(const Crossing *c)
{
    uint64_t bound_ns;

    g_assert_true(c->report.same_host);
    g_assert_true(c->report.kexec);
    g_assert_cmpint(c->report.kexec_ppt, ==, -1199999);
    g_assert_cmpint(c->report.elapsed_from, ==, CF_ELAPSED_TSC);
    g_assert_true(c->report.function_carried);
    assert_within(c->report.residual_ns, CF_SETTLED_NS);
    assert_within(crossing_step_ns(c), 3);
    g_assert_true(cf_report_bound(&c->destination, &c->report, &bound_ns));
    g_assert_cmpuint(bound_ns, <=, 4 + 60 + 51);
    /* if it was a stranger: by both clocks, and what the rate leaves open */
    g_assert_cmpuint(c->report.time_bound_ns, >=, 2000);
    g_assert_cmpuint(c->report.time_bound_ns, <, 100000);
}

static void test_copied(void)
{
    Crossing c;

    kexec();
    crossing_begin(&c, 2);
    c.from->vcpus[1].offset_ticks += 77;
    crossing_cross(&c);
    assert_kexec(&c);
    g_assert_cmpint(c.report.tsc, ==, CF_TSC_COPIED);
    g_assert_cmpint(c.report.rung, ==, CF_RUNG_REANCHORED);
    g_assert_cmpint(c.report.rate_error_ppt, ==, 0);
    g_assert_cmpint(crossing_tsc_step(&c, 0), ==, 0);
    g_assert_cmpint(crossing_tsc_step(&c, 1), ==, 0);
    crossing_end(&c);
}

/* The host's uptime isn't in the bound, also for a guest that got a TSC far
 * ahead of its host's. */
static void test_ahead(void)
{
    Crossing c;

    kexec();
    crossing_begin(&c, 1);
    c.from->vcpus[0].offset_ticks = 1ULL << 50;
    c.from->vcpus[0].update_pending = true;
    fake_run(c.from);
    crossing_cross(&c);
    assert_kexec(&c);
    g_assert_cmpint(c.report.rung, ==, CF_RUNG_REANCHORED);
    crossing_end(&c);
}

/* A guest that runs late has by then parted from its old slope: 60 ns in 50 ms,
 * which no record tells. */
static void test_late(const void *data)
{
    const FakeClockGuest *clock_guest = data;
    uint64_t bound_ns;
    Crossing c;

    kexec();
    fake_hosts[0].clock_guest = fake_hosts[1].clock_guest = *clock_guest;
    crossing_begin(&c, 1);
    c.run_after_ns = CF_FIRST_RUN_NS - 1000000;
    crossing_cross(&c);
    g_assert_true(c.report.kexec);
    g_assert_cmpint(crossing_step_ns(&c), <, -50);
    g_assert_true(cf_report_bound(&c.destination, &c.report, &bound_ns));
    assert_within(crossing_step_ns(&c), (int64_t)bound_ns);
    g_assert_cmpuint(bound_ns, <=, 4 + 60 + 51);
    crossing_end(&c);
}

static void test_released(void)
{
    Crossing c;

    kexec();
    fake_hosts[0].clock_guest = fake_hosts[1].clock_guest =
        FAKE_CLOCK_GUEST_ABSENT;
    crossing_begin(&c, 1);
    crossing_cross(&c);
    assert_kexec(&c);
    g_assert_cmpint(c.report.tsc, ==, CF_TSC_COPIED);
    g_assert_cmpint(c.report.rung, ==, CF_RUNG_CLOSED_LOOP);
    g_assert_cmpint(crossing_tsc_step(&c, 0), ==, 0);
    crossing_end(&c);
}

/* KVM computes a ratio from kHz, so the former one can't be had: the nearest
 * is, and the TSC goes on from the very tick. */
static void test_scaled(void)
{
    Crossing c;

    kexec();
    crossing_begin_khz(&c, 1, 2000000);
    crossing_cross(&c);
    assert_kexec(&c);
    g_assert_cmpint(c.report.tsc, ==, CF_TSC_COMPUTED);
    g_assert_cmpint(c.report.rate_error_ppt, !=, 0);
    assert_within(c.report.rate_error_ppt, 250000);
    assert_within(crossing_tsc_step(&c, 0), 2);
    crossing_end(&c);
}

/* Reset at some time, with no other difference: it is another host. */
static void test_reset(void)
{
    Crossing c;

    kexec();
    crossing_begin(&c, 1);
    crossing_capture(&c);
    fake_hosts[1].tsc_base_ticks = 0 - fake_host_ticks(&fake_hosts[1]) -
                                   4 * 2500000000ULL;
    crossing_restore(&c);
    g_assert_false(c.report.same_host);
    g_assert_false(c.report.kexec);
    g_assert_cmpint(c.report.elapsed_from, ==, CF_ELAPSED_TAI);
    g_assert_cmpint(c.report.tsc, ==, CF_TSC_COMPUTED);
    crossing_end(&c);
}

/* A clone of the machine whose TSC is as near as clocks can tell: the bound
 * has room for what that costs. */
static void test_clone(void)
{
    Crossing c;

    kexec();
    fake_hosts[1].tsc_base_ticks += 4000;
    crossing_begin(&c, 1);
    crossing_cross(&c);
    g_assert_true(c.report.kexec);
    g_assert_cmpint(crossing_tsc_step(&c, 0), ==, 4000);
    g_assert_cmpuint(c.report.time_bound_ns, >=, 4000 * 2 / 5);
    crossing_end(&c);
}

int main(int argc, char **argv)
{
    static const FakeClockGuest newest = FAKE_CLOCK_GUEST_NEWEST;
    static const FakeClockGuest absent = FAKE_CLOCK_GUEST_ABSENT;

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/kexec/copied", test_copied);
    g_test_add_func("/kexec/ahead", test_ahead);
    g_test_add_data_func("/kexec/late", &newest, test_late);
    g_test_add_data_func("/kexec/late-released", &absent, test_late);
    g_test_add_func("/kexec/released", test_released);
    g_test_add_func("/kexec/scaled", test_scaled);
    g_test_add_func("/kexec/reset", test_reset);
    g_test_add_func("/kexec/clone", test_clone);
    return g_test_run();
}
