/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Random cases of clock-causal.h. */
#ifndef TESTS_UNIT_EMIT_CAUSAL_H
#define TESTS_UNIT_EMIT_CAUSAL_H

#include <clockferry/clock-causal.h>

#include "emit-print.h"

/*
 * What a channel may have seen: @age_ticks ago, its TSCs with the nominal
 * ratio, nearly, and a way of at most @trip_ticks; now and then anything.
 */
static inline struct cf_exchange cases_exchange(uint64_t *r,
                                                const struct cf_channel *c,
                                                uint64_t age_ticks,
                                                uint64_t trip_ticks)
{
    const uint64_t trip = cases_below(r, trip_ticks + 1);
    const uint64_t nominal = (uint64_t)((cf_u128)age_ticks * c->src_khz /
                                        (c->dst_khz ? c->dst_khz : 1));
    struct cf_exchange e = { .answered = cases_below(r, 8) != 0 };

    e.arrived_ticks = 0 - age_ticks;
    e.sent_ticks = 0 - nominal - cases_below(r, trip + 1);
    e.sent_ticks += nominal / 10000 - cases_below(r, nominal / 5000 + 1);
    e.back_ticks = e.sent_ticks + trip;
    if (!cases_below(r, 500)) {
        e.back_ticks = cases_u64(r);
    }
    return e;
}

static inline struct cf_channel cases_channel(uint64_t *r,
                                              struct cf_exchange *exchanges)
{
    static const int64_t ppts[] = {
        0, 0, 1, CF_RATE_WANDER_PPT, 10000000, CF_RATE_DOUBT_PPT,
        CF_RATE_DOUBT_PPT, CF_RATE_DOUBT_PPT + 1, -1,
    };
    const uint64_t age_ticks = cases_any(r) >> 8, trip = cases_any(r) >> 16;
    struct cf_channel c = { .exchanges = exchanges };
    uint32_t i;

    c.src_khz = cases_khz(r);
    c.dst_khz = cases_khz(r);
    c.doubt_ppt = cases_below(r, 4) ? CF_RATE_DOUBT_PPT : PICK(r, ppts);
    c.wander_ppt = cases_below(r, 4) ? 0 : PICK(r, ppts);
    c.n = (uint32_t)cases_below(r, 8);
    for (i = 0; i < c.n; i++) {
        exchanges[i] = cases_exchange(r, &c, cases_below(r, age_ticks + 1),
                                      trip);
    }
    return c;
}

static inline void emit_channel(uint64_t *r)
{
    struct cf_exchange exchanges[8];
    const struct cf_channel c = cases_channel(r, exchanges);
    const uint64_t from_ticks = 0 - (cases_any(r) >> 16);
    const uint64_t dst_ticks = cases_any(r) >> 16;
    struct cf_channel_says says;
    uint32_t i;
    bool ok;

    memset(&says, 0xa5, sizeof(says));
    ok = cf_channel_evaluate(&c, from_ticks, dst_ticks, &says);
    printf("channel %" PRIu32 " %" PRIu32 " %" PRId64 " %" PRId64, c.src_khz,
           c.dst_khz, c.doubt_ppt, c.wander_ppt);
    emit_value(from_ticks);
    emit_value(dst_ticks);
    for (i = 0; i < c.n; i++) {
        emit_value(exchanges[i].sent_ticks);
        emit_value(exchanges[i].arrived_ticks);
        emit_value(exchanges[i].back_ticks);
        emit_value(exchanges[i].answered);
    }
    printf(" = %d", ok);
    if (ok) {
        emit_signed(says.passed_ticks.least);
        emit_signed(says.passed_ticks.greatest);
        emit_signed(says.passed_ticks.best);
        emit_signed(says.rate_ppt.least);
        emit_signed(says.rate_ppt.greatest);
        emit_value(says.round_trip_ticks);
    } else if (says.round_trip_ticks != UNTOUCHED) {
        printf(" touched");
    }
    printf("\n");
}

#endif /* TESTS_UNIT_EMIT_CAUSAL_H */
