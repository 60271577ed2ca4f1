/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What messages prove of two hosts, whose TSCs and delays the input chooses:
 * the truth is within the limits, however the messages went.
 */
#include <clockferry/clock-causal.h>
#include "bytes.h"

#define DAY_NS (86400 * (int64_t)CF_NS_PER_SEC)

/* A TSC: so many ticks in 10^15 ns, and so many more from an instant on. */
typedef struct Tsc {
    uint32_t khz;
    uint64_t start_ticks;
    cf_s128 pace;
    int64_t turn_ns;
    cf_s128 turn;
} Tsc;

static const cf_s128 pace_ns = (cf_s128)1000000000 * 1000000;

/* Rounded down, as reading it does. */
static cf_s128 ticks_at(const Tsc *tsc, int64_t at_ns)
{
    const int64_t turned_ns = MAX(at_ns - tsc->turn_ns, 0);

    return tsc->start_ticks +
           (tsc->pace * at_ns + tsc->turn * turned_ns) / pace_ns;
}

/* Within @doubt_ppt of the frequency that its kernel tells. */
static Tsc take_tsc(Bytes *bytes, int64_t doubt_ppt)
{
    Tsc tsc = { .khz = take_usual_khz(bytes) };
    const cf_s128 nominal = (cf_s128)tsc.khz * 1000000000;

    tsc.start_ticks = take_u64(bytes);
    tsc.pace = nominal +
               nominal * take_between(bytes, -doubt_ppt, doubt_ppt) / CF_PPT;
    return tsc;
}

/* Some of a day, often short. */
static int64_t take_time(Bytes *bytes)
{
    const uint8_t kind = take_byte(bytes);

    return (int64_t)(take_raw(bytes, 1 + (kind & 3)) << (kind >> 4) / 2) %
           (DAY_NS / 64);
}

/* Migration - what really happens */
typedef struct Migration {
    Tsc src;
    Tsc dst;
    struct cf_exchange exchanges[CF_EXCHANGES_MAX];
    uint32_t n;
    int64_t now_ns;
    bool answered;
} Migration;

/* One message; what comes back after the stop isn't there. */
static void exchange(Migration *m, Bytes *bytes)
{
    const int64_t sent_ns = m->now_ns;
    const int64_t left_ns = sent_ns + take_byte(bytes);
    const int64_t arrived_ns = left_ns + take_time(bytes);
    const int64_t read_ns = arrived_ns + take_byte(bytes);
    const int64_t back_ns = read_ns + take_time(bytes) + take_byte(bytes);
    const bool answered = !take_bool(bytes);

    m->exchanges[m->n++] = (struct cf_exchange) {
        .sent_ticks = (uint64_t)ticks_at(&m->src, sent_ns),
        .arrived_ticks = (uint64_t)ticks_at(&m->dst, read_ns),
        .back_ticks = answered ? (uint64_t)ticks_at(&m->src, back_ns)
                               : take_u64(bytes),
        .answered = answered,
    };
    m->answered = m->answered || answered;
    m->now_ns = back_ns + take_time(bytes);
}

/* Hosts' clocks that are as wrong as they say, or honest about nothing. */
static void check_merge(const struct cf_span *channel_ns,
                        const struct cf_span *usual_ns, int64_t truth_ns,
                        Bytes *bytes)
{
    const uint64_t bound_ns = take_u64(bytes);
    const int64_t most_ns = (int64_t)MIN(bound_ns, (uint64_t)DAY_NS);
    const bool honest = !take_bool(bytes);
    const int64_t clocks_ns = truth_ns +
        (honest ? take_between(bytes, -most_ns, most_ns)
                : take_between(bytes, -DAY_NS, DAY_NS));
    const struct cf_time time = cf_time_merge(clocks_ns, bound_ns, channel_ns,
                                              usual_ns);
    const uint64_t off_ns = cf_magnitude(time.passed_ns - truth_ns);
    const bool denied = clocks_ns - most_ns > channel_ns->greatest ||
                        clocks_ns + most_ns < channel_ns->least;

    /* truth_ns is rounded */
    MUST(!(honest || denied) || off_ns <= cf_bounds_ns(time.bound_ns, 1),
         "%" PRIu64 " ns off, and not within %" PRIu64, off_ns, time.bound_ns);
    MUST(!(honest && time.wrong_ns > 1) ||
         time.wrong_ns <= cf_bounds_ns(bound_ns, 1),
         "honest clocks are called wrong by %" PRIu64, time.wrong_ns);
    MUST(!(denied && most_ns < DAY_NS) || time.wrong_ns,
         "clocks that can't be aren't called wrong");
}

static void check_truth(const Migration *m, const struct cf_channel *channel,
                        int64_t stop_ns, Bytes *bytes)
{
    const cf_s128 stop_ticks = ticks_at(&m->src, stop_ns);
    const cf_s128 truth = ticks_at(&m->src, m->now_ns) - stop_ticks;
    struct cf_channel_says says;
    struct cf_span channel_ns, usual_ns;

    MUST(cf_channel_evaluate(channel, (uint64_t)stop_ticks,
                             (uint64_t)ticks_at(&m->dst, m->now_ns), &says) ==
         m->answered, "messages that are possible contradict each other");
    if (!m->answered) {
        return;
    }
    MUST(cf_span_holds(&says.passed_ticks, (int64_t)truth),
         "%" PRId64 " passed, not %" PRId64 " to %" PRId64, (int64_t)truth,
         says.passed_ticks.least, says.passed_ticks.greatest);
    MUST(cf_span_holds(&says.passed_ticks, says.passed_ticks.best) &&
         says.usual_ticks.least >= says.passed_ticks.least &&
         says.usual_ticks.greatest <= says.passed_ticks.greatest &&
         says.usual_ticks.least <= says.usual_ticks.greatest,
         "an estimate that is ruled out");
    MUST(says.rate_ppt.least <= says.rate_ppt.greatest &&
         cf_span_holds(&says.rate_ppt, says.rate_ppt.best), "rate");
    MUST(cf_span_ticks_to_ns(&says.passed_ticks, m->src.khz, &channel_ns) &&
         cf_span_ticks_to_ns(&says.usual_ticks, m->src.khz, &usual_ns),
         "times don't fit");
    check_merge(&channel_ns, &usual_ns,
                (int64_t)(truth * 1000000 / m->src.khz), bytes);
}

/* And of one host that talks to itself. */
static void check_one_tsc(const Tsc *tsc, Bytes *bytes)
{
    Migration one = { .src = *tsc, .dst = *tsc };
    struct cf_channel channel = {
        .exchanges = one.exchanges, .src_khz = tsc->khz, .dst_khz = tsc->khz,
    };

    while (one.n < 4) {
        exchange(&one, bytes);
    }
    channel.n = one.n;
    MUST(!cf_channel_denies_one_tsc(&channel), "one TSC is taken for two");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Bytes bytes = { data, size };
    /* together no more than what is asked for below */
    const int64_t doubt_ppt = take_bool(&bytes)
                              ? 0 : CF_RATE_DOUBT_PPT / 2 - 1000000;
    const int64_t wander_ppt = doubt_ppt ? CF_RATE_WANDER_PPT - 1000 : 0;
    const uint32_t n = 1 + take_byte(&bytes) % CF_EXCHANGES_MAX;
    Migration m = {
        .src = take_tsc(&bytes, doubt_ppt), .dst = take_tsc(&bytes, doubt_ppt),
    };
    struct cf_channel channel = {
        .exchanges = m.exchanges, .src_khz = m.src.khz, .dst_khz = m.dst.khz,
        .doubt_ppt = doubt_ppt ? CF_RATE_DOUBT_PPT : 0,
        .wander_ppt = wander_ppt ? CF_RATE_WANDER_PPT : 0,
    };
    int64_t stop_ns;

    m.src.turn_ns = take_time(&bytes);
    m.src.turn = (cf_s128)m.src.khz * 1000000000 *
                 take_between(&bytes, -wander_ppt, wander_ppt) / CF_PPT;
    while (m.n < n) {
        exchange(&m, &bytes);
    }
    channel.n = m.n;
    stop_ns = m.now_ns - take_time(&bytes) / 2;
    m.now_ns += take_time(&bytes);
    check_truth(&m, &channel, MAX(stop_ns, 0), &bytes);
    check_one_tsc(&m.src, &bytes);
    return 0;
}
