/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Test of cf_restore(): every rung of the ladder, on model hosts. */
#include "crossing.h"

/* Two hosts of unlike frequency, unlike offsets: the best there is. */
static void test_exact(void)
{
    Crossing c;

    fake_reset();
    fake_hosts[1].khz = 2400000;
    crossing_begin(&c, 2);
    c.from->vcpus[1].offset_ticks += 1000;
    crossing_cross(&c);
    g_assert_cmpint(c.state->fn_origin, ==, CF_FN_CALL);
    g_assert_cmpint(c.report.rung, ==, CF_RUNG_EXACT);
    g_assert_cmpint(c.report.tries, ==, 1);
    g_assert_true(c.report.residual_known);
    assert_within(c.report.residual_ns, 1);
    g_assert_cmpint(c.report.tsc, ==, CF_TSC_COMPUTED);
    g_assert_true(c.report.function_carried);
    g_assert_false(c.report.pending_update);
    g_assert_false(c.report.same_host);
    g_assert_cmpuint(c.report.skew_ticks, ==, 0);
    g_assert_true(c.report.rate_known);
    assert_within(c.report.rate_error_ppt, CF_RATE_EXACT_PPT);
    assert_within(crossing_step_ns(&c), 2);
    assert_within(crossing_tsc_step(&c, 0), 3);
    assert_within(crossing_tsc_step(&c, 1), 3);
    crossing_end(&c);
}

/* v6 has no errno but EINVAL for what is transient. */
static void test_exact_v6(void)
{
    Crossing c;

    fake_reset();
    fake_hosts[0].clock_guest = FAKE_CLOCK_GUEST_V6;
    fake_hosts[1].clock_guest = FAKE_CLOCK_GUEST_V6;
    crossing_begin(&c, 1);
    crossing_cross(&c);
    g_assert_cmpint(c.report.rung, ==, CF_RUNG_EXACT);
    assert_within(crossing_step_ns(&c), 1);
    crossing_end(&c);
}

static void test_busy(void)
{
    Crossing c;

    fake_reset();
    crossing_begin(&c, 1);
    fake_hosts[0].busy = 3;
    fake_hosts[1].busy = 5;
    crossing_cross(&c);
    g_assert_cmpint(c.report.rung, ==, CF_RUNG_EXACT);
    crossing_end(&c);
}

/* A kernel that stays busy isn't waited for, and not once for each vCPU. */
static void test_busy_for_ever(void)
{
    Crossing c;

    fake_reset();
    crossing_begin(&c, 8);
    fake_hosts[1].busy = G_MAXINT;
    crossing_cross(&c);
    g_assert_cmpint(G_MAXINT - fake_hosts[1].busy, <, 100);
    g_assert_cmpint(c.report.rung, ==, CF_RUNG_CLOSED_LOOP);
    g_assert_true(c.report.pending_update);
    assert_within(crossing_step_ns(&c), 3);
    crossing_end(&c);
}

/* 2 kHz apart, within KVM's tolerance: KVM_SET_CLOCK_GUEST says ERANGE. */
static void test_reanchored(void)
{
    Crossing c;

    fake_reset();
    fake_hosts[1].khz = 2500002;
    crossing_begin(&c, 1);
    crossing_cross(&c);
    g_assert_cmpint(c.report.rung, ==, CF_RUNG_REANCHORED);
    assert_within(c.report.residual_ns, 2);
    g_assert_cmpint(c.report.rate_error_ppt, ==, 800000);
    assert_within(crossing_step_ns(&c), 3);
    crossing_end(&c);
}

/* 200 ppm apart the slopes part by 5 ns in 25 us: the residual is that of the
 * instant that KVM chose, and not of some later one. */
static void test_reanchored_200_ppm(void)
{
    int64_t intended_ns = 0;
    Crossing c;

    fake_reset();
    fake_hosts[1].khz = 2500500;
    crossing_begin(&c, 1);
    crossing_cross(&c);
    g_assert_cmpint(c.report.rung, ==, CF_RUNG_REANCHORED);
    assert_within(c.report.residual_ns, 2);
    g_assert_cmpint(c.report.rate_error_ppt, ==, 200000000);
    g_assert_true(cf_clock_fn_eval(&c.state->fn, c.to->vcpus[0].record.tsc_timestamp,
                                   &intended_ns));
    g_assert_cmpint((int64_t)c.to->vcpus[0].record.system_time - intended_ns, ==,
                    c.report.residual_ns);
    crossing_end(&c);
}

static uint64_t bound_of(const Crossing *c)
{
    uint64_t bound_ns = 0;

    g_assert_true(cf_report_bound(&c->destination, &c->report, &bound_ns));
    return bound_ns;
}

static void released_kernels(void)
{
    int i;

    for (i = 0; i < FAKE_HOSTS; i++) {
        fake_hosts[i].clock_guest = FAKE_CLOCK_GUEST_ABSENT;
        fake_hosts[i].has_scale = false;
        fake_hosts[i].unequal_offsets_allowed = false;
    }
}

static void test_closed_loop(void)
{
    Crossing c;

    fake_reset();
    released_kernels();
    fake_hosts[1].noise_ns = 5;
    crossing_begin(&c, 4);
    crossing_cross(&c);
    g_assert_cmpint(c.state->fn_origin, ==, CF_FN_PAGE);
    g_assert_cmpint(c.report.rung, ==, CF_RUNG_CLOSED_LOOP);
    g_assert_cmpint(c.report.tries, >=, 2);
    assert_within(c.report.residual_ns, 2);
    g_assert_true(c.report.pending_update);
    assert_within(crossing_step_ns(&c), 3);
    g_assert_cmpuint(bound_of(&c), <=, 6);
    crossing_end(&c);
}

static uint32_t settled_vcpus;
static const Crossing *settling;

/* Hyper-V's timers start here, by the clock that is set then. */
static void assert_clock_nearly_right(void)
{
    CfKvmClock clock;

    g_assert_cmpint(fake_ops.get_clock(settling->destination.vm_fd, &clock),
                    ==, 0);
    assert_within((int64_t)clock.clock_ns - fake_guest_clock(settling->from, 0),
                  1000);
}

static bool settle(uint32_t vcpu, void *opaque)
{
    FakeVm *vm = opaque;

    assert_clock_nearly_right();
    g_assert_cmpuint(vcpu, ==, settled_vcpus++);
    fake_consume_update(&vm->vcpus[vcpu]);
    return true;
}

static bool fail_to_settle(uint32_t vcpu, void *opaque)
{
    (void)vcpu;
    (void)opaque;
    settled_vcpus++;
    return false;
}

/* The clock's step if its vCPUs sleep first, long enough for the model's only
 * difference of rates, a slope of 32 bits, to show. */
static int64_t step_after_sleep(Crossing *c, CfSettle how)
{
    fake_wait(CF_NS_PER_SEC);
    fake_enter(&fake_hosts[1]);
    settled_vcpus = 0;
    settling = c;
    c->destination.settle = how;
    g_assert_true(cf_restore(&c->destination, c->state, NULL, &c->report,
                             NULL));
    fake_wait(1000 * CF_NS_PER_SEC);
    fake_run(c->to);
    return crossing_step_ns(c);
}

static void test_settle(void)
{
    Crossing c;

    fake_reset();
    released_kernels();
    crossing_begin(&c, 3);
    crossing_capture(&c);
    assert_within(step_after_sleep(&c, settle), 3);
    g_assert_cmpuint(settled_vcpus, ==, 3);
    g_assert_false(c.report.pending_update);
    g_assert_cmpuint(bound_of(&c), <=, 4);
    crossing_end(&c);

    fake_reset();
    released_kernels();
    crossing_begin(&c, 3);
    crossing_capture(&c);
    g_assert_cmpint(step_after_sleep(&c, fail_to_settle), >, 200);
    g_assert_cmpuint(settled_vcpus, ==, 1);
    g_assert_true(c.report.pending_update);
    crossing_end(&c);
}

/* Where KVM does it by itself, and where it takes too long. */
static void test_settle_not(void)
{
    Crossing c;

    fake_reset();
    crossing_begin(&c, 2);
    crossing_capture(&c);
    assert_within(step_after_sleep(&c, settle), 3);
    g_assert_cmpuint(settled_vcpus, ==, 0);
    crossing_end(&c);

    fake_reset();
    released_kernels();
    fake_hosts[1].offset = CF_OFFSET_IGNORED;
    crossing_begin(&c, 2);
    crossing_capture(&c);
    step_after_sleep(&c, settle);
    g_assert_cmpuint(settled_vcpus, ==, 0);
    g_assert_true(c.report.pending_update);
    crossing_end(&c);
}

/* To a host without scaling whose TSC is that much faster. */
static void begin_20_percent_apart(Crossing *c)
{
    fake_reset();
    released_kernels();
    fake_hosts[1].tsc_control = false;
    fake_hosts[1].khz = 3000000;
    crossing_begin(c, 1);
}

/* 20 % apart, and a first run that is late: the guest's page tells how late. */
static void test_bound(void)
{
    uint64_t before_ns;
    int64_t step_ns = 0;
    Crossing c;

    begin_20_percent_apart(&c);
    crossing_capture(&c);
    fake_wait(CF_NS_PER_SEC);
    fake_enter(&fake_hosts[1]);
    g_assert_true(cf_restore(&c.destination, c.state, NULL, &c.report, NULL));
    g_assert_cmpuint(c.report.page, ==, FAKE_PAGE);
    before_ns = bound_of(&c);
    fake_wait(CF_NS_PER_SEC / 100);
    c.to->vcpus[0].update_pending = true;       /* asked for by a write of a TSC offset */
    fake_run(c.to);
    /* by the source's function, for the TSC runs at the wrong rate */
    g_assert_true(cf_clock_fn_eval(&c.state->fn, c.to->vcpus[0].record.tsc_timestamp,
                                   &step_ns));
    step_ns = (int64_t)c.to->vcpus[0].record.system_time - step_ns;
    g_assert_cmpint(ABS(step_ns), >, 1900000);
    assert_within(step_ns, (int64_t)bound_of(&c));
    g_assert_cmpuint(bound_of(&c), <, (uint64_t)ABS(step_ns) + 2000);
    g_assert_cmpuint(before_ns, >, bound_of(&c));
    crossing_end(&c);
}

/* KVM's halves of a record, at one reading and at the next. */
static bool read_torn(uint64_t address, void *buffer, size_t size,
                      void *opaque)
{
    static uint64_t readings;
    CfPvclockRecord *record = buffer;

    return fake_read_guest(address, buffer, size, opaque) &&
           (record->tsc_timestamp += ++readings << 40);
}

/* A record that KVM is writing isn't believed. */
static void test_bound_torn(void)
{
    uint64_t unknown_ns;
    Crossing c;

    begin_20_percent_apart(&c);
    crossing_cross(&c);
    c.destination.read_guest = NULL;
    unknown_ns = bound_of(&c);
    c.destination.read_guest = read_torn;
    g_assert_cmpuint(bound_of(&c), ==, unknown_ns);
    crossing_end(&c);
}

/* A kernel whose misses don't repeat. */
static void test_realtime(void)
{
    Crossing c;

    fake_reset();
    released_kernels();
    fake_hosts[1].noise_ns = 100000;
    crossing_begin(&c, 1);
    crossing_cross(&c);
    g_assert_cmpint(c.report.rung, ==, CF_RUNG_REALTIME);
    g_assert_cmpint(ABS(c.report.residual_ns), >, 2);
    assert_within(crossing_step_ns(&c) - c.report.residual_ns, 2);
    crossing_end(&c);
}

static void test_plain(void)
{
    Crossing c;

    fake_reset();
    released_kernels();
    fake_hosts[1].master_clock = false;
    crossing_begin(&c, 1);
    crossing_cross(&c);
    g_assert_cmpint(c.report.rung, ==, CF_RUNG_PLAIN);
    g_assert_cmpint(c.report.tries, ==, 1);
    g_assert_true(c.report.residual_known);
    g_assert_cmpuint(c.report.residual_error_ns, >, 0);
    assert_within(crossing_step_ns(&c) - c.report.residual_ns,
                  (int64_t)c.report.residual_error_ns);
    assert_within(crossing_step_ns(&c), (int64_t)bound_of(&c));
    assert_within(crossing_step_ns(&c), 500);
    crossing_end(&c);
}

/* The first call is cold and late: then there is another one. */
static void test_plain_cold(void)
{
    Crossing c;

    fake_reset();
    released_kernels();
    fake_hosts[1].master_clock = false;
    fake_hosts[1].cold_ns = 10000;
    crossing_begin(&c, 1);
    fake_hosts[1].cold_sets = 2;
    crossing_cross(&c);
    g_assert_cmpint(c.report.rung, ==, CF_RUNG_PLAIN);
    g_assert_cmpint(c.report.tries, ==, 2);
    assert_within(crossing_step_ns(&c), 500);
    crossing_end(&c);
}

/* The newest errnos, but no master clock: neither call can work. */
static void test_plain_newest(void)
{
    Crossing c;

    fake_reset();
    fake_hosts[1].master_clock = false;
    crossing_begin(&c, 1);
    crossing_cross(&c);
    g_assert_cmpint(c.report.rung, ==, CF_RUNG_PLAIN);
    crossing_end(&c);
}

/* Before 5.16: no offsets but the MSR, no real time. */
static void test_plain_old(void)
{
    Crossing c;
    int i;

    fake_reset();
    released_kernels();
    for (i = 0; i < FAKE_HOSTS; i++) {
        fake_hosts[i].has_offset = false;
        fake_hosts[i].adjust_clock = CF_KVM_CLOCK_TSC_STABLE;
    }
    crossing_begin(&c, 2);
    crossing_cross(&c);
    g_assert_cmpint(c.state->vcpus[0].offset_origin, ==, CF_OFFSET_MEASURED);
    g_assert_cmpint(c.report.tsc, ==, CF_TSC_COMPUTED);
    g_assert_cmpint(c.report.rung, ==, CF_RUNG_PLAIN);
    g_assert_cmpint(c.report.tries, ==, 2);
    assert_within(crossing_step_ns(&c), 10000);
    assert_within(crossing_tsc_step(&c, 0), 25000);
    g_assert_cmpuint(c.to->vcpus[0].offset_ticks, ==,
                     c.to->vcpus[1].offset_ticks);
    crossing_end(&c);
}

/* Unequal offsets cost released kernels the master clock, but KVM_GET_CLOCK
 * still claims it once: the ladder must notice when it is gone. */
static void test_stale_flags(void)
{
    Crossing c;

    fake_reset();
    released_kernels();
    crossing_begin(&c, 2);
    c.from->vcpus[1].offset_ticks += 1000;
    crossing_cross(&c);
    g_assert_cmpint(c.report.rung, ==, CF_RUNG_PLAIN);
    g_assert_cmpuint(c.report.skew_ticks, ==, 0);
    assert_within(crossing_step_ns(&c), 500);
    crossing_end(&c);
}

/* No function arrives: the clock goes on from the anchor. */
static void test_no_function(void)
{
    Crossing c;

    fake_reset();
    released_kernels();
    crossing_begin_khz(&c, 1, 2000000);
    c.source.read_guest = NULL;
    crossing_cross(&c);
    g_assert_cmpint(c.state->fn_origin, ==, CF_FN_NONE);
    g_assert_false(c.report.function_carried);
    g_assert_cmpint(c.report.rung, ==, CF_RUNG_CLOSED_LOOP);
    assert_within(c.report.residual_ns, 2);
    /* KVM_GET_CLOCK lags the guest's own view by 0.5 ppm of an hour. */
    assert_within(crossing_step_ns(&c), 1800000 + 10000);
    crossing_end(&c);
}

/* Applied twice it changes nothing but the last digit. */
static void test_twice(void)
{
    Crossing c;
    int64_t step_ns;

    fake_one_host();
    crossing_begin(&c, 2);
    crossing_cross(&c);
    step_ns = crossing_step_ns(&c);
    crossing_restore(&c);
    g_assert_cmpint(c.report.tsc, ==, CF_TSC_UNCHANGED);
    g_assert_cmpint(c.report.rung, ==, CF_RUNG_EXACT);
    assert_within(crossing_step_ns(&c) - step_ns, 2);
    crossing_end(&c);
}

/* Of the destination's calls the first, second, ... fails, until none does:
 * either all is well nevertheless, or there is an error and no trace. */
static void test_any_failure(void)
{
    bool failed_once = false;
    int k;

    for (k = 1; ; k++) {
        g_autoptr(GError) error = NULL;
        uint64_t before_ticks;
        Crossing c;

        fake_reset();
        crossing_begin(&c, 2);
        crossing_capture(&c);
        fake_enter(&fake_hosts[1]);
        before_ticks = c.to->vcpus[0].offset_ticks;
        fake_hosts[1].calls = 0;
        fake_hosts[1].fail_call = k;
        if (!cf_restore(&c.destination, c.state, NULL, &c.report, &error)) {
            failed_once = true;
            g_assert_nonnull(error);
            g_assert_cmpuint(c.to->vcpus[0].offset_ticks, ==, before_ticks);
            g_assert_cmpuint(c.to->vcpus[1].offset_ticks, ==, before_ticks);
        } else {
            g_assert_no_error(error);
            g_assert_cmpint(c.report.rung, <=, CF_RUNG_PLAIN);
        }
        crossing_end(&c);
        if (fake_hosts[1].calls < k) {
            break;
        }
    }
    g_assert_true(failed_once);
    g_assert_cmpint(k, >, 10);
}

/* kvmclock at one and the same guest TSC. */
static int64_t function_step_ns(const Crossing *c)
{
    const uint64_t ticks = fake_guest_ticks(&c->to->vcpus[0]);

    return fake_clock_at(c->to, 0, ticks) - fake_clock_at(c->from, 0, ticks);
}

/* Where a tick of the guest's TSC takes 5 ns, KVM's line begins somewhere in one:
 * the bound knows. */
static void test_long_ticks(void)
{
    int64_t most_ns = 0;
    uint32_t i;

    for (i = 0; i < 300; i++) {
        uint64_t bound_ns;
        int64_t step_ns;
        Crossing c;

        fake_reset();
        fake_hosts[0].khz = 200000;
        fake_hosts[1].khz = 160000;
        fake_hosts[1].tsc_base_ticks += 12345 * i;
        fake_hosts[0].clock_guest = FAKE_CLOCK_GUEST_ABSENT;
        fake_hosts[1].clock_guest = FAKE_CLOCK_GUEST_ABSENT;
        crossing_begin(&c, 1);
        fake_run(c.from);
        fake_wait(1000000 + 977 * i);
        crossing_cross(&c);
        step_ns = function_step_ns(&c);
        bound_ns = bound_of(&c);
        assert_within(step_ns, (int64_t)bound_ns);
        g_assert_cmpuint(bound_ns, <=, 2 + 4 + 2);
        most_ns = MAX(most_ns, ABS(step_ns));
        crossing_end(&c);
    }
    g_assert_cmpint(most_ns, >, 2);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/restore/exact", test_exact);
    g_test_add_func("/restore/exact-v6", test_exact_v6);
    g_test_add_func("/restore/busy", test_busy);
    g_test_add_func("/restore/busy-for-ever", test_busy_for_ever);
    g_test_add_func("/restore/reanchored", test_reanchored);
    g_test_add_func("/restore/long-ticks", test_long_ticks);
    g_test_add_func("/restore/reanchored-200-ppm", test_reanchored_200_ppm);
    g_test_add_func("/restore/closed-loop", test_closed_loop);
    g_test_add_func("/restore/settle", test_settle);
    g_test_add_func("/restore/settle-not", test_settle_not);
    g_test_add_func("/restore/bound", test_bound);
    g_test_add_func("/restore/bound-torn", test_bound_torn);
    g_test_add_func("/restore/realtime", test_realtime);
    g_test_add_func("/restore/plain", test_plain);
    g_test_add_func("/restore/plain-cold", test_plain_cold);
    g_test_add_func("/restore/plain-newest", test_plain_newest);
    g_test_add_func("/restore/plain-old", test_plain_old);
    g_test_add_func("/restore/stale-flags", test_stale_flags);
    g_test_add_func("/restore/no-function", test_no_function);
    g_test_add_func("/restore/twice", test_twice);
    g_test_add_func("/restore/any-failure", test_any_failure);
    return g_test_run();
}
