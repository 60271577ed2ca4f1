/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is decided about kvmclock: what an anchor is worth, when a record or a
 * page is believed, which function the clock is to follow, and how far off it
 * may be afterwards.
 *
 * Pure, header-only and shared with the QEMU series, like clock-plan.h.
 */
#ifndef CLOCKFERRY_CLOCK_FN_H
#define CLOCKFERRY_CLOCK_FN_H

#include "clock-plan.h"

/* How far a clock that was set may be off to count as right. */
#define CF_SETTLED_NS 2

/* One rounding in each of two functions. */
#define CF_ROUNDING_NS 2

/* As long as a busy host may take from the restore to the first run. */
#define CF_FIRST_RUN_NS 50000000

/* --- Anchors --- */

/*
 * How often an anchor is read anew while leap seconds fall into the reading:
 * between clock and TAI offset one would be a second's error.
 */
#define CF_LEAP_TRIES 3

/* Flags of KVM_GET_CLOCK and KVM_SET_CLOCK, as in linux/kvm.h. */
#define CF_KVM_CLOCK_TSC_STABLE (1u << 1)
#define CF_KVM_CLOCK_REALTIME (1u << 2)
#define CF_KVM_CLOCK_HOST_TSC (1u << 3)
/* All three: clock, real time and host TSC belong to one instant. */
#define CF_KVM_CLOCK_EXACT \
    (CF_KVM_CLOCK_TSC_STABLE | CF_KVM_CLOCK_REALTIME | CF_KVM_CLOCK_HOST_TSC)

/**
 * struct cf_anchor - one instant of a VM: host TSC, real time and kvmclock
 * @instant: host TSC and real time
 * @clock_ns: kvmclock at that instant
 * @slack_ns: how far off that may be; 0 where the kernel read all at once
 * @flags: of the KVM_GET_CLOCK; if not CF_KVM_CLOCK_EXACT, the three were
 *         read one after the other
 */
struct cf_anchor {
    struct cf_instant instant;
    uint64_t clock_ns;
    uint64_t slack_ns;
    uint32_t flags;
};

/* cf_anchor_is_exact - did the kernel read clock, time and TSC at once? */
static inline bool cf_anchor_is_exact(const struct cf_anchor *anchor)
{
    return (anchor->flags & CF_KVM_CLOCK_EXACT) == CF_KVM_CLOCK_EXACT;
}

/**
 * cf_anchor_error_ns - how far off an anchor's real time may be for its TSC
 * @max_error_ns: largest error of its host's real time; UINT64_MAX: unknown
 *
 * Both were read within twice @slack_ns. UINT64_MAX if it isn't known.
 */
static inline uint64_t cf_anchor_error_ns(const struct cf_anchor *anchor,
                                          uint64_t max_error_ns)
{
    return cf_bounds_ns(max_error_ns, 2 * anchor->slack_ns);
}

/**
 * cf_anchor_keep - keep the narrower of two anchors that were read in parts
 * @best: replaced if the other is narrower; UINT64_MAX is wider than all
 * @before: host TSC and real time, read just before kvmclock
 * @clock_ns: kvmclock, taken for that of the middle
 * @after_ticks: host TSC just after it
 * @khz: of the host TSC
 *
 * Where the kernel gives no instant with its clock: it has no master clock, or
 * is older than 5.16.
 */
static inline void cf_anchor_keep(struct cf_anchor *best,
                                  const struct cf_instant *before,
                                  uint64_t clock_ns, uint64_t after_ticks,
                                  uint32_t khz)
{
    const uint64_t half_ticks = (after_ticks - before->host_ticks) / 2;
    uint64_t half_ns;

    if (cf_ticks_to_ns(half_ticks, khz, &half_ns) &&
        half_ns < best->slack_ns && half_ns < INT64_MAX) {
        best->instant = *before;
        best->instant.host_ticks += half_ticks;
        best->instant.realtime_ns += half_ns;
        best->clock_ns = clock_ns;
        best->slack_ns = half_ns + 1;
        best->flags = 0;
    }
}

/* --- kvmclock as a function --- */

/**
 * struct cf_record - a pvclock record as KVM and guest memory have it
 *
 * The kernel's struct pvclock_vcpu_time_info; @version is odd while KVM
 * writes it.
 */
struct cf_record {
    uint32_t version;
    uint32_t pad0;
    uint64_t tsc_timestamp;
    uint64_t system_time;
    uint32_t tsc_to_system_mul;
    int8_t tsc_shift;
    uint8_t flags;
    uint8_t pad[2];
};

#define CF_PVCLOCK_TSC_STABLE 1u

/**
 * cf_record_to_fn - the clock function in a record
 * @record: from the kernel or from a hostile guest
 *
 * False if it is being written, or no valid function.
 */
static inline bool cf_record_to_fn(const struct cf_record *record,
                                   struct cf_clock_fn *ret_fn)
{
    const struct cf_clock_fn fn = {
        record->tsc_timestamp, record->system_time,
        record->tsc_to_system_mul, record->tsc_shift,
    };

    if (record->version & 1 || !cf_clock_fn_valid(&fn)) {
        return false;
    }
    *ret_fn = fn;
    return true;
}

/* cf_record_from_fn - the record of a valid function */
static inline struct cf_record cf_record_from_fn(const struct cf_clock_fn *fn)
{
    const struct cf_record record = {
        0, 0, fn->tsc_ticks, fn->system_ns, fn->mul, (int8_t)fn->shift, 0,
        { 0, 0 },
    };

    return record;
}

/* Is a function this near to the clock, plus this share of its own age? */
static inline bool cf_fn_is_near(const struct cf_clock_fn *fn,
                                 const struct cf_tsc *boot,
                                 const struct cf_anchor *anchor,
                                 uint64_t near_ns, uint64_t age_share)
{
    uint64_t ticks;
    int64_t ns;

    return anchor->clock_ns <= INT64_MAX &&
           cf_tsc_at(boot, anchor->instant.host_ticks, &ticks) &&
           cf_clock_fn_eval(fn, ticks, &ns) &&
           cf_magnitude(ns - (int64_t)anchor->clock_ns) <=
           near_ns + ((uint64_t)ns - fn->system_ns) / age_share;
}

/* Does it run at this frequency, to within so many Hz? */
static inline bool cf_fn_runs_at(const struct cf_clock_fn *fn,
                                 const struct cf_tsc_freq *freq,
                                 uint64_t near_hz)
{
    uint64_t hz, tsc_hz;
    uint32_t khz;

    if (!cf_clock_fn_hz(fn, &hz) || !cf_tsc_freq_khz(freq, &khz)) {
        return false;
    }
    tsc_hz = khz * 1000ULL;
    return (hz > tsc_hz ? hz - tsc_hz : tsc_hz - hz) <= near_hz;
}

/* A reading of the clock that took longer isn't one. */
#define CF_SLACK_MAX_NS (3600 * CF_NS_PER_SEC)

/**
 * cf_clocks_fault - what can't be true of clocks that came from elsewhere
 * @anchor: the source's
 * @host_khz: frequency of the source's host TSC
 * @fn: kvmclock as a function of the boot vCPU's TSC; NULL if unknown
 * @boot: that TSC; what isn't known of it isn't looked at
 *
 * A second and 1 per mille, of the function's age and of its slope, is far
 * more than any kernel's arithmetic makes of them. Returns words for a
 * message; NULL if nothing contradicts.
 */
static inline const char *cf_clocks_fault(const struct cf_anchor *anchor,
                                          uint32_t host_khz,
                                          const struct cf_clock_fn *fn,
                                          const struct cf_tsc *boot)
{
    const struct cf_instant *instant = &anchor->instant;
    const bool has_freq = cf_tsc_freq_valid(&boot->freq);
    uint32_t khz;
    int64_t ns;

    if (!host_khz) {
        return "the frequency of the host's TSC is 0";
    }
    if (!instant->realtime_ns || !cf_elapsed_ns(instant, instant, &ns)) {
        return "real time or TAI offset is impossible";
    }
    if (anchor->clock_ns > INT64_MAX || anchor->slack_ns > CF_SLACK_MAX_NS) {
        return "kvmclock or its slack is impossible";
    }
    if (fn && !cf_clock_fn_valid(fn)) {
        return "the clock function is impossible";
    }
    if (fn && has_freq && (!cf_tsc_freq_khz(&boot->freq, &khz) ||
                           !cf_fn_runs_at(fn, &boot->freq, khz))) {
        return "clock function and TSC frequency contradict each other";
    }
    if (fn && boot->known &&
        !cf_fn_is_near(fn, boot, anchor, CF_NS_PER_SEC, 1000)) {
        return "clock function and anchor contradict each other";
    }
    return NULL;
}

/**
 * cf_page_to_fn - the clock function in a guest's page, if KVM wrote it
 * @record: guest memory, so the guest can have written it
 *
 * Believed within 1 ms of KVM's own clock, plus 2 ppm of the record's age, for
 * on scaled guests the two differ in arithmetic; and if its slope is within
 * 2 kHz of the TSC's, for KVM truncates to kHz. False if it isn't.
 */
static inline bool cf_page_to_fn(const struct cf_record *record,
                                 const struct cf_tsc *boot,
                                 const struct cf_anchor *anchor,
                                 struct cf_clock_fn *ret_fn)
{
    const uint64_t near_hz = 2000, near_ns = 1000000, age_share = 500000;
    struct cf_clock_fn fn;

    if (!(record->flags & CF_PVCLOCK_TSC_STABLE) ||
        !cf_record_to_fn(record, &fn) ||
        !cf_fn_runs_at(&fn, &boot->freq, near_hz) ||
        !cf_fn_is_near(&fn, boot, anchor, near_ns, age_share)) {
        return false;
    }
    *ret_fn = fn;
    return true;
}

/* A clock that reads @ns at an instant and goes on at the TSC's rate. */
static inline bool cf_fn_from(const struct cf_tsc *tsc, uint64_t host_ticks,
                              int64_t ns, struct cf_clock_fn *ret_fn)
{
    struct cf_clock_fn fn = { 0, (uint64_t)ns, 0, 0 };
    uint32_t khz;

    if (ns < 0 || !cf_tsc_at(tsc, host_ticks, &fn.tsc_ticks) ||
        !cf_tsc_freq_khz(&tsc->freq, &khz) ||
        !cf_clock_fn_set_hz(&fn, khz * 1000ULL)) {
        return false;
    }
    *ret_fn = fn;
    return true;
}

/**
 * cf_fn_build - the clock function of a guest that shows none
 * @ret_fn: the line through the anchor
 *
 * Not where the TSC is scaled: there KVM_GET_CLOCK and the guest's arithmetic
 * part by up to 0.4 ppm, and a line that claims to be the guest's would hide
 * it. The clock goes on from the anchor's time then, no farther off, and the
 * report says that no function was carried. False if there is none.
 */
static inline bool cf_fn_build(const struct cf_tsc *boot,
                               const struct cf_anchor *anchor,
                               struct cf_clock_fn *ret_fn)
{
    return boot->known && !cf_tsc_is_scaled(&boot->freq) &&
           cf_fn_from(boot, anchor->instant.host_ticks,
                      (int64_t)anchor->clock_ns, ret_fn);
}

/**
 * cf_catch_up_ticks - how far captured TSCs are behind on an unstable host
 * @record: what KVM wrote when the boot vCPU ran last; guest memory
 * @boot: the boot vCPU's TSC as it was read
 *
 * Where the host's TSC is unstable (CF_OFFSET_REWINDS), reading a vCPU's puts
 * it back to where it ran last. KVM lets it catch up with kvmclock when it
 * runs again, so that is where it is to be. Returns the ticks to add to each
 * offset, which cf_tsc_merge() made one; 0 if it isn't known, or more than
 * 10 s: that is no stop, but a lie.
 */
static inline uint64_t cf_catch_up_ticks(const struct cf_record *record,
                                         const struct cf_tsc *boot,
                                         const struct cf_anchor *anchor)
{
    uint64_t passed_ticks, offset_ticks;

    if (record->version & 1 || anchor->clock_ns < record->system_time ||
        !cf_ns_to_ticks(anchor->clock_ns - record->system_time, &boot->freq,
                        &passed_ticks) ||
        !cf_tsc_offset_for(record->tsc_timestamp + passed_ticks,
                           anchor->instant.host_ticks, &boot->freq,
                           &offset_ticks)) {
        return 0;
    }
    offset_ticks -= boot->offset_ticks;
    return offset_ticks <= boot->freq.host_khz * 10000ULL ? offset_ticks : 0;
}

/* --- What kvmclock shall be --- */

/**
 * struct cf_target - what kvmclock shall be on the destination
 * @fn: as a function of the boot vCPU's TSC
 * @carried: that is the source's own function, and
 * @slack_ns: the source knew it to within this
 * @boot: the boot vCPU's TSC as it is now
 * @host_khz: frequency of the host's TSC
 */
struct cf_target {
    struct cf_clock_fn fn;
    bool carried;
    uint64_t slack_ns;
    struct cf_tsc boot;
    uint32_t host_khz;
};

/* cf_target_ns - kvmclock as it shall be at a host TSC; false: unknown */
static inline bool cf_target_ns(const struct cf_target *target,
                                uint64_t host_ticks, int64_t *ret_ns)
{
    uint64_t ticks;

    return cf_tsc_at(&target->boot, host_ticks, &ticks) &&
           cf_clock_fn_eval(&target->fn, ticks, ret_ns);
}

/**
 * cf_clock_at - kvmclock at a capture
 * @fn: as a function of the boot vCPU's TSC; NULL if unknown
 * @ret_ns: as the guest has it if that is known, else as KVM has it
 *
 * False above 2^63 - 1 ns.
 */
static inline bool cf_clock_at(const struct cf_clock_fn *fn,
                               const struct cf_tsc *boot,
                               const struct cf_anchor *anchor, int64_t *ret_ns)
{
    uint64_t ticks;

    if (fn && cf_tsc_at(boot, anchor->instant.host_ticks, &ticks) &&
        cf_clock_fn_eval(fn, ticks, ret_ns)) {
        return true;
    }
    *ret_ns = (int64_t)anchor->clock_ns;
    return anchor->clock_ns <= INT64_MAX;
}

/**
 * cf_target_plan - write which function kvmclock is to follow
 * @fn: the source's; NULL if it is unknown
 * @anchor: the source's
 * @ahead_ns: how far the guest's clock was ahead of @fn, if that is what was
 *            meant, see cf_fn_as_meant(); NULL if it is what was captured
 * @src: the boot vCPU's TSC there
 * @outcome: what became of the TSCs
 * @target: @boot and @host_khz are given
 *
 * The source's own, if the TSC that it is a function of arrived. Else it
 * would make kvmclock jump along with the TSC; so the clock goes on from the
 * source's time, at the rate of this TSC. What was meant is known to within how
 * far the guest's clock was off it, and that is rounded. False if it can't be
 * computed.
 */
static inline bool cf_target_plan(const struct cf_move *move,
                                  const struct cf_clock_fn *fn,
                                  const int64_t *ahead_ns,
                                  const struct cf_anchor *anchor,
                                  const struct cf_tsc *src,
                                  enum cf_tsc_outcome outcome,
                                  struct cf_target *target)
{
    int64_t ns;

    target->carried = false;
    target->slack_ns = 0;
    if (fn && cf_tsc_arrived(outcome)) {
        target->fn = *fn;
        target->carried = cf_target_ns(target, move->now.host_ticks, &ns);
        if (ahead_ns) {
            target->slack_ns = cf_magnitude(*ahead_ns) + CF_ROUNDING_NS;
        }
        /* A line through an anchor is worth as much as that. */
        if (fn->system_ns == anchor->clock_ns) {
            target->slack_ns += anchor->slack_ns;
        }
    }
    return target->carried ||
           (cf_clock_at(fn, src, anchor, &ns) &&
            !__builtin_add_overflow(ns, move->elapsed_ns, &ns) &&
            cf_fn_from(&target->boot, move->now.host_ticks, ns, &target->fn));
}

/* --- How well it goes --- */

/*
 * cf_best_rung - the best one that a host can reach: with working
 * KVM_{GET,SET}_CLOCK_GUEST; with exact anchors and CF_KVM_CLOCK_REALTIME
 */
static inline enum cf_rung cf_best_rung(bool records, bool anchors)
{
    return records ? CF_RUNG_EXACT
           : anchors ? CF_RUNG_CLOSED_LOOP : CF_RUNG_PLAIN;
}

/**
 * cf_expected_rung - the rung that a guest will reach where @best is best
 * @dst: frequency of its TSC there
 * @src: and here
 *
 * KVM_SET_CLOCK_GUEST takes a record only within 1 kHz of the vCPU's.
 */
static inline enum cf_rung cf_expected_rung(enum cf_rung best,
                                            const struct cf_tsc_freq *dst,
                                            const struct cf_tsc_freq *src)
{
    uint32_t dst_khz, src_khz;

    if (best == CF_RUNG_EXACT &&
        (!cf_tsc_freq_khz(dst, &dst_khz) || !cf_tsc_freq_khz(src, &src_khz) ||
         cf_magnitude((int64_t)dst_khz - src_khz) > 1)) {
        return CF_RUNG_REANCHORED;
    }
    return best;
}

/**
 * cf_first_run_ns - how long after kvmclock was set the guest ran first
 * @record: the boot vCPU's in guest memory; NULL if it can't be read
 * @set_ticks: guest TSC for which the clock was set
 * @khz: of that TSC
 *
 * The record says from when KVM counts, which after an update of the master
 * clock is when the guest ran. The guest owns that memory, but one that
 * lies in it lies to itself. Returns CF_FIRST_RUN_NS if it isn't known.
 */
static inline uint64_t cf_first_run_ns(const struct cf_record *record,
                                       uint64_t set_ticks, uint32_t khz)
{
    uint64_t ns;

    if (!record || record->version & 1 || record->tsc_timestamp < set_ticks ||
        !cf_ticks_to_ns(record->tsc_timestamp - set_ticks, khz, &ns)) {
        return CF_FIRST_RUN_NS;
    }
    return ns;
}

/**
 * struct cf_result - what is known of a kvmclock that was restored
 * @rung: how
 * @residual_known: it could be read back
 * @residual_ns: as read back - as intended
 * @error_ns: how well that is known
 * @carried: it is the source's function, and the source knew that
 * @pending: KVM may re-base it at the first run
 * @tsc: what became of the TSCs
 * @rate_known: @rate_error_ppt is known
 * @rate_error_ppt: how much faster the TSC runs than on the source
 * @kexec_ppt: see cf_move_kexec_ppt()
 */
struct cf_result {
    enum cf_rung rung;
    bool residual_known;
    int64_t residual_ns;
    uint64_t error_ns;
    bool carried;
    bool pending;
    enum cf_tsc_outcome tsc;
    bool rate_known;
    int64_t rate_error_ppt;
    int64_t kexec_ppt;
};

/**
 * cf_bound_ns - how far kvmclock may be off when the guest runs first
 * @first_run_ns: how long after it was set that is
 * @ret_ns: the bound, either way, against the source's function
 *
 * What was read back, how well that is known, and two roundings. A clock that
 * was set as a value also parts by the rates' difference until then; and by
 * KVM's arithmetic, which knows frequencies to the kHz (1 ppm above 1 GHz), if
 * an update of the master clock may still come. After a kexec the clock parts
 * from the source's function in any case, and that until the guest runs: no
 * record says when, for KVM's line may have begun long before. False if it
 * isn't known.
 */
static inline bool cf_bound_ns(const struct cf_result *result,
                               uint64_t first_run_ns, uint64_t *ret_ns)
{
    cf_u128 bound_ns = (cf_u128)cf_magnitude(result->residual_ns) +
                       result->error_ns + CF_ROUNDING_NS;
    cf_u128 rate_ppt = result->pending ? CF_RATE_CLOSE_PPT : 0;
    const cf_u128 kexec_ppt = cf_magnitude(result->kexec_ppt);
    const uint64_t at_least_ns = first_run_ns > CF_FIRST_RUN_NS
                                 ? first_run_ns : CF_FIRST_RUN_NS;

    if (!result->residual_known || !result->rate_known || !result->carried ||
        !cf_tsc_is_proven(result->tsc)) {
        return false;
    }
    if (!cf_rate_is_exact(result->rate_error_ppt)) {
        rate_ppt += cf_magnitude(result->rate_error_ppt);
    }
    if (result->rung < CF_RUNG_CLOSED_LOOP) {
        rate_ppt = 0;
    }
    if (rate_ppt || kexec_ppt) {
        bound_ns += (rate_ppt * first_run_ns + kexec_ppt * at_least_ns) /
                    1000000000000ULL + 1;
    }
    if (bound_ns > UINT64_MAX) {
        return false;
    }
    *ret_ns = (uint64_t)bound_ns;
    return true;
}

#endif /* CLOCKFERRY_CLOCK_FN_H */
