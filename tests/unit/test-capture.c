/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Test of cf_capture() and cf_state_validate() on model hosts: what is
 * believed of a hostile guest's page, a hostile state, a VM that is half one. */
#include <string.h>
#include <clockferry/clock-meant.h>
#include "crossing.h"

static void old_source(void)
{
    fake_reset();
    fake_hosts[0].clock_guest = FAKE_CLOCK_GUEST_ABSENT;
}

/* Captures with the page as @break_it left it; it must not be believed. */
static void page_is_refused(void (*break_it)(Crossing *c))
{
    Crossing c;

    old_source();
    crossing_begin(&c, 1);
    break_it(&c);
    crossing_capture(&c);
    g_assert_cmpint(c.state->fn_origin, ==, CF_FN_BUILT);
    crossing_restore(&c);
    assert_within(crossing_step_ns(&c), 10000);
    crossing_end(&c);
}

static void odd_version(Crossing *c) { c->from->vcpus[0].record.version = 3; }
static void no_mul(Crossing *c) { c->from->vcpus[0].record.tsc_to_system_mul = 0; }
static void shift_high(Crossing *c) { c->from->vcpus[0].record.tsc_shift = 127; }
static void shift_low(Crossing *c) { c->from->vcpus[0].record.tsc_shift = -128; }
static void not_stable(Crossing *c) { c->from->vcpus[0].record.flags = 0; }
static void other_rate(Crossing *c) { c->from->vcpus[0].record.tsc_to_system_mul--; }
static void far_ahead(Crossing *c) { c->from->vcpus[0].record.system_time += 1ULL << 40; }
static void huge(Crossing *c) { c->from->vcpus[0].record.system_time = UINT64_MAX; }
static void future(Crossing *c) { c->from->vcpus[0].record.tsc_timestamp = UINT64_MAX; }
static void turned_off(Crossing *c) { c->from->vcpus[0].system_time_msr = 0; }

static void outside_ram(Crossing *c)
{
    c->from->vcpus[0].system_time_msr = UINT64_MAX;
}

static void slower(Crossing *c)
{
    c->from->vcpus[0].record.tsc_to_system_mul -= 1 << 20;
}

static void test_hostile_page(void)
{
    page_is_refused(odd_version);
    page_is_refused(no_mul);
    page_is_refused(shift_high);
    page_is_refused(shift_low);
    page_is_refused(not_stable);
    page_is_refused(far_ahead);
    page_is_refused(huge);
    page_is_refused(future);
    page_is_refused(turned_off);
    page_is_refused(outside_ram);
    page_is_refused(slower);
}

/* The last bit of mul is within anyone's rounding. */
static void test_good_page(void)
{
    Crossing c;

    old_source();
    crossing_begin(&c, 1);
    crossing_capture(&c);
    g_assert_cmpint(c.state->fn_origin, ==, CF_FN_PAGE);
    cf_state_free(g_steal_pointer(&c.state));
    other_rate(&c);
    crossing_capture(&c);
    g_assert_cmpint(c.state->fn_origin, ==, CF_FN_PAGE);
    crossing_end(&c);
}

/* A guest that stopped for two seconds. Its TSCs are captured as KVM would have
 * them when it runs again, and kvmclock goes with them. What there was to call. */
static int capture_after_stop(Crossing *c, int unstable_call)
{
    const uint64_t stop_ticks = 2 * 1000ULL * fake_hosts[0].khz;
    uint64_t ran_ticks[2], ticks = 0;
    int64_t ns = 0;
    uint32_t i;

    crossing_begin(c, 2);
    fake_run(c->from);
    for (i = 0; i < 2; i++) {
        ran_ticks[i] = c->from->vcpus[i].last_ticks;
    }
    fake_wait(2 * CF_NS_PER_SEC);
    fake_hosts[0].calls = 0;
    fake_hosts[0].unstable_call = unstable_call;
    crossing_capture(c);
    for (i = 2; i-- > 0;) {
        ticks = c->state->anchor.instant.host_ticks +
                c->state->vcpus[i].offset_ticks;
        assert_within((int64_t)(ticks - ran_ticks[i] - stop_ticks),
                      stop_ticks / 1000);
    }
    g_assert_true(cf_clock_fn_eval(&c->state->fn, ticks, &ns));
    assert_within(ns - (int64_t)c->state->anchor.clock_ns, 1000000);
    return fake_hosts[0].calls;
}

/* Where a TSC is put back whenever it is looked at, it catches up. */
static void test_unstable(void)
{
    Crossing c;

    old_source();
    fake_hosts[0].offset = CF_OFFSET_REWINDS;
    capture_after_stop(&c, 0);
    g_assert_true(c.state->unstable);
    g_assert_cmpint(c.state->fn_origin, ==, CF_FN_PAGE);
    crossing_end(&c);
}

/* It may become so at any call, when its host was probed long ago. */
static void test_becomes_unstable(void)
{
    int k = 0, calls, seen = 0;

    do {
        Crossing c;

        old_source();
        calls = capture_after_stop(&c, ++k);
        seen += c.state->unstable;
        crossing_end(&c);
    } while (k < calls);
    g_assert_cmpint(seen, >=, k - 2);
}

/* Capture reads only. */
static void test_reads_only(void)
{
    Crossing c;
    uint64_t ref_ns;

    fake_reset();
    crossing_begin(&c, 2);
    fake_hosts[0].offset_writes = 0;
    fake_hosts[0].khz_writes = 0;
    ref_ns = c.from->ref_ns;
    crossing_capture(&c);
    g_assert_cmpint(fake_hosts[0].offset_writes, ==, 0);
    g_assert_cmpint(fake_hosts[0].khz_writes, ==, 0);
    g_assert_cmpuint(c.from->ref_ns, ==, ref_ns);
    crossing_end(&c);
}

/* Each call fails once: an error, or a state that is honest about it. */
static void test_any_failure(void)
{
    int k;

    for (k = 1; ; k++) {
        g_autoptr(GError) error = NULL;
        Crossing c;

        fake_reset();
        crossing_begin(&c, 2);
        fake_hosts[0].calls = 0;
        fake_hosts[0].fail_call = k;
        if (cf_capture(&c.source, &c.state, &error)) {
            cf_state_validate(c.state, &error);
            g_assert_no_error(error);
        } else {
            g_assert_nonnull(error);
        }
        crossing_end(&c);
        if (fake_hosts[0].calls < k) {
            break;
        }
    }
    g_assert_cmpint(k, >, 5);
}

static void state_is_refused(void (*break_it)(CfState *state))
{
    g_autoptr(GError) error = NULL;
    Crossing c;

    fake_reset();
    crossing_begin(&c, 1);
    crossing_capture(&c);
    g_assert_true(cf_state_validate(c.state, &error));
    break_it(c.state);
    g_assert_false(cf_state_validate(c.state, &error));
    g_assert_error(error, CF_ERROR, CF_ERROR_INVALID);
    c.state->n_vcpus = 1;
    crossing_end(&c);
}

static void no_vcpus(CfState *s) { s->n_vcpus = 0; }
static void many_vcpus(CfState *s) { s->n_vcpus = UINT32_MAX; }
static void no_khz(CfState *s) { s->host_khz = 0; }
static void no_ratio(CfState *s) { s->vcpus[0].freq.ratio = 0; }
static void frac_64(CfState *s) { s->vcpus[0].freq.frac_bits = 64; }
static void bad_origin(CfState *s) { s->vcpus[0].freq_origin = 99; }
static void bad_offset(CfState *s) { s->vcpus[0].offset_origin = 99; }
static void no_time(CfState *s) { s->anchor.instant.realtime_ns = 0; }
static void late(CfState *s) { s->anchor.instant.realtime_ns = 1ULL << 63; }
static void tai(CfState *s) { s->anchor.instant.tai_offset_s = INT32_MIN; }
static void clock_high(CfState *s) { s->anchor.clock_ns = UINT64_MAX; }
static void no_fn_mul(CfState *s) { s->fn.mul = 0; }
static void fn_shift(CfState *s) { s->fn.shift = INT32_MIN; }
static void fn_late(CfState *s) { s->fn.tsc_ticks += 1ULL << 62; }
static void fn_year_3000(CfState *s) { s->fn.system_ns = 1ULL << 62; }
static void fn_wraps(CfState *s) { s->fn.system_ns = UINT64_MAX; }
static void fn_origin_low(CfState *s) { s->fn_origin = (CfFnOrigin)-1; }
static void fn_origin_high(CfState *s) { s->fn_origin = CF_FN_BUILT + 1; }
static void ahead_unmeant(CfState *s) { s->fn_ahead_ns = -1; }
static void rate_far_off(CfState *s) { s->rate.ppt = CF_TSC_DOUBT_PPT + 1; }
static void rate_in_doubt(CfState *s) { s->rate.doubt_ppt = -1; }
static void rate_of_unknown(CfState *s) { s->rate = (struct cf_host_rate) { 1, 0 }; }
static void many_exchanges(CfState *s) { s->exchanges.n = CF_EXCHANGES_MAX + 1; }

static void far_ahead_of_meant(CfState *s)
{
    s->fn_meant = true;
    s->fn_ahead_ns = CF_FN_APART_NS + 1;
}

static void endless_boot_id(CfState *s)
{
    memset(s->boot_id, 'x', sizeof(s->boot_id));
}

static void test_hostile_state(void)
{
    state_is_refused(no_vcpus);
    state_is_refused(many_vcpus);
    state_is_refused(no_khz);
    state_is_refused(no_ratio);
    state_is_refused(frac_64);
    state_is_refused(bad_origin);
    state_is_refused(bad_offset);
    state_is_refused(no_time);
    state_is_refused(late);
    state_is_refused(tai);
    state_is_refused(clock_high);
    state_is_refused(no_fn_mul);
    state_is_refused(fn_shift);
    state_is_refused(fn_late);
    state_is_refused(fn_year_3000);
    state_is_refused(fn_wraps);
    state_is_refused(endless_boot_id);
    state_is_refused(fn_origin_low);
    state_is_refused(fn_origin_high);
    state_is_refused(ahead_unmeant);
    state_is_refused(far_ahead_of_meant);
    state_is_refused(rate_far_off);
    state_is_refused(rate_in_doubt);
    state_is_refused(rate_of_unknown);
    state_is_refused(many_exchanges);
}

/* What may be of a state is at the border of what is refused. */
static void test_borders(void)
{
    g_autoptr(GError) error = NULL;
    Crossing c;

    fake_reset();
    crossing_begin(&c, 1);
    crossing_capture(&c);
    c.state->fn_meant = true;
    c.state->fn_ahead_ns = -CF_FN_APART_NS;
    c.state->rate.ppt = -CF_TSC_DOUBT_PPT;
    c.state->rate.doubt_ppt = 2 * CF_TSC_DOUBT_PPT;
    c.state->exchanges.n = CF_EXCHANGES_MAX;
    cf_state_validate(c.state, &error);
    g_assert_no_error(error);
    crossing_end(&c);
}

static void test_how_many_vcpus(void)
{
    g_autoptr(CfState) most = cf_state_new(CF_STATE_MAX_VCPUS);

    g_assert_nonnull(most);
    g_assert_cmpuint(most->n_vcpus, ==, CF_STATE_MAX_VCPUS);
    g_assert_null(cf_state_new(0));
    g_assert_null(cf_state_new(CF_STATE_MAX_VCPUS + 1));
}

/* A VM that lacks something is neither captured nor restored, nor touched. */
static void vm_is_refused(void (*break_it)(CfVm *vm))
{
    g_autoptr(GError) no_capture = NULL, no_restore = NULL;
    CfState *state = NULL;
    CfReport report;
    Crossing c;

    fake_reset();
    crossing_begin(&c, 1);
    crossing_capture(&c);
    break_it(&c.source);
    break_it(&c.destination);
    fake_hosts[0].calls = fake_hosts[1].calls = 0;
    g_assert_false(cf_capture(&c.source, &state, &no_capture));
    g_assert_error(no_capture, CF_ERROR, CF_ERROR_INVALID);
    g_assert_null(state);
    g_assert_false(cf_restore(&c.destination, c.state, NULL, &report,
                              &no_restore));
    g_assert_error(no_restore, CF_ERROR, CF_ERROR_INVALID);
    g_assert_cmpint(fake_hosts[0].calls + fake_hosts[1].calls, ==, 0);
    crossing_end(&c);
}

static void no_ops(CfVm *vm) { vm->ops = NULL; }
static void no_host(CfVm *vm) { vm->host = NULL; }
static void no_fds(CfVm *vm) { vm->vcpu_fds = NULL; }
static void none_of_them(CfVm *vm) { vm->n_vcpus = 0; }
static void too_many(CfVm *vm) { vm->n_vcpus = CF_STATE_MAX_VCPUS + 1; }

static void never_probed(CfVm *vm)
{
    static const CfHost blank;

    vm->host = &blank;
}

static void test_incomplete_vm(void)
{
    vm_is_refused(no_ops);
    vm_is_refused(no_host);
    vm_is_refused(never_probed);
    vm_is_refused(no_fds);
    vm_is_refused(none_of_them);
    vm_is_refused(too_many);
}

/* Who asked for the host's time himself is believed, and not asked again. */
static void test_time_given(void)
{
    const CfHostTime told = { .max_error_ns = 4711, .synchronised = true,
                              .tai_offset_s = 37 };
    Crossing c;

    fake_reset();
    crossing_begin(&c, 1);
    crossing_capture(&c);
    g_assert_cmpuint(c.state->max_error_ns, !=, told.max_error_ns);
    cf_state_free(g_steal_pointer(&c.state));
    c.source.time = &told;
    crossing_capture(&c);
    g_assert_cmpuint(c.state->max_error_ns, ==, told.max_error_ns);
    g_assert_cmpint(c.state->anchor.instant.tai_offset_s, ==, 37);
    crossing_end(&c);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/capture/hostile-page", test_hostile_page);
    g_test_add_func("/capture/good-page", test_good_page);
    g_test_add_func("/capture/unstable", test_unstable);
    g_test_add_func("/capture/becomes-unstable", test_becomes_unstable);
    g_test_add_func("/capture/reads-only", test_reads_only);
    g_test_add_func("/capture/any-failure", test_any_failure);
    g_test_add_func("/capture/incomplete-vm", test_incomplete_vm);
    g_test_add_func("/capture/time-given", test_time_given);
    g_test_add_func("/state/hostile", test_hostile_state);
    g_test_add_func("/state/borders", test_borders);
    g_test_add_func("/state/how-many-vcpus", test_how_many_vcpus);
    return g_test_run();
}
