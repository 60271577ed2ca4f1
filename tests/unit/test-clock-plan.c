/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests of clock-tsc.h and clock-plan.h: what is decided, case by case.
 * oracle.py checks the values of random cases.
 */
#include <glib.h>
#include <clockferry/clock-plan.h>

#include "two-hosts.h"

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

/* Another kernel takes the same TSC for one that is 3 kHz faster. */
static struct cf_move kexeced(uint32_t khz, bool same_boot, bool same_machine)
{
    struct cf_move move = one_host();

    move.same_host = false;
    move.clocks_bound_ns = 1000000;
    cf_move_hosts(&move, same_boot, same_machine, khz);
    return move;
}

static void test_kexec(void)
{
    struct cf_move move = kexeced(KHZ + 3, false, true);
    struct cf_vcpu vcpu = { .dst = tsc(0, 0) };
    int64_t ppt = 1;

    g_assert_true(move.same_host);
    g_assert_cmpuint(move.kexec_khz, ==, KHZ + 3);
    g_assert_cmpint(cf_move_kexec_ppt(&move), ==, -1199999);
    /* 10 s, of whose rate nothing is known */
    g_assert_cmpuint(move.time.bound_ns, >=, 1000000 + 5000000);
    g_assert_cmpuint(move.time.bound_ns, <=, 1000000 + 5000510);

    /* it is one frequency, by whatever name; all is copied */
    vcpu.src = tsc(7, 0);
    vcpu.src.freq = cf_move_freq(&move, plain);
    vcpu.dst.freq.host_khz = KHZ + 3;
    g_assert_true(cf_tsc_rate_error_ppt(&vcpu.dst.freq, &vcpu.src.freq, &ppt));
    g_assert_cmpint(ppt, ==, 0);
    g_assert_true(cf_move_plan(&move, NULL, false, INT64_MAX));
    g_assert_cmpint(move.passed_ns, ==, 10 * SECOND);
    g_assert_cmpint(cf_move_elapsed_from(&move), ==, CF_ELAPSED_TSC);
    g_assert_cmpint(cf_tsc_plan(&move, &vcpu, 1), ==, CF_TSC_COPIED);
    g_assert_cmpuint(vcpu.wanted_ticks, ==, 7);

    /* no other machine, boot or frequency, and no kexec in one boot */
    g_assert_false(kexeced(KHZ + 3, false, false).same_host);
    g_assert_false(kexeced(KHZ + 3, true, true).same_host);
    g_assert_false(kexeced(KHZ + KHZ / 1000, false, true).same_host);
    g_assert_false(kexeced(0, false, true).same_host);
    move = kexeced(KHZ, true, true);
    g_assert_true(move.same_host);
    g_assert_cmpuint(move.kexec_khz, ==, 0);
    g_assert_cmpint(cf_move_kexec_ppt(&move), ==, 0);
    g_assert_cmpuint(cf_move_freq(&move, plain).host_khz, ==, KHZ);
}

/* Where it can't be told whether the TSC ran on, it is another host. */
static void test_no_kexec(void)
{
    struct cf_move moves[6];
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(moves); i++) {
        moves[i] = one_host();
        moves[i].same_host = false;
        moves[i].clocks_bound_ns = 1000000;
    }
    moves[0].now = other_host().now;                /* another TSC */
    moves[1].now.host_ticks = 10 * SECOND_TICKS;    /* reset */
    moves[2].clocks_bound_ns = UINT64_MAX;
    moves[3].clocks_bound_ns = 100 * CF_NS_PER_SEC; /* the TSC is too young */
    moves[4].unstable = true;
    moves[5].dst_unstable = true;
    for (i = 0; i < G_N_ELEMENTS(moves); i++) {
        cf_move_hosts(&moves[i], false, true, KHZ);
        g_assert_false(moves[i].same_host);
        g_assert_cmpuint(moves[i].kexec_khz, ==, 0);
        g_assert_cmpuint(moves[i].time.bound_ns, ==,
                         moves[i].clocks_bound_ns);
    }
}

static void check_time(struct cf_move move, bool freeze, int64_t limit_ns,
                       int64_t passed_ns, bool frozen, bool behind)
{
    g_assert_true(cf_move_plan(&move, NULL, freeze, limit_ns));
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
    g_assert_false(cf_move_plan(&move, NULL, false, INT64_MAX));
}

static void test_stopped_to_save(void)
{
    g_assert_true(cf_stopped_to_save(INT64_MIN));
    g_assert_true(cf_stopped_to_save(-1));
    g_assert_true(cf_stopped_to_save(0));
    g_assert_true(cf_stopped_to_save(5 * SECOND));
    g_assert_false(cf_stopped_to_save(5 * SECOND + 1));
    g_assert_false(cf_stopped_to_save(INT64_MAX));
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
    g_assert_true(cf_move_plan(&move, NULL, false, INT64_MAX));
    g_assert_cmpuint(move.ahead_ns, ==, 8 * SECOND);
    g_assert_cmpuint(move.behind_ns, ==, 0);

    move.now.realtime_ns -= 30 * CF_NS_PER_SEC;
    check_time(move, false, INT64_MAX, 0, false, true);
    g_assert_true(cf_move_plan(&move, NULL, false, INT64_MAX));
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

    g_assert_true(cf_move_plan(&move, NULL, false, INT64_MAX));
    g_assert_cmpint(cf_tsc_plan(&move, vcpus, 2), ==, CF_TSC_COPIED);
    g_assert_cmpuint(vcpus[0].wanted_ticks, ==, 7);
    g_assert_cmpuint(vcpus[1].wanted_ticks, ==, 9);

    /* all or none: one more ratio, and none is copied */
    vcpus[1].dst.freq = faster;
    g_assert_cmpint(cf_tsc_plan(&move, vcpus, 2), ==, CF_TSC_COMPUTED);
    g_assert_cmpuint(vcpus[0].wanted_ticks, ==, 7);
    g_assert_cmpuint(vcpus[1].wanted_ticks, !=, 9);

    vcpus[1].dst.freq = plain;
    g_assert_true(cf_move_plan(&move, NULL, true, INT64_MAX));
    g_assert_cmpint(cf_tsc_plan(&move, vcpus, 2), ==, CF_TSC_COMPUTED);
    g_assert_cmpuint(vcpus[0].wanted_ticks, ==, 7 - 10 * SECOND_TICKS);

    vcpus[1].src.known = false;
    g_assert_cmpint(cf_tsc_plan(&move, vcpus, 2), ==, CF_TSC_UNKNOWN);
}

static void test_computed(void)
{
    struct cf_move move = other_host();
    struct cf_vcpu vcpu = { .src = tsc(7, 0), .dst = tsc(0, 0) };

    g_assert_true(cf_move_plan(&move, NULL, false, INT64_MAX));
    g_assert_cmpint(cf_tsc_plan(&move, &vcpu, 1), ==, CF_TSC_COMPUTED);
    g_assert_cmpuint(vcpu.wanted_ticks, ==, 7 - 1000 * SECOND_TICKS);
    g_assert_true(cf_move_plan(&move, NULL, true, INT64_MAX));
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

        g_assert_true(cf_move_plan(&move, NULL, true, INT64_MAX));
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

/* More than a second, either way, and across the TSC's wrap. */
static void test_apart(void)
{
    const uint64_t second = KHZ * 1000ULL, start = -second / 2;
    const struct cf_tsc boot = tsc(start, 0);
    struct cf_tsc other = tsc(start + second, 0);
    uint64_t ns;

    g_assert_false(cf_tsc_apart(&other, &boot, 5, &ns));
    other.offset_ticks += 3;
    g_assert_true(cf_tsc_apart(&other, &boot, 5, &ns));
    g_assert_cmpuint(ns, ==, 1000000001);
    g_assert_true(cf_tsc_apart(&boot, &other, 5, &ns));
    other.known = false;
    g_assert_false(cf_tsc_apart(&other, &boot, 5, &ns));
    other = tsc(start ^ 1ULL << 63, 0);
    g_assert_true(cf_tsc_apart(&other, &boot, 5, &ns));
    g_assert_cmpuint(ns / CF_NS_PER_SEC, ==, (1ULL << 63) / second);
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

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/clock-plan/same-host", test_same_host);
    g_test_add_func("/clock-plan/kexec", test_kexec);
    g_test_add_func("/clock-plan/no-kexec", test_no_kexec);
    g_test_add_func("/clock-plan/time", test_time);
    g_test_add_func("/clock-plan/seen", test_seen);
    g_test_add_func("/clock-plan/stopped-to-save", test_stopped_to_save);
    g_test_add_func("/clock-plan/copied", test_copied);
    g_test_add_func("/clock-plan/computed", test_computed);
    g_test_add_func("/clock-plan/write", test_write);
    g_test_add_func("/clock-plan/accept", test_accept);
    g_test_add_func("/clock-plan/thaw", test_thaw);
    g_test_add_func("/clock-plan/skew", test_skew);
    g_test_add_func("/clock-plan/rate", test_rate);
    g_test_add_func("/clock-plan/apart", test_apart);
    g_test_add_func("/clock-plan/merge", test_merge);
    g_test_add_func("/clock-plan/merge-unstable", test_merge_unstable);
    g_test_add_func("/clock-plan/behaviour", test_behaviour);
    g_test_add_func("/clock-plan/stands", test_stands);
    return g_test_run();
}
