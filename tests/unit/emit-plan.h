/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Random cases of clock-tsc.h, clock-plan.h, clock-fn.h and clock-ladder.h. */
#ifndef TESTS_UNIT_EMIT_PLAN_H
#define TESTS_UNIT_EMIT_PLAN_H

#include <clockferry/clock-ladder.h>

#include "emit-print.h"
#include "emit-rate.h"

/* About the value at which an answer changes */
static inline uint64_t cases_about(uint64_t *r, uint64_t value)
{
    return value + cases_near(r);
}

static inline uint32_t cases_frac_bits(uint64_t *r)
{
    static const uint32_t bits[] = { 32, 48, 48, 0 };

    return PICK(r, bits);
}

static inline void emit_reading_of(const struct cf_tsc_reading *reading)
{
    emit_value(reading->before_ticks);
    emit_value(reading->guest_ticks);
    emit_value(reading->after_ticks);
}

/* What a TSC of this frequency and offset would show, or nearly */
static inline struct cf_tsc_reading cases_reading(uint64_t *r,
                                                  const struct cf_tsc_freq *f,
                                                  uint64_t offset_ticks)
{
    struct cf_tsc_reading reading;
    uint64_t width = cases_below(r, 100000);

    reading.before_ticks = cases_u64(r);
    reading.after_ticks = reading.before_ticks + width;
    reading.guest_ticks = cases_u64(r);
    width = cases_below(r, 4) ? cases_below(r, width + 1) : cases_any(r);
    (void)cf_tsc_host_to_guest(reading.before_ticks + width, f, offset_ticks,
                               &reading.guest_ticks);
    return reading;
}

static void emit_tolerance(uint64_t *r)
{
    static const uint32_t ppms[] = {
        0, 1, 250, 250, 250, 1000, 999999, 1000000, UINT32_MAX,
    };
    const uint32_t host_khz = cases_khz(r), ppm = PICK(r, ppms);
    const uint32_t bits = cases_frac_bits(r);
    const uint64_t off_khz = (uint64_t)host_khz * (ppm % 1000001) / 1000000;
    const bool read = cases_below(r, 2);
    struct cf_tsc tsc = { .offset_ticks = cases_u64(r) };
    struct cf_tsc_freq real = cf_tsc_unscaled(host_khz, bits);
    struct cf_tsc_reading reading;
    uint32_t khz = cases_khz(r);
    bool ok;

    switch (cases_below(r, 4)) {
    case 0:
        khz = (uint32_t)cases_about(r, host_khz + off_khz);
        break;
    case 1:
        khz = (uint32_t)cases_about(r, host_khz - off_khz);
        break;
    }
    if (cases_below(r, 2)) {
        (void)cf_tsc_ratio_from_khz(khz, host_khz, bits, &real.ratio);
    }
    reading = cases_reading(r, &real, tsc.offset_ticks);

    printf("tolerated %" PRIu32 " %" PRIu32 " %" PRIu32 " = %d\n", khz,
           host_khz, ppm, cf_tsc_is_tolerated(khz, host_khz, ppm));
    printf("derive %" PRIu32 " %" PRIu32 " %" PRIu32 " %" PRIu32 " %d", khz,
           host_khz, bits, ppm, read);
    emit_reading_of(&reading);
    emit_value(tsc.offset_ticks);
    ok = cf_tsc_derive(khz, host_khz, bits, ppm, read ? &reading : NULL, &tsc);
    printf(" = %d", ok);
    if (ok) {
        printf(" %d", tsc.seen);
        emit_freq(&tsc.freq);
    }
    printf("\n");
}

static void emit_reading(uint64_t *r)
{
    struct cf_tsc tsc = { .freq = cases_freq(r) };
    const uint64_t offset = cases_u64(r);
    const struct cf_tsc_reading reading = cases_reading(r, &tsc.freq, offset);
    bool ok;

    printf("fits");
    emit_reading_of(&reading);
    emit_freq(&tsc.freq);
    emit_value(offset);
    printf(" = %d\n", cf_tsc_reading_fits(&reading, &tsc.freq, offset));

    printf("measure");
    emit_reading_of(&reading);
    emit_freq(&tsc.freq);
    ok = cf_tsc_measure(&reading, &tsc);
    printf(" = %d", ok);
    if (ok) {
        emit_value(tsc.offset_ticks);
        emit_value(tsc.error_ticks);
    }
    printf("\n");
}

static void emit_move(uint64_t *r)
{
    const uint32_t khz = cases_khz(r);
    struct cf_move move = {
        .then = cases_instant(r),
        .host_khz = khz,
        .same_host = cases_below(r, 2),
        .rate = cases_rate(r),
    };
    const bool freeze = !cases_below(r, 4);
    int64_t limit_ns = (int64_t)cases_elapsed_ns(r), passed_ns;
    bool ok;

    move.now = cases_below(r, 4) ? cases_later(r, &move.then, khz)
                                 : cases_instant(r);
    if (cases_below(r, 2) && cf_elapsed_ns(&move.now, &move.then, &passed_ns)) {
        limit_ns = (int64_t)cases_about(r, (uint64_t)passed_ns);
    }
    if (cases_below(r, 2)) {
        move.seen_ns = (int64_t)(cases_elapsed_ns(r) >> 1);
    }
    printf("move");
    emit_instant(&move.then);
    emit_instant(&move.now);
    printf(" %" PRIu32 " %d %d %" PRId64 " %" PRId64, khz, move.same_host,
           freeze, limit_ns, move.seen_ns);
    emit_host_rate(&move.rate);
    ok = cf_move_plan(&move, NULL, freeze, limit_ns);
    printf(" = %d", ok);
    if (ok) {
        emit_value(move.behind_ns);
        emit_value(move.ahead_ns);
        emit_value(move.frozen);
        emit_signed(move.passed_ns);
        emit_signed(move.elapsed_ns);
    }
    printf("\n");
}

enum { EMIT_VCPUS = 4 };

static inline void emit_vcpus(const struct cf_vcpu *vcpus, uint32_t n)
{
    uint32_t i;

    emit_value(n);
    for (i = 0; i < n; i++) {
        printf(" %d %d", vcpus[i].src.known, vcpus[i].dst.known);
        emit_freq(&vcpus[i].src.freq);
        emit_freq(&vcpus[i].dst.freq);
        emit_value(vcpus[i].src.offset_ticks);
        emit_value(vcpus[i].dst.offset_ticks);
        emit_value(vcpus[i].dst.error_ticks);
    }
}

/* vCPUs that are mostly in step, on hosts that are mostly alike */
static inline void cases_vcpus(uint64_t *r, struct cf_vcpu *vcpus, uint32_t n)
{
    const struct cf_tsc_freq src = cases_valid_freq(r);
    const struct cf_tsc_freq dst = cases_below(r, 2) ? src
                                                     : cases_valid_freq(r);
    const uint64_t offset = cases_u64(r), moved = cases_u64(r);
    uint32_t i;

    for (i = 0; i < n; i++) {
        struct cf_vcpu *vcpu = &vcpus[i];

        *vcpu = (struct cf_vcpu) { .src.freq = src, .dst.freq = dst };
        vcpu->src.known = vcpu->src.seen = cases_below(r, 40);
        vcpu->dst.known = vcpu->dst.seen = cases_below(r, 40);
        vcpu->src.offset_ticks = cases_about(r, offset);
        vcpu->dst.offset_ticks = cases_about(r, vcpu->src.offset_ticks +
                                                moved);
        if (!cases_below(r, 20)) {
            vcpu->dst.offset_ticks = cases_u64(r);
        }
        vcpu->dst.error_ticks = cases_below(r, 40) ? 0 : 1;
        if (!cases_below(r, 10)) {
            vcpu->dst.freq = cases_freq(r);
        }
    }
}

/* The spread, the worst rate, and where the offsets shall go */
static void emit_offsets(uint64_t *r)
{
    const uint32_t n = 1 + (uint32_t)cases_below(r, EMIT_VCPUS);
    struct cf_vcpu vcpus[EMIT_VCPUS];
    struct cf_move move = {
        .then.host_ticks = cases_u64(r),
        .now.host_ticks = cases_u64(r),
        .same_host = cases_below(r, 2),
        .frozen = !cases_below(r, 4),
    };
    enum cf_tsc_outcome outcome;
    uint64_t skew = UNTOUCHED;
    int64_t ppt = (int64_t)UNTOUCHED;
    uint32_t i;
    bool ok;

    move.elapsed_ns = move.frozen ? 0 : (int64_t)(cases_elapsed_ns(r) >> 1);
    cases_vcpus(r, vcpus, n);

    printf("skew %" PRIu64 " %" PRIu64, move.then.host_ticks,
           move.now.host_ticks);
    emit_vcpus(vcpus, n);
    ok = cf_tsc_skew(&move, vcpus, n, &skew);
    emit_u64(ok, skew);

    printf("rate");
    emit_vcpus(vcpus, n);
    ok = cf_tsc_rate(vcpus, n, &ppt);
    emit_i64(ok, ppt);

    printf("tsc_plan %" PRIu64 " %" PRIu64 " %d %d %" PRId64,
           move.then.host_ticks, move.now.host_ticks, move.same_host,
           move.frozen, move.elapsed_ns);
    emit_vcpus(vcpus, n);
    outcome = cf_tsc_plan(&move, vcpus, n);
    printf(" = %d", outcome);
    for (i = 0; outcome != CF_TSC_UNKNOWN && i < n; i++) {
        emit_value(vcpus[i].wanted_ticks);
    }
    printf("\n");
}

/* A clock function, a TSC and an anchor: mostly within @near_ns, a share of the
 * function's age and @near_hz of each other, or just beyond. */
static void cases_clocks(uint64_t *r, uint64_t near_ns, uint64_t share,
                         uint64_t near_hz, struct cf_clock_fn *fn,
                         struct cf_tsc *boot, struct cf_anchor *anchor)
{
    const uint64_t apart_ns[] = {
        0, 0, near_ns, 0 - near_ns, near_ns + 1, 0 - near_ns - 1,
        3600 * CF_NS_PER_SEC,
    };
    uint64_t ticks = 0;
    uint32_t khz = 0;
    int64_t ns;

    *boot = (struct cf_tsc) {
        .known = true, .freq = cases_valid_freq(r),
        .offset_ticks = cases_u64(r),
    };
    *anchor = (struct cf_anchor) {
        .instant = { cases_u64(r), 1, 0 }, .clock_ns = cases_u64(r),
    };
    *fn = cases_fn(r);
    if (cases_below(r, 8)) {
        (void)cf_tsc_at(boot, anchor->instant.host_ticks, &ticks);
        (void)cf_tsc_freq_khz(&boot->freq, &khz);
        fn->tsc_ticks = ticks - (cases_next(r) >> (20 + cases_below(r, 40)));
        fn->system_ns >>= 20;
        (void)cf_clock_fn_set_hz(fn, khz * 1000ULL - 3 +
                                     (cases_below(r, 3) - 1) *
                                     (near_hz ? near_hz : khz));
    }
    if (cf_clock_fn_eval(fn, ticks, &ns)) {
        anchor->clock_ns = cases_about(r, (uint64_t)ns) + PICK(r, apart_ns) +
                           (cases_below(r, 2) ? ((uint64_t)ns -
                                                 fn->system_ns) / share : 0);
    }
}

static inline void emit_clocks(const struct cf_clock_fn *fn,
                               const struct cf_tsc *boot,
                               const struct cf_anchor *anchor)
{
    emit_fn(fn);
    emit_freq(&boot->freq);
    emit_value(boot->offset_ticks);
    emit_value(anchor->instant.host_ticks);
    emit_value(anchor->clock_ns);
}

static void emit_page(uint64_t *r)
{
    struct cf_anchor anchor;
    struct cf_clock_fn fn, got;
    struct cf_record record;
    struct cf_tsc boot;

    cases_clocks(r, 1000000, 500000, 2000, &fn, &boot, &anchor);
    record = cf_record_from_fn(&fn);
    record.version = cases_below(r, 10) ? 2 : (uint32_t)cases_next(r);
    record.flags = cases_below(r, 10) ? 1 : (uint8_t)cases_next(r);
    printf("page %" PRIu32 " %d", record.version, record.flags);
    emit_clocks(&fn, &boot, &anchor);
    printf(" = %d\n", cf_page_to_fn(&record, &boot, &anchor, &got));

    cases_clocks(r, CF_NS_PER_SEC, 1000, 0, &fn, &boot, &anchor);
    boot.known = cases_below(r, 4);
    printf("clocks %d", boot.known);
    emit_clocks(&fn, &boot, &anchor);
    printf(" = %d\n", !cf_clocks_fault(&anchor, 1, &fn, &boot));
}

static void emit_bound(uint64_t *r)
{
    static const int64_t ppts[] = {
        0, 1, -1, 1000, -1000, 1001, -1001, 800000, -250000000, INT64_MAX,
        INT64_MIN,
    };
    const struct cf_result result = {
        .rung = (enum cf_rung)cases_below(r, 5),
        .residual_known = cases_below(r, 10),
        .residual_ns = (int64_t)cases_u64(r),
        .error_ns = cases_below(r, 2) ? 0 : cases_any(r),
        .carried = cases_below(r, 10),
        .pending = cases_below(r, 2),
        .tsc = (enum cf_tsc_outcome)cases_below(r, 6),
        .rate_known = cases_below(r, 10),
        .rate_error_ppt = PICK(r, ppts),
    };
    const uint64_t first_run_ns = cases_elapsed_ns(r);
    uint64_t ns = UNTOUCHED;
    bool ok;

    printf("bound %d %d %" PRId64 " %" PRIu64 " %d %d %d %d %" PRId64,
           result.rung, result.residual_known, result.residual_ns,
           result.error_ns, result.carried, result.pending, result.tsc,
           result.rate_known, result.rate_error_ppt);
    emit_value(first_run_ns);
    ok = cf_bound_ns(&result, first_run_ns, &ns);
    emit_u64(ok, ns);
}

static void emit_loop(uint64_t *r)
{
    static const uint64_t takes_ns[] = { 400, 400, 3000, 15625, 60000, 5000000 };
    const uint64_t usual_ns = PICK(r, takes_ns);
    const bool noisy = cases_below(r, 2);
    struct cf_loop loop = { 0 };
    bool done = false;
    int i;

    /* Each residual, how long it took, and what follows; to the end. */
    printf("loop");
    for (i = 0; !done && i < 400; i++) {
        int64_t residual = cases_residual(r);
        const uint64_t took_ns = cases_below(r, 50) ? usual_ns : cases_any(r);

        if (noisy && residual >= -1 && residual <= 1) {
            residual += 3;
        }
        done = cf_loop_learn(&loop, residual, took_ns);
        printf(" %" PRId64 " %" PRIu64 " %d %" PRId64 " %d", residual,
               took_ns, done, loop.correction_ns, loop.tries);
    }
    printf(" = 1\n");
}

#endif /* TESTS_UNIT_EMIT_PLAN_H */
