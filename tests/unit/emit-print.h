/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How cases are printed: a space before each value, none after the last. */
#ifndef TESTS_UNIT_EMIT_PRINT_H
#define TESTS_UNIT_EMIT_PRINT_H

#include <stdio.h>
#include <string.h>

#include "clock-cases.h"

#define UNTOUCHED 0xa5a5a5a5a5a5a5a5ULL

static inline void emit_value(uint64_t value)
{
    printf(" %" PRIu64, value);
}

static inline void emit_signed(int64_t value)
{
    printf(" %" PRId64, value);
}

static inline void emit_freq(const struct cf_tsc_freq *freq)
{
    printf(" %" PRIu32 " %" PRIu32 " %" PRIu64, freq->host_khz,
           freq->frac_bits, freq->ratio);
}

static inline void emit_fn(const struct cf_clock_fn *fn)
{
    printf(" %" PRIu64 " %" PRIu64 " %" PRIu32 " %" PRId32, fn->tsc_ticks,
           fn->system_ns, fn->mul, fn->shift);
}

static inline void emit_instant(const struct cf_instant *at)
{
    printf(" %" PRIu64 " %" PRIu64 " %" PRId32, at->host_ticks,
           at->realtime_ns, at->tai_offset_s);
}

static inline void emit_u64(bool ok, uint64_t value)
{
    if (ok) {
        printf(" = 1 %" PRIu64 "\n", value);
    } else {
        printf(" = 0%s\n", value == UNTOUCHED ? "" : " touched");
    }
}

static inline void emit_i64(bool ok, int64_t value)
{
    if (ok) {
        printf(" = 1 %" PRId64 "\n", value);
    } else {
        printf(" = 0%s\n", (uint64_t)value == UNTOUCHED ? "" : " touched");
    }
}

static inline void emit_u32(bool ok, uint32_t value)
{
    if (ok) {
        printf(" = 1 %" PRIu32 "\n", value);
    } else {
        printf(" = 0%s\n", value == (uint32_t)UNTOUCHED ? "" : " touched");
    }
}

#endif /* TESTS_UNIT_EMIT_PRINT_H */
