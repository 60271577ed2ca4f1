/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Test of cf_restore(): what becomes of the TSCs, on model hosts. */
#include <string.h>
#include "crossing.h"

static void same_host(void)
{
    fake_reset();
    fake_hosts[1] = fake_hosts[0];
}

static void test_copied(void)
{
    Crossing c;

    same_host();
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

    same_host();
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
    g_assert_cmpint(c.report.tsc, ==, CF_TSC_IGNORED);
    g_assert_false(c.report.function_carried);
    g_assert_cmpint(c.report.rung, ==, CF_RUNG_REANCHORED);
    assert_within(crossing_step_ns(&c), 3);
    crossing_end(&c);
}

/* The same host, no offsets, but none is needed: nothing is written. */
static void test_unchanged(void)
{
    Crossing c;

    same_host();
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

static void test_unstable(void)
{
    Crossing c;

    fake_reset();
    fake_hosts[1].offset = CF_OFFSET_REWINDS;
    crossing_begin(&c, 2);
    crossing_cross(&c);
    g_assert_cmpint(c.report.tsc, ==, CF_TSC_UNSTABLE);
    g_assert_false(c.report.function_carried);
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

/* One restore with a call that fails. Tells how many offsets were written
 * and put back, if it was one of these writes that failed. */
static int writes_undone(int fail_call)
{
    g_autoptr(GError) error = NULL;
    Crossing c;
    uint32_t i;

    fake_reset();
    crossing_begin(&c, 4);
    for (i = 0; i < 4; i++) {
        c.to->vcpus[i].offset_ticks = 1000 + i;
    }
    crossing_capture(&c);
    fake_enter(&fake_hosts[1]);
    fake_hosts[1].calls = 0;
    fake_hosts[1].fail_call = fail_call;
    cf_restore(&c.destination, c.state, &c.report, &error);
    crossing_end(&c);
    if (!error || !strstr(error->message, "TSC offset")) {
        return 0;
    }
    for (i = 0; i < 4; i++) {
        g_assert_cmpuint(c.to->vcpus[i].offset_ticks, ==, 1000 + i);
    }
    return fake_hosts[1].offset_writes / 2;
}

/* The write of vCPU k fails: those before it get their old offsets back. */
static void test_undo(void)
{
    int k = 0, call;

    for (call = 1; call < 200; call++) {
        const int undone = writes_undone(call);

        if (undone) {
            g_assert_cmpint(undone, ==, ++k);
        }
    }
    g_assert_cmpint(k, ==, 4);
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
    g_assert_false(cf_restore(&c.destination, c.state, &c.report, &error));
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
    g_test_add_func("/tsc/unstable", test_unstable);
    g_test_add_func("/tsc/unknown", test_unknown);
    g_test_add_func("/tsc/undo", test_undo);
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
