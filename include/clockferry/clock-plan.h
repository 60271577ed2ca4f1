/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is decided about a guest's TSCs, from facts to a plan: what counts as
 * the same host, how much time passed, which frequency and offset each vCPU
 * gets, and when that has arrived. The facts of one vCPU are in clock-tsc.h.
 *
 * Pure functions, header-only: no calls of KVM, no memory, no text, and no
 * error but false. The same file, byte for byte, serves libclockferry and the
 * QEMU series, so that each decision is made in one place; both only ask KVM
 * for facts and carry plans out. What kvmclock shall be is in clock-fn.h, how
 * it is set in clock-ladder.h. The rules of clock-math.h hold here, too.
 */
#ifndef CLOCKFERRY_CLOCK_PLAN_H
#define CLOCKFERRY_CLOCK_PLAN_H

#include <stddef.h>
#include "clock-rate.h"
#include "clock-tsc.h"

/*
 * An offset that can only be measured counts as written if it comes back
 * within this. A time and not ticks, for what takes it is one MSR write.
 */
#define CF_MEASURED_SLACK_NS 1000000

/* Who saves or moves a guest may stop it first, but no longer before that. */
#define CF_STOP_TO_SAVE_NS 5000000000

/* --- The move: which host, and how much time --- */

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

/**
 * cf_time_bound_ns - how far both clocks may step, together
 * @f: what the destination does with an offset, and whether it is the source
 * @freq: of the guest's TSC, on the source
 * @elapsed_ns: how far the time that passed between two hosts may be from true;
 *              UINT64_MAX: unknown
 *
 * An offset is rounded to a tick; on one host nothing is computed, but if that
 * was kexec'ed, it may be another one that happens to be alike. UINT64_MAX if
 * it isn't known.
 */
static inline uint64_t cf_time_bound_ns(const struct cf_policy_facts *f,
                                        const struct cf_tsc_freq *freq,
                                        uint64_t elapsed_ns)
{
    const uint64_t set_ns = f->measured ? CF_MEASURED_SLACK_NS : 0;
    uint32_t khz;

    if (!cf_offset_fits(f)) {
        return UINT64_MAX;
    }
    if (f->same_host && !f->kexec) {
        return set_ns;
    }
    return cf_tsc_freq_khz(freq, &khz)
           ? cf_bounds_ns(set_ns + 1000000 / khz + 1, elapsed_ns)
           : UINT64_MAX;
}

/* --- The TSCs of all vCPUs --- */

/**
 * struct cf_vcpu - a vCPU whose TSC is carried
 * @src: as it was captured
 * @dst: as it is on the destination, as far as is known
 * @before_ticks: @dst's offset before anything was written
 * @wanted_ticks: what it shall be
 */
struct cf_vcpu {
    struct cf_tsc src;
    struct cf_tsc dst;
    uint64_t before_ticks;
    uint64_t wanted_ticks;
};

/**
 * enum cf_tsc_outcome - what became of the vCPUs' TSCs
 * @CF_TSC_UNCHANGED: they were right already; nothing was written
 * @CF_TSC_COPIED: same host, the source's offsets bit for bit
 * @CF_TSC_COMPUTED: new offsets, from the time that elapsed
 * @CF_TSC_UNVERIFIED: computed and written on a host whose TSC is unstable,
 *                     where nothing can be read back
 * @CF_TSC_NOT_SET: the host didn't take them; the guest's TSC has jumped
 * @CF_TSC_UNKNOWN: the source didn't know its own
 */
enum cf_tsc_outcome {
    CF_TSC_UNCHANGED,
    CF_TSC_COPIED,
    CF_TSC_COMPUTED,
    CF_TSC_UNVERIFIED,
    CF_TSC_NOT_SET,
    CF_TSC_UNKNOWN,
};

/* cf_tsc_arrived - are the TSCs where they should be, as far as is known? */
static inline bool cf_tsc_arrived(enum cf_tsc_outcome outcome)
{
    return outcome <= CF_TSC_UNVERIFIED;
}

/* cf_tsc_is_proven - and could that be read back? */
static inline bool cf_tsc_is_proven(enum cf_tsc_outcome outcome)
{
    return outcome <= CF_TSC_COMPUTED;
}

/**
 * cf_tsc_wants_khz - is KVM to be asked for another frequency?
 * @tsc_control: KVM says that it can scale
 * @ret_khz: which one: what the TSC really had, not what somebody had wanted
 *
 * Never without TSC control: there KVM fails, or lets the TSC catch up, in
 * jerks and for the vCPU's life.
 */
static inline bool cf_tsc_wants_khz(const struct cf_vcpu *vcpu,
                                    bool tsc_control, uint32_t *ret_khz)
{
    return tsc_control &&
           !cf_freq_is_near(&vcpu->dst.freq, &vcpu->src.freq) &&
           cf_tsc_freq_khz(&vcpu->src.freq, ret_khz);
}

/**
 * cf_tsc_plan - write which offset each of @n vCPUs shall get
 * @vcpus: the boot vCPU first
 *
 * On one host, and if every ratio is the source's, the source's offsets bit
 * for bit. Else each TSC goes on from where it was at the source's anchor, by
 * one shift for all, so that their differences stay to the tick. Returns
 * CF_TSC_COPIED, CF_TSC_COMPUTED, or CF_TSC_UNKNOWN if one can't be computed.
 */
static inline enum cf_tsc_outcome cf_tsc_plan(const struct cf_move *move,
                                              struct cf_vcpu *vcpus,
                                              uint32_t n)
{
    bool copy = move->same_host && !move->frozen;
    uint64_t shift_ticks, ticks;
    int64_t ppt;
    uint32_t i;

    for (i = 0; i < n; i++) {
        if (!vcpus[i].src.known || !vcpus[i].dst.known) {
            return CF_TSC_UNKNOWN;
        }
        copy = copy && cf_tsc_rate_error_ppt(&vcpus[i].dst.freq,
                                             &vcpus[i].src.freq, &ppt) && !ppt;
    }
    if (!cf_move_shift(move, &vcpus[0].src.freq, &shift_ticks)) {
        return CF_TSC_UNKNOWN;
    }
    for (i = 0; i < n; i++) {
        if (copy) {
            vcpus[i].wanted_ticks = vcpus[i].src.offset_ticks;
        } else if (!cf_tsc_at(&vcpus[i].src, move->then.host_ticks, &ticks) ||
                   !cf_tsc_offset_for(ticks + shift_ticks,
                                      move->now.host_ticks, &vcpus[i].dst.freq,
                                      &vcpus[i].wanted_ticks)) {
            return CF_TSC_UNKNOWN;
        }
    }
    return copy ? CF_TSC_COPIED : CF_TSC_COMPUTED;
}

/* Are all offsets what they shall be? As cf_tsc_is_at(). */
static inline bool cf_tsc_in_place(const struct cf_vcpu *vcpus, uint32_t n,
                                   uint64_t slack_ns)
{
    while (n-- > 0) {
        if (!cf_tsc_is_at(&vcpus[n].dst, vcpus[n].wanted_ticks, slack_ns)) {
            return false;
        }
    }
    return true;
}

/**
 * cf_tsc_must_write - are offsets to be written?
 * @host: what this host does with an offset
 * @changed: a frequency was set
 * @outcome: what cf_tsc_plan() said; is written if they aren't
 *
 * Where offsets are ignored there isn't even a try: each write makes KVM
 * re-base the master clock, which moves kvmclock by some nanoseconds. Nor are
 * right ones written again, unless a new frequency has put them out of step
 * in KVM's eyes.
 */
static inline bool cf_tsc_must_write(const struct cf_vcpu *vcpus, uint32_t n,
                                     enum cf_offset host, bool changed,
                                     enum cf_tsc_outcome *outcome)
{
    const bool ignored = host == CF_OFFSET_IGNORED;

    if (cf_tsc_in_place(vcpus, n, 0) && (ignored || !changed)) {
        *outcome = CF_TSC_UNCHANGED;
        return false;
    }
    if (ignored) {
        *outcome = CF_TSC_NOT_SET;
    }
    return !ignored;
}

/**
 * cf_tsc_accept - did the offsets that were written arrive?
 * @vcpus: as read back
 * @host: what this host does with an offset
 * @outcome: what cf_tsc_plan() said; changes if they can't be told, or didn't
 *
 * On a host with an unstable TSC each vCPU call rewinds the guest's, so what
 * is read back says nothing. But KVM lets it catch up to what was written, so
 * that is believed. False: all are to be put back, for unequal offsets cost
 * the guest its stable clock.
 */
static inline bool cf_tsc_accept(struct cf_vcpu *vcpus, uint32_t n,
                                 enum cf_offset host,
                                 enum cf_tsc_outcome *outcome)
{
    if (host == CF_OFFSET_REWINDS) {
        while (n-- > 0) {
            vcpus[n].dst.offset_ticks = vcpus[n].wanted_ticks;
            vcpus[n].dst.error_ticks = 0;
        }
        *outcome = CF_TSC_UNVERIFIED;
        return true;
    }
    if (!cf_tsc_in_place(vcpus, n, CF_MEASURED_SLACK_NS)) {
        *outcome = CF_TSC_NOT_SET;
        return false;
    }
    return true;
}

/**
 * cf_move_bound_ns - how far both clocks may have stepped, together
 * @move: as it went
 * @f: what this host does with an offset
 * @freq: of the boot vCPU's TSC, on the source
 * @outcome: what became of the TSCs
 *
 * By all of a blackout that didn't count, and by anything if real time was
 * seen to be farther off than the hosts say. UINT64_MAX if it isn't known.
 */
static inline uint64_t cf_move_bound_ns(const struct cf_move *move,
                                        const struct cf_policy_facts *f,
                                        const struct cf_tsc_freq *freq,
                                        enum cf_tsc_outcome outcome)
{
    const uint64_t bound_ns = cf_time_bound_ns(f, freq, move->time.bound_ns);

    return !move->frozen && cf_tsc_is_proven(outcome) &&
           move->behind_ns <= bound_ns && move->ahead_ns <= bound_ns
           ? bound_ns : UINT64_MAX;
}

/**
 * cf_move_thaw - has time to count that was to be frozen?
 *
 * A TSC that can't be set can't be stopped. Then both clocks count, never one
 * without the other. True: it does from now on, so plan the TSCs again.
 */
static inline bool cf_move_thaw(struct cf_move *move,
                                enum cf_tsc_outcome outcome)
{
    if (!move->frozen || cf_tsc_arrived(outcome)) {
        return false;
    }
    move->frozen = false;
    move->elapsed_ns = move->passed_ns;
    return true;
}

/**
 * cf_tsc_rate - how much faster the TSCs run than on the source
 * @ret_ppt: in 10^-12, of the vCPU where it is largest
 *
 * False if a frequency wasn't seen, on either side.
 */
static inline bool cf_tsc_rate(const struct cf_vcpu *vcpus, uint32_t n,
                               int64_t *ret_ppt)
{
    int64_t worst_ppt = 0, ppt;
    uint32_t i;

    for (i = 0; i < n; i++) {
        const struct cf_tsc *src = &vcpus[i].src, *dst = &vcpus[i].dst;

        if (!src->seen || !dst->seen ||
            !cf_tsc_rate_error_ppt(&dst->freq, &src->freq, &ppt)) {
            return false;
        }
        if (cf_magnitude(ppt) > cf_magnitude(worst_ppt)) {
            worst_ppt = ppt;
        }
    }
    *ret_ppt = worst_ppt;
    return true;
}

/**
 * cf_tsc_skew - how far the vCPUs' TSCs came apart from each other
 * @ret_ticks: the spread, from the TSC that moved least to the one that moved
 *             farthest: no two came apart by more
 *
 * Not the largest deviation from the boot vCPU: +5 and -5 are 10 for guests
 * that compare any two. False if an offset here isn't known to the tick, or
 * the source's TSC was unstable.
 */
static inline bool cf_tsc_skew(const struct cf_move *move,
                               const struct cf_vcpu *vcpus, uint32_t n,
                               uint64_t *ret_ticks)
{
    uint64_t boot_ticks = 0, then_ticks, now_ticks;
    int64_t lowest = 0, highest = 0, apart;
    uint32_t i;

    for (i = 0; i < n; i++) {
        if (move->unstable || vcpus[i].dst.error_ticks ||
            !cf_tsc_at(&vcpus[i].src, move->then.host_ticks, &then_ticks) ||
            !cf_tsc_at(&vcpus[i].dst, move->now.host_ticks, &now_ticks)) {
            return false;
        }
        if (i == 0) {
            boot_ticks = now_ticks - then_ticks;
        }
        apart = (int64_t)(now_ticks - then_ticks - boot_ticks);
        lowest = apart < lowest ? apart : lowest;
        highest = apart > highest ? apart : highest;
    }
    *ret_ticks = (uint64_t)highest - (uint64_t)lowest;
    return true;
}

#endif /* CLOCKFERRY_CLOCK_PLAN_H */
