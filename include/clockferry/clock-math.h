/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Arithmetic of guest clocks: TSC scaling, pvclock records, elapsed time.
 *
 * Pure functions, header-only: no I/O, no allocation, no global state. The
 * same file, byte for byte, serves libclockferry and the QEMU series.
 *
 * Rules that hold for every function:
 *   - false means "not representable" or "not valid"; results are written
 *     only when true is returned;
 *   - units stand in the names: _ticks, _ns, _khz, _ppt (10^-12);
 *   - TSC values wrap modulo 2^64, as the hardware does; nanoseconds never
 *     wrap, they are checked;
 *   - products are 128 bits wide, shifts are range-checked, and divisions
 *     round towards zero unless the comment says otherwise;
 *   - delta = destination - source.
 *
 * Sources of the formulas: Linux Documentation/virt/kvm/devices/vcpu.rst
 * (group KVM_VCPU_TSC_CTRL) for TSC scaling, Documentation/virt/kvm/x86/
 * msr.rst (MSR_KVM_SYSTEM_TIME_NEW) for the pvclock record.
 */
#ifndef CLOCKFERRY_CLOCK_MATH_H
#define CLOCKFERRY_CLOCK_MATH_H

#include <stdbool.h>
#include <stdint.h>

__extension__ typedef unsigned __int128 cf_u128;

#define CF_NS_PER_SEC 1000000000ULL
#define CF_FRAC_BITS_AMD 32u
#define CF_FRAC_BITS_INTEL 48u
#define CF_FRAC_BITS_MAX 63u
#define CF_PVCLOCK_SHIFT_MAX 31

/* cf_magnitude - the size of a signed number, its sign aside; INT64_MIN too */
static inline uint64_t cf_magnitude(int64_t value)
{
    return value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
}

/**
 * struct cf_tsc_freq - effective frequency of a guest TSC, exactly
 * @host_khz: frequency of the host TSC as KVM knows it
 * @frac_bits: fraction bits of @ratio, 0 to 63
 * @ratio: multiplier of the host TSC; 1 << frac_bits when it isn't scaled
 *
 * The frequency is host_khz * 1000 * ratio / 2^frac_bits Hz, and it stays
 * this rational: kHz rounded twice lose up to 1 kHz (0.4 ppm at 2.5 GHz).
 */
struct cf_tsc_freq {
    uint32_t host_khz;
    uint32_t frac_bits;
    uint64_t ratio;
};

/**
 * struct cf_clock_fn - kvmclock as a function of the guest TSC
 * @tsc_ticks: guest TSC at which the clock reads @system_ns
 * @system_ns: kvmclock at @tsc_ticks
 * @mul: nanoseconds per (shifted) tick, times 2^32; not 0
 * @shift: ticks are shifted left by this (right when negative), -31 to 31
 *
 * These are the meaningful fields of a pvclock record, in host byte order.
 */
struct cf_clock_fn {
    uint64_t tsc_ticks;
    uint64_t system_ns;
    uint32_t mul;
    int32_t shift;
};

/**
 * cf_tsc_freq_valid - can this frequency be computed with?
 * @freq: the frequency
 *
 * Return: true if kHz and ratio aren't 0 and frac_bits is at most 63.
 */
static inline bool cf_tsc_freq_valid(const struct cf_tsc_freq *freq)
{
    return freq->host_khz && freq->ratio &&
           freq->frac_bits <= CF_FRAC_BITS_MAX;
}

/**
 * cf_tsc_is_scaled - does the guest TSC run at another rate than the host's?
 * @freq: a valid frequency
 *
 * Return: true if the ratio isn't exactly 1.
 */
static inline bool cf_tsc_is_scaled(const struct cf_tsc_freq *freq)
{
    return freq->ratio != 1ULL << freq->frac_bits;
}

/**
 * cf_tsc_host_to_guest - guest TSC at the instant of a host TSC
 * @host_ticks: host TSC
 * @freq: ratio and fraction bits of the guest (host_khz plays no part)
 * @offset_ticks: KVM_VCPU_TSC_OFFSET, modulo 2^64
 * @ret_guest_ticks: ((host x ratio) >> frac_bits) + offset, modulo 2^64
 *
 * Return: false if @freq is invalid.
 */
static inline bool cf_tsc_host_to_guest(uint64_t host_ticks,
                                        const struct cf_tsc_freq *freq,
                                        uint64_t offset_ticks,
                                        uint64_t *ret_guest_ticks)
{
    cf_u128 scaled;

    if (!cf_tsc_freq_valid(freq)) {
        return false;
    }
    scaled = ((cf_u128)host_ticks * freq->ratio) >> freq->frac_bits;
    *ret_guest_ticks = (uint64_t)scaled + offset_ticks;
    return true;
}

/**
 * cf_tsc_offset_for - the offset that makes a guest TSC read a given value
 * @guest_ticks: wanted guest TSC
 * @host_ticks: host TSC at the same instant, on the destination
 * @freq: ratio and fraction bits on the destination
 * @ret_offset_ticks: value for KVM_VCPU_TSC_OFFSET, modulo 2^64
 *
 * Return: false if @freq is invalid.
 */
static inline bool cf_tsc_offset_for(uint64_t guest_ticks, uint64_t host_ticks,
                                     const struct cf_tsc_freq *freq,
                                     uint64_t *ret_offset_ticks)
{
    uint64_t scaled_ticks;

    if (!cf_tsc_host_to_guest(host_ticks, freq, 0, &scaled_ticks)) {
        return false;
    }
    *ret_offset_ticks = guest_ticks - scaled_ticks;
    return true;
}

/**
 * cf_tsc_ratio_from_khz - the ratio that KVM uses for a wanted frequency
 * @guest_khz: wanted frequency
 * @host_khz: frequency of the host TSC
 * @frac_bits: 32 (AMD) or 48 (Intel)
 * @ret_ratio: 2^frac_bits x guest_khz / host_khz
 *
 * Return: false if a frequency is 0, frac_bits is neither of the two, or the
 * ratio is 0 or not below the hardware's maximum (2^40 - 1 on AMD, 2^64 - 1
 * on Intel).
 */
static inline bool cf_tsc_ratio_from_khz(uint32_t guest_khz, uint32_t host_khz,
                                         uint32_t frac_bits,
                                         uint64_t *ret_ratio)
{
    uint64_t limit;
    cf_u128 ratio;

    if (frac_bits == CF_FRAC_BITS_AMD) {
        limit = (1ULL << 40) - 1;
    } else if (frac_bits == CF_FRAC_BITS_INTEL) {
        limit = UINT64_MAX;
    } else {
        return false;
    }
    if (!guest_khz || !host_khz) {
        return false;
    }
    ratio = ((cf_u128)guest_khz << frac_bits) / host_khz;
    if (!ratio || ratio >= limit) {
        return false;
    }
    *ret_ratio = (uint64_t)ratio;
    return true;
}

/**
 * cf_tsc_freq_khz - an effective frequency in kHz, for people
 * @freq: the frequency
 * @ret_khz: nearest kHz
 *
 * Return: false if @freq is invalid, or the result is 0 or exceeds 32 bits.
 */
static inline bool cf_tsc_freq_khz(const struct cf_tsc_freq *freq,
                                   uint32_t *ret_khz)
{
    cf_u128 khz;

    if (!cf_tsc_freq_valid(freq)) {
        return false;
    }
    khz = (cf_u128)freq->host_khz * freq->ratio;
    khz += ((cf_u128)1 << freq->frac_bits) >> 1;
    khz >>= freq->frac_bits;
    if (!khz || khz > UINT32_MAX) {
        return false;
    }
    *ret_khz = (uint32_t)khz;
    return true;
}

/**
 * cf_ns_to_ticks - how far a guest TSC moves in a time
 * @elapsed_ns: time, 0 to 2^64 - 1 (584 years)
 * @freq: effective frequency
 * @ret_ticks: elapsed_ns x host_khz x ratio / (10^6 x 2^frac_bits),
 *             modulo 2^64 like the TSC itself
 *
 * The product has 160 bits and is rounded once, at the end; 64 bits would
 * overflow after 2 hours at 2.5 GHz (signed ones after 1.02).
 *
 * Return: false if @freq is invalid.
 */
static inline bool cf_ns_to_ticks(uint64_t elapsed_ns,
                                  const struct cf_tsc_freq *freq,
                                  uint64_t *ret_ticks)
{
    const uint32_t divisor = 1000000;
    cf_u128 cycles, by_low, high, quotient;
    uint64_t rest;

    if (!cf_tsc_freq_valid(freq)) {
        return false;
    }
    /* product = high x 2^32 + the low 32 bits of by_low */
    cycles = (cf_u128)elapsed_ns * freq->host_khz;
    by_low = cycles * (uint32_t)freq->ratio;
    high = cycles * (uint32_t)(freq->ratio >> 32) + (by_low >> 32);

    /* Bits above 2^128 of the quotient can't reach the 64 that count. */
    rest = ((uint64_t)(high % divisor) << 32) | (uint32_t)by_low;
    quotient = ((high / divisor) << 32) + rest / divisor;
    *ret_ticks = (uint64_t)(quotient >> freq->frac_bits);
    return true;
}

/**
 * cf_ticks_to_ns - how long a host TSC takes for some ticks
 * @ticks: ticks, 0 to 2^64 - 1
 * @khz: frequency of that TSC, not 0
 * @ret_ns: ticks x 10^6 / khz
 *
 * Return: false if @khz is 0 or the time doesn't fit 64 bits.
 */
static inline bool cf_ticks_to_ns(uint64_t ticks, uint32_t khz,
                                  uint64_t *ret_ns)
{
    cf_u128 ns;

    if (!khz) {
        return false;
    }
    ns = (cf_u128)ticks * 1000000 / khz;
    if (ns > UINT64_MAX) {
        return false;
    }
    *ret_ns = (uint64_t)ns;
    return true;
}

/**
 * cf_tsc_rate_error_ppt - by how much a destination's guest TSC is faster
 * @dst: effective frequency on the destination
 * @src: effective frequency on the source
 * @ret_ppt: (dst - src) / src in 10^-12, rounded away from zero
 *
 * Rounded away from zero, so that a comparison with a limit is exact:
 * |error| <= limit if and only if |*ret_ppt| <= limit.
 *
 * Return: false if a frequency is invalid, if the error exceeds 63 bits, or
 * if the effective frequency times the larger 2^frac_bits exceeds 118 bits
 * (2^55 kHz, so never on real machines).
 */
static inline bool cf_tsc_rate_error_ppt(const struct cf_tsc_freq *dst,
                                         const struct cf_tsc_freq *src,
                                         int64_t *ret_ppt)
{
    cf_u128 d, s, rest, error;
    uint32_t d_shift = 0, s_shift = 0;
    bool negative;
    int step;

    if (!cf_tsc_freq_valid(dst) || !cf_tsc_freq_valid(src)) {
        return false;
    }
    /* Bring both to the same denominator, 2^(larger frac_bits). */
    if (src->frac_bits > dst->frac_bits) {
        d_shift = src->frac_bits - dst->frac_bits;
    } else {
        s_shift = dst->frac_bits - src->frac_bits;
    }
    d = (cf_u128)dst->host_khz * dst->ratio;
    s = (cf_u128)src->host_khz * src->ratio;
    /* 118 bits: the long division below multiplies by 1000 */
    if (d >> (118 - d_shift) || s >> (118 - s_shift)) {
        return false;
    }
    d <<= d_shift;
    s <<= s_shift;

    negative = d < s;
    rest = negative ? s - d : d - s;
    error = rest / s;
    rest %= s;
    for (step = 0; step < 4; step++) {
        if (error > INT64_MAX) {
            return false;
        }
        rest *= 1000;
        error = error * 1000 + rest / s;
        rest %= s;
    }
    error += rest ? 1 : 0;
    if (error > INT64_MAX) {
        return false;
    }
    *ret_ppt = negative ? -(int64_t)error : (int64_t)error;
    return true;
}

/**
 * cf_clock_fn_valid - is this a function that KVM and guests can compute?
 * @fn: the function
 *
 * Return: true if mul isn't 0 and shift lies within -31 to 31, the range
 * that KVM_SET_CLOCK_GUEST takes.
 */
static inline bool cf_clock_fn_valid(const struct cf_clock_fn *fn)
{
    return fn->mul && fn->shift >= -CF_PVCLOCK_SHIFT_MAX &&
           fn->shift <= CF_PVCLOCK_SHIFT_MAX;
}

/**
 * cf_clock_fn_eval - kvmclock at a guest TSC, as a guest computes it
 * @fn: the function
 * @guest_ticks: guest TSC, less than 2^63 ticks after fn->tsc_ticks
 * @ret_ns: system_ns + (((guest - tsc) << shift) x mul >> 32)
 *
 * Return: false if @fn is invalid, the TSC lies before the record's, the
 * shift would lose bits, or the clock exceeds 2^63 - 1 ns (292 years).
 */
static inline bool cf_clock_fn_eval(const struct cf_clock_fn *fn,
                                    uint64_t guest_ticks, int64_t *ret_ns)
{
    uint64_t delta_ticks = guest_ticks - fn->tsc_ticks;
    cf_u128 ns;

    if (!cf_clock_fn_valid(fn) || delta_ticks >> 63) {
        return false;
    }
    if (fn->shift < 0) {
        delta_ticks >>= -fn->shift;
    } else {
        if (fn->shift && delta_ticks >> (64 - fn->shift)) {
            return false;
        }
        delta_ticks <<= fn->shift;
    }
    ns = (((cf_u128)delta_ticks * fn->mul) >> 32) + fn->system_ns;
    if (ns > INT64_MAX) {
        return false;
    }
    *ret_ns = (int64_t)ns;
    return true;
}

/**
 * cf_clock_fn_hz - the TSC frequency that a mul and shift imply
 * @fn: the function
 * @ret_hz: 10^9 x 2^32 / (mul x 2^shift), rounded to the nearest Hz
 *
 * Return: false if @fn is invalid or the result is 0 or exceeds 64 bits.
 */
static inline bool cf_clock_fn_hz(const struct cf_clock_fn *fn,
                                  uint64_t *ret_hz)
{
    cf_u128 numerator = (cf_u128)CF_NS_PER_SEC << 32;
    cf_u128 denominator = fn->mul;
    cf_u128 hz;

    if (!cf_clock_fn_valid(fn)) {
        return false;
    }
    if (fn->shift < 0) {
        numerator <<= -fn->shift;
    } else {
        denominator <<= fn->shift;
    }
    hz = (numerator + denominator / 2) / denominator;
    if (!hz || hz > UINT64_MAX) {
        return false;
    }
    *ret_hz = (uint64_t)hz;
    return true;
}

/**
 * cf_clock_fn_set_hz - mul and shift for a TSC frequency
 * @fn: the function; only mul and shift are written, and only on success
 * @hz: TSC frequency
 *
 * The same choice as KVM's: mul normalised to 2^31 <= mul < 2^32, rounded
 * down. Equal to KVM's to the bit where KVM halves no odd frequency, which
 * holds for whole kHz up to 16 GHz.
 *
 * Return: false if @hz is 0 or needs a shift outside -31 to 31.
 */
static inline bool cf_clock_fn_set_hz(struct cf_clock_fn *fn, uint64_t hz)
{
    cf_u128 numerator = (cf_u128)CF_NS_PER_SEC << 32;
    cf_u128 denominator = hz;
    int32_t shift = 0;

    if (!hz) {
        return false;
    }
    while (numerator / denominator > UINT32_MAX) {
        denominator <<= 1;
        shift++;
    }
    while (numerator / denominator < 1ULL << 31) {
        numerator <<= 1;
        shift--;
    }
    if (shift < -CF_PVCLOCK_SHIFT_MAX || shift > CF_PVCLOCK_SHIFT_MAX) {
        return false;
    }
    fn->mul = (uint32_t)(numerator / denominator);
    fn->shift = shift;
    return true;
}

/**
 * cf_clock_fn_rebase - the same clock with another slope from an instant on
 * @src: the function to go on from
 * @slope: whose mul and shift the result gets
 * @guest_ticks: guest TSC at which both agree to the nanosecond
 * @ret_fn: {guest_ticks, src(guest_ticks), slope's mul and shift}
 *
 * Choose an instant just before now: applying a slope back to guest TSC 0
 * turns 0.4 ppm into seconds after months of uptime.
 *
 * Return: false if a function is invalid or @src can't be evaluated there.
 */
static inline bool cf_clock_fn_rebase(const struct cf_clock_fn *src,
                                      const struct cf_clock_fn *slope,
                                      uint64_t guest_ticks,
                                      struct cf_clock_fn *ret_fn)
{
    int64_t ns;

    if (!cf_clock_fn_valid(slope) ||
        !cf_clock_fn_eval(src, guest_ticks, &ns)) {
        return false;
    }
    ret_fn->tsc_ticks = guest_ticks;
    ret_fn->system_ns = (uint64_t)ns;
    ret_fn->mul = slope->mul;
    ret_fn->shift = slope->shift;
    return true;
}

/**
 * struct cf_instant - one instant of a host, read by the kernel at once
 * @host_ticks: host TSC
 * @realtime_ns: CLOCK_REALTIME; UTC, so it has leap seconds
 * @tai_offset_s: TAI - UTC in seconds, 0 when unknown (adjtimex)
 */
struct cf_instant {
    uint64_t host_ticks;
    uint64_t realtime_ns;
    int32_t tai_offset_s;
};

/* cf_bounds_ns - two bounds together; UINT64_MAX if one of them is unknown */
static inline uint64_t cf_bounds_ns(uint64_t a_ns, uint64_t b_ns)
{
    uint64_t ns;

    return __builtin_add_overflow(a_ns, b_ns, &ns) ? UINT64_MAX : ns;
}

/* cf_elapsed_by_tai - do both know TAI, in which no second is missing? */
static inline bool cf_elapsed_by_tai(const struct cf_instant *dst,
                                     const struct cf_instant *src)
{
    return dst->tai_offset_s && src->tai_offset_s;
}

/**
 * cf_elapsed_ns - time from an instant on one host to one on another
 * @dst: the later instant, on the destination
 * @src: the earlier instant, on the source
 * @ret_ns: dst - src; in TAI when both know it, else in UTC; negative when
 *          the destination's clock is behind, down to -2^63
 *
 * Return: false if a time exceeds 2^63 - 1 ns or a TAI offset is absurd.
 */
static inline bool cf_elapsed_ns(const struct cf_instant *dst,
                                 const struct cf_instant *src,
                                 int64_t *ret_ns)
{
    const int32_t tai_limit_s = 1000;
    int64_t ns;

    if (dst->realtime_ns > INT64_MAX || src->realtime_ns > INT64_MAX ||
        dst->tai_offset_s < -tai_limit_s || dst->tai_offset_s > tai_limit_s ||
        src->tai_offset_s < -tai_limit_s || src->tai_offset_s > tai_limit_s) {
        return false;
    }
    ns = (int64_t)dst->realtime_ns - (int64_t)src->realtime_ns;
    if (cf_elapsed_by_tai(dst, src)) {
        const int64_t tai_ns = ((int64_t)dst->tai_offset_s -
                                src->tai_offset_s) * (int64_t)CF_NS_PER_SEC;

        if (__builtin_add_overflow(ns, tai_ns, &ns)) {
            return false;
        }
    }
    *ret_ns = ns;
    return true;
}

/**
 * cf_tsc_continuous - did one host TSC run on between two instants?
 * @dst: the later instant
 * @src: the earlier instant
 * @khz: frequency of the host TSC
 *
 * The proof that two readings come from the same TSC: it advanced as far as
 * the real-time clock did, within 1000 ppm (a slewed clock stays below 500)
 * plus 100 ms (a stepped one). A TSC that restarted, or another machine's,
 * doesn't pass, except by a chance: its start would have to agree within
 * 0.2 s plus 0.2 % of the time between the two instants.
 *
 * Return: true if it holds; false also when it can't be told.
 */
static inline bool cf_tsc_continuous(const struct cf_instant *dst,
                                     const struct cf_instant *src,
                                     uint32_t khz)
{
    uint64_t tsc_ns;
    int64_t real_ns, difference_ns;

    if (dst->host_ticks < src->host_ticks ||
        !cf_ticks_to_ns(dst->host_ticks - src->host_ticks, khz, &tsc_ns) ||
        tsc_ns > INT64_MAX || !cf_elapsed_ns(dst, src, &real_ns)) {
        return false;
    }
    return !__builtin_sub_overflow(real_ns, (int64_t)tsc_ns, &difference_ns) &&
           cf_magnitude(difference_ns) <= tsc_ns / 1000 + CF_NS_PER_SEC / 10;
}

#endif /* CLOCKFERRY_CLOCK_MATH_H */
