/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whole numbers and fractions of any size, by GMP, for oracles. */
#ifndef TESTS_FUZZ_EXACT_H
#define TESTS_FUZZ_EXACT_H

#include <clockferry/clock-math.h>
#include <gmp.h>
#include "fuzz.h"

G_STATIC_ASSERT(sizeof(unsigned long) == 8);

/* Does it fit 64 bits, without a sign? */
static inline bool exact_is_u64(const mpz_t value)
{
    return mpz_sgn(value) >= 0 && mpz_sizeinbase(value, 2) <= 64;
}

/* Modulo 2^64, as a TSC is. */
static inline uint64_t exact_wrapped(const mpz_t value)
{
    mpz_t low;
    uint64_t result;

    mpz_init(low);
    mpz_fdiv_r_2exp(low, value, 64);
    result = mpz_get_ui(low);
    mpz_clear(low);
    return result;
}

/* The largest whole number that isn't more. */
static inline void exact_floor(mpz_t whole, const mpq_t fraction)
{
    mpz_fdiv_q(whole, mpq_numref(fraction), mpq_denref(fraction));
}

/* khz x ratio / 2^frac_bits, for a valid frequency. */
static inline void exact_khz(mpq_t khz, const struct cf_tsc_freq *freq)
{
    mpq_set_ui(khz, freq->host_khz, 1);
    mpz_mul_ui(mpq_numref(khz), mpq_numref(khz), freq->ratio);
    mpq_canonicalize(khz);
    mpq_div_2exp(khz, khz, freq->frac_bits);
}

/* floor(host x ratio / 2^frac_bits), modulo 2^64: a guest's TSC without its
 * offset. */
static inline uint64_t exact_scaled(uint64_t host_ticks,
                                    const struct cf_tsc_freq *freq)
{
    mpz_t ticks;
    uint64_t result;

    mpz_init_set_ui(ticks, host_ticks);
    mpz_mul_ui(ticks, ticks, freq->ratio);
    mpz_fdiv_q_2exp(ticks, ticks, freq->frac_bits);
    result = exact_wrapped(ticks);
    mpz_clear(ticks);
    return result;
}

/* floor(ns x khz x ratio / (10^6 x 2^frac_bits)), modulo 2^64. */
static inline uint64_t exact_ticks(uint64_t ns, const struct cf_tsc_freq *freq)
{
    mpq_t ticks;
    mpz_t whole;
    uint64_t result;

    mpq_init(ticks);
    mpz_init(whole);
    exact_khz(ticks, freq);
    mpz_mul_ui(mpq_numref(ticks), mpq_numref(ticks), ns);
    mpz_mul_ui(mpq_denref(ticks), mpq_denref(ticks), 1000000);
    exact_floor(whole, ticks);
    result = exact_wrapped(whole);
    mpz_clear(whole);
    mpq_clear(ticks);
    return result;
}

#endif
