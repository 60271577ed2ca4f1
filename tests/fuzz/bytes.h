/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers out of bytes: small ones, huge ones and those around powers of two
 * take few bytes each. When no bytes are left, all numbers are 0. */
#ifndef TESTS_FUZZ_BYTES_H
#define TESTS_FUZZ_BYTES_H

#include <clockferry/clock-rate.h>
#include "fuzz.h"

/* Bytes - what is left of the input */
typedef struct Bytes {
    const uint8_t *at;
    size_t left;
} Bytes;

static inline uint8_t take_byte(Bytes *bytes)
{
    return bytes->left ? bytes->left--, *bytes->at++ : 0;
}

static inline bool take_bool(Bytes *bytes)
{
    return take_byte(bytes) & 1;
}

static inline uint64_t take_raw(Bytes *bytes, int n)
{
    uint64_t value = 0;

    while (n-- > 0) {
        value = value << 8 | take_byte(bytes);
    }
    return value;
}

static inline uint64_t take_u64(Bytes *bytes)
{
    const uint8_t kind = take_byte(bytes);

    switch (kind & 3) {
    case 0:
        return take_raw(bytes, 1 + (kind >> 2 & 7));
    case 1:
        /* near a power of two */
        return (1ULL << (kind >> 2)) + (uint64_t)(int8_t)take_byte(bytes);
    case 2:
        /* near a power of ten times something */
        return take_raw(bytes, 2) * ((kind & 4) ? 1000000 : 1000000000) +
               (uint64_t)(int8_t)take_byte(bytes);
    default:
        return (uint64_t)(int8_t)take_byte(bytes);
    }
}

static inline int64_t take_i64(Bytes *bytes)
{
    return (int64_t)take_u64(bytes);
}

/* From @least to @greatest. */
static inline int64_t take_between(Bytes *bytes, int64_t least,
                                   int64_t greatest)
{
    const uint64_t n = (uint64_t)greatest - (uint64_t)least + 1;
    const uint64_t value = take_u64(bytes);

    return (int64_t)((uint64_t)least + (n ? value % n : value));
}

/* Any, but often one that a TSC may have. */
static inline uint32_t take_khz(Bytes *bytes)
{
    const uint8_t kind = take_byte(bytes);

    return kind & 1 ? (uint32_t)take_u64(bytes)
                    : 100000 + (uint32_t)take_raw(bytes, 3) % 9900000;
}

/* One that TSCs have. */
static inline uint32_t take_usual_khz(Bytes *bytes)
{
    return 200000 + (uint32_t)take_raw(bytes, 3) % 9800000;
}

static inline struct cf_tsc_freq take_freq(Bytes *bytes)
{
    static const uint32_t frac_bits[] = { 0, 32, 48 };
    struct cf_tsc_freq freq = { .host_khz = take_khz(bytes) };
    const uint8_t kind = take_byte(bytes);

    if (kind & 1) {
        freq.frac_bits = (uint32_t)take_raw(bytes, 1) % 66;
        freq.ratio = take_u64(bytes);
        return freq;
    }
    freq.frac_bits = frac_bits[(kind >> 1) % 3];
    freq.ratio = 1ULL << freq.frac_bits;
    if (kind & 128) {
        freq.ratio += (uint64_t)take_i64(bytes) % (freq.ratio / 2 + 1);
    }
    return freq;
}

static inline struct cf_host_rate take_rate(Bytes *bytes)
{
    const struct cf_host_rate rate = {
        take_between(bytes, -CF_TSC_DOUBT_PPT, CF_TSC_DOUBT_PPT),
        take_between(bytes, 0, 2 * CF_TSC_DOUBT_PPT),
    };

    return rate;
}

static inline struct cf_instant take_instant(Bytes *bytes)
{
    struct cf_instant instant = {
        .host_ticks = take_u64(bytes), .realtime_ns = take_u64(bytes),
    };

    instant.tai_offset_s = take_bool(bytes)
                           ? 37 : (int32_t)take_i64(bytes);
    return instant;
}

#endif
