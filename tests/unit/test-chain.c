/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A guest that goes there and back a thousand times, between model hosts. */
#include "clock-cases.h"
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

/* As a vCPU that is plugged does, or one that runs late for the first time. */
static void rebase(FakeVm *vm, uint64_t after_ns)
{
    fake_wait(after_ns);
    vm->vcpus[0].update_pending = true;
    fake_run(vm);
}

/* One hop; the report is that of the former one. If @rebased_ns isn't 0, KVM
 * begins its line anew so long after the arrival. */
static void hop(Crossing *c, bool as_meant, uint64_t rebased_ns)
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
    if (rebased_ns) {
        rebase(c->to, rebased_ns);
    }
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
        hop(c, as_meant, 0);
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

/* Slopes - a chain in which each hop gives kvmclock another slope */
typedef struct Slopes {
    uint32_t khz[2];      /* of the hosts */
    bool unscaled;        /* they can't scale: the guest's TSC has theirs */
    bool released;        /* kernels without the new calls */
    bool mixed;           /* only the first host's kernel has them */
    uint64_t call_ns;     /* the second host's calls take as long */
    bool without_page;    /* a guest that never asked for kvmclock */
    uint64_t rebased_ns;  /* after each arrival KVM begins its line anew */
    uint64_t within_ns;   /* so far it may get in all */
} Slopes;

/* What KVM computes kvmclock by, whoever knows that. */
static struct cf_clock_fn line_of(const FakeVm *vm)
{
    const CfPvclockRecord record = fake_record(&vm->vcpus[0]);

    return (struct cf_clock_fn) {
        record.tsc_timestamp, record.system_time, record.tsc_to_system_mul,
        record.tsc_shift,
    };
}

/* Where a host compares last: at its last KVM_GET_CLOCK, in guest ticks; 0 for
 * one that took a record, which holds from where KVM's line begins. */
static uint64_t compared_ticks;

static int get_clock(int vm_fd, CfKvmClock *clock)
{
    const int ret = fake_ops.get_clock(vm_fd, clock);

    compared_ticks = fake_guest_ticks(&fake_vm(vm_fd)->vcpus[0]);
    return ret;
}

static int set_clock_guest(int vcpu_fd, const CfPvclockRecord *record)
{
    const int ret = fake_ops.set_clock_guest(vcpu_fd, record);

    if (ret == 0) {
        compared_ticks = 0;
    }
    return ret;
}

/* What KVM's new lines did to kvmclock, in all. In 2^-32 ns. */
static int64_t lost_in(const Slopes *slopes, bool as_meant)
{
    CfKvmOps noting = fake_ops;
    struct cf_clock_fn was, is;
    uint64_t at_ticks;
    int64_t sum = 0;
    Crossing c;
    int i;

    crossing_begin(&c, 1);
    noting.get_clock = get_clock;
    noting.set_clock_guest = set_clock_guest;
    c.source.ops = c.destination.ops = &noting;
    if (slopes->without_page) {
        c.from->vcpus[0].system_time_msr = c.to->vcpus[0].system_time_msr = 0;
    }
    was = line_of(c.from);
    for (i = 0; i < HOPS; i++) {
        hop(&c, as_meant, slopes->rebased_ns);
        cf_state_free(c.state);
        turn_round(&c);
        is = line_of(c.from);
        g_assert_true(!i || is.mul != was.mul);
        at_ticks = compared_ticks ? compared_ticks : is.tsc_ticks;
        sum += (int64_t)(cases_exactly(&is, at_ticks) -
                         cases_exactly(&was, at_ticks));
        was = is;
    }
    return sum;
}

static void test_slopes(const void *data)
{
    const Slopes *slopes = data;
    int64_t with, without;
    int i;

    fake_reset();
    if (slopes->released) {
        released_kernels();
    }
    if (slopes->mixed) {
        fake_hosts[1].clock_guest = FAKE_CLOCK_GUEST_ABSENT;
    }
    if (slopes->call_ns) {
        fake_hosts[1].call_ns = slopes->call_ns;
    }
    for (i = 0; i < 2; i++) {
        fake_hosts[i].khz = slopes->khz[i];
        fake_hosts[i].tsc_control = !slopes->unscaled;
    }
    with = lost_in(slopes, true);
    without = lost_in(slopes, false);
    fake_reset();
    g_test_message("another slope each time: %.2f ns in %d hops, not as meant: "
                   "%.1f ns", (double)with / 0x1p32, HOPS,
                   (double)without / 0x1p32);
    assert_within(with, (int64_t)(slopes->within_ns << 32));
    g_assert_cmpuint(cf_magnitude(without), >=, 20ULL << 32);
}

static const struct {
    const char *name;
    Slopes slopes;
} cases[] = {
    { "exact", { .khz = { 2500000, 2500001 }, .within_ns = 2 } },
    { "closed-loop", { .khz = { 2500000, 2500001 }, .released = true,
                       .within_ns = 2 } },
    { "scaled", { .khz = { 2500000, 3000000 }, .within_ns = 2 } },
    { "unscaled", { .khz = { 2500000, 2500250 }, .unscaled = true,
                    .within_ns = 2 } },
    { "rebased", { .khz = { 2500000, 2500002 }, .unscaled = true,
                   .rebased_ns = 5000000, .within_ns = 2 } },
    { "rebased-soon", { .khz = { 2500000, 2500600 }, .unscaled = true,
                        .rebased_ns = 18000, .within_ns = 2 } },
    { "rebased-closed-loop", { .khz = { 2500000, 2500600 }, .unscaled = true,
                               .released = true, .rebased_ns = 18000,
                               .within_ns = 2 } },
    { "without-page", { .khz = { 2500000, 2500250 }, .unscaled = true,
                        .released = true, .without_page = true,
                        .within_ns = 2 } },
    { "mixed", { .khz = { 2500000, 2500001 }, .mixed = true, .within_ns = 2 } },
    { "mixed-unscaled", { .khz = { 2500000, 2500250 }, .unscaled = true,
                          .mixed = true, .within_ns = 2 } },
    { "mixed-slow", { .khz = { 2500000, 2500600 }, .unscaled = true,
                      .mixed = true, .call_ns = 3000, .within_ns = 2 } },
    { "mixed-fast", { .khz = { 2500000, 2500600 }, .unscaled = true,
                      .mixed = true, .call_ns = 50, .within_ns = 2 } },
    { "closed-loop-slow", { .khz = { 2500000, 2500600 }, .unscaled = true,
                            .released = true, .call_ns = 3000,
                            .within_ns = 2 } },
    /* By these slopes a clock has halves of a nanosecond, and no other part.
     * Here stays are all alike, so what can't be told adds up. */
    { "2-GHz", { .khz = { 2000000, 2000001 }, .within_ns = 100 } },
    { "4-GHz", { .khz = { 4000000, 4000001 }, .within_ns = 100 } },
};

static void add_slopes(void)
{
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *name = g_strdup_printf("/chain/slopes/%s",
                                                cases[i].name);

        g_test_add_data_func(name, &cases[i].slopes, test_slopes);
    }
}

/* A guest that has arrived once, and is about to leave again */
static void arrive_once(Crossing *c)
{
    fake_reset();
    crossing_begin(c, 1);
    hop(c, true, 0);
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
    add_slopes();
    g_test_add_func("/chain/changed", test_changed);
    g_test_add_func("/chain/twice", test_twice);
    return g_test_run();
}
