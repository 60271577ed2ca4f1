/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Print random cases of clock-math.h, by emit-plan.h of the decisions and by
 * emit-causal.h of the channel, with their results, for oracle.py.
 *
 * emit-clock-math [--emit COUNT] [--seed SEED]
 *
 * One case a line: "name inputs... = returned outputs...". After a false
 * return there are no outputs, and they must not have been written; a line
 * that ends in "touched" says that they were.
 */
#include <stdio.h>
#include <string.h>

#include "emit-causal.h"
#include "emit-plan.h"

static void emit_tsc(uint64_t *r)
{
    const struct cf_tsc_freq freq = cases_freq(r);
    const uint64_t a = cases_u64(r), b = cases_u64(r);
    uint64_t result = UNTOUCHED;
    bool ok;

    printf("host_to_guest %" PRIu64, a);
    emit_freq(&freq);
    printf(" %" PRIu64, b);
    ok = cf_tsc_host_to_guest(a, &freq, b, &result);
    emit_u64(ok, result);

    result = UNTOUCHED;
    printf("offset_for %" PRIu64 " %" PRIu64, a, b);
    emit_freq(&freq);
    ok = cf_tsc_offset_for(a, b, &freq, &result);
    emit_u64(ok, result);

    if (cf_tsc_freq_valid(&freq)) {
        printf("is_scaled");
        emit_freq(&freq);
        printf(" = %d\n", cf_tsc_is_scaled(&freq));
    }
}

static void emit_ratio(uint64_t *r)
{
    static const uint32_t bits[] = { 32, 48, 32, 48, 32, 48, 0, 63, 64, 255 };
    uint32_t guest_khz = cases_khz(r);
    const uint32_t host_khz = cases_khz(r);
    const uint32_t frac_bits = PICK(r, bits);
    uint64_t ratio = UNTOUCHED;
    bool ok;

    if (!cases_below(r, 4)) {
        /* about the largest ratio */
        guest_khz = (host_khz << (frac_bits == 32 ? 8 : 16)) +
                    (uint32_t)cases_below(r, 3) - 1;
    }
    ok = cf_tsc_ratio_from_khz(guest_khz, host_khz, frac_bits, &ratio);
    printf("ratio_from_khz %" PRIu32 " %" PRIu32 " %" PRIu32, guest_khz,
           host_khz, frac_bits);
    emit_u64(ok, ratio);
}

static void emit_freq_khz(uint64_t *r)
{
    const struct cf_tsc_freq freq = cases_freq(r);
    uint32_t khz = (uint32_t)UNTOUCHED;
    bool ok;

    printf("freq_khz");
    emit_freq(&freq);
    ok = cf_tsc_freq_khz(&freq, &khz);
    emit_u32(ok, khz);
}

static void emit_times(uint64_t *r)
{
    const struct cf_tsc_freq freq = cases_freq(r);
    const uint64_t ns = cases_elapsed_ns(r), ticks = cases_u64(r);
    const uint32_t khz = cases_khz(r);
    uint64_t result = UNTOUCHED;
    bool ok;

    printf("ns_to_ticks %" PRIu64, ns);
    emit_freq(&freq);
    ok = cf_ns_to_ticks(ns, &freq, &result);
    emit_u64(ok, result);

    result = UNTOUCHED;
    printf("ticks_to_ns %" PRIu64 " %" PRIu32, ticks, khz);
    ok = cf_ticks_to_ns(ticks, khz, &result);
    emit_u64(ok, result);
}

static void emit_rate(uint64_t *r)
{
    const struct cf_tsc_freq src = cases_freq(r);
    struct cf_tsc_freq dst = cases_freq(r);
    int64_t ppt = (int64_t)UNTOUCHED;
    bool ok;

    if (cases_below(r, 2)) {
        /* as a destination that was asked for the source's frequency */
        dst.host_khz = src.host_khz + (uint32_t)cases_below(r, 2001) - 1000;
        dst.frac_bits = src.frac_bits;
        dst.ratio = src.ratio + cases_below(r, 5) - 2;
    }
    printf("rate_error_ppt");
    emit_freq(&dst);
    emit_freq(&src);
    ok = cf_tsc_rate_error_ppt(&dst, &src, &ppt);
    emit_i64(ok, ppt);
}

static void emit_clock_fn(uint64_t *r)
{
    const struct cf_clock_fn fn = cases_fn(r);
    const uint64_t ticks = cases_guest_tsc(r, &fn);
    int64_t ns = (int64_t)UNTOUCHED;
    uint64_t hz = UNTOUCHED;
    bool ok;

    printf("fn_eval");
    emit_fn(&fn);
    printf(" %" PRIu64, ticks);
    ok = cf_clock_fn_eval(&fn, ticks, &ns);
    emit_i64(ok, ns);

    printf("fn_hz");
    emit_fn(&fn);
    ok = cf_clock_fn_hz(&fn, &hz);
    emit_u64(ok, hz);
}

static void emit_set_hz(uint64_t *r)
{
    const uint64_t hz = cases_hz(r);
    const struct cf_clock_fn before = {
        UNTOUCHED, UNTOUCHED, (uint32_t)UNTOUCHED, 99
    };
    struct cf_clock_fn fn = before;
    const bool ok = cf_clock_fn_set_hz(&fn, hz);

    printf("fn_set_hz %" PRIu64 " = %d", hz, ok);
    if (ok) {
        printf(" %" PRIu32 " %" PRId32, fn.mul, fn.shift);
        fn.mul = before.mul;
        fn.shift = before.shift;
    }
    printf("%s\n", memcmp(&fn, &before, sizeof(fn)) ? " touched" : "");
}

static void emit_rebase(uint64_t *r)
{
    const struct cf_clock_fn src = cases_fn(r), slope = cases_fn(r);
    const struct cf_clock_fn before = {
        UNTOUCHED, UNTOUCHED, (uint32_t)UNTOUCHED, 99
    };
    const uint64_t ticks = cases_guest_tsc(r, &src);
    struct cf_clock_fn fn = before;
    bool ok;

    printf("fn_rebase");
    emit_fn(&src);
    emit_fn(&slope);
    printf(" %" PRIu64, ticks);
    ok = cf_clock_fn_rebase(&src, &slope, ticks, &fn);
    printf(" = %d", ok);
    if (ok) {
        emit_fn(&fn);
    } else if (memcmp(&fn, &before, sizeof(fn))) {
        printf(" touched");
    }
    printf("\n");
}

static void emit_instants(uint64_t *r)
{
    const struct cf_instant src = cases_instant(r);
    const uint32_t khz = cases_khz(r);
    const struct cf_instant dst = cases_below(r, 3)
                                  ? cases_later(r, &src, khz)
                                  : cases_instant(r);
    int64_t ns = (int64_t)UNTOUCHED;
    bool ok;

    printf("elapsed_ns");
    emit_instant(&dst);
    emit_instant(&src);
    ok = cf_elapsed_ns(&dst, &src, &ns);
    emit_i64(ok, ns);

    printf("tsc_continuous");
    emit_instant(&dst);
    emit_instant(&src);
    printf(" %" PRIu32 " = %d\n", khz, cf_tsc_continuous(&dst, &src, khz));
}

int main(int argc, char **argv)
{
    static void (*const kinds[])(uint64_t *) = {
        emit_tsc, emit_ratio, emit_freq_khz, emit_times, emit_rate,
        emit_clock_fn, emit_set_hz, emit_rebase, emit_instants,
        emit_tolerance, emit_reading, emit_move, emit_offsets, emit_page,
        emit_bound, emit_loop, emit_channel, emit_measure, emit_time,
        emit_went_on,
    };
    const size_t n_kinds = sizeof(kinds) / sizeof(kinds[0]);
    unsigned long long count = 100000, seed = cases_seed(), i;

    for (i = 1; i + 1 < (unsigned)argc; i += 2) {
        if (!strcmp(argv[i], "--emit")) {
            count = strtoull(argv[i + 1], NULL, 0);
        } else if (!strcmp(argv[i], "--seed")) {
            seed = strtoull(argv[i + 1], NULL, 0);
        } else {
            break;
        }
    }
    if (i != (unsigned)argc) {
        fprintf(stderr, "usage: %s [--emit COUNT] [--seed SEED]\n", argv[0]);
        return 2;
    }
    printf("# seed %llu\n", seed);
    for (i = 0; i < count; i++) {
        /* Each case has a seed of its own: it doesn't hang on those before */
        uint64_t r = (uint64_t)seed * 1000003 + i;

        kinds[i % n_kinds](&r);
    }
    return fflush(stdout) || ferror(stdout) ? 1 : 0;
}
