/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the migration channel proves about two hosts' TSCs, whatever their
 * clocks believe: how far the source's has come at an instant of the
 * destination's, within which limits, and how to read the hosts' clocks in
 * that light.
 *
 * All of it follows from one fact: nothing is received before it was sent. A
 * message was sent when the source's TSC stood at S, it arrived when the
 * destination's stood at A, and its answer was back at S + round trip. So at A
 * the source's stood between these two, however long either way took. Two
 * messages also limit how fast one TSC runs against the other, and with that
 * the limits can be carried from A to any later instant. They hold for each
 * delay, asymmetry and queue; short ways make them narrow. The geometry is
 * known from delay measurements: Moon, Skelly, Towsley, "Estimation and
 * Removal of Clock Skew from Network Delay Measurements" (INFOCOM 1999);
 * Zhang, Liu, Xia, "Clock Synchronization Algorithms for Network Measurements"
 * (INFOCOM 2002).
 *
 * Pure functions, header-only; the rules of clock-math.h hold. Limits are
 * rounded outwards: what they are proven to contain, they contain.
 */
#ifndef CLOCKFERRY_CLOCK_CAUSAL_H
#define CLOCKFERRY_CLOCK_CAUSAL_H

#include "clock-math.h"

__extension__ typedef __int128 cf_s128;

#define CF_PPT 1000000000000LL

/*
 * How far the ratio of two TSCs' real rates may be from that of the kHz that
 * their kernels tell: 1000 ppm, twice what NTP can correct.
 */
#define CF_RATE_DOUBT_PPT 1000000000LL

/*
 * And how far it is at most, nearly always: crystals are within 100 ppm. This
 * proves nothing.
 */
#define CF_RATE_USUAL_PPT 200000000LL

/* How much that ratio may change during a migration: 0.2 ppm, by warmth. */
#define CF_RATE_WANDER_PPT 200000LL

/* With so many exchanges the limits take microseconds to compute. */
#define CF_EXCHANGES_MAX 32u

/* No time here is longer than this; 2^58 ticks are 1.8 years at 5 GHz. */
#define CF_CAUSAL_FAR_TICKS (1LL << 58)

/**
 * struct cf_exchange - a message to the destination, and its answer
 * @sent_ticks: host TSC of the source, read before the message was sent
 * @arrived_ticks: that of the destination, read after it arrived and before
 *                 it was answered
 * @back_ticks: that of the source, read after the answer arrived
 * @answered: an answer arrived; a message alone says half as much
 */
struct cf_exchange {
    uint64_t sent_ticks;
    uint64_t arrived_ticks;
    uint64_t back_ticks;
    bool answered;
};

/**
 * struct cf_channel - what two hosts told each other
 * @exchanges: @n of them, at most CF_EXCHANGES_MAX, in any order
 * @src_khz: frequency of the source's host TSC, as its kernel tells
 * @dst_khz: that of the destination's
 * @doubt_ppt: how far the ratio of the real ones may be from that of these;
 *             CF_RATE_DOUBT_PPT if nobody knows better
 * @wander_ppt: how much it may change in the time that is looked at;
 *              CF_RATE_WANDER_PPT if nobody knows better
 */
struct cf_channel {
    const struct cf_exchange *exchanges;
    uint32_t n;
    uint32_t src_khz;
    uint32_t dst_khz;
    int64_t doubt_ppt;
    int64_t wander_ppt;
};

/**
 * struct cf_span - a quantity that is known within limits
 * @least: it isn't less
 * @greatest: it isn't more
 * @best: the estimate, within the limits
 */
struct cf_span {
    int64_t least;
    int64_t greatest;
    int64_t best;
};

static inline bool cf_span_holds(const struct cf_span *span, int64_t value)
{
    return span->least <= value && value <= span->greatest;
}

/* cf_span_nearest - what is in @span and nearest to @value */
static inline int64_t cf_span_nearest(const struct cf_span *span,
                                      int64_t value)
{
    return value < span->least ? span->least
                               : value > span->greatest ? span->greatest
                                                        : value;
}

/* a / b, rounded down or up; @b is positive */
static inline cf_s128 cf_div_down(cf_s128 a, cf_s128 b)
{
    const cf_s128 quotient = a / b;

    return quotient * b > a ? quotient - 1 : quotient;
}

static inline cf_s128 cf_div_up(cf_s128 a, cf_s128 b)
{
    return -cf_div_down(-a, b);
}

/*
 * struct cf_limits - what one exchange says of an instant of the destination
 * @age_ticks: so long before it arrived the message, in nominal ticks of the
 *             source
 * @span: so many ticks of the source passed from another instant to this one,
 *        if its rate was nominal since the message arrived; @best is unused
 */
struct cf_limits {
    int64_t age_ticks;
    struct cf_span span;
};

/* More than anything that can be computed here: no limit. */
#define CF_CAUSAL_NO_LIMIT (1LL << 62)

/*
 * Instants lie up to a tick after what was read, on both hosts; two ticks more
 * are for rounding the age, and what it then drifts. False if a number is out
 * of range.
 */
static inline bool cf_exchange_limits(const struct cf_channel *channel,
                                      const struct cf_exchange *exchange,
                                      uint64_t from_ticks, uint64_t dst_ticks,
                                      struct cf_limits *ret)
{
    const uint64_t trip_ticks = exchange->back_ticks - exchange->sent_ticks;
    const int64_t sent = (int64_t)(exchange->sent_ticks - from_ticks);
    const int64_t slack = (int64_t)(channel->src_khz / channel->dst_khz) + 5;
    const cf_u128 age = (cf_u128)(dst_ticks - exchange->arrived_ticks) *
                        channel->src_khz / channel->dst_khz;

    if (age > CF_CAUSAL_FAR_TICKS ||
        cf_magnitude(sent) > CF_CAUSAL_FAR_TICKS ||
        (exchange->answered && trip_ticks > CF_CAUSAL_FAR_TICKS)) {
        return false;
    }
    ret->age_ticks = (int64_t)age;
    ret->span.least = sent + ret->age_ticks - slack;
    ret->span.greatest = exchange->answered
                         ? sent + (int64_t)trip_ticks + ret->age_ticks + slack
                         : CF_CAUSAL_NO_LIMIT;
    return true;
}

/* All of them. False if there are none or too many, or one is out of range. */
static inline bool cf_channel_limits(const struct cf_channel *channel,
                                     uint64_t from_ticks, uint64_t dst_ticks,
                                     struct cf_limits *ret)
{
    uint32_t i;

    if (!channel->n || channel->n > CF_EXCHANGES_MAX || !channel->src_khz ||
        !channel->dst_khz || channel->doubt_ppt < 0 ||
        channel->doubt_ppt > CF_RATE_DOUBT_PPT || channel->wander_ppt < 0 ||
        channel->wander_ppt > CF_RATE_DOUBT_PPT) {
        return false;
    }
    for (i = 0; i < channel->n; i++) {
        if (!cf_exchange_limits(channel, &channel->exchanges[i], from_ticks,
                                dst_ticks, &ret[i])) {
            return false;
        }
    }
    return true;
}

/* What is so far off contradicts everything, however far it is. */
static inline int64_t cf_rate_clip(cf_s128 ppt)
{
    return (int64_t)(ppt < -CF_CAUSAL_NO_LIMIT ? -CF_CAUSAL_NO_LIMIT
                     : ppt > CF_CAUSAL_NO_LIMIT ? CF_CAUSAL_NO_LIMIT : ppt);
}

/*
 * Narrow the limits of the rate by two exchanges, @then before @now. Few pairs
 * do, which a product tells in a fraction of the time of a division.
 */
static inline void cf_rate_narrow(const struct cf_limits *then,
                                  const struct cf_limits *now,
                                  struct cf_span *rate_ppt)
{
    const cf_s128 ticks = then->age_ticks - now->age_ticks;
    const cf_s128 most = (cf_s128)now->span.greatest - then->span.least;
    const cf_s128 fewest = (cf_s128)now->span.least - then->span.greatest;

    if (most * CF_PPT < ticks * rate_ppt->greatest) {
        rate_ppt->greatest = cf_rate_clip(cf_div_up(most * CF_PPT, ticks));
    }
    if (fewest * CF_PPT > ticks * rate_ppt->least) {
        rate_ppt->least = cf_rate_clip(cf_div_down(fewest * CF_PPT, ticks));
    }
}

/*
 * The limits of the mean rate over any part of the time: at most the wander
 * away from that between two exchanges. False if they contradict each other.
 */
static inline bool cf_limits_rate(const struct cf_channel *channel,
                                  const struct cf_limits *limits,
                                  struct cf_span *ret_ppt)
{
    const struct cf_span all = {
        -channel->doubt_ppt, channel->doubt_ppt, 0,
    };
    struct cf_span rate = {
        -channel->doubt_ppt - channel->wander_ppt,
        channel->doubt_ppt + channel->wander_ppt, 0,
    };
    uint32_t i, j;

    for (i = 0; i < channel->n; i++) {
        for (j = 0; j < channel->n; j++) {
            if (limits[i].age_ticks > limits[j].age_ticks) {
                cf_rate_narrow(&limits[i], &limits[j], &rate);
            }
        }
    }
    rate.least -= channel->wander_ppt;
    rate.greatest += channel->wander_ppt;
    if (rate.least > all.greatest || rate.greatest < all.least ||
        rate.least > rate.greatest) {
        return false;
    }
    ret_ppt->least = cf_span_nearest(&all, rate.least);
    ret_ppt->greatest = cf_span_nearest(&all, rate.greatest);
    ret_ppt->best = ret_ppt->least +
                    (ret_ppt->greatest - ret_ppt->least) / 2;
    return true;
}

/**
 * struct cf_channel_says - what a channel's exchanges prove
 * @passed_ticks: how far the source's TSC came; @best is the middle of what
 *                all exchanges leave if the rate is @best, too
 * @usual_ticks: where that is if the TSCs' rates are usual ones; @best is
 *               unused
 * @rate_ppt: mean of (real ratio of the TSCs' rates) / (nominal ratio) - 1,
 *            over any part of the time, in 10^-12; @best is the middle
 * @round_trip_ticks: the shortest, in ticks of the source
 */
struct cf_channel_says {
    struct cf_span passed_ticks;
    struct cf_span usual_ticks;
    struct cf_span rate_ppt;
    uint64_t round_trip_ticks;
};

/* One exchange's limits, carried from when it arrived to now. */
static inline struct cf_span cf_limits_now(const struct cf_limits *limits,
                                           const struct cf_span *rate_ppt)
{
    const cf_s128 age_ticks = limits->age_ticks;
    const struct cf_span now = {
        limits->span.least +
            (int64_t)cf_div_down(age_ticks * rate_ppt->least, CF_PPT),
        limits->span.greatest +
            (int64_t)cf_div_up(age_ticks * rate_ppt->greatest, CF_PPT),
        0,
    };

    return now;
}

/* All of them together; @best is the middle. */
static inline struct cf_span cf_limits_meet(const struct cf_channel *channel,
                                            const struct cf_limits *limits,
                                            const struct cf_span *rate_ppt)
{
    struct cf_span all = { -CF_CAUSAL_NO_LIMIT, CF_CAUSAL_NO_LIMIT, 0 };
    uint32_t i;

    for (i = 0; i < channel->n; i++) {
        const struct cf_span now = cf_limits_now(&limits[i], rate_ppt);

        all.least = now.least > all.least ? now.least : all.least;
        all.greatest = now.greatest < all.greatest ? now.greatest
                                                   : all.greatest;
    }
    all.best = all.least + (all.greatest - all.least) / 2;
    return all;
}

/* All that is proven, where it proves that the rates are unusual ones. */
static inline struct cf_span cf_limits_usual(const struct cf_channel *channel,
                                             const struct cf_limits *limits,
                                             const struct cf_channel_says *says)
{
    const struct cf_span most = { -CF_RATE_USUAL_PPT, CF_RATE_USUAL_PPT, 0 };
    const struct cf_span rate_ppt = {
        cf_span_nearest(&most, says->rate_ppt.least),
        cf_span_nearest(&most, says->rate_ppt.greatest), 0,
    };
    const struct cf_span usual = cf_limits_meet(channel, limits, &rate_ppt);

    return cf_span_holds(&says->rate_ppt, rate_ppt.least) &&
           cf_span_holds(&says->rate_ppt, rate_ppt.greatest) &&
           usual.least <= usual.greatest ? usual : says->passed_ticks;
}

/* UINT64_MAX if no message was answered */
static inline uint64_t cf_channel_trip_ticks(const struct cf_channel *channel)
{
    uint64_t least_ticks = UINT64_MAX;
    uint32_t i;

    for (i = 0; i < channel->n; i++) {
        const struct cf_exchange *e = &channel->exchanges[i];

        if (e->answered && e->back_ticks - e->sent_ticks < least_ticks) {
            least_ticks = e->back_ticks - e->sent_ticks;
        }
    }
    return least_ticks;
}

/*
 * The estimate takes the rate for the middle of its limits. Then each way's
 * shortest message counts, though they are seldom one and the same: what waits
 * behind RAM there comes back at once.
 */
static inline bool cf_limits_passed(const struct cf_channel *channel,
                                    const struct cf_limits *limits,
                                    const struct cf_span *rate_ppt,
                                    struct cf_channel_says *says)
{
    const int64_t best_ppt = rate_ppt->best;
    const struct cf_span middle_ppt = { best_ppt, best_ppt, best_ppt };
    struct cf_span *passed = &says->passed_ticks;

    says->rate_ppt = *rate_ppt;
    *passed = cf_limits_meet(channel, limits, rate_ppt);
    passed->best = cf_span_nearest(
        passed, cf_limits_meet(channel, limits, &middle_ppt).best);
    says->usual_ticks = cf_limits_usual(channel, limits, says);
    says->round_trip_ticks = cf_channel_trip_ticks(channel);
    return says->round_trip_ticks < UINT64_MAX &&
           passed->least <= passed->greatest;
}

/* On one TSC, what was read later may be less by so much, in ns. */
#define CF_ONE_TSC_SLACK_NS 1000

/**
 * cf_channel_denies_one_tsc - do messages show that both hosts aren't one?
 *
 * On one TSC each message arrives after it was sent and before its answer is
 * back. Two that happen to be so alike are as good as one, to within a round
 * trip.
 */
static inline bool cf_channel_denies_one_tsc(const struct cf_channel *channel)
{
    const int64_t slack = (int64_t)channel->src_khz * CF_ONE_TSC_SLACK_NS /
                          1000000;
    uint32_t i;

    for (i = 0; i < channel->n && i < CF_EXCHANGES_MAX; i++) {
        const struct cf_exchange *e = &channel->exchanges[i];

        if (e->answered &&
            ((int64_t)(e->arrived_ticks - e->sent_ticks) < -slack ||
             (int64_t)(e->back_ticks - e->arrived_ticks) < -slack)) {
            return true;
        }
    }
    return false;
}

/**
 * cf_channel_evaluate - how far has the source's TSC come?
 * @channel: the exchanges
 * @from_ticks: host TSC of the source, at the instant to count from
 * @dst_ticks: host TSC of the destination, at the instant to count to; not
 *             before any of the exchanges arrived
 * @ret: the answer
 *
 * Return: false if nothing is proven: no exchange was answered, a number is
 * out of range, or exchanges contradict each other, as they do when a TSC was
 * set in the meantime or doesn't run evenly.
 */
static inline bool cf_channel_evaluate(const struct cf_channel *channel,
                                       uint64_t from_ticks, uint64_t dst_ticks,
                                       struct cf_channel_says *ret)
{
    struct cf_limits limits[CF_EXCHANGES_MAX];
    struct cf_channel_says says;
    struct cf_span rate_ppt;

    if (!cf_channel_limits(channel, from_ticks, dst_ticks, limits) ||
        !cf_limits_rate(channel, limits, &rate_ppt) ||
        !cf_limits_passed(channel, limits, &rate_ppt, &says)) {
        return false;
    }
    *ret = says;
    return true;
}

/**
 * cf_span_ticks_to_ns - a span of ticks as one of time
 * @ticks: no limit beyond +-2^62
 * @khz: of the TSC, nominal
 * @ret_ns: the limits rounded outwards
 *
 * Return: false if @khz is 0 or a limit exceeds 63 bits.
 */
static inline bool cf_span_ticks_to_ns(const struct cf_span *ticks,
                                       uint32_t khz, struct cf_span *ret_ns)
{
    const cf_s128 far = INT64_MAX;
    cf_s128 least, greatest, best;

    if (!khz) {
        return false;
    }
    least = cf_div_down((cf_s128)ticks->least * 1000000, khz);
    greatest = cf_div_up((cf_s128)ticks->greatest * 1000000, khz);
    best = cf_div_down((cf_s128)ticks->best * 1000000, khz);
    if (least < -far || greatest > far) {
        return false;
    }
    ret_ns->least = (int64_t)least;
    ret_ns->greatest = (int64_t)greatest;
    ret_ns->best = (int64_t)best;
    return true;
}

/**
 * enum cf_time_from - what elapsed time was taken from
 * @CF_TIME_CLOCKS: the hosts' clocks
 * @CF_TIME_CHANNEL: exchanges on the migration channel
 */
enum cf_time_from {
    CF_TIME_CLOCKS,
    CF_TIME_CHANNEL,
};

/**
 * struct cf_time - how much time passed between two instants of two hosts
 * @from: what says so
 * @passed_ns: that much
 * @bound_ns: it isn't farther from true; UINT64_MAX: unknown
 * @wrong_ns: by so much at least the hosts' clocks are wrong, together; 0 if
 *            nothing shows that they are
 */
struct cf_time {
    enum cf_time_from from;
    int64_t passed_ns;
    uint64_t bound_ns;
    uint64_t wrong_ns;
};

/* By how much these limits rule that value out; 0: not at all */
static inline uint64_t cf_span_misses(const struct cf_span *span, int64_t value)
{
    const int64_t nearest = cf_span_nearest(span, value);

    return value < nearest ? (uint64_t)nearest - (uint64_t)value
                           : (uint64_t)value - (uint64_t)nearest;
}

/**
 * cf_time_merge - how much time passed, by the hosts' clocks and the channel
 * @clocks_ns: by the hosts' clocks
 * @clocks_bound_ns: what they believe their error to be, together; UINT64_MAX
 *                   if one doesn't know
 * @channel_ns: limits that the channel proves; NULL if there was none
 * @usual_ns: and those if the TSCs' rates are usual ones
 *
 * The channel is right, but seldom narrow; clocks that it doesn't contradict
 * are the better estimate, and their limits may narrow its own. A contradicted
 * clock counts for nothing. Clocks that would be right only if the TSCs had
 * unusual rates are the less likely ones, but keep their limits.
 */
static inline struct cf_time cf_time_merge(int64_t clocks_ns,
                                           uint64_t clocks_bound_ns,
                                           const struct cf_span *channel_ns,
                                           const struct cf_span *usual_ns)
{
    struct cf_time time = {
        CF_TIME_CLOCKS, clocks_ns, clocks_bound_ns, 0,
    };
    struct cf_span span;
    int64_t bound_ns, low_ns, high_ns;
    uint64_t below_ns, above_ns;

    if (!channel_ns) {
        return time;
    }
    span = *channel_ns;
    bound_ns = clocks_bound_ns < INT64_MAX ? (int64_t)clocks_bound_ns
                                           : INT64_MAX;
    if (__builtin_sub_overflow(clocks_ns, bound_ns, &low_ns)) {
        low_ns = INT64_MIN;
    }
    if (__builtin_add_overflow(clocks_ns, bound_ns, &high_ns)) {
        high_ns = INT64_MAX;
    }
    if (low_ns <= span.greatest && high_ns >= span.least) {
        span.least = low_ns > span.least ? low_ns : span.least;
        span.greatest = high_ns < span.greatest ? high_ns : span.greatest;
    }
    if (!cf_span_holds(usual_ns, clocks_ns)) {
        time.from = CF_TIME_CHANNEL;
        time.passed_ns = cf_span_nearest(&span, span.best);
        time.wrong_ns = cf_span_misses(channel_ns, clocks_ns);
    }
    below_ns = (uint64_t)time.passed_ns - (uint64_t)span.least;
    above_ns = (uint64_t)span.greatest - (uint64_t)time.passed_ns;
    time.bound_ns = below_ns > above_ns ? below_ns : above_ns;
    return time;
}

/**
 * cf_time_contradicts - are the hosts' clocks farther off than they believe?
 * @clocks_bound_ns: what they believe; UINT64_MAX: they know that they don't
 *                   know
 *
 * A TSC's time may itself be off by as much as its printed frequency is.
 */
static inline bool cf_time_contradicts(const struct cf_time *time,
                                       uint64_t clocks_bound_ns)
{
    const uint64_t bound_ns = clocks_bound_ns < UINT64_MAX ? clocks_bound_ns
                                                           : 0;
    const uint64_t doubt_ns = cf_magnitude(time->passed_ns) /
                              (CF_PPT / CF_RATE_DOUBT_PPT);

    return time->wrong_ns > doubt_ns && time->wrong_ns - doubt_ns > bound_ns;
}

#endif /* CLOCKFERRY_CLOCK_CAUSAL_H */
