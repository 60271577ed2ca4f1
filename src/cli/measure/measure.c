/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What two hosts' messages prove of their clocks; clock-causal.h says why. */
#include "measure.h"

static gboolean fail(GError **error, const char *what)
{
    g_set_error(error, CF_ERROR, CF_ERROR_INVALID, "%s", what);
    return FALSE;
}

/* There - here: at the message's arrival no time had passed, or all of its
 * round trip. */
static bool evaluate_reading(const Measured *m, Reading *r)
{
    const CfExchange *e = &r->exchange, *first = &m->readings[0].exchange;
    const uint32_t khz = m->here.host_khz;
    int64_t apart_ns, trip_ns;

    if (!cf_elapsed_ns(&r->there, &r->here, &apart_ns) ||
        !cf_ticks_to_ns(e->back_ticks - e->sent_ticks, khz,
                        &r->round_trip_ns) ||
        !cf_ticks_to_ns(e->sent_ticks - first->sent_ticks, khz,
                        &r->after_ns) ||
        r->round_trip_ns > INT64_MAX / 4 ||
        cf_magnitude(apart_ns) > INT64_MAX / 4) {
        return false;
    }
    trip_ns = (int64_t)r->round_trip_ns + 1;
    r->clocks_ns = (struct cf_span) {
        apart_ns - trip_ns, apart_ns, apart_ns - trip_ns / 2,
    };
    return true;
}

/* A guest that leaves when the last message does and arrives with it. */
static bool evaluate_move(Measured *m, const struct cf_channel *channel)
{
    const Reading *last = &m->readings[MEASURE_ROUNDS - 1];
    const struct cf_span *passed_ns = &m->move.channel_ns;
    int64_t apart_ns;

    m->clocks_bound_ns = cf_bounds_ns(cf_time_error_ns(&last->here_time),
                                      cf_time_error_ns(&last->there_time));
    m->move = (struct cf_move) {
        .then = last->here, .now = last->there,
        .host_khz = m->here.host_khz, .clocks_bound_ns = m->clocks_bound_ns,
    };
    if (!cf_elapsed_ns(&last->there, &last->here, &apart_ns) ||
        !cf_move_passed(&m->move, channel) ||
        m->move.round_trip_ns == UINT64_MAX) {
        return false;
    }
    m->contradicted = cf_time_contradicts(&m->move.time, m->clocks_bound_ns);
    m->clocks_ns = (struct cf_span) {
        apart_ns - passed_ns->greatest, apart_ns - passed_ns->least,
        apart_ns - passed_ns->best,
    };
    return true;
}

/* 1 / (1 + rate) - 1: that TSC's rate against this one's. */
static struct cf_span inverse(const struct cf_span *rate_ppt)
{
    const cf_s128 least = -(cf_s128)rate_ppt->greatest * CF_PPT;
    const cf_s128 greatest = -(cf_s128)rate_ppt->least * CF_PPT;

    return (struct cf_span) {
        (int64_t)cf_div_down(least, CF_PPT + rate_ppt->greatest),
        (int64_t)cf_div_up(greatest, CF_PPT + rate_ppt->least),
        -rate_ppt->best,
    };
}

static bool is_unstable(const CfHost *host)
{
    return host->offset_known && host->offset == CF_OFFSET_REWINDS;
}

gboolean measure_evaluate(Measured *m, GError **error)
{
    const Reading *last = &m->readings[MEASURE_ROUNDS - 1];
    CfExchange exchanges[MEASURE_ROUNDS];
    const struct cf_channel channel = {
        .exchanges = exchanges, .n = MEASURE_ROUNDS,
        .src_khz = m->here.host_khz, .dst_khz = m->there.host_khz,
        .doubt_ppt = CF_RATE_DOUBT_PPT, .wander_ppt = CF_RATE_WANDER_PPT,
    };
    const struct cf_channel_says *says = &m->move.channel;
    uint32_t i;

    if (!m->here.host_khz || !m->there.host_khz) {
        return fail(error, "the frequency of a TSC is unknown");
    }
    if (is_unstable(&m->here) || is_unstable(&m->there)) {
        return fail(error, "the TSC of one host is unstable, so that messages "
                    "prove nothing; clockferry probe says which");
    }
    for (i = 0; i < MEASURE_ROUNDS; i++) {
        exchanges[i] = m->readings[i].exchange;
        if (!evaluate_reading(m, &m->readings[i])) {
            return fail(error, "its answers can't be true");
        }
    }
    if (!evaluate_move(m, &channel)) {
        return fail(error, "its answers contradict each other: the TSC of "
                    "one host doesn't run evenly, or was set");
    }
    m->rate_ppt = inverse(&says->rate_ppt);
    m->there_ticks = last->there.host_ticks;
    m->here_least_ticks = last->here.host_ticks +
                          (uint64_t)says->passed_ticks.least;
    m->here_greatest_ticks = last->here.host_ticks +
                             (uint64_t)says->passed_ticks.greatest;
    return TRUE;
}
