/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is decided about a guest's way from then and there to now and here:
 * whether both are one host, how much time passed, how that is known, and how
 * much of it counts.
 *
 * Pure, header-only and shared with the QEMU series, like clock-plan.h.
 */
#ifndef CLOCKFERRY_CLOCK_MOVE_H
#define CLOCKFERRY_CLOCK_MOVE_H

#include <stddef.h>
#include "clock-rate.h"
#include "clock-tsc.h"

/* Who saves or moves a guest may stop it first, but no longer before that. */
#define CF_STOP_TO_SAVE_NS 5000000000

/**
 * cf_same_host - are two readings of one host?
 * @same_boot: both have the same boot id, and it is known
 *
 * A boot id alone can lie (containers, clones, hosts that were themselves
 * migrated or hibernated). That the TSC ran on from @then to @now can't. A
 * frequency of 0 is unknown. False if it isn't proven.
 */
static inline bool cf_same_host(bool same_boot, const struct cf_instant *now,
                                uint32_t now_khz,
                                const struct cf_instant *then,
                                uint32_t then_khz)
{
    return same_boot && then_khz && then_khz == now_khz &&
           cf_tsc_continuous(now, then, now_khz);
}

/**
 * struct cf_move - from when and where to when and where clocks go
 * @then: the source's anchor
 * @now: the destination's
 * @host_khz: frequency of the source's host TSC, as its kernel tells
 * @rate: how far from that it really is, as far as the source knew
 * @same_host: both are one host, and that is proven
 * @kexec_khz: but it was given another kernel since, by kexec, that takes the
 *             TSC for one of this frequency; 0: it wasn't
 * @unstable: the source's TSC was, so the guest's is a guess
 * @dst_unstable: the destination's is
 * @clocks_bound_ns: how far apart both hosts' real times may be by what their
 *                   kernels know; UINT64_MAX: unknown
 * @seen_ns: no more can have passed, as the destination saw by a clock that
 *           nobody sets; 0: it saw nothing
 * @behind_ns: by so much is real time there before the source's, if it is
 * @ahead_ns: by so much more than @seen_ns would have passed by real time
 * @frozen: the time in between doesn't count for the guest
 * @channel: what the channel says (clock-causal.h),
 * @channel_ns: limits of the time in between that it proves,
 * @usual_ns: and those if the TSCs' rates are usual ones, and
 * @round_trip_ns: its shortest round trip; UINT64_MAX: it wasn't asked, or
 *                 proves nothing
 * @time: the time in between, by clocks and channel; for one host only how far
 *        it may be off, if its identity lies
 * @passed_ns: the time in between
 * @elapsed_ns: how much of it counts
 *
 * What is computed is time by the source's TSC, at @host_khz: what its guest
 * would have seen pass.
 */
struct cf_move {
    struct cf_instant then;
    struct cf_instant now;
    uint32_t host_khz;
    struct cf_host_rate rate;
    bool same_host;
    uint32_t kexec_khz;
    bool unstable;
    bool dst_unstable;
    bool frozen;
    uint64_t clocks_bound_ns;
    int64_t seen_ns;
    uint64_t behind_ns;
    uint64_t ahead_ns;
    struct cf_channel_says channel;
    struct cf_span channel_ns;
    struct cf_span usual_ns;
    uint64_t round_trip_ns;
    struct cf_time time;
    int64_t passed_ns;
    int64_t elapsed_ns;
};

/* How much faster two kernels take one TSC for, in ppt. */
static inline bool cf_khz_apart(uint32_t khz, uint32_t than_khz,
                                int64_t *ret_ppt)
{
    const struct cf_tsc_freq freq = cf_tsc_unscaled(khz, 0);
    const struct cf_tsc_freq than = cf_tsc_unscaled(than_khz, 0);

    return cf_tsc_rate_error_ppt(&freq, &than, ret_ppt);
}

/*
 * The same machine with another kernel: its TSC ran on, and the kernels took
 * it for one of nearly the same frequency. Machines have the identities of
 * those that they were cloned from; so there is a bound.
 */
static inline bool cf_move_kexeced(struct cf_move *move, uint32_t now_khz)
{
    const struct cf_moment now = { move->now, move->clocks_bound_ns };
    const struct cf_moment then = { move->then, 0 };
    int64_t ppt;

    return !move->unstable && !move->dst_unstable &&
           cf_khz_apart(now_khz, move->host_khz, &ppt) &&
           cf_rate_is_within(ppt, CF_RATE_LIMIT_PPT) &&
           cf_tsc_went_on(&now, &then, move->host_khz, &move->rate,
                          &move->time.bound_ns);
}

/**
 * cf_move_hosts - write whether it is one host, by the members before @frozen
 * @move: and its @clocks_bound_ns
 * @same_boot: both have the same boot id, and it is known
 * @same_machine: both have the same identity, and it is known
 * @now_khz: frequency of the destination's host TSC, as its kernel tells
 *
 * Not proven is not the same.
 */
static inline void cf_move_hosts(struct cf_move *move, bool same_boot,
                                 bool same_machine, uint32_t now_khz)
{
    move->same_host = cf_same_host(same_boot, &move->now, now_khz,
                                   &move->then, move->host_khz);
    move->kexec_khz = !same_boot && same_machine &&
                      cf_move_kexeced(move, now_khz) ? now_khz : 0;
    if (move->kexec_khz) {
        move->same_host = true;
    } else {
        move->time.bound_ns = move->clocks_bound_ns;
    }
}

/**
 * cf_move_freq - a source's frequency as this host's kernel would tell it
 *
 * A kernel that came by kexec calls one and the same frequency another one.
 */
static inline struct cf_tsc_freq cf_move_freq(const struct cf_move *move,
                                              struct cf_tsc_freq freq)
{
    if (move->kexec_khz && freq.host_khz) {
        freq.host_khz = move->kexec_khz;
    }
    return freq;
}

/**
 * cf_move_kexec_ppt - how much faster kvmclock runs on one and the same TSC
 *
 * By the new kernel's idea of its frequency. 0 if there was no kexec.
 */
static inline int64_t cf_move_kexec_ppt(const struct cf_move *move)
{
    int64_t ppt;

    return move->kexec_khz &&
           cf_khz_apart(move->host_khz, move->kexec_khz, &ppt) ? ppt : 0;
}

/* Real time, and the limits that the channel proves, for two hosts. */
static inline bool cf_move_time(struct cf_move *move,
                                const struct cf_channel *channel)
{
    int64_t real_ns, clocks_ns;
    uint64_t bound_ns;
    bool proven;

    if (!cf_elapsed_ns(&move->now, &move->then, &real_ns) ||
        !cf_tsc_time(real_ns, move->clocks_bound_ns, &move->rate, &clocks_ns,
                     &bound_ns)) {
        return false;
    }
    proven = channel && !move->unstable && !move->dst_unstable &&
             cf_channel_evaluate(channel, move->then.host_ticks,
                                 move->now.host_ticks, &move->channel) &&
             cf_span_ticks_to_ns(&move->channel.passed_ticks, move->host_khz,
                                 &move->channel_ns) &&
             cf_span_ticks_to_ns(&move->channel.usual_ticks, move->host_khz,
                                 &move->usual_ns) &&
             cf_ticks_to_ns(move->channel.round_trip_ticks, move->host_khz,
                            &move->round_trip_ns);
    move->time = cf_time_merge(clocks_ns, bound_ns,
                               proven ? &move->channel_ns : NULL,
                               &move->usual_ns);
    move->passed_ns = move->time.passed_ns;
    return true;
}

/*
 * Identities are cloned with machines, or are the same on a whole fleet, and
 * TSCs of machines that were switched on together are alike. Messages can't be
 * cloned.
 */
static inline void cf_move_doubt_host(struct cf_move *move,
                                      const struct cf_channel *channel)
{
    if (move->same_host && channel && !move->unstable && !move->dst_unstable &&
        cf_channel_denies_one_tsc(channel)) {
        move->same_host = false;
        move->kexec_khz = 0;
        move->time.bound_ns = move->clocks_bound_ns;
    }
}

/**
 * cf_move_passed - write @passed_ns, and between two hosts how it is known
 * @channel: what both hosts told each other (clock-causal.h); NULL: nothing
 *
 * Real time may be stepped meanwhile; a TSC that is known to be the same
 * can't. But it isn't the same if messages say so. One that the kernel gave up
 * proves nothing. Negative if two hosts' clocks say so. False if it can't be
 * computed.
 */
static inline bool cf_move_passed(struct cf_move *move,
                                  const struct cf_channel *channel)
{
    uint64_t ns;

    move->round_trip_ns = UINT64_MAX;
    cf_move_doubt_host(move, channel);
    if (!move->same_host) {
        return cf_move_time(move, channel);
    }
    if (!cf_ticks_to_ns(move->now.host_ticks - move->then.host_ticks,
                        move->host_khz, &ns) || ns > INT64_MAX) {
        return false;
    }
    move->passed_ns = (int64_t)ns;
    return true;
}

/**
 * enum cf_elapsed_from - what told how much time passed
 * @CF_ELAPSED_UNKNOWN: nothing did yet
 * @CF_ELAPSED_TSC: the host's TSC, for both are one host
 * @CF_ELAPSED_TAI: the hosts' clocks, in TAI
 * @CF_ELAPSED_UTC: and in UTC, for one of them doesn't know TAI
 * @CF_ELAPSED_CHANNEL: messages, by which the hosts' clocks are off
 */
enum cf_elapsed_from {
    CF_ELAPSED_UNKNOWN,
    CF_ELAPSED_TSC,
    CF_ELAPSED_TAI,
    CF_ELAPSED_UTC,
    CF_ELAPSED_CHANNEL,
};

/* cf_move_elapsed_from - what told how much time passed in this move */
static inline enum cf_elapsed_from
cf_move_elapsed_from(const struct cf_move *move)
{
    if (move->same_host) {
        return CF_ELAPSED_TSC;
    }
    if (move->time.from == CF_TIME_CHANNEL) {
        return CF_ELAPSED_CHANNEL;
    }
    return cf_elapsed_by_tai(&move->now, &move->then) ? CF_ELAPSED_TAI
                                                      : CF_ELAPSED_UTC;
}

/**
 * cf_stopped_to_save - was a guest stopped only to be saved or moved?
 * @stood_ns: how long it had stood when that began; negative: it ran
 *
 * Management software stops guests itself before it saves them. Else it is a
 * pause of its user's.
 */
static inline bool cf_stopped_to_save(int64_t stood_ns)
{
    return stood_ns <= CF_STOP_TO_SAVE_NS;
}

/*
 * What has happened can't be in the future: with a clock that is behind, no
 * time passed. Nor was it longer ago than was seen, with one that is ahead.
 */
static inline void cf_move_clamp(struct cf_move *move)
{
    int64_t seen_ns;
    uint64_t bound_ns;

    move->behind_ns = move->ahead_ns = 0;
    if (move->passed_ns < 0) {
        move->behind_ns = cf_magnitude(move->passed_ns);
        move->passed_ns = 0;
    } else if (!move->same_host && move->seen_ns > 0 &&
               cf_tsc_time(move->seen_ns, 0, &move->rate, &seen_ns,
                           &bound_ns) &&
               move->passed_ns > seen_ns &&
               (uint64_t)(move->passed_ns - seen_ns) > bound_ns) {
        move->ahead_ns = (uint64_t)(move->passed_ns - seen_ns);
        move->passed_ns = seen_ns;
    }
}

/**
 * cf_move_plan - write how much time passed and counts
 * @channel: as for cf_move_passed()
 * @freeze: the user wants none to count, or had paused the guest
 * @limit_ns: more than this doesn't count either, for old guests overflow
 *
 * False if it can't be computed.
 */
static inline bool cf_move_plan(struct cf_move *move,
                                const struct cf_channel *channel,
                                bool freeze, int64_t limit_ns)
{
    if (!cf_move_passed(move, channel)) {
        return false;
    }
    cf_move_clamp(move);
    move->frozen = freeze || move->passed_ns > limit_ns;
    move->elapsed_ns = move->frozen ? 0 : move->passed_ns;
    return true;
}

/* By how much a guest TSC moves, at its source's rate. False: unknown. */
static inline bool cf_move_shift(const struct cf_move *move,
                                 const struct cf_tsc_freq *freq,
                                 uint64_t *ret_ticks)
{
    uint64_t then_ticks, now_ticks;

    if (move->frozen || !move->same_host) {
        return cf_ns_to_ticks((uint64_t)move->elapsed_ns, freq, ret_ticks);
    }
    /* One TSC serves both: no need to go by time. */
    if (!cf_tsc_host_to_guest(move->then.host_ticks, freq, 0, &then_ticks) ||
        !cf_tsc_host_to_guest(move->now.host_ticks, freq, 0, &now_ticks)) {
        return false;
    }
    *ret_ticks = now_ticks - then_ticks;
    return true;
}

#endif /* CLOCKFERRY_CLOCK_MOVE_H */
