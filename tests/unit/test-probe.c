/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Test of cf_host_probe(): what is found out about model hosts. */
#include <errno.h>
#include "fake-kvm.h"

static CfHost probe_host(void)
{
    g_autoptr(GError) error = NULL;
    CfHost probe;

    fake_enter(&fake_hosts[0]);
    g_assert_true(cf_host_probe(&fake_ops, "0", &probe, &error));
    g_assert_no_error(error);
    return probe;
}

static void test_newest(void)
{
    CfHost probe;

    fake_reset();
    fake_hosts[0].time.leap = CF_LEAP_INSERT;
    fake_hosts[0].capability_known = true;
    probe = probe_host();
    g_assert_cmpuint(probe.host_khz, ==, 2500000);
    g_assert_cmpint(probe.scaling, ==, CF_SCALING_WORKS);
    g_assert_cmpuint(probe.frac_bits, ==, 48);
    g_assert_cmpint(probe.has_scale, ==, CF_ANSWER_YES);
    g_assert_true(probe.tolerance_known);
    g_assert_cmpuint(probe.tolerance_ppm, ==, 250);
    g_assert_cmpint(probe.has_offset, ==, CF_ANSWER_YES);
    g_assert_true(probe.offset_known);
    g_assert_cmpint(probe.offset, ==, CF_OFFSET_STICKS);
    g_assert_cmpint(probe.master_clock, ==, CF_ANSWER_YES);
    g_assert_cmpint(probe.set_realtime, ==, CF_ANSWER_YES);
    g_assert_cmpint(probe.clock_guest, ==, CF_CLOCK_GUEST_PRESENT);
    g_assert_cmpint(probe.clock_guest_style, ==,
                    CF_CLOCK_GUEST_STYLE_CAPABILITY);
    g_assert_cmpint(probe.clock_guest_errno, ==, 0);
    g_assert_true(probe.rung_known);
    g_assert_cmpint(probe.best_rung, ==, CF_RUNG_EXACT);
    g_assert_true(probe.time_known);
    g_assert_cmpint(probe.time.tai_offset_s, ==, 37);
    g_assert_cmpint(probe.time.leap, ==, CF_LEAP_INSERT);
    g_assert_true(probe.instant_known);
    g_assert_cmpint(probe.instant.tai_offset_s, ==, 37);
    g_assert_cmpuint(probe.instant.host_ticks, >, 0);
}

static void test_released(void)
{
    CfHost probe;

    fake_reset();
    fake_hosts[0].clock_guest = FAKE_CLOCK_GUEST_ABSENT;
    fake_hosts[0].has_scale = false;
    fake_hosts[0].id.frac_bits = CF_FRAC_BITS_INTEL;
    probe = probe_host();
    g_assert_cmpint(probe.clock_guest, ==, CF_CLOCK_GUEST_ABSENT);
    g_assert_cmpint(probe.clock_guest_style, ==, CF_CLOCK_GUEST_STYLE_UNKNOWN);
    g_assert_cmpint(probe.best_rung, ==, CF_RUNG_CLOSED_LOOP);
    g_assert_cmpint(probe.has_scale, ==, CF_ANSWER_NO);
    g_assert_cmpint(probe.scaling, ==, CF_SCALING_WORKS);
}

static CfClockGuestStyle style_of(FakeClockGuest clock_guest, bool late,
                                  bool capability_known)
{
    fake_reset();
    fake_hosts[0].clock_guest = clock_guest;
    fake_hosts[0].clock_guest_waits = late;
    fake_hosts[0].capability_known = capability_known;
    return probe_host().clock_guest_style;
}

/* By the capability, or by how they fail without a master clock, which the
 * probe can only bring about where TSCs can be scaled. */
static void test_style(void)
{
    const CfClockGuestStyle unknown = CF_CLOCK_GUEST_STYLE_UNKNOWN;
    const CfClockGuestStyle v6 = CF_CLOCK_GUEST_STYLE_V6;
    const CfClockGuestStyle newest = CF_CLOCK_GUEST_STYLE_CAPABILITY;

    g_assert_cmpint(style_of(FAKE_CLOCK_GUEST_NEWEST, false, true), ==, newest);
    g_assert_cmpint(style_of(FAKE_CLOCK_GUEST_V6, false, true), ==, v6);
    g_assert_cmpint(style_of(FAKE_CLOCK_GUEST_NEWEST, true, false), ==, newest);
    g_assert_cmpint(style_of(FAKE_CLOCK_GUEST_V6, true, false), ==, v6);
    g_assert_cmpint(style_of(FAKE_CLOCK_GUEST_NEWEST, false, false), ==,
                    newest);
    g_assert_cmpint(style_of(FAKE_CLOCK_GUEST_V6, false, false), ==, v6);
    g_assert_cmpint(style_of(FAKE_CLOCK_GUEST_ABSENT, false, true), ==,
                    unknown);
    g_assert_cmpint(style_of(FAKE_CLOCK_GUEST_ABSENT, true, false), ==,
                    unknown);
    fake_reset();
    fake_hosts[0].tsc_control = false;
    g_assert_cmpint(probe_host().clock_guest_style, ==, unknown);
}

static void test_scaling(void)
{
    fake_reset();
    fake_hosts[0].scaling_fails = true;
    g_assert_cmpint(probe_host().scaling, ==, CF_SCALING_FAILS);
    fake_hosts[0].tsc_control = false;
    fake_hosts[0].khz_writes = 0;
    g_assert_cmpint(probe_host().scaling, ==, CF_SCALING_NONE);
    g_assert_cmpint(fake_hosts[0].khz_writes, ==, 0);
}

static void test_offset(void)
{
    CfHost probe;

    fake_reset();
    fake_hosts[0].offset = CF_OFFSET_IGNORED;
    g_assert_cmpint(probe_host().offset, ==, CF_OFFSET_IGNORED);
    fake_hosts[0].offset = CF_OFFSET_REWINDS;
    probe = probe_host();
    g_assert_cmpint(probe.offset, ==, CF_OFFSET_REWINDS);
    g_assert_cmpint(probe.scaling, ==, CF_SCALING_WORKS);

    /* before 5.16: by MSR_IA32_TSC */
    fake_hosts[0].offset = CF_OFFSET_STICKS;
    fake_hosts[0].has_offset = false;
    probe = probe_host();
    g_assert_cmpint(probe.has_offset, ==, CF_ANSWER_NO);
    g_assert_cmpint(probe.offset, ==, CF_OFFSET_STICKS);
    fake_hosts[0].offset = CF_OFFSET_IGNORED;
    g_assert_cmpint(probe_host().offset, ==, CF_OFFSET_IGNORED);
}

static void test_no_master_clock(void)
{
    CfHost probe;

    fake_reset();
    fake_hosts[0].master_clock = false;
    probe = probe_host();
    g_assert_cmpint(probe.master_clock, ==, CF_ANSWER_NO);
    g_assert_cmpint(probe.clock_guest, ==, CF_CLOCK_GUEST_UNUSABLE);
    g_assert_cmpint(probe.clock_guest_errno, ==, ENODATA);
    g_assert_cmpint(probe.best_rung, ==, CF_RUNG_PLAIN);
}

static void test_old_clock(void)
{
    CfHost probe;

    fake_reset();
    fake_hosts[0].clock_guest = FAKE_CLOCK_GUEST_ABSENT;
    fake_hosts[0].adjust_clock = CF_KVM_CLOCK_TSC_STABLE;
    probe = probe_host();
    g_assert_cmpint(probe.set_realtime, ==, CF_ANSWER_NO);
    g_assert_cmpint(probe.master_clock, ==, CF_ANSWER_NO);
    g_assert_cmpint(probe.best_rung, ==, CF_RUNG_PLAIN);
}

/* Each call fails once: an error, or facts; and no VM stays open. */
static void test_any_failure(void)
{
    int failures = 0;
    int k;

    for (k = 1; ; k++) {
        g_autoptr(GError) error = NULL;
        CfHost probe;

        fake_reset();
        fake_enter(&fake_hosts[0]);
        fake_hosts[0].fail_call = k;
        if (!cf_host_probe(&fake_ops, "0", &probe, &error)) {
            g_assert_nonnull(error);
            failures++;
        }
        g_assert_cmpint(fake_open_vms(), ==, 0);
        if (fake_hosts[0].calls < k) {
            break;
        }
    }
    /* open, VM, vCPU and the frequency: without these there is no probe */
    g_assert_cmpint(failures, ==, 4);
    g_assert_cmpint(k, >, 20);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/probe/newest", test_newest);
    g_test_add_func("/probe/released", test_released);
    g_test_add_func("/probe/style", test_style);
    g_test_add_func("/probe/scaling", test_scaling);
    g_test_add_func("/probe/offset", test_offset);
    g_test_add_func("/probe/no-master-clock", test_no_master_clock);
    g_test_add_func("/probe/old-clock", test_old_clock);
    g_test_add_func("/probe/any-failure", test_any_failure);
    return g_test_run();
}
