/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is decided about a guest's TSCs, from facts to a plan: which frequency
 * and offset each vCPU gets, and when that has arrived. The facts of one vCPU
 * are in clock-tsc.h; how much time passed is in clock-move.h.
 *
 * Pure functions, header-only: no calls of KVM, no memory, no text, and no
 * error but false. The same file, byte for byte, serves libclockferry and the
 * QEMU series, so that each decision is made in one place; both only ask KVM
 * for facts and carry plans out. What kvmclock shall be is in clock-fn.h, how
 * it is set in clock-ladder.h. The rules of clock-math.h hold here, too.
 */
#ifndef CLOCKFERRY_CLOCK_PLAN_H
#define CLOCKFERRY_CLOCK_PLAN_H

#include "clock-move.h"

/*
 * An offset that can only be measured counts as written if it comes back
 * within this. A time and not ticks, for what takes it is one MSR write.
 */
#define CF_MEASURED_SLACK_NS 1000000

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
