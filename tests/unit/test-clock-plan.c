/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests of clock-plan.h and clock-fn.h: what is decided, case by case.
 * oracle.py checks the values of random cases.
 */
#include <glib.h>
#include <clockferry/clock-ladder.h>

#define KHZ 2500000u
#define SECOND ((int64_t)CF_NS_PER_SEC)
#define SECOND_TICKS (KHZ * 1000ULL)

static const struct cf_tsc_freq plain = { KHZ, 48, 1ULL << 48 };
static const struct cf_tsc_freq faster = { KHZ, 48, (1ULL << 48) + (1u << 30) };

static struct cf_tsc tsc(uint64_t offset_ticks, uint64_t error_ticks)
{
    return (struct cf_tsc) {
        .known = true, .seen = true, .freq = plain,
        .offset_ticks = offset_ticks, .error_ticks = error_ticks,
    };
}

/* Ten seconds later, on a host whose TSC is 1000 s ahead */
static struct cf_move other_host(void)
{
    return (struct cf_move) {
        .then = { 100 * SECOND_TICKS, 1700000000 * CF_NS_PER_SEC, 37 },
        .now = { 1110 * SECOND_TICKS, 1700000010 * CF_NS_PER_SEC, 37 },
        .host_khz = KHZ,
    };
}

static struct cf_move one_host(void)
{
    struct cf_move move = other_host();

    move.now.host_ticks = 110 * SECOND_TICKS;
    move.same_host = true;
    return move;
}

static void test_same_host(void)
{
    const struct cf_move here = one_host(), there = other_host();

    g_assert_true(cf_same_host(true, &here.now, KHZ, &here.then, KHZ));
    g_assert_false(cf_same_host(false, &here.now, KHZ, &here.then, KHZ));
    g_assert_false(cf_same_host(true, &here.now, KHZ, &here.then, KHZ + 1));
    g_assert_false(cf_same_host(true, &here.now, 0, &here.then, 0));
    g_assert_false(cf_same_host(true, &here.then, KHZ, &here.now, KHZ));
    g_assert_false(cf_same_host(true, &there.now, KHZ, &there.then, KHZ));
}

static void check_time(struct cf_move move, bool freeze, int64_t limit_ns,
                       int64_t passed_ns, bool frozen, bool behind)
{
    g_assert_true(cf_move_plan(&move, freeze, limit_ns));
    g_assert_cmpint(move.passed_ns, ==, passed_ns);
    g_assert_cmpint(move.elapsed_ns, ==, frozen ? 0 : passed_ns);
    g_assert_true(move.frozen == frozen);
    g_assert_true((move.behind_ns > 0) == behind);
}

static void test_time(void)
{
    struct cf_move move = other_host();

    check_time(move, false, INT64_MAX, 10 * SECOND, false, false);
    check_time(move, true, INT64_MAX, 10 * SECOND, true, false);
    check_time(move, false, 10 * SECOND, 10 * SECOND, false, false);
    check_time(move, false, 10 * SECOND - 1, 10 * SECOND, true, false);
    check_time(move, false, 0, 10 * SECOND, true, false);

    /* a leap second, and a clock that is behind */
    move.now.tai_offset_s = 38;
    check_time(move, false, INT64_MAX, 11 * SECOND, false, false);
    move.now.realtime_ns -= 30 * CF_NS_PER_SEC;
    check_time(move, false, INT64_MAX, 0, false, true);

    /* one TSC doesn't care what real time was set to */
    move = one_host();
    move.now.realtime_ns -= 30 * CF_NS_PER_SEC;
    check_time(move, false, INT64_MAX, 10 * SECOND, false, false);

    move.now.realtime_ns = UINT64_MAX;
    move.same_host = false;
    g_assert_false(cf_move_plan(&move, false, INT64_MAX));
}

/* A clock that is ahead can't make more time pass than was seen. */
static void test_seen(void)
{
    struct cf_move move = other_host();

    move.seen_ns = 10 * SECOND;
    check_time(move, false, INT64_MAX, 10 * SECOND, false, false);
    move.seen_ns = 2 * SECOND;
    check_time(move, false, INT64_MAX, 2 * SECOND, false, false);
    check_time(move, true, INT64_MAX, 2 * SECOND, true, false);
    /* before the limit: minutes that never passed don't freeze a guest */
    check_time(move, false, 5 * SECOND, 2 * SECOND, false, false);
    g_assert_true(cf_move_plan(&move, false, INT64_MAX));
    g_assert_cmpuint(move.ahead_ns, ==, 8 * SECOND);
    g_assert_cmpuint(move.behind_ns, ==, 0);

    move.now.realtime_ns -= 30 * CF_NS_PER_SEC;
    check_time(move, false, INT64_MAX, 0, false, true);
    g_assert_true(cf_move_plan(&move, false, INT64_MAX));
    g_assert_cmpuint(move.ahead_ns, ==, 0);

    /* one TSC knows better than any other clock */
    move = one_host();
    move.seen_ns = SECOND;
    check_time(move, false, INT64_MAX, 10 * SECOND, false, false);
}

static void test_copied(void)
{
    struct cf_move move = one_host();
    struct cf_vcpu vcpus[2] = { { .src = tsc(7, 0), .dst = tsc(0, 0) },
                                { .src = tsc(9, 0), .dst = tsc(0, 0) } };

    g_assert_true(cf_move_plan(&move, false, INT64_MAX));
    g_assert_cmpint(cf_tsc_plan(&move, vcpus, 2), ==, CF_TSC_COPIED);
    g_assert_cmpuint(vcpus[0].wanted_ticks, ==, 7);
    g_assert_cmpuint(vcpus[1].wanted_ticks, ==, 9);

    /* all or none: one more ratio, and none is copied */
    vcpus[1].dst.freq = faster;
    g_assert_cmpint(cf_tsc_plan(&move, vcpus, 2), ==, CF_TSC_COMPUTED);
    g_assert_cmpuint(vcpus[0].wanted_ticks, ==, 7);
    g_assert_cmpuint(vcpus[1].wanted_ticks, !=, 9);

    vcpus[1].dst.freq = plain;
    g_assert_true(cf_move_plan(&move, true, INT64_MAX));
    g_assert_cmpint(cf_tsc_plan(&move, vcpus, 2), ==, CF_TSC_COMPUTED);
    g_assert_cmpuint(vcpus[0].wanted_ticks, ==, 7 - 10 * SECOND_TICKS);

    vcpus[1].src.known = false;
    g_assert_cmpint(cf_tsc_plan(&move, vcpus, 2), ==, CF_TSC_UNKNOWN);
}

static void test_computed(void)
{
    struct cf_move move = other_host();
    struct cf_vcpu vcpu = { .src = tsc(7, 0), .dst = tsc(0, 0) };

    g_assert_true(cf_move_plan(&move, false, INT64_MAX));
    g_assert_cmpint(cf_tsc_plan(&move, &vcpu, 1), ==, CF_TSC_COMPUTED);
    g_assert_cmpuint(vcpu.wanted_ticks, ==, 7 - 1000 * SECOND_TICKS);
    g_assert_true(cf_move_plan(&move, true, INT64_MAX));
    g_assert_cmpint(cf_tsc_plan(&move, &vcpu, 1), ==, CF_TSC_COMPUTED);
    g_assert_cmpuint(vcpu.wanted_ticks, ==, 7 - 1010 * SECOND_TICKS);
}

static bool writes(struct cf_vcpu vcpu, enum cf_offset host, bool changed,
                   enum cf_tsc_outcome expected)
{
    enum cf_tsc_outcome outcome = CF_TSC_COMPUTED;
    const bool write = cf_tsc_must_write(&vcpu, 1, host, changed, &outcome);

    g_assert_cmpint(outcome, ==, write ? CF_TSC_COMPUTED : expected);
    return write;
}

static void test_write(void)
{
    struct cf_vcpu vcpu = { .dst = tsc(7, 0), .wanted_ticks = 7 };

    g_assert_false(writes(vcpu, CF_OFFSET_STICKS, false, CF_TSC_UNCHANGED));
    g_assert_true(writes(vcpu, CF_OFFSET_STICKS, true, CF_TSC_UNKNOWN));
    g_assert_false(writes(vcpu, CF_OFFSET_IGNORED, true, CF_TSC_UNCHANGED));
    vcpu.wanted_ticks = 8;
    g_assert_true(writes(vcpu, CF_OFFSET_STICKS, false, CF_TSC_UNKNOWN));
    g_assert_true(writes(vcpu, CF_OFFSET_REWINDS, false, CF_TSC_UNKNOWN));
    g_assert_false(writes(vcpu, CF_OFFSET_IGNORED, false, CF_TSC_NOT_SET));

    /* a measured one is in place if it may be */
    vcpu.dst.error_ticks = 1;
    g_assert_false(writes(vcpu, CF_OFFSET_STICKS, false, CF_TSC_UNCHANGED));
    vcpu.wanted_ticks = 9;
    g_assert_true(writes(vcpu, CF_OFFSET_STICKS, false, CF_TSC_UNKNOWN));
}

static enum cf_tsc_outcome accepted(struct cf_vcpu *vcpu, enum cf_offset host)
{
    enum cf_tsc_outcome outcome = CF_TSC_COMPUTED;
    const bool accept = cf_tsc_accept(vcpu, 1, host, &outcome);

    g_assert_true(accept == (outcome != CF_TSC_NOT_SET));
    return outcome;
}

static void test_accept(void)
{
    struct cf_vcpu vcpu = { .dst = tsc(0, 0), .wanted_ticks = 1 };

    g_assert_cmpint(accepted(&vcpu, CF_OFFSET_STICKS), ==, CF_TSC_NOT_SET);
    vcpu.wanted_ticks = 0;
    g_assert_cmpint(accepted(&vcpu, CF_OFFSET_STICKS), ==, CF_TSC_COMPUTED);

    /* measured: 1 ms, on any TSC, and its own error */
    vcpu.dst.error_ticks = 10;
    vcpu.wanted_ticks = KHZ + 10;
    g_assert_cmpint(accepted(&vcpu, CF_OFFSET_STICKS), ==, CF_TSC_COMPUTED);
    vcpu.wanted_ticks = 0 - (uint64_t)KHZ - 10;
    g_assert_cmpint(accepted(&vcpu, CF_OFFSET_STICKS), ==, CF_TSC_COMPUTED);
    vcpu.wanted_ticks--;
    g_assert_cmpint(accepted(&vcpu, CF_OFFSET_STICKS), ==, CF_TSC_NOT_SET);

    g_assert_cmpint(accepted(&vcpu, CF_OFFSET_REWINDS), ==,
                    CF_TSC_UNVERIFIED);
    g_assert_cmpuint(vcpu.dst.offset_ticks, ==, vcpu.wanted_ticks);
    g_assert_cmpuint(vcpu.dst.error_ticks, ==, 0);
}

/* Never one clock without the other */
static void test_thaw(void)
{
    enum cf_tsc_outcome outcome;

    for (outcome = CF_TSC_UNCHANGED; outcome <= CF_TSC_UNKNOWN; outcome++) {
        struct cf_move move = other_host();
        const bool can = outcome < CF_TSC_NOT_SET;

        g_assert_true(cf_move_plan(&move, true, INT64_MAX));
        g_assert_true(cf_move_thaw(&move, outcome) == !can);
        g_assert_true(move.frozen == can);
        g_assert_cmpint(move.elapsed_ns, ==, can ? 0 : 10 * SECOND);
        g_assert_true(cf_tsc_arrived(outcome) == can);
        if (!can) {
            g_assert_false(cf_move_thaw(&move, outcome));
        }
    }
}

static uint64_t skew_of(struct cf_vcpu *vcpus, uint32_t n)
{
    const struct cf_move move = other_host();
    uint64_t ticks = 77;

    g_assert_true(cf_tsc_skew(&move, vcpus, n, &ticks));
    return ticks;
}

/* The spread: of any two, and not only against the boot vCPU */
static void test_skew(void)
{
    struct cf_move move = other_host();
    struct cf_vcpu vcpus[3] = { { .src = tsc(5, 0), .dst = tsc(105, 0) },
                                { .src = tsc(6, 0), .dst = tsc(106, 0) },
                                { .src = tsc(9, 0), .dst = tsc(109, 0) } };
    uint64_t ticks;

    g_assert_cmpuint(skew_of(vcpus, 1), ==, 0);
    g_assert_cmpuint(skew_of(vcpus, 3), ==, 0);
    vcpus[1].dst.offset_ticks += 5;
    g_assert_cmpuint(skew_of(vcpus, 3), ==, 5);
    vcpus[2].dst.offset_ticks -= 5;
    g_assert_cmpuint(skew_of(vcpus, 3), ==, 10);
    vcpus[0].dst.offset_ticks -= 20;
    g_assert_cmpuint(skew_of(vcpus, 3), ==, 25);
    vcpus[2].dst.error_ticks = 1;
    g_assert_false(cf_tsc_skew(&move, vcpus, 3, &ticks));
    move.unstable = true;
    g_assert_false(cf_tsc_skew(&move, vcpus, 1, &ticks));
}

static void test_rate(void)
{
    struct cf_vcpu vcpus[2] = { { .src = tsc(0, 0), .dst = tsc(0, 0) },
                                { .src = tsc(0, 0), .dst = tsc(0, 0) } };
    int64_t ppt = 77;
    uint32_t khz = 77;

    g_assert_true(cf_tsc_rate(vcpus, 2, &ppt));
    g_assert_cmpint(ppt, ==, 0);
    vcpus[1].dst.freq = faster;
    g_assert_true(cf_tsc_rate(vcpus, 2, &ppt));
    g_assert_cmpint(ppt, ==, 3814698);      /* 2^30 / 2^48, rounded up */
    vcpus[0].dst.seen = false;
    g_assert_false(cf_tsc_rate(vcpus, 2, &ppt));

    /* asked for is what it had, and only of hosts that can */
    g_assert_false(cf_tsc_wants_khz(&vcpus[0], true, &khz));
    g_assert_false(cf_tsc_wants_khz(&vcpus[1], false, &khz));
    g_assert_cmpuint(khz, ==, 77);
    g_assert_true(cf_tsc_wants_khz(&vcpus[1], true, &khz));
    g_assert_cmpuint(khz, ==, KHZ);
    vcpus[1].src.freq.ratio = 0;
    g_assert_false(cf_tsc_wants_khz(&vcpus[1], true, &khz));
}

static uint64_t merged(struct cf_tsc other, struct cf_tsc boot)
{
    cf_tsc_merge(&other, &boot, CF_OFFSET_STICKS);
    return other.offset_ticks;
}

/* Where offsets rewind all get the boot vCPU's, but for other frequencies. */
static void test_merge_unstable(void)
{
    struct cf_tsc boot = tsc(100, 0), other = tsc(1ULL << 40, 0);

    cf_tsc_merge(&other, &boot, CF_OFFSET_REWINDS);
    g_assert_cmpuint(other.offset_ticks, ==, 100);
    other.freq = faster;
    other.offset_ticks = 77;
    cf_tsc_merge(&other, &boot, CF_OFFSET_REWINDS);
    boot.known = false;
    other.freq = boot.freq;
    cf_tsc_merge(&other, &boot, CF_OFFSET_REWINDS);
    g_assert_cmpuint(other.offset_ticks, ==, 77);
}

static void test_merge(void)
{
    g_assert_cmpuint(merged(tsc(130, 20), tsc(100, 10)), ==, 100);
    g_assert_cmpuint(merged(tsc(131, 20), tsc(100, 10)), ==, 131);
    g_assert_cmpuint(merged(tsc(70, 20), tsc(100, 10)), ==, 100);
    g_assert_cmpuint(merged(tsc(69, 20), tsc(100, 10)), ==, 69);
    /* what is known to the tick differs on purpose */
    g_assert_cmpuint(merged(tsc(101, 0), tsc(100, 10)), ==, 101);
    g_assert_cmpuint(merged(tsc(101, 10), tsc(100, 0)), ==, 101);
}

static enum cf_offset behaviour(uint64_t moved, uint64_t back, uint64_t error)
{
    const struct cf_tsc old = tsc(5, error), now = tsc(5 + back, error);

    return cf_offset_behaviour(&old, &now, 1000, 1000 + moved);
}

static void test_stands(void)
{
    const struct cf_tsc_reading first = { 100, 5, 110 };
    struct cf_tsc_reading second = { 210, 105, 220 };

    g_assert_false(cf_tsc_stands(&first, &second));
    second.guest_ticks--;
    g_assert_true(cf_tsc_stands(&first, &second));
    /* put back to one value, and read sooner after that */
    second.guest_ticks = 3;
    g_assert_true(cf_tsc_stands(&first, &second));
}

static void test_behaviour(void)
{
    g_assert_cmpint(behaviour(CF_FAR_TICKS + 9, CF_FAR_TICKS, 0), ==,
                    CF_OFFSET_STICKS);
    g_assert_cmpint(behaviour(9, CF_FAR_TICKS, 0), ==, CF_OFFSET_IGNORED);
    g_assert_cmpint(behaviour(9, 0, 0), ==, CF_OFFSET_IGNORED);
    g_assert_cmpint(behaviour(CF_FAR_TICKS + 9, CF_FAR_TICKS - 70, 0), ==,
                    CF_OFFSET_REWINDS);
    g_assert_cmpint(behaviour(CF_FAR_TICKS + 9, CF_FAR_TICKS - 70, 99), ==,
                    CF_OFFSET_STICKS);
    g_assert_cmpint(behaviour(9, CF_FAR_TICKS, 99), ==, CF_OFFSET_IGNORED);
}

/* -- kvmclock -- */

static struct cf_clock_fn line(uint64_t tsc_ticks, uint64_t system_ns)
{
    struct cf_clock_fn fn = { .tsc_ticks = tsc_ticks, .system_ns = system_ns };

    g_assert_true(cf_clock_fn_set_hz(&fn, KHZ * 1000ULL));
    return fn;
}

/* Plainly an hour of kvmclock at the source's anchor */
static struct cf_anchor hour(void)
{
    return (struct cf_anchor) {
        .instant = other_host().then, .clock_ns = 3600 * CF_NS_PER_SEC,
        .flags = CF_KVM_CLOCK_EXACT,
    };
}

static void test_build(void)
{
    struct cf_tsc boot = tsc(7, 0);
    struct cf_anchor anchor = hour();
    struct cf_clock_fn fn = { 0 };

    g_assert_true(cf_fn_build(&boot, &anchor, &fn));
    g_assert_cmpuint(fn.tsc_ticks, ==, 100 * SECOND_TICKS + 7);
    g_assert_cmpuint(fn.system_ns, ==, anchor.clock_ns);
    boot.freq = faster;
    g_assert_false(cf_fn_build(&boot, &anchor, &fn));
    boot = tsc(7, 0);
    anchor.clock_ns = 1ULL << 63;
    g_assert_false(cf_fn_build(&boot, &anchor, &fn));
    boot.known = false;
    g_assert_false(cf_fn_build(&boot, &anchor, &fn));
}

static const char *fault(const struct cf_anchor *anchor,
                         const struct cf_clock_fn *fn,
                         const struct cf_tsc *boot)
{
    return cf_clocks_fault(anchor, KHZ, fn, boot);
}

static void test_fn_fault(void)
{
    const uint64_t limit_ns = CF_NS_PER_SEC + CF_NS_PER_SEC / 1000;
    struct cf_tsc boot = tsc(0, 0);
    struct cf_anchor anchor = hour();
    struct cf_clock_fn fn = line(99 * SECOND_TICKS, 3599 * CF_NS_PER_SEC);

    /* within two roundings */
    anchor.clock_ns += limit_ns - 2;
    g_assert_null(fault(&anchor, &fn, &boot));
    anchor.clock_ns += 4;
    g_assert_nonnull(fault(&anchor, &fn, &boot));
    g_assert_null(fault(&anchor, NULL, &boot));
    boot.known = false;
    g_assert_null(fault(&anchor, &fn, &boot));

    /* a slope of 1 per mille, and more */
    g_assert_true(cf_clock_fn_set_hz(&fn, KHZ * 1001ULL));
    g_assert_null(fault(&anchor, &fn, &boot));
    g_assert_true(cf_clock_fn_set_hz(&fn, KHZ * 1001ULL + 2));
    g_assert_nonnull(fault(&anchor, &fn, &boot));
    boot.freq.ratio = 0;
    g_assert_null(fault(&anchor, &fn, &boot));

    boot = tsc(0, 0);
    anchor = hour();
    fn = line(101 * SECOND_TICKS, 3599 * CF_NS_PER_SEC);
    g_assert_nonnull(fault(&anchor, &fn, &boot));
    fn.mul = 0;
    boot = (struct cf_tsc) { 0 };
    g_assert_nonnull(fault(&anchor, &fn, &boot));
}

static void anchor_fails(struct cf_anchor anchor)
{
    const struct cf_tsc boot = tsc(0, 0);

    g_assert_nonnull(fault(&anchor, NULL, &boot));
}

static void test_anchor_fault(void)
{
    const struct cf_tsc boot = tsc(0, 0);
    struct cf_anchor anchor = hour(), wrong = hour();

    g_assert_nonnull(cf_clocks_fault(&anchor, 0, NULL, &boot));
    anchor.slack_ns = CF_SLACK_MAX_NS;
    anchor.clock_ns = INT64_MAX;
    anchor.instant = (struct cf_instant) { 0, INT64_MAX, -1000 };
    g_assert_null(fault(&anchor, NULL, &boot));
    anchor.instant = (struct cf_instant) { UINT64_MAX, 1, 1000 };
    g_assert_null(fault(&anchor, NULL, &boot));

    wrong.slack_ns = CF_SLACK_MAX_NS + 1;
    anchor_fails(wrong);
    wrong = hour();
    wrong.clock_ns = 1ULL << 63;
    anchor_fails(wrong);
    wrong = hour();
    wrong.instant.realtime_ns = 0;
    anchor_fails(wrong);
    wrong.instant.realtime_ns = 1ULL << 63;
    anchor_fails(wrong);
    wrong = hour();
    wrong.instant.tai_offset_s = 1001;
    anchor_fails(wrong);
}

static struct cf_target target_after(enum cf_tsc_outcome outcome,
                                     const struct cf_clock_fn *fn,
                                     uint64_t slack_ns)
{
    const struct cf_tsc src = tsc(7, 0);
    struct cf_target target = {
        .boot = tsc(7 - 1000 * SECOND_TICKS, 0), .host_khz = KHZ,
    };
    struct cf_anchor anchor = hour();
    struct cf_move move = other_host();

    anchor.slack_ns = slack_ns;
    g_assert_true(cf_move_plan(&move, false, INT64_MAX));
    g_assert_true(cf_target_plan(&move, fn, &anchor, &src, outcome, &target));
    return target;
}

static int64_t now_ns(const struct cf_target *target)
{
    int64_t ns = 0;

    g_assert_true(cf_target_ns(target, other_host().now.host_ticks, &ns));
    return ns;
}

static void test_target(void)
{
    /* as the guest has it: 5 us more than KVM says */
    const struct cf_clock_fn fn = line(99 * SECOND_TICKS + 7,
                                       3599 * CF_NS_PER_SEC + 5000);
    const struct cf_clock_fn built = line(100 * SECOND_TICKS + 7,
                                          3600 * CF_NS_PER_SEC);
    struct cf_target target = target_after(CF_TSC_COMPUTED, &fn, 99);

    g_assert_true(target.carried);
    g_assert_cmpuint(target.fn.tsc_ticks, ==, fn.tsc_ticks);
    g_assert_cmpuint(target.slack_ns, ==, 0);
    target = target_after(CF_TSC_UNVERIFIED, &built, 99);
    g_assert_true(target.carried);
    g_assert_cmpuint(target.slack_ns, ==, 99);

    /* the TSC didn't arrive: by time, from the guest's own clock on; one
     * second of its slope is rounded down */
    target = target_after(CF_TSC_NOT_SET, &fn, 99);
    g_assert_false(target.carried);
    g_assert_cmpuint(target.slack_ns, ==, 0);
    g_assert_cmpint(now_ns(&target), ==, 3610 * SECOND + 5000 - 1);
    /* or from KVM's */
    target = target_after(CF_TSC_COMPUTED, NULL, 99);
    g_assert_false(target.carried);
    g_assert_cmpint(now_ns(&target), ==, 3610 * SECOND);
}

static void test_target_fails(void)
{
    struct cf_move move = other_host();
    const struct cf_tsc src = tsc(7, 0);
    struct cf_anchor anchor = hour();
    struct cf_target target = { .boot = tsc(0, 0), .host_khz = KHZ };

    g_assert_true(cf_move_plan(&move, false, INT64_MAX));
    anchor.clock_ns = INT64_MAX - 9 * CF_NS_PER_SEC;
    g_assert_false(cf_target_plan(&move, NULL, &anchor, &src, CF_TSC_COMPUTED,
                                  &target));
    anchor = hour();
    target.boot.known = false;
    g_assert_false(cf_target_plan(&move, NULL, &anchor, &src, CF_TSC_COMPUTED,
                                  &target));
}

/* A record of the future has nothing to be caught up with. */
static void test_no_catch_up(void)
{
    const struct cf_tsc boot = { .known = true, .freq = { 1000000, 0, 1 } };
    const struct cf_anchor anchor = { .clock_ns = 3600 * CF_NS_PER_SEC };
    const struct cf_record record = {
        .tsc_timestamp = CF_NS_PER_SEC, .system_time = anchor.clock_ns + 1,
    };

    g_assert_cmpuint(cf_catch_up_ticks(&record, &boot, &anchor), ==, 0);
}

static void test_catch_up(void)
{
    /* The TSC was put back by 2 s of kvmclock to where the record was made. */
    const struct cf_tsc boot = tsc(7 - 2 * SECOND_TICKS, 0);
    const struct cf_anchor anchor = hour();
    struct cf_record record = {
        .tsc_timestamp = 98 * SECOND_TICKS + 7,
        .system_time = 3598 * CF_NS_PER_SEC,
    };

    g_assert_cmpuint(cf_catch_up_ticks(&record, &boot, &anchor), ==,
                     2 * SECOND_TICKS);
    record.version = 1;
    g_assert_cmpuint(cf_catch_up_ticks(&record, &boot, &anchor), ==, 0);
    record.version = 2;
    /* 10 s are a long stop; more are a lie, and so is less than nothing */
    record.tsc_timestamp += 8 * SECOND_TICKS;
    g_assert_cmpuint(cf_catch_up_ticks(&record, &boot, &anchor), ==,
                     10 * SECOND_TICKS);
    record.tsc_timestamp++;
    g_assert_cmpuint(cf_catch_up_ticks(&record, &boot, &anchor), ==, 0);
    record.tsc_timestamp = 96 * SECOND_TICKS + 6;
    g_assert_cmpuint(cf_catch_up_ticks(&record, &boot, &anchor), ==, 0);
}

static void test_rungs(void)
{
    const struct cf_tsc_freq near = { KHZ + 1, 0, 1 }, far = { KHZ + 2, 0, 1 };

    g_assert_cmpint(cf_best_rung(true, false), ==, CF_RUNG_EXACT);
    g_assert_cmpint(cf_best_rung(false, true), ==, CF_RUNG_CLOSED_LOOP);
    g_assert_cmpint(cf_best_rung(false, false), ==, CF_RUNG_PLAIN);
    g_assert_cmpint(cf_expected_rung(CF_RUNG_EXACT, &near, &plain), ==,
                    CF_RUNG_EXACT);
    g_assert_cmpint(cf_expected_rung(CF_RUNG_EXACT, &far, &plain), ==,
                    CF_RUNG_REANCHORED);
    g_assert_cmpint(cf_expected_rung(CF_RUNG_EXACT, &plain, &far), ==,
                    CF_RUNG_REANCHORED);
    g_assert_cmpint(cf_expected_rung(CF_RUNG_PLAIN, &far, &plain), ==,
                    CF_RUNG_PLAIN);
}

static uint64_t bound(enum cf_rung rung, int64_t rate_error_ppt, bool pending,
                      uint64_t first_run_ns)
{
    const struct cf_result result = {
        .rung = rung, .residual_known = true, .residual_ns = -2,
        .carried = true, .pending = pending, .rate_known = true,
        .rate_error_ppt = rate_error_ppt,
    };
    uint64_t ns = 0;

    g_assert_true(cf_bound_ns(&result, first_run_ns, &ns));
    return ns;
}

static void test_bound(void)
{
    g_assert_cmpuint(bound(CF_RUNG_EXACT, 0, false, 50000000), ==, 4);
    g_assert_cmpuint(bound(CF_RUNG_EXACT, 800000, true, 50000000), ==, 4);
    g_assert_cmpuint(bound(CF_RUNG_CLOSED_LOOP, 1000, false, 50000000), ==, 4);
    g_assert_cmpuint(bound(CF_RUNG_CLOSED_LOOP, 0, true, 50000000), ==, 55);
    g_assert_cmpuint(bound(CF_RUNG_CLOSED_LOOP, 0, true, 0), ==, 5);
    g_assert_cmpuint(bound(CF_RUNG_CLOSED_LOOP, -800000, false, 50000000), ==,
                     45);
    g_assert_cmpuint(bound(CF_RUNG_PLAIN, 800000, true, 50000000), ==, 95);
}

static void test_first_run(void)
{
    struct cf_record record = { .tsc_timestamp = 2 * KHZ };

    g_assert_cmpuint(cf_first_run_ns(&record, KHZ, KHZ), ==, 1000000);
    g_assert_cmpuint(cf_first_run_ns(&record, 2 * KHZ, KHZ), ==, 0);
    g_assert_cmpuint(cf_first_run_ns(NULL, KHZ, KHZ), ==, CF_FIRST_RUN_NS);
    g_assert_cmpuint(cf_first_run_ns(&record, 2 * KHZ + 1, KHZ), ==,
                     CF_FIRST_RUN_NS);
    g_assert_cmpuint(cf_first_run_ns(&record, KHZ, 0), ==, CF_FIRST_RUN_NS);
    record.version = 1;
    g_assert_cmpuint(cf_first_run_ns(&record, KHZ, KHZ), ==, CF_FIRST_RUN_NS);
}

/* In parts: the narrowest counts, and the clock is that of its middle */
static void test_anchor(void)
{
    const struct cf_instant before = { 5 * KHZ, 1000000000, 37 };
    struct cf_anchor best = { .slack_ns = UINT64_MAX };

    cf_anchor_keep(&best, &before, 77, 15 * KHZ, KHZ);
    g_assert_cmpuint(best.instant.host_ticks, ==, 10 * KHZ);
    g_assert_cmpuint(best.instant.realtime_ns, ==, 1005000000);
    g_assert_cmpint(best.instant.tai_offset_s, ==, 37);
    g_assert_cmpuint(best.slack_ns, ==, 5000001);
    cf_anchor_keep(&best, &before, 78, 15 * KHZ + 9, KHZ);
    g_assert_cmpuint(best.clock_ns, ==, 77);
    cf_anchor_keep(&best, &before, 79, 7 * KHZ, KHZ);
    g_assert_cmpuint(best.clock_ns, ==, 79);
    g_assert_cmpuint(best.slack_ns, ==, 1000001);
    g_assert_false(cf_anchor_is_exact(&best));
    best.flags = CF_KVM_CLOCK_EXACT | 1;
    g_assert_true(cf_anchor_is_exact(&best));
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
    g_test_add_func("/clock-plan/same-host", test_same_host);
    g_test_add_func("/clock-plan/time", test_time);
    g_test_add_func("/clock-plan/seen", test_seen);
    g_test_add_func("/clock-plan/copied", test_copied);
    g_test_add_func("/clock-plan/computed", test_computed);
    g_test_add_func("/clock-plan/write", test_write);
    g_test_add_func("/clock-plan/accept", test_accept);
    g_test_add_func("/clock-plan/thaw", test_thaw);
    g_test_add_func("/clock-plan/skew", test_skew);
    g_test_add_func("/clock-plan/rate", test_rate);
    g_test_add_func("/clock-plan/merge", test_merge);
    g_test_add_func("/clock-plan/merge-unstable", test_merge_unstable);
    g_test_add_func("/clock-plan/behaviour", test_behaviour);
    g_test_add_func("/clock-plan/stands", test_stands);
    g_test_add_func("/clock-fn/build", test_build);
    g_test_add_func("/clock-fn/fn-fault", test_fn_fault);
    g_test_add_func("/clock-fn/anchor-fault", test_anchor_fault);
    g_test_add_func("/clock-fn/target", test_target);
    g_test_add_func("/clock-fn/target-fails", test_target_fails);
    g_test_add_func("/clock-fn/catch-up", test_catch_up);
    g_test_add_func("/clock-fn/no-catch-up", test_no_catch_up);
    g_test_add_func("/clock-fn/rungs", test_rungs);
    g_test_add_func("/clock-fn/bound", test_bound);
    g_test_add_func("/clock-fn/first-run", test_first_run);
    g_test_add_func("/clock-fn/anchor", test_anchor);
    g_test_add_func("/clock-ladder/busy", test_busy);
    return g_test_run();
}
