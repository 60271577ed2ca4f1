/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Capture and restore on model hosts whose TSC isn't as fast as it says. */
#include "crossing.h"

#define PPM INT64_C(1000000)
#define US UINT64_C(1000)

/* Ten seconds away from a host that is 40 ppm fast, which is 400 us. */
static void cross(Crossing *c, int64_t adjustment_ppt, uint64_t error_ns)
{
    fake_reset();
    fake_hosts[0].rate_ppm = 40;
    fake_hosts[0].time.adjustment_ppt = adjustment_ppt;
    fake_hosts[0].time.max_error_ns = error_ns;
    crossing_begin(c, 2);
    crossing_cross(c);
}

static uint64_t error_ns(const Crossing *c)
{
    return cf_magnitude(crossing_tsc_step(c, 0)) * 1000000 / fake_hosts[0].khz;
}

/* What was measured since the host was probed wins. */
static void test_measured(void)
{
    Crossing c;

    cross(&c, 0, 1000);
    g_assert_cmpint(c.state->rate.ppt, >, 39 * PPM);
    g_assert_cmpint(c.state->rate.ppt, <, 41 * PPM);
    g_assert_cmpint(c.state->rate.doubt_ppt, <, 3 * PPM);
    g_assert_cmpuint(c.report.time_bound_ns, <, 30 * US);
    g_assert_cmpuint(error_ns(&c), <=, c.report.time_bound_ns);
    g_assert_cmpuint(error_ns(&c), <, 5 * US);
    /* kvmclock goes with it, as the same function of the TSC */
    assert_within(crossing_step_ns(&c), 5 * (int64_t)US);
    crossing_end(&c);
}

/* Clocks that are too wrong to measure: the kernel's word, and no proof. */
static void test_told(void)
{
    Crossing c;

    cross(&c, -40 * PPM, 60 * CF_NS_PER_SEC);
    g_assert_cmpint(c.state->rate.doubt_ppt, >, 100 * PPM);
    g_assert_cmpuint(error_ns(&c), <, US);
    g_assert_cmpuint(c.report.time_bound_ns, >, 60 * CF_NS_PER_SEC);
    crossing_end(&c);
}

/* Nor is an unsynchronised clock's correction one. */
static void test_unsynchronised(void)
{
    Crossing c;

    fake_reset();
    fake_hosts[0].time.synchronised = false;
    fake_hosts[0].time.adjustment_ppt = -40 * PPM;
    crossing_begin(&c, 1);
    crossing_capture(&c);
    g_assert_cmpint(c.state->rate.ppt, ==, 0);
    g_assert_cmpint(c.state->rate.doubt_ppt, ==, CF_TSC_DOUBT_PPT);
    crossing_end(&c);
}

/*
 * A host whose clock got right only after it was probed, and is being turned
 * against its TSC: what its kernel tells is worse than nothing.
 */
static void test_turned(void)
{
    const int64_t turns_ppt[] = { 450 * PPM, -500 * PPM };
    Crossing c;
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(turns_ppt); i++) {
        fake_reset();
        fake_hosts[0].rate_ppm = turns_ppt[i] > 0 ? 100 : -100;
        fake_hosts[0].time.adjustment_ppt = turns_ppt[i];
        fake_hosts[0].time.synchronised = false;
        crossing_begin(&c, 1);
        fake_hosts[0].time.synchronised = true;
        crossing_cross(&c);
        g_assert_cmpuint(error_ns(&c), >, 5000 * US);
        g_assert_cmpuint(error_ns(&c), <=, c.report.time_bound_ns);
        crossing_end(&c);
    }
}

/* A state of a library that knew nothing of rates: the doubt is in the bound. */
static void test_not_carried(void)
{
    Crossing c;

    fake_reset();
    fake_hosts[0].rate_ppm = 40;
    crossing_begin(&c, 1);
    crossing_capture(&c);
    c.state->rate = (struct cf_host_rate) { 0 };
    crossing_restore(&c);
    g_assert_cmpuint(error_ns(&c), >, 390 * US);
    g_assert_cmpuint(error_ns(&c), <=, c.report.time_bound_ns);
    g_assert_cmpuint(c.report.time_bound_ns, <, 6000 * US);
    crossing_end(&c);
}

/* An unstable TSC has no rate. */
static void test_unstable(void)
{
    Crossing c;

    fake_reset();
    crossing_begin(&c, 1);
    fake_hosts[0].offset = CF_OFFSET_REWINDS;
    c.hosts[0].offset = CF_OFFSET_REWINDS;
    crossing_capture(&c);
    g_assert_cmpint(c.state->rate.doubt_ppt, ==, 0);
    crossing_end(&c);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/rate/measured", test_measured);
    g_test_add_func("/rate/told", test_told);
    g_test_add_func("/rate/unsynchronised", test_unsynchronised);
    g_test_add_func("/rate/turned", test_turned);
    g_test_add_func("/rate/not-carried", test_not_carried);
    g_test_add_func("/rate/unstable", test_unstable);
    return g_test_run();
}
