/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two hosts whose TSCs' real rates are known, and the messages of a migration
 * between them over a channel with delays of many kinds.
 */
#ifndef TESTS_UNIT_SIM_CHANNEL_H
#define TESTS_UNIT_SIM_CHANNEL_H

#include <clockferry/clock-causal.h>

#include "clock-cases.h"

#define US ((int64_t)1000)
#define MS ((int64_t)1000000)
#define S ((int64_t)1000000000)

/*
 * A host's TSC. The rate is in millihertz, so that a run of minutes is exact
 * to far less than a tick; at @turn_ns it changes.
 */
typedef struct {
    uint32_t khz;
    uint64_t start_ticks;
    uint64_t rate_mhz;
    int64_t turn_ns;
    int64_t turn_mhz;
} Host;

static inline uint64_t host_ticks(const Host *host, int64_t at_ns)
{
    cf_s128 moved = (cf_s128)at_ns * (int64_t)host->rate_mhz;

    if (at_ns > host->turn_ns) {
        moved += (cf_s128)(at_ns - host->turn_ns) * host->turn_mhz;
    }
    return host->start_ticks + (uint64_t)cf_div_down(moved, S * 1000);
}

/* Rates real to within @doubt_ppt; the change is within @wander_ppt. */
static inline Host host_new(uint64_t *r, int64_t doubt_ppt, int64_t wander_ppt)
{
    Host host = { .khz = 1000000 + (uint32_t)cases_below(r, 4000000) };
    const uint64_t nominal_mhz = host.khz * 1000000ULL;
    const int64_t off_ppt = (int64_t)cases_below(r, 2 * (uint64_t)doubt_ppt + 1)
                            - doubt_ppt;

    host.start_ticks = cases_u64(r);
    host.rate_mhz = nominal_mhz +
        (uint64_t)(int64_t)((cf_s128)nominal_mhz * off_ppt / CF_PPT);
    host.turn_ns = (int64_t)cases_below(r, 2 * 60 * (uint64_t)S);
    host.turn_mhz = (int64_t)((cf_s128)nominal_mhz *
                              ((int64_t)cases_below(r, 2 *
                                                    (uint64_t)wander_ppt + 1) -
                               wander_ppt) / CF_PPT);
    return host;
}

/* One way of a channel. */
typedef struct {
    int64_t least_ns;           /* of the route */
    int64_t jitter_ns;
    int64_t burst_ns;           /* of what else is queued, now and then */
    int64_t moves_ns;           /* when the route changes, */
    int64_t moved_ns;           /* to which */
} Way;

static inline int64_t way_delay(const Way *way, uint64_t *r, int64_t at_ns)
{
    int64_t ns = at_ns < way->moves_ns ? way->least_ns : way->moved_ns;

    ns += (int64_t)cases_below(r, (uint64_t)way->jitter_ns + 1);
    if (!cases_below(r, 8)) {
        ns += (int64_t)cases_below(r, (uint64_t)way->burst_ns + 1);
    }
    return ns;
}

typedef struct {
    Host src;
    Host dst;
    Way there;
    Way back;
    uint64_t busy_ns;           /* at most, until a message is answered */
    uint32_t lost;              /* of 16 messages */
    uint32_t n;
    int64_t apart_ns;           /* messages are sent so far from each other */
    int64_t precopy_ns;         /* and so far, too, after the first half */
    int64_t stop_ns;
    int64_t now_ns;
    bool ideal;                 /* the TSCs' rates are the nominal ones */
} Migration;

static inline uint32_t simulate(const Migration *m, uint64_t *r,
                         struct cf_exchange *exchanges)
{
    uint32_t i, n = 0;
    int64_t at_ns = 0;

    for (i = 0; i < m->n; i++) {
        const int64_t arrived_ns = at_ns + way_delay(&m->there, r, at_ns);
        const int64_t answered_ns = arrived_ns +
                                    (int64_t)cases_below(r, m->busy_ns + 1);
        const int64_t back_ns = answered_ns +
                                way_delay(&m->back, r, answered_ns);
        const bool lost = i && cases_below(r, 16) < m->lost;

        if (arrived_ns <= m->now_ns && !lost) {
            exchanges[n++] = (struct cf_exchange) {
                .sent_ticks = host_ticks(&m->src, at_ns),
                .arrived_ticks = host_ticks(&m->dst, arrived_ns),
                .back_ticks = host_ticks(&m->src, back_ns),
                .answered = !i || (back_ns <= m->stop_ns &&
                                   cases_below(r, 16) >= m->lost),
            };
        }
        at_ns += m->apart_ns + (int64_t)cases_below(r, (uint64_t)MS) +
                 (i + 1 == m->n / 2 ? m->precopy_ns : 0);
    }
    return n;
}

#endif
