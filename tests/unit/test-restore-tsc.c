/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Test of cf_restore(): what becomes of the TSCs, on model hosts. */
#include <errno.h>
#include <string.h>
#include "crossing.h"

static void test_copied(void)
{
    Crossing c;

    fake_one_host();
    crossing_begin_khz(&c, 2, 2000000);
    c.from->vcpus[1].offset_ticks += 77;
    crossing_cross(&c);
    g_assert_true(c.report.same_host);
    g_assert_cmpint(c.report.tsc, ==, CF_TSC_COPIED);
    g_assert_cmpint(c.report.rate_error_ppt, ==, 0);
    g_assert_cmpint(crossing_tsc_step(&c, 0), ==, 0);
    g_assert_cmpint(crossing_tsc_step(&c, 1), ==, 0);
    crossing_end(&c);
}

/* The boot id says so, but the TSC began anew: it is another host. */
static void test_lying_boot_id(void)
{
    Crossing c;

    fake_one_host();
    fake_hosts[1].tsc_base_ticks += 10000000000ULL;
    crossing_begin(&c, 1);
    crossing_cross(&c);
    g_assert_false(c.report.same_host);
    g_assert_cmpint(c.report.tsc, ==, CF_TSC_COMPUTED);
    assert_within(crossing_tsc_step(&c, 0), 3);
    crossing_end(&c);
}

/* The other host, no offsets: kvmclock goes on with time, not with the TSC. */
static void test_ignored(void)
{
    Crossing c;

    fake_reset();
    fake_hosts[1].offset = CF_OFFSET_IGNORED;
    crossing_begin(&c, 2);
    crossing_cross(&c);
    g_assert_cmpint(c.report.tsc, ==, CF_TSC_NOT_SET);
    g_assert_cmpint(fake_hosts[1].offset_writes, ==, 0);
    g_assert_false(c.report.function_carried);
    g_assert_cmpint(c.report.rung, ==, CF_RUNG_REANCHORED);
    assert_within(crossing_step_ns(&c), 3);
    crossing_end(&c);
}

/* The same host, no offsets, but none is needed: nothing is written. */
static void test_unchanged(void)
{
    Crossing c;

    fake_one_host();
    crossing_begin(&c, 1);
    c.to->vcpus[0].offset_ticks = c.from->vcpus[0].offset_ticks;
    fake_hosts[1].offset = CF_OFFSET_IGNORED;
    crossing_cross(&c);
    g_assert_cmpint(c.report.tsc, ==, CF_TSC_UNCHANGED);
    g_assert_cmpint(fake_hosts[1].offset_writes, ==, 0);
    g_assert_true(c.report.function_carried);
    g_assert_cmpint(c.report.rung, ==, CF_RUNG_EXACT);
    crossing_end(&c);
}

/* What is read back from an unstable TSC says nothing: it is left as written,
 * and kvmclock goes by that. */
static void cross_unverified(bool probed_so)
{
    uint64_t bound_ns;
    Crossing c;

    fake_reset();
    if (probed_so) {
        fake_hosts[1].offset = CF_OFFSET_REWINDS;
    }
    fake_hosts[1].master_clock = FAKE_MASTER_CLOCK_NEVER;
    crossing_begin(&c, 2);
    fake_hosts[1].offset = CF_OFFSET_REWINDS;
    crossing_cross(&c);
    g_assert_cmpint(c.report.tsc, ==, CF_TSC_UNVERIFIED);
    g_assert_false(c.report.skew_known);
    g_assert_true(c.report.function_carried);
    assert_within(crossing_tsc_step(&c, 0), 3);
    assert_within(crossing_tsc_step(&c, 1), 3);
    assert_within(crossing_step_ns(&c), 500);
    g_assert_false(cf_report_bound(&c.destination, &c.report, &bound_ns));
    crossing_end(&c);
}

static void test_unverified(void)
{
    cross_unverified(true);
}

/* It became so since the host was probed. */
static void test_became_unverified(void)
{
    cross_unverified(false);
}

/* A host that keeps offsets, the probe said, and then it doesn't: undone. */
static void test_not_kept(void)
{
    Crossing c;

    fake_reset();
    crossing_begin(&c, 2);
    fake_hosts[1].offset = CF_OFFSET_IGNORED;
    crossing_cross(&c);
    g_assert_cmpint(c.report.tsc, ==, CF_TSC_NOT_SET);
    g_assert_cmpint(fake_hosts[1].offset_writes, ==, 4);
    g_assert_false(c.report.function_carried);
    assert_within(crossing_step_ns(&c), 3);
    crossing_end(&c);
}

/* Before 5.16: KVM takes a TSC within a second of the last one for the same.
 * The destination's differs by half a second from what it shall be. */
static void test_one_second_window(void)
{
    Crossing c;
    uint32_t i;

    fake_reset();
    fake_hosts[1].has_offset = false;
    crossing_begin(&c, 3);
    crossing_capture(&c);
    fake_wait(10 * CF_NS_PER_SEC);
    for (i = 0; i < 3; i++) {
        fake_write_tsc(&c.to->vcpus[i],
                       fake_guest_ticks(&c.from->vcpus[i]) + 1250000000);
    }
    crossing_restore(&c);
    g_assert_cmpint(c.report.tsc, ==, CF_TSC_COMPUTED);
    g_assert_false(c.report.skew_known);
    assert_within(crossing_tsc_step(&c, 0), 25000);
    g_assert_cmpuint(c.to->vcpus[2].offset_ticks, ==,
                     c.to->vcpus[0].offset_ticks);
    crossing_end(&c);
}

/* A frequency that was set puts the vCPUs out of step for KVM: then offsets
 * are written though they are right already. */
static void test_new_frequency(void)
{
    Crossing c;

    fake_one_host();
    crossing_begin_khz(&c, 2, 2000000);
    c.to->vcpus[0].offset_ticks = c.from->vcpus[0].offset_ticks;
    c.to->vcpus[1].offset_ticks = c.from->vcpus[1].offset_ticks;
    crossing_cross(&c);
    g_assert_cmpint(fake_hosts[1].khz_writes, ==, 2);
    g_assert_cmpint(fake_hosts[1].offset_writes, ==, 2);
    g_assert_cmpint(c.report.tsc, ==, CF_TSC_COPIED);
    crossing_end(&c);
}

/* The pause doesn't count: TSC and kvmclock go on from where they stopped. */
static void test_frozen(void)
{
    uint64_t stopped_ticks;
    int64_t stopped_ns;
    Crossing c;

    fake_reset();
    crossing_begin(&c, 2);
    c.options.freeze = true;
    crossing_capture(&c);
    stopped_ticks = fake_guest_ticks(&c.from->vcpus[0]);
    stopped_ns = fake_guest_clock(c.from, 0);
    crossing_restore(&c);
    g_assert_true(c.report.frozen);
    g_assert_cmpint(c.report.elapsed_ns, ==, 0);
    assert_within(c.report.passed_ns - (int64_t)(10 * CF_NS_PER_SEC), 100000);
    /* the restore itself takes some microseconds */
    assert_within((int64_t)(fake_guest_ticks(&c.to->vcpus[0]) - stopped_ticks),
                  100000);
    assert_within(fake_guest_clock(c.to, 0) - stopped_ns, 40000);
    g_assert_cmpint(c.report.rung, ==, CF_RUNG_EXACT);
    crossing_end(&c);
}

/* On one host, too, where offsets would else be copied. */
static void test_frozen_here(void)
{
    Crossing c;

    fake_one_host();
    crossing_begin(&c, 1);
    c.options.freeze = true;
    crossing_cross(&c);
    g_assert_true(c.report.same_host);
    g_assert_true(c.report.frozen);
    g_assert_cmpint(c.report.tsc, ==, CF_TSC_COMPUTED);
    assert_within(crossing_tsc_step(&c, 0) + 25000000000LL, 100000);
    assert_within(crossing_step_ns(&c) + 10000000000LL, 40000);
    crossing_end(&c);
}

/* A TSC that can't be stopped: then kvmclock isn't either. */
static void test_frozen_ignored(void)
{
    Crossing c;

    fake_reset();
    fake_hosts[1].offset = CF_OFFSET_IGNORED;
    crossing_begin(&c, 1);
    c.options.freeze = true;
    crossing_cross(&c);
    g_assert_false(c.report.frozen);
    g_assert_cmpint(c.report.elapsed_ns, ==, c.report.passed_ns);
    assert_within(crossing_step_ns(&c), 3);
    crossing_end(&c);
}

/* On one host a clock that is stepped meanwhile plays no part. */
static void test_stepped_clock(void)
{
    Crossing c;

    fake_one_host();
    crossing_begin(&c, 1);
    crossing_capture(&c);
    fake_hosts[1].realtime_base_ns += CF_NS_PER_SEC / 20;
    crossing_restore(&c);
    g_assert_true(c.report.same_host);
    assert_within(c.report.elapsed_ns - (int64_t)(10 * CF_NS_PER_SEC), 100000);
    crossing_end(&c);
}

/* The source didn't tell an offset: the TSC stays as it is. */
static void test_unknown(void)
{
    Crossing c;

    fake_reset();
    crossing_begin(&c, 1);
    crossing_capture(&c);
    c.state->vcpus[0].offset_origin = CF_OFFSET_UNKNOWN;
    crossing_restore(&c);
    g_assert_cmpint(c.report.tsc, ==, CF_TSC_UNKNOWN);
    g_assert_cmpint(fake_hosts[1].offset_writes, ==, 0);
    assert_within(crossing_step_ns(&c), 10000);
    crossing_end(&c);
}

/* The next calls of this kind fail; how many times. */
static int offset_writes_fail, clock_writes_fail;

static int set_offset(int vcpu_fd, uint64_t offset_ticks)
{
    return offset_writes_fail-- > 0 ? -EPERM
           : fake_ops.set_tsc_offset(vcpu_fd, offset_ticks);
}

static int set_clock(int vm_fd, const CfKvmClock *clock)
{
    return clock_writes_fail-- > 0 ? -EPERM
           : fake_ops.set_clock(vm_fd, clock);
}

/* All TSCs of a destination that has another frequency. */
static void assert_tscs_as_before(const Crossing *c)
{
    uint32_t i, khz;

    for (i = 0; i < c->destination.n_vcpus; i++) {
        const FakeVcpu *vcpu = &c->to->vcpus[i];

        g_assert_cmpint(fake_ops.get_tsc_khz(c->fds[1][i], &khz), ==, 0);
        g_assert_cmpuint(khz, ==, 2400000);
        g_assert_cmpuint(vcpu->ratio, ==, 1ULL << CF_FRAC_BITS_INTEL);
        g_assert_cmpuint(vcpu->offset_ticks, ==, 1000 + i);
        g_assert_cmpuint(vcpu->deadline_armed_ticks, ==, 1000 + i);
    }
}

static void begin_undo(Crossing *c, bool newest)
{
    uint32_t i;

    fake_reset();
    fake_hosts[1].khz = 2400000;
    if (!newest) {
        fake_hosts[1].clock_guest = FAKE_CLOCK_GUEST_ABSENT;
        fake_hosts[1].has_scale = false;
    }
    crossing_begin(c, 4);
    for (i = 0; i < 4; i++) {
        c->to->vcpus[i].offset_ticks = 1000 + i;
        c->to->vcpus[i].deadline_ticks = 4711;
        c->to->vcpus[i].deadline_armed_ticks = 1000 + i;
    }
    crossing_capture(c);
    fake_wait(10 * CF_NS_PER_SEC);
    fake_enter(&fake_hosts[1]);
}

static void assert_undone(Crossing *c, const char *why)
{
    g_autoptr(GError) error = NULL;

    g_assert_false(cf_restore(&c->destination, c->state, NULL, &c->report,
                              &error));
    g_assert_nonnull(strstr(error->message, why));
    assert_tscs_as_before(c);
    crossing_end(c);
}

/* Each call fails once, in turn. */
static void test_undo_each(void)
{
    int undone = 0, call;

    for (call = 1; call < 400; call++) {
        g_autoptr(GError) error = NULL;
        Crossing c;

        begin_undo(&c, call & 1);
        fake_hosts[1].calls = 0;
        fake_hosts[1].fail_call = call / 2;
        if (!cf_restore(&c.destination, c.state, NULL, &c.report, &error)) {
            assert_tscs_as_before(&c);
            undone++;
        }
        crossing_end(&c);
    }
    /* the first call, and four writes of an offset; on either kernel */
    g_assert_cmpint(undone, >=, 2 * 5);
}

/* Calls that go on failing: a sandbox forbids them. */
static void test_undo_forbidden(void)
{
    CfKvmOps ops = fake_ops;
    int newest, writes;
    Crossing c;

    ops.set_tsc_offset = set_offset;
    ops.set_clock = set_clock;
    for (newest = 0; newest < 2; newest++) {
        for (writes = 1; writes < 5; writes++) {
            begin_undo(&c, newest);
            c.destination.ops = &ops;
            offset_writes_fail = writes;
            assert_undone(&c, "setting the TSC offset failed");
        }
    }
    begin_undo(&c, false);
    c.destination.ops = &ops;
    clock_writes_fail = G_MAXINT;
    assert_undone(&c, "KVM_SET_CLOCK failed");
    clock_writes_fail = 0;
}

/* A kvmclock that would leave its range is found before anything is written. */
static void test_undo_range(void)
{
    Crossing c;

    begin_undo(&c, true);
    c.state->anchor.clock_ns = INT64_MAX - CF_NS_PER_SEC;
    c.state->fn_origin = CF_FN_NONE;
    assert_undone(&c, "kvmclock can't be computed");
    g_assert_cmpint(fake_hosts[1].khz_writes, ==, 0);
    g_assert_cmpint(fake_hosts[1].offset_writes, ==, 0);
}

/* Scaled without the attribute: derived, and the guest's TSC confirms it. */
static void test_derived(void)
{
    Crossing c;
    int i;

    fake_reset();
    for (i = 0; i < FAKE_HOSTS; i++) {
        fake_hosts[i].has_scale = false;
    }
    fake_hosts[1].khz = 2400000;
    crossing_begin_khz(&c, 1, 2000000);
    crossing_cross(&c);
    g_assert_cmpint(c.state->vcpus[0].freq_origin, ==, CF_FREQ_DERIVED);
    g_assert_true(cf_tsc_is_scaled(&c.state->vcpus[0].freq));
    g_assert_true(c.report.rate_known);
    assert_within(c.report.rate_error_ppt, CF_RATE_EXACT_PPT);
    assert_within(crossing_tsc_step(&c, 0), 3);
    crossing_end(&c);
}

/* Asked for 2 kHz more than the host has, KVM says yes and doesn't scale. */
static void test_within_tolerance(void)
{
    Crossing c;

    fake_reset();
    fake_hosts[0].has_scale = false;
    crossing_begin_khz(&c, 1, 2500002);
    crossing_capture(&c);
    g_assert_cmpint(c.state->vcpus[0].freq_origin, ==, CF_FREQ_DERIVED);
    g_assert_false(cf_tsc_is_scaled(&c.state->vcpus[0].freq));
    crossing_end(&c);
}

/* A destination that can't scale must not be asked to: catch-up is for life.
 * What it runs at is reported. */
static void test_no_control(void)
{
    Crossing c;

    fake_reset();
    fake_hosts[1].tsc_control = false;
    fake_hosts[1].khz = 2600000;
    crossing_begin(&c, 1);
    crossing_cross(&c);
    g_assert_cmpint(fake_hosts[1].khz_writes, ==, 0);
    g_assert_true(c.report.rate_known);
    g_assert_cmpint(c.report.rate_error_ppt, ==, 40000000000LL);
    assert_within(c.report.residual_ns, 2);
    crossing_end(&c);
}

/* AMD to Intel and back are only numbers. */
static void test_amd(void)
{
    Crossing c;

    fake_reset();
    fake_hosts[0].frac_bits = CF_FRAC_BITS_AMD;
    fake_hosts[0].id.frac_bits = CF_FRAC_BITS_AMD;
    crossing_begin_khz(&c, 1, 3000000);
    crossing_cross(&c);
    assert_within(c.report.rate_error_ppt, CF_RATE_EXACT_PPT);
    /* a ratio of 32 bits runs up to 0.2 ppb slow: ten seconds' worth */
    assert_within(crossing_tsc_step(&c, 0), 10);
    crossing_end(&c);
}

/* The destination's clock is 30 s behind: no time elapsed, and it says so. */
static void test_clock_behind(void)
{
    Crossing c;

    fake_reset();
    fake_hosts[1].realtime_base_ns -= 30 * CF_NS_PER_SEC;
    crossing_begin(&c, 1);
    crossing_cross(&c);
    g_assert_true(c.report.clock_behind);
    g_assert_cmpint(c.report.elapsed_ns, ==, 0);
    g_assert_cmpint(c.report.rung, ==, CF_RUNG_EXACT);
    assert_within(c.report.residual_ns, 1);
    crossing_end(&c);
}

/* A leap second during the blackout: UTC repeats a second, TAI doesn't. */
static void test_leap_second(void)
{
    Crossing c;

    fake_reset();
    fake_hosts[1].realtime_base_ns -= CF_NS_PER_SEC;
    fake_hosts[1].time.tai_offset_s++;
    crossing_begin(&c, 1);
    crossing_cross(&c);
    assert_within(crossing_step_ns(&c), 3);
    assert_within(crossing_tsc_step(&c, 0), 3);
    crossing_end(&c);
}

static void test_deadline(void)
{
    Crossing c;

    fake_reset();
    crossing_begin(&c, 2);
    c.to->vcpus[1].deadline_ticks = 4711;
    crossing_cross(&c);
    g_assert_cmpint(fake_hosts[1].deadline_writes, ==, 1);
    g_assert_cmpuint(c.to->vcpus[1].deadline_ticks, ==, 4711);
    crossing_end(&c);
}

static void test_wrong_vcpus(void)
{
    g_autoptr(GError) error = NULL;
    Crossing c;

    fake_reset();
    crossing_begin(&c, 2);
    crossing_capture(&c);
    c.destination.n_vcpus = 1;
    g_assert_false(cf_restore(&c.destination, c.state, NULL, &c.report, &error));
    g_assert_error(error, CF_ERROR, CF_ERROR_INVALID);
    crossing_end(&c);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tsc/copied", test_copied);
    g_test_add_func("/tsc/lying-boot-id", test_lying_boot_id);
    g_test_add_func("/tsc/ignored", test_ignored);
    g_test_add_func("/tsc/unchanged", test_unchanged);
    g_test_add_func("/tsc/unverified", test_unverified);
    g_test_add_func("/tsc/became-unverified", test_became_unverified);
    g_test_add_func("/tsc/not-kept", test_not_kept);
    g_test_add_func("/tsc/one-second-window", test_one_second_window);
    g_test_add_func("/tsc/new-frequency", test_new_frequency);
    g_test_add_func("/tsc/frozen", test_frozen);
    g_test_add_func("/tsc/frozen-here", test_frozen_here);
    g_test_add_func("/tsc/frozen-ignored", test_frozen_ignored);
    g_test_add_func("/tsc/stepped-clock", test_stepped_clock);
    g_test_add_func("/tsc/unknown", test_unknown);
    g_test_add_func("/tsc/undo-each", test_undo_each);
    g_test_add_func("/tsc/undo-forbidden", test_undo_forbidden);
    g_test_add_func("/tsc/undo-range", test_undo_range);
    g_test_add_func("/tsc/derived", test_derived);
    g_test_add_func("/tsc/within-tolerance", test_within_tolerance);
    g_test_add_func("/tsc/no-control", test_no_control);
    g_test_add_func("/tsc/amd", test_amd);
    g_test_add_func("/tsc/clock-behind", test_clock_behind);
    g_test_add_func("/tsc/leap-second", test_leap_second);
    g_test_add_func("/tsc/deadline", test_deadline);
    g_test_add_func("/tsc/wrong-vcpus", test_wrong_vcpus);
    return g_test_run();
}
