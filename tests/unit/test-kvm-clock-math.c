/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Known answers for the arithmetic and the policy of guest clocks, that is,
 * for hw/i386/kvm/clock-math.h, clock-policy.h and the loop of clock-ladder.h
 *
 * The answers were computed with unlimited integers from the formulas in
 * Linux' Documentation/virt/kvm: devices/vcpu.rst for TSC scaling, and
 * x86/msr.rst for the pvclock record; those of /slope are what
 * kvm_get_time_scale() returns.
 */

#include "qemu/osdep.h"
#include "hw/i386/kvm/clock-ladder.h"

#define AMD_ONE (1ULL << CF_FRAC_BITS_AMD)
#define INTEL_ONE (1ULL << CF_FRAC_BITS_INTEL)
#define MUL_HALF (1U << 31)             /* half a nanosecond per tick */

/* A result that must still be there after a failure. */
#define UNTOUCHED 0x5555

static void test_scale(void)
{
    static const struct {
        uint64_t host, ratio, offset, guest;
        uint32_t frac_bits;
    } rows[] = {
        { 1000, INTEL_ONE, 5, 1005, 48 },
        { UINT64_MAX, AMD_ONE, 1, 0, 32 },
        { 1000, 1, -1001ULL, UINT64_MAX, 0 },
        { 3, 3ULL << 31, 0, 4, 32 },            /* 4.5 */
        /* 2.5 GHz on a host of 2.59612 GHz */
        { 123456789012345678, 4135948353, 987654321, 118885866232268189, 32 },
        { 123456789012345678, 271053511307890, 987654321,
          118885866252304616, 48 },
        /* products of 128 bits, of which 64 remain */
        { UINT64_MAX, UINT64_MAX, 0, UINT64_MAX - 3, 63 },
        { 1ULL << 63, 3, 0, 1ULL << 63, 0 },
    };

    for (int i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct cf_tsc_freq freq = { 1, rows[i].frac_bits,
                                          rows[i].ratio };
        uint64_t guest = 0, offset = 0;

        g_assert_true(cf_tsc_host_to_guest(rows[i].host, &freq,
                                           rows[i].offset, &guest));
        g_assert_cmpuint(guest, ==, rows[i].guest);
        g_assert_true(cf_tsc_offset_for(guest, rows[i].host, &freq, &offset));
        g_assert_cmpuint(offset, ==, rows[i].offset);
    }
}

/* A ratio of one changes nothing, whatever the fraction bits. */
static void test_frac_bits(void)
{
    struct cf_tsc_freq freq = { .host_khz = 2500000 };
    uint64_t guest = 0, ticks = 0;
    uint32_t khz = 0;

    for (freq.frac_bits = 0; freq.frac_bits <= 63; freq.frac_bits++) {
        freq.ratio = 1ULL << freq.frac_bits;
        g_assert_false(cf_tsc_is_scaled(&freq));
        g_assert_true(cf_tsc_host_to_guest(UINT64_MAX, &freq, 0, &guest));
        g_assert_cmpuint(guest, ==, UINT64_MAX);
        g_assert_true(cf_ns_to_ticks(CF_NS_PER_SEC, &freq, &ticks));
        g_assert_cmpuint(ticks, ==, 2500000000);
        g_assert_true(cf_tsc_freq_khz(&freq, &khz));
        g_assert_cmpuint(khz, ==, 2500000);
    }
}

static void test_invalid_freq(void)
{
    static const struct cf_tsc_freq good = { 1, 0, 1 }, rows[] = {
        { 0, 48, INTEL_ONE }, { 1, 48, 0 }, { 1, 64, 1 }, { 1, 255, 1 },
        { 1, UINT32_MAX, 1 },
    };
    uint64_t ticks = UNTOUCHED;
    uint32_t khz = UNTOUCHED;
    int64_t ppt = UNTOUCHED;

    for (int i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct cf_tsc_freq *freq = &rows[i];

        g_assert_false(cf_tsc_freq_valid(freq));
        g_assert_false(cf_tsc_host_to_guest(1, freq, 0, &ticks));
        g_assert_false(cf_tsc_offset_for(1, 1, freq, &ticks));
        g_assert_false(cf_ns_to_ticks(1, freq, &ticks));
        g_assert_false(cf_tsc_freq_khz(freq, &khz));
        g_assert_false(cf_tsc_rate_error_ppt(freq, &good, &ppt));
        g_assert_false(cf_tsc_rate_error_ppt(&good, freq, &ppt));
    }
    g_assert_cmpuint(ticks, ==, UNTOUCHED);
    g_assert_cmpuint(khz, ==, UNTOUCHED);
    g_assert_cmpint(ppt, ==, UNTOUCHED);
}

static void test_ratio(void)
{
    static const struct {
        uint32_t guest_khz, host_khz, frac_bits;
        uint64_t ratio;                         /* 0: none */
    } rows[] = {
        { 2500000, 2500000, 32, AMD_ONE },
        { 2500000, 2596120, 32, 4135948353 },
        { 2500000, 2596120, 48, 271053511307890 },
        { 1, UINT32_MAX, 32, 1 },
        { 255, 1, 32, 255 * AMD_ONE },
        { 256, 1, 32, 0 },                      /* SVM has 8 bits before */
        { 65535, 1, 48, 65535 * INTEL_ONE },
        { 65536, 1, 48, 0 },                    /* VMX has 16 */
        { 0, 1, 48, 0 }, { 1, 0, 48, 0 },
        { 1, 1, 0, 0 }, { 1, 1, 63, 0 }, { 1, 1, 64, 0 },
    };

    for (int i = 0; i < ARRAY_SIZE(rows); i++) {
        struct cf_tsc_freq freq = { rows[i].host_khz, rows[i].frac_bits };
        uint32_t khz = 0;

        g_assert_cmpint(cf_tsc_ratio_from_khz(rows[i].guest_khz,
                                              rows[i].host_khz,
                                              rows[i].frac_bits, &freq.ratio),
                        ==, rows[i].ratio != 0);
        g_assert_cmpuint(freq.ratio, ==, rows[i].ratio);
        if (freq.ratio) {
            g_assert_true(cf_tsc_freq_khz(&freq, &khz));
            g_assert_cmpuint(khz, ==, rows[i].guest_khz);
        }
    }
}

static void test_elapsed_ticks(void)
{
    static const struct {
        uint64_t ns;
        struct cf_tsc_freq freq;
        uint64_t ticks;
    } rows[] = {
        { 0, { 2500000, 0, 1 }, 0 },
        { 1, { 2500000, 0, 1 }, 2 },            /* 2.5 */
        /* 3690 s: ns x kHz exceeds 63 bits; 100 years; 584 years */
        { 3690 * CF_NS_PER_SEC, { 2500000, 48, INTEL_ONE }, 9225000000000 },
        { 3155760000 * CF_NS_PER_SEC, { 2500000, 48, INTEL_ONE },
          7889400000000000000 },
        { UINT64_MAX, { 2500000, 0, 1 }, INT64_MAX - 2 },
        { UINT64_MAX, { UINT32_MAX, 0, UINT64_MAX }, 8561687326930818486 },
        /* an hour at 2.5 GHz, scaled: the ratio's rounding shows */
        { 3600 * CF_NS_PER_SEC, { 2596120, 48, 271053511307890 },
          8999999999999 },
        { 3600 * CF_NS_PER_SEC, { 2596120, 32, 4135948353 }, 8999999998483 },
    };
    uint64_t ns = UNTOUCHED;

    for (int i = 0; i < ARRAY_SIZE(rows); i++) {
        uint64_t ticks = 0;

        g_assert_true(cf_ns_to_ticks(rows[i].ns, &rows[i].freq, &ticks));
        g_assert_cmpuint(ticks, ==, rows[i].ticks);
    }

    g_assert_false(cf_ticks_to_ns(1, 0, &ns));
    g_assert_false(cf_ticks_to_ns(UINT64_MAX, 999999, &ns));
    g_assert_cmpuint(ns, ==, UNTOUCHED);
    g_assert_true(cf_ticks_to_ns(UINT64_MAX, 1000000, &ns));
    g_assert_cmpuint(ns, ==, UINT64_MAX);
    g_assert_true(cf_ticks_to_ns(9225000000001, 2500000, &ns));
    g_assert_cmpuint(ns, ==, 3690 * CF_NS_PER_SEC);
}

static void test_rate_error(void)
{
    static const struct {
        struct cf_tsc_freq dst, src;
        bool ok;
        int64_t ppt;
    } rows[] = {
        { { 2500000, 32, AMD_ONE }, { 2500000, 48, INTEL_ONE }, true, 0 },
        { { 2499999, 0, 1 }, { 2500000, 0, 1 }, true, -400000 },
        { { 2500000, 0, 1 }, { 2499999, 0, 1 }, true, 400001 },
        { { 2500625, 0, 1 }, { 2500000, 0, 1 }, true, CF_RATE_LIMIT_PPT },
        /* 0.0036 ppt, rounded away from 0 */
        { { 1, 48, INTEL_ONE + 1 }, { 1, 48, INTEL_ONE }, true, 1 },
        { { 1, 48, INTEL_ONE }, { 1, 48, INTEL_ONE + 1 }, true, -1 },
        /* the kHz are as wanted, the ratio's fraction ends */
        { { 2596120, 32, 4135948353 }, { 2500000, 0, 1 }, true, -169 },
        { { 2596120, 48, 271053511307890 }, { 2500000, 0, 1 }, true, -1 },
        { { 9223373, 0, 1 }, { 1, 0, 1 }, true, 9223372000000000000 },
        { { 9223374, 0, 1 }, { 1, 0, 1 }, false, UNTOUCHED },
        { { UINT32_MAX, 0, UINT64_MAX }, { 1, 63, 1 }, false, UNTOUCHED },
    };

    for (int i = 0; i < ARRAY_SIZE(rows); i++) {
        int64_t ppt = UNTOUCHED;

        g_assert_cmpint(cf_tsc_rate_error_ppt(&rows[i].dst, &rows[i].src,
                                              &ppt), ==, rows[i].ok);
        g_assert_cmpint(ppt, ==, rows[i].ppt);
    }
}

static void test_eval(void)
{
    static const struct {
        struct cf_clock_fn fn;
        uint64_t ticks;
        bool ok;
        int64_t ns;
    } rows[] = {
        { { 0, 0, MUL_HALF, 1 }, 1000000000, true, 1000000000 },
        /* an hour and 100 years at 2.5 GHz: mul is 0.233 ppb low */
        { { 1000, 5000, 3435973836, -1 }, 9000000001000, true,
          3600000004161 },
        { { 0, 0, 3435973836, -1 }, 7889400000000000000, true,
          3155759999265242367 },
        /* the TSC wraps; it is at, and before, the record's */
        { { UINT64_MAX, 5, MUL_HALF, 1 }, 0, true, 6 },
        { { 5, 5, MUL_HALF, 1 }, 5, true, 5 },
        { { 5, 5, MUL_HALF, 1 }, 4, false, UNTOUCHED },
        { { 7, 0, 1, 0 }, (1ULL << 63) + 7, false, UNTOUCHED },
        /* shifts: the ends of the range, and what they lose */
        { { 0, 0, 1, 31 }, (1ULL << 33) - 1, true, UINT32_MAX },
        { { 0, 0, 1, 31 }, 1ULL << 33, false, UNTOUCHED },
        { { 0, 0, MUL_HALF, -31 }, 1ULL << 33, true, 2 },
        { { 0, 0, MUL_HALF, 32 }, 1, false, UNTOUCHED },
        { { 0, 0, MUL_HALF, -32 }, 1, false, UNTOUCHED },
        { { 0, 0, MUL_HALF, 127 }, 1, false, UNTOUCHED },
        { { 0, 0, MUL_HALF, -128 }, 1, false, UNTOUCHED },
        { { 0, 0, 0, 0 }, 1, false, UNTOUCHED },
        /* 292 years are the end */
        { { 0, INT64_MAX, MUL_HALF, 1 }, 0, true, INT64_MAX },
        { { 0, INT64_MAX, MUL_HALF, 1 }, 1, false, UNTOUCHED },
        { { 0, UINT64_MAX, MUL_HALF, 1 }, 1, false, UNTOUCHED },
    };

    for (int i = 0; i < ARRAY_SIZE(rows); i++) {
        int64_t ns = UNTOUCHED;

        g_assert_cmpint(cf_clock_fn_eval(&rows[i].fn, rows[i].ticks, &ns),
                        ==, rows[i].ok);
        g_assert_cmpint(ns, ==, rows[i].ns);
    }
}

static void test_slope(void)
{
    static const struct {
        uint64_t hz;
        uint32_t mul;
        int32_t shift;
        uint64_t back_hz;                       /* mul is rounded down */
    } rows[] = {
        { 1, 4000000000, 30, 1 },
        { 1000000, 4194304000, 10, 1000000 },
        { 1000000000, MUL_HALF, 1, 1000000000 },
        { 2000000000, MUL_HALF, 0, 2000000000 },
        { 2100000000, 4090445043, -1, 2100000000 },
        { 2500000000, 3435973836, -1, 2500000001 },
        { 3700000000, 2321603943, -1, 3700000001 },
        { 5000000000, 3435973836, -2, 5000000001 },
        { CF_NS_PER_SEC << 32, MUL_HALF, -31, CF_NS_PER_SEC << 32 },
    };
    struct cf_clock_fn fn = { 1, 2, 3, 4 };
    uint64_t hz = UNTOUCHED;

    g_assert_false(cf_clock_fn_set_hz(&fn, 0));
    g_assert_false(cf_clock_fn_set_hz(&fn, (CF_NS_PER_SEC << 32) + 1));
    g_assert_cmpuint(fn.mul, ==, 3);
    g_assert_cmpint(fn.shift, ==, 4);
    for (int i = 0; i < ARRAY_SIZE(rows); i++) {
        g_assert_true(cf_clock_fn_set_hz(&fn, rows[i].hz));
        g_assert_cmpuint(fn.mul, ==, rows[i].mul);
        g_assert_cmpint(fn.shift, ==, rows[i].shift);
        g_assert_true(cf_clock_fn_hz(&fn, &hz));
        g_assert_cmpuint(hz, ==, rows[i].back_hz);
    }
    g_assert_cmpuint(fn.tsc_ticks, ==, 1);
    g_assert_cmpuint(fn.system_ns, ==, 2);

    hz = UNTOUCHED;
    fn = (struct cf_clock_fn) { 0, 0, 1, -3 };
    g_assert_false(cf_clock_fn_hz(&fn, &hz));           /* 2^64.9 Hz */
    fn = (struct cf_clock_fn) { 0, 0, UINT32_MAX, 31 };
    g_assert_false(cf_clock_fn_hz(&fn, &hz));           /* 0.47 Hz */
    g_assert_cmpuint(hz, ==, UNTOUCHED);
}

/* Both clocks meet at the instant, and part only by their slopes after it. */
static void test_rebase(void)
{
    const struct cf_clock_fn src = { 1000, 5000, 3435973836, -1 };
    struct cf_clock_fn slope = { 0, 0, MUL_HALF, 1 }, fn = { 0 };
    int64_t ns = 0;

    g_assert_false(cf_clock_fn_rebase(&src, &slope, 999, &fn));
    slope.mul = 0;
    g_assert_false(cf_clock_fn_rebase(&src, &slope, 1000, &fn));
    g_assert_cmpuint(fn.system_ns, ==, 0);
    slope.mul = MUL_HALF;
    g_assert_true(cf_clock_fn_rebase(&src, &slope, 9000000001000, &fn));
    g_assert_cmpuint(fn.system_ns, ==, 3600000004161);
    g_assert_true(cf_clock_fn_eval(&fn, 9000000001000 + 7, &ns));
    g_assert_cmpint(ns, ==, 3600000004161 + 7);
}

static void test_elapsed_ns(void)
{
    const uint64_t second = CF_NS_PER_SEC;
    const struct {
        struct cf_instant dst, src;
        bool ok;
        int64_t ns;
    } rows[] = {
        { { 0, 7, 0 }, { 0, 5, 0 }, true, 2 },
        { { 0, 5, 0 }, { 0, 7, 0 }, true, -2 },
        { { 0, 0, 0 }, { 0, INT64_MAX, 0 }, true, -INT64_MAX },
        { { 0, INT64_MAX + 1ULL, 0 }, { 0, 0, 0 }, false, UNTOUCHED },
        /* a leap second: seen if both know TAI */
        { { 0, 11 * second, 38 }, { 0, 10 * second, 37 }, true, 2 * second },
        { { 0, 11 * second, 38 }, { 0, 10 * second, 0 }, true, second },
        { { 0, 0, 1001 }, { 0, 0, 37 }, false, UNTOUCHED },
        { { 0, INT64_MAX, 2 }, { 0, 0, 1 }, false, UNTOUCHED },
    };

    for (int i = 0; i < ARRAY_SIZE(rows); i++) {
        int64_t ns = UNTOUCHED;

        g_assert_cmpint(cf_elapsed_ns(&rows[i].dst, &rows[i].src, &ns), ==,
                        rows[i].ok);
        g_assert_cmpint(ns, ==, rows[i].ns);
    }
}

/* 100 s at 2 GHz, with real time off by 0.1 s and 1000 ppm at most */
static void test_continuous(void)
{
    const struct cf_instant src = { 1ULL << 50, 1700000000 * CF_NS_PER_SEC };
    const int64_t slack_ns = 200000000;
    const struct {
        int64_t late_ns;
        bool same;
    } rows[] = {
        { 0, true },
        { slack_ns, true }, { slack_ns + 1, false },
        { -slack_ns, true }, { -slack_ns - 1, false },
    };
    struct cf_instant dst = src;

    g_assert_true(cf_tsc_continuous(&src, &src, 2000000));
    g_assert_false(cf_tsc_continuous(&src, &src, 0));
    dst.host_ticks--;
    g_assert_false(cf_tsc_continuous(&dst, &src, 2000000));

    dst.host_ticks = src.host_ticks + 100 * 2000000000ULL;
    for (int i = 0; i < ARRAY_SIZE(rows); i++) {
        dst.realtime_ns = src.realtime_ns + 100 * CF_NS_PER_SEC +
                          rows[i].late_ns;
        g_assert_cmpint(cf_tsc_continuous(&dst, &src, 2000000), ==,
                        rows[i].same);
    }
}

/* A clock that is always set late by the same, but for some first misses */
static int64_t run_loop(const int64_t *first_ns, int n_first, int64_t bias_ns,
                        int *tries)
{
    struct cf_loop loop = { 0 };
    int64_t residual_ns;

    do {
        residual_ns = (loop.tries < n_first ? first_ns[loop.tries] : bias_ns) -
                      loop.correction_ns;
    } while (!cf_loop_learn(&loop, residual_ns, 500));
    *tries = loop.tries;
    return residual_ns;
}

static void test_loop(void)
{
    static const int64_t cold_ns[] = { 12000, 460 };
    int tries;

    g_assert_cmpint(run_loop(cold_ns, 0, 0, &tries), ==, 0);
    g_assert_cmpint(tries, ==, 1);
    g_assert_cmpint(run_loop(cold_ns, 0, 39, &tries), ==, 0);
    g_assert_cmpint(tries, ==, 2);
    g_assert_cmpint(run_loop(cold_ns, 2, 39, &tries), ==, 0);
    g_assert_cmpint(tries, <, CF_LOOP_MIN_TRIES / 4);
    /* more than it ever corrects: it gives up, and that shows */
    g_assert_cmpint(run_loop(cold_ns, 0, CF_LOOP_CLAMP_NS + 4000, &tries), ==,
                    4000);
    g_assert_cmpint(run_loop(cold_ns, 0, INT64_MAX, &tries), ==,
                    INT64_MAX - CF_LOOP_CLAMP_NS);
    g_assert_cmpint(tries, <=, CF_LOOP_BUDGET_NS / 500);
}

/* Verdicts, by policy */
#define VERDICTS(strict, normal, lax) { \
    [CF_POLICY_STRICT] = CF_VERDICT_ ## strict, \
    [CF_POLICY_AUTO] = CF_VERDICT_ ## normal, \
    [CF_POLICY_LAX] = CF_VERDICT_ ## lax }

/* The rows of the table in docs/devel/migration/guest-clock.rst */
static const struct {
    struct cf_policy_facts facts;
    enum cf_verdict verdict[3];
    enum cf_reason reason;
} policy_rows[] = {
    { { .rate_known = true, .rate_error_ppt = CF_RATE_EXACT_PPT },
      VERDICTS(GO, GO, GO), CF_REASON_NONE },
    { { .rate_known = true, .rate_error_ppt = -CF_RATE_EXACT_PPT - 1 },
      VERDICTS(REFUSE, REPORT, REPORT), CF_REASON_RATE },
    { { .rate_known = true, .rate_error_ppt = CF_RATE_CLOSE_PPT,
        .promised = true },
      VERDICTS(REFUSE, REPORT, REPORT), CF_REASON_RATE },
    { { .rate_known = true, .rate_error_ppt = -CF_RATE_CLOSE_PPT - 1,
        .promised = true },
      VERDICTS(REFUSE, REFUSE, REPORT), CF_REASON_RATE },
    { { .rate_known = true, .rate_error_ppt = CF_RATE_LIMIT_PPT },
      VERDICTS(REFUSE, REPORT, REPORT), CF_REASON_RATE },
    { { .rate_known = true, .rate_error_ppt = -CF_RATE_LIMIT_PPT - 1 },
      VERDICTS(REFUSE, REFUSE, WARN), CF_REASON_RATE },
    { { .rate_known = true, .rate_error_ppt = INT64_MIN },
      VERDICTS(REFUSE, REFUSE, WARN), CF_REASON_RATE },
    { { .rate_known = false },
      VERDICTS(REFUSE, REFUSE, WARN), CF_REASON_RATE_UNKNOWN },
    { { .rate_known = true, .offset = CF_OFFSET_IGNORED },
      VERDICTS(REFUSE, REFUSE, WARN), CF_REASON_OFFSET_IGNORED },
    { { .rate_known = true, .offset = CF_OFFSET_IGNORED, .same_host = true },
      VERDICTS(GO, GO, GO), CF_REASON_NONE },
    { { .rate_known = true, .offset = CF_OFFSET_REWINDS },
      VERDICTS(REFUSE, REPORT, WARN), CF_REASON_TSC_UNSTABLE },
    { { .rate_known = true, .offset = CF_OFFSET_REWINDS, .promised = true },
      VERDICTS(REFUSE, REFUSE, WARN), CF_REASON_TSC_UNSTABLE },
    { { .rate_known = true, .best_rung = CF_RUNG_CLOSED_LOOP,
        .required_rung = CF_RUNG_CLOSED_LOOP },
      VERDICTS(GO, GO, GO), CF_REASON_NONE },
    { { .rate_known = true, .best_rung = CF_RUNG_CLOSED_LOOP,
        .required_rung = CF_RUNG_REANCHORED },
      VERDICTS(REFUSE, REFUSE, REFUSE), CF_REASON_RUNG },
    { { .rate_known = true, .best_rung = CF_RUNG_PLAIN,
        .required_rung = CF_RUNG_PLAIN },
      VERDICTS(REFUSE, REPORT, REPORT), CF_REASON_RUNG },
    { { .rate_known = true, .measured = true },
      VERDICTS(REFUSE, REPORT, REPORT), CF_REASON_OFFSET_MEASURED },
};

static void test_policy(void)
{
    for (int i = 0; i < ARRAY_SIZE(policy_rows); i++) {
        struct cf_policy_facts facts = policy_rows[i].facts;

        for (facts.policy = CF_POLICY_AUTO; facts.policy <= CF_POLICY_LAX;
             facts.policy++) {
            enum cf_reason reason;

            g_assert_cmpint(cf_policy_decide(&facts, &reason), ==,
                            policy_rows[i].verdict[facts.policy]);
            g_assert_cmpint(reason, ==, policy_rows[i].reason);
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/kvm-clock/tsc/scale", test_scale);
    g_test_add_func("/kvm-clock/tsc/frac-bits", test_frac_bits);
    g_test_add_func("/kvm-clock/tsc/invalid", test_invalid_freq);
    g_test_add_func("/kvm-clock/tsc/ratio", test_ratio);
    g_test_add_func("/kvm-clock/tsc/elapsed", test_elapsed_ticks);
    g_test_add_func("/kvm-clock/tsc/rate-error", test_rate_error);
    g_test_add_func("/kvm-clock/record/eval", test_eval);
    g_test_add_func("/kvm-clock/record/slope", test_slope);
    g_test_add_func("/kvm-clock/record/rebase", test_rebase);
    g_test_add_func("/kvm-clock/time/elapsed", test_elapsed_ns);
    g_test_add_func("/kvm-clock/time/continuous", test_continuous);
    g_test_add_func("/kvm-clock/loop", test_loop);
    g_test_add_func("/kvm-clock/policy", test_policy);
    return g_test_run();
}
