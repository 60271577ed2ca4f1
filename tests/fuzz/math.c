/* SPDX-License-Identifier: GPL-2.0-or-later */
/* clock-math.h against numbers of any size: what its comments define, computed
 * from the definitions. */
#include <clockferry/clock-math.h>
#include "bytes.h"
#include "exact.h"

/* Scratch, which costs more to make than to use. */
static mpz_t a, b, c;
static mpq_t p, q, r;

static bool is_valid(const struct cf_tsc_freq *freq)
{
    return freq->host_khz > 0 && freq->ratio > 0 && freq->frac_bits < 64;
}

static void check_scale(Bytes *bytes)
{
    const struct cf_tsc_freq freq = take_freq(bytes);
    const uint64_t host = take_u64(bytes), other = take_u64(bytes);
    uint64_t guest = 1, offset = 1, scaled;

    MUST(cf_tsc_host_to_guest(host, &freq, other, &guest) == is_valid(&freq) &&
         cf_tsc_offset_for(other, host, &freq, &offset) == is_valid(&freq),
         "not by validity");
    if (!is_valid(&freq)) {
        MUST(guest == 1 && offset == 1, "written on failure");
        return;
    }
    scaled = exact_scaled(host, &freq);
    MUST(guest == scaled + other, "host to guest");
    MUST(other == scaled + offset, "the offset leads elsewhere");
}

static void check_ratio(Bytes *bytes)
{
    const uint32_t guest_khz = take_khz(bytes), host_khz = take_khz(bytes);
    const uint32_t frac_bits = take_bool(bytes) ? 32 : 48;
    uint64_t ratio = 1;
    const bool got = cf_tsc_ratio_from_khz(guest_khz, host_khz, frac_bits,
                                           &ratio);

    if (!guest_khz || !host_khz) {
        MUST(!got, "a ratio without a frequency");
        return;
    }
    mpz_set_ui(a, guest_khz);
    mpz_mul_2exp(a, a, frac_bits);
    mpz_fdiv_q_ui(a, a, host_khz);
    /* below the hardware's maximum */
    mpz_set_ui(b, 1);
    mpz_mul_2exp(b, b, frac_bits == 32 ? 40 : 64);
    mpz_sub_ui(b, b, 1);
    MUST(got == (mpz_sgn(a) > 0 && mpz_cmp(a, b) < 0), "range of a ratio");
    MUST(!got || mpz_cmp_ui(a, ratio) == 0, "ratio");
}

static void check_khz(Bytes *bytes)
{
    const struct cf_tsc_freq freq = take_freq(bytes);
    uint32_t khz = 0;
    const bool got = cf_tsc_freq_khz(&freq, &khz);

    if (!is_valid(&freq)) {
        MUST(!got, "kHz of no frequency");
        return;
    }
    exact_khz(p, &freq);
    mpq_set_ui(q, 1, 2);
    if (got) {
        mpq_set_ui(r, khz, 1);
        mpq_sub(p, p, r);
        mpq_abs(p, p);
        MUST(khz && mpq_cmp(p, q) <= 0, "not the nearest kHz: %u", khz);
        return;
    }
    mpq_add(p, p, q);
    exact_floor(a, p);
    MUST(mpz_sgn(a) == 0 || mpz_cmp_ui(a, UINT32_MAX) > 0, "no kHz, but near");
}

static void check_time(Bytes *bytes)
{
    const struct cf_tsc_freq freq = take_freq(bytes);
    const uint64_t value = take_u64(bytes);
    const uint32_t khz = take_khz(bytes);
    uint64_t ticks = 0, ns = 0;
    bool got = cf_ns_to_ticks(value, &freq, &ticks);

    MUST(got == is_valid(&freq), "not by validity");
    if (got) {
        MUST(ticks == exact_ticks(value, &freq), "ns to ticks");
    }
    got = cf_ticks_to_ns(value, khz, &ns);
    if (!khz) {
        MUST(!got, "ns without a frequency");
        return;
    }
    mpz_set_ui(a, value);
    mpz_mul_ui(a, a, 1000000);
    mpz_fdiv_q_ui(a, a, khz);
    MUST(got == exact_is_u64(a) && (!got || mpz_cmp_ui(a, ns) == 0),
         "ticks to ns");
}

/* The least whole number that is no less in size, with the sign. */
static void away_from_zero(mpz_t whole, const mpq_t fraction)
{
    if (mpq_sgn(fraction) > 0) {
        mpz_cdiv_q(whole, mpq_numref(fraction), mpq_denref(fraction));
    } else {
        mpz_fdiv_q(whole, mpq_numref(fraction), mpq_denref(fraction));
    }
}

/* Over the larger denominator of both. */
static bool exceeds_118_bits(const struct cf_tsc_freq *freq,
                             const struct cf_tsc_freq *other)
{
    const uint32_t bits = MAX(freq->frac_bits, other->frac_bits);

    exact_khz(r, freq);
    mpq_mul_2exp(r, r, bits);
    exact_floor(c, r);
    return mpz_sizeinbase(c, 2) > 118;
}

static void check_rate(Bytes *bytes)
{
    const struct cf_tsc_freq dst = take_freq(bytes);
    const struct cf_tsc_freq src = take_bool(bytes) ? take_freq(bytes) : dst;
    int64_t ppt = 0;
    const bool got = cf_tsc_rate_error_ppt(&dst, &src, &ppt);

    if (!is_valid(&dst) || !is_valid(&src)) {
        MUST(!got, "a rate without a frequency");
        return;
    }
    exact_khz(p, &dst);
    exact_khz(q, &src);
    mpq_div(p, p, q);
    mpq_set_ui(q, 1, 1);
    mpq_sub(p, p, q);
    mpq_set_ui(q, 1000000000000, 1);
    mpq_mul(p, p, q);
    away_from_zero(a, p);
    if (got) {
        MUST(mpz_cmp_si(a, ppt) == 0, "rate error %" PRId64, ppt);
        return;
    }
    mpz_abs(a, a);
    MUST(mpz_cmp_si(a, INT64_MAX) > 0 || exceeds_118_bits(&dst, &src) ||
         exceeds_118_bits(&src, &dst), "no rate error, but it fits");
}

static struct cf_clock_fn take_fn(Bytes *bytes)
{
    struct cf_clock_fn fn = {
        .tsc_ticks = take_u64(bytes), .system_ns = take_u64(bytes),
        .mul = (uint32_t)take_u64(bytes),
    };

    fn.shift = take_bool(bytes) ? (int32_t)take_between(bytes, -4, 4)
                                : (int32_t)take_between(bytes, -33, 33);
    return fn;
}

/* Writes what a guest computes into a; false: it can't. */
static bool exact_eval(const struct cf_clock_fn *fn, uint64_t ticks)
{
    const uint64_t delta_ticks = ticks - fn->tsc_ticks;

    if (!fn->mul || ABS(fn->shift) > 31 || delta_ticks > INT64_MAX) {
        return false;
    }
    mpz_set_ui(a, delta_ticks);
    if (fn->shift < 0) {
        mpz_fdiv_q_2exp(a, a, (mp_bitcnt_t)-fn->shift);
    } else {
        mpz_mul_2exp(a, a, (mp_bitcnt_t)fn->shift);
    }
    if (!exact_is_u64(a)) {
        return false;
    }
    mpz_mul_ui(a, a, fn->mul);
    mpz_fdiv_q_2exp(a, a, 32);
    mpz_add_ui(a, a, fn->system_ns);
    return mpz_cmp_si(a, INT64_MAX) <= 0;
}

static void check_eval(Bytes *bytes)
{
    const struct cf_clock_fn fn = take_fn(bytes), slope = take_fn(bytes);
    const uint64_t ticks = fn.tsc_ticks + take_u64(bytes);
    struct cf_clock_fn based;
    int64_t ns = 0, again_ns;
    const bool is = exact_eval(&fn, ticks);
    const bool has_slope = slope.mul && ABS(slope.shift) <= 31;

    MUST(cf_clock_fn_eval(&fn, ticks, &ns) == is &&
         (!is || mpz_cmp_si(a, ns) == 0), "kvmclock at a TSC");
    MUST(cf_clock_fn_rebase(&fn, &slope, ticks, &based) == (is && has_slope),
         "not by validity");
    if (is && has_slope) {
        MUST(based.tsc_ticks == ticks && based.mul == slope.mul &&
             based.shift == slope.shift &&
             cf_clock_fn_eval(&based, ticks, &again_ns) && again_ns == ns,
             "another clock after the change of slope");
    }
}

/* 10^9 x 2^32 / (@by x 2^shift) */
static void exact_per_second(mpq_t result, uint64_t by, int32_t shift)
{
    mpq_set_ui(result, 1000000000, 1);
    mpq_mul_2exp(result, result, 32);
    mpz_set_ui(mpq_denref(result), by);
    mpq_canonicalize(result);
    if (shift < 0) {
        mpq_mul_2exp(result, result, (mp_bitcnt_t)-shift);
    } else {
        mpq_div_2exp(result, result, (mp_bitcnt_t)shift);
    }
}

static void check_hz(Bytes *bytes)
{
    const struct cf_clock_fn fn = take_fn(bytes);
    uint64_t hz = 0;
    const bool got = cf_clock_fn_hz(&fn, &hz);

    if (!fn.mul || ABS(fn.shift) > 31) {
        MUST(!got, "Hz of no function");
        return;
    }
    exact_per_second(p, fn.mul, fn.shift);
    mpq_set_ui(q, 1, 2);
    if (got) {
        mpq_set_ui(r, hz, 1);
        mpq_sub(p, p, r);
        mpq_abs(p, p);
        MUST(hz && mpq_cmp(p, q) <= 0, "not the nearest Hz: %" PRIu64, hz);
        return;
    }
    mpq_add(p, p, q);
    exact_floor(a, p);
    MUST(mpz_sgn(a) == 0 || !exact_is_u64(a), "no Hz, but near");
}

static void check_set_hz(Bytes *bytes)
{
    const uint64_t hz = take_u64(bytes);
    struct cf_clock_fn fn = { 1, 2, 3, 4 };
    int32_t shift;

    if (cf_clock_fn_set_hz(&fn, hz)) {
        exact_per_second(p, hz, fn.shift);
        exact_floor(a, p);
        MUST(fn.tsc_ticks == 1 && fn.system_ns == 2 &&
             ABS(fn.shift) <= 31 && fn.mul >= 1U << 31 &&
             mpz_cmp_ui(a, fn.mul) == 0, "slope of %" PRIu64 " Hz", hz);
        return;
    }
    MUST(fn.mul == 3 && fn.shift == 4, "written on failure");
    for (shift = -31; hz && shift <= 31; shift++) {
        exact_per_second(p, hz, shift);
        exact_floor(a, p);
        MUST(mpz_sizeinbase(a, 2) != 32, "no slope for %" PRIu64 " Hz", hz);
    }
}

static bool is_time(const struct cf_instant *instant)
{
    return instant->realtime_ns <= INT64_MAX &&
           instant->tai_offset_s >= -1000 && instant->tai_offset_s <= 1000;
}

/* Writes dst - src into a; false: it can't be told. */
static bool exact_elapsed(const struct cf_instant *dst,
                          const struct cf_instant *src)
{
    if (!is_time(dst) || !is_time(src)) {
        return false;
    }
    mpz_set_ui(a, dst->realtime_ns);
    mpz_sub_ui(a, a, src->realtime_ns);
    if (dst->tai_offset_s && src->tai_offset_s) {
        mpz_set_si(b, dst->tai_offset_s - src->tai_offset_s);
        mpz_mul_ui(b, b, 1000000000);
        mpz_add(a, a, b);
    }
    return mpz_cmp_si(a, INT64_MAX) <= 0 && mpz_cmp_si(a, INT64_MIN) >= 0;
}

static void check_elapsed(Bytes *bytes)
{
    const struct cf_instant src = take_instant(bytes);
    struct cf_instant dst = take_instant(bytes);
    int64_t ns = 0;
    bool is;

    if (take_bool(bytes)) {
        dst.realtime_ns += src.realtime_ns;
    }
    is = exact_elapsed(&dst, &src);
    MUST(cf_elapsed_ns(&dst, &src, &ns) == is &&
         (!is || mpz_cmp_si(a, ns) == 0), "elapsed time");
}

/* Real time and TSC advanced alike: within 1000 ppm and 0.1 s. At the limit
 * roundings decide. */
static void check_continuous(Bytes *bytes)
{
    const struct cf_instant src = take_instant(bytes);
    const uint32_t khz = take_khz(bytes);
    const uint64_t ticks = take_u64(bytes);
    struct cf_instant dst = src;
    bool held;

    dst.host_ticks += ticks;
    if (khz) {
        dst.realtime_ns += (uint64_t)((cf_u128)ticks * 1000000 / khz);
    }
    dst.realtime_ns += take_u64(bytes);
    held = cf_tsc_continuous(&dst, &src, khz);
    if (!khz || dst.host_ticks < src.host_ticks ||
        !exact_elapsed(&dst, &src)) {
        MUST(!held, "proven by nothing");
        return;
    }
    mpz_set(mpq_numref(p), a);
    mpz_set_ui(mpq_denref(p), 1);
    mpq_set_ui(q, 1000000, khz);
    mpz_mul_ui(mpq_numref(q), mpq_numref(q), dst.host_ticks - src.host_ticks);
    mpq_canonicalize(q);            /* ns by the TSC */
    mpq_sub(p, p, q);
    mpq_abs(p, p);
    mpq_set_ui(r, 1, 1000);
    mpq_mul(r, r, q);
    mpq_sub(p, p, r);               /* beyond 1000 ppm */
    mpq_set_ui(r, 100000002, 1);
    MUST(!held || mpq_cmp(p, r) <= 0, "another TSC");
    mpq_set_ui(r, 99999998, 1);
    mpq_set_si(q, INT64_MAX, 1);
    MUST(held || mpq_cmp(p, r) >= 0 || dst.host_ticks - src.host_ticks >
         (cf_u128)INT64_MAX * khz / 1000000 - 2, "the same TSC");
}

static void (*const checks[])(Bytes *) = {
    check_scale, check_ratio, check_khz, check_time, check_rate, check_eval,
    check_hz, check_set_hz, check_elapsed, check_continuous,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool prepared;
    Bytes bytes = { data, size };

    if (!prepared) {
        mpz_inits(a, b, c, NULL);
        mpq_inits(p, q, r, NULL);
        prepared = true;
    }
    checks[take_byte(&bytes) % G_N_ELEMENTS(checks)](&bytes);
    return 0;
}
