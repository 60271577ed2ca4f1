/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Random cases of clock-rate.h. */
#ifndef TESTS_UNIT_EMIT_RATE_H
#define TESTS_UNIT_EMIT_RATE_H

#include <clockferry/clock-rate.h>

#include "emit-print.h"

static inline int64_t cases_ppt(uint64_t *r)
{
    static const int64_t ppts[] = {
        0, 0, 1, -1, 10000000, -50000000, CF_TSC_DOUBT_PPT, -CF_TSC_DOUBT_PPT,
    };

    return cases_below(r, 2) ? PICK(r, ppts)
                             : (int64_t)cases_below(r, 1000000000) - 500000000;
}

/* What may be known, or nothing */
static inline struct cf_host_rate cases_rate(uint64_t *r)
{
    struct cf_host_rate rate = { cases_ppt(r), 0 };

    if (cases_below(r, 4)) {
        rate.doubt_ppt = (int64_t)(cf_magnitude(cases_ppt(r)) <<
                                   cases_below(r, 2));
    }
    return rate;
}

static inline void emit_host_rate(const struct cf_host_rate *rate)
{
    emit_signed(rate->ppt);
    emit_signed(rate->doubt_ppt);
}

static inline uint64_t cases_error_ns(uint64_t *r)
{
    return cases_below(r, 8) ? cases_any(r) >> 24 : UINT64_MAX;
}

static inline void emit_measure(uint64_t *r)
{
    const uint32_t khz = cases_khz(r);
    const struct cf_moment then = { cases_instant(r), cases_error_ns(r) };
    const struct cf_moment now = {
        cases_below(r, 8) ? cases_later(r, &then.instant, khz)
                          : cases_instant(r), cases_error_ns(r),
    };
    struct cf_span span;
    bool ok;

    memset(&span, 0xa5, sizeof(span));
    printf("measure_rate");
    emit_instant(&then.instant);
    emit_value(then.error_ns);
    emit_instant(&now.instant);
    emit_value(now.error_ns);
    emit_value(khz);
    ok = cf_host_rate_measure(&then, &now, khz, &span);
    printf(" = %d", ok);
    if (ok) {
        emit_signed(span.least);
        emit_signed(span.greatest);
    } else if ((uint64_t)span.least != UNTOUCHED) {
        printf(" touched");
    }
    printf("\n");
}

static inline void emit_time(uint64_t *r)
{
    const int64_t real_ns = (int64_t)cases_elapsed_ns(r);
    const uint64_t bound_ns = cases_below(r, 4) ? cases_any(r) : UINT64_MAX;
    const struct cf_host_rate rate = cases_rate(r);
    uint64_t ret_bound_ns = UNTOUCHED;
    int64_t ns;
    bool ok;

    printf("tsc_time");
    emit_signed(real_ns);
    emit_value(bound_ns);
    emit_host_rate(&rate);
    ok = cf_tsc_time(real_ns, bound_ns, &rate, &ns, &ret_bound_ns);
    printf(" = %d", ok);
    if (ok) {
        emit_signed(ns);
        emit_value(ret_bound_ns);
    } else if (ret_bound_ns != UNTOUCHED) {
        printf(" touched");
    }
    printf("\n");
}

static inline void emit_went_on(uint64_t *r)
{
    const uint32_t khz = cases_khz(r);
    const struct cf_moment then = { cases_instant(r), cases_error_ns(r) };
    const struct cf_moment now = {
        cases_below(r, 16) ? cases_later(r, &then.instant, khz)
                           : cases_instant(r), cases_error_ns(r),
    };
    const struct cf_host_rate rate = cases_rate(r);
    uint64_t bound_ns = UNTOUCHED;
    bool ok;

    printf("went_on");
    emit_instant(&then.instant);
    emit_value(then.error_ns);
    emit_instant(&now.instant);
    emit_value(now.error_ns);
    emit_value(khz);
    emit_host_rate(&rate);
    ok = cf_tsc_went_on(&now, &then, khz, &rate, &bound_ns);
    printf(" = %d", ok);
    if (ok) {
        emit_value(bound_ns);
    } else if (bound_ns != UNTOUCHED) {
        printf(" touched");
    }
    printf("\n");
}

#endif /* TESTS_UNIT_EMIT_RATE_H */
