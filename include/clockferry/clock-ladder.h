/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How kvmclock is set: down a ladder of methods until one holds.
 *
 *   exact        KVM_SET_CLOCK_GUEST with the source's own record
 *   reanchored   the same call, the record with this host's slope
 *   closed-loop  KVM_SET_CLOCK, read back and corrected until within 2 ns
 *   realtime     the same, but it didn't settle
 *   plain        KVM_SET_CLOCK where nothing can be read back exactly
 *
 * cf_ladder_next() says which call to make, the caller makes it and says what
 * came of it, and so on. Pure, header-only and shared with the QEMU series,
 * like clock-plan.h.
 */
#ifndef CLOCKFERRY_CLOCK_LADDER_H
#define CLOCKFERRY_CLOCK_LADDER_H

#include <errno.h>
#include <string.h>
#include "clock-fn.h"

/*
 * EBUSY: KVM doesn't know this CPU's frequency yet, which passes. The patience
 * is a time, for a fast machine is through any number of tries at once.
 */
#define CF_BUSY_PAUSE_US 50
#define CF_BUSY_PATIENCE_US 1000

/*
 * cf_busy_again - is a call that said EBUSY to be made once more, after
 * CF_BUSY_PAUSE_US? @waited_us starts with 0.
 */
static inline bool cf_busy_again(uint32_t *waited_us)
{
    *waited_us += CF_BUSY_PAUSE_US;
    return *waited_us <= CF_BUSY_PATIENCE_US;
}

/* --- The closed loop: set the clock, read it back, correct, repeat --- */

/*
 * KVM_SET_CLOCK misses by the code that the kernel runs between two clock
 * reads: some tens of nanoseconds, nearly the same each time on one machine.
 * But the first, cold tries and preempted ones miss by microseconds; and when
 * the thread moves to another CPU, or its sibling wakes, the miss changes its
 * size for good. So what is subtracted is the median of the last few misses,
 * clamped: outliers don't reach it, and the past is forgotten.
 */
#define CF_LOOP_WINDOW 7
#define CF_LOOP_CLAMP_NS 1000

/*
 * The blackout that a loop may cost. A time and not a number of tries: on a
 * machine where one takes half a microsecond there are 8,000, so that it
 * settles on a noisy host, too. A try that was preempted counts only as much
 * as a slow one, so that there are always as many as this: where misses spread
 * over 400 ns, one try in 40 is near enough, and 64 often hold none.
 */
#define CF_LOOP_BUDGET_NS 4000000
#define CF_LOOP_MIN_TRIES 256

/*
 * So long only 0 ns is near enough, but at least for so many tries: a fast
 * host meets it nearly always in some tens of microseconds. Then, as long as
 * this, 1 ns. Both clocks drop a fraction of a nanosecond whenever they are
 * read, and above 2 GHz an odd tick. So a guest may find up to 2 ns more than
 * what was read back here.
 */
#define CF_LOOP_FOR_0_NS (CF_LOOP_BUDGET_NS / 16)
#define CF_LOOP_FOR_0_TRIES 8
#define CF_LOOP_FOR_1_NS (CF_LOOP_BUDGET_NS / 16 * 5)

/**
 * struct cf_loop - state of one closed loop; starts with all bytes 0
 * @tries: how often the clock was set
 * @spent_ns: how much of the budget is gone
 * @correction_ns: to be subtracted from the value that is set next
 * @best_ns: smallest |residual| so far
 * @miss_ns: the last misses, the oldest one is overwritten
 */
struct cf_loop {
    int tries;
    uint64_t spent_ns;
    int64_t correction_ns;
    uint64_t best_ns;
    int64_t miss_ns[CF_LOOP_WINDOW];
};

/* The lower median: outliers are always late, never early. */
static inline int64_t cf_loop_median(const struct cf_loop *loop)
{
    int64_t sorted[CF_LOOP_WINDOW] = { 0 };
    int n, i;

    for (n = 0; n < CF_LOOP_WINDOW && n < loop->tries; n++) {
        for (i = n; i > 0 && sorted[i - 1] > loop->miss_ns[n]; i--) {
            sorted[i] = sorted[i - 1];
        }
        sorted[i] = loop->miss_ns[n];
    }
    return sorted[(n - 1) / 2];
}

/*
 * How near is near enough, after a try? In the last eighth of the budget what
 * is as good as the best so far, too: that can't be had back, but its like
 * comes again.
 */
static inline uint64_t cf_loop_enough_ns(const struct cf_loop *loop)
{
    if (loop->tries <= CF_LOOP_FOR_0_TRIES ||
        loop->spent_ns < CF_LOOP_FOR_0_NS) {
        return 0;
    }
    if (loop->spent_ns < CF_LOOP_FOR_1_NS) {
        return 1;
    }
    return loop->spent_ns >= CF_LOOP_BUDGET_NS / 8 * 7 &&
           loop->best_ns > CF_SETTLED_NS ? loop->best_ns : CF_SETTLED_NS;
}

/**
 * cf_loop_learn - learn from one try
 * @residual_ns: clock read back - clock intended
 * @took_ns: how long this try took
 *
 * True if the clock may stay: it is near enough, or the budget is spent.
 */
static inline bool cf_loop_learn(struct cf_loop *loop, int64_t residual_ns,
                                 uint64_t took_ns)
{
    const uint64_t longest_ns = CF_LOOP_BUDGET_NS / CF_LOOP_MIN_TRIES;
    const int64_t limit_ns = 2LL * INT32_MAX;
    const uint64_t size_ns = cf_magnitude(residual_ns);
    int64_t median_ns;

    loop->spent_ns += took_ns < longest_ns ? took_ns : longest_ns;
    residual_ns = residual_ns > limit_ns ? limit_ns
                  : residual_ns < -limit_ns ? -limit_ns : residual_ns;
    loop->miss_ns[loop->tries % CF_LOOP_WINDOW] = residual_ns +
                                                  loop->correction_ns;
    loop->tries++;
    if (size_ns <= cf_loop_enough_ns(loop) ||
        loop->spent_ns >= CF_LOOP_BUDGET_NS) {
        return true;
    }
    if (loop->tries == 1 || size_ns < loop->best_ns) {
        loop->best_ns = size_ns;
    }
    median_ns = cf_loop_median(loop);
    loop->correction_ns = median_ns > CF_LOOP_CLAMP_NS ? CF_LOOP_CLAMP_NS
                          : median_ns < -CF_LOOP_CLAMP_NS ? -CF_LOOP_CLAMP_NS
                          : median_ns;
    return false;
}

/* --- The ladder --- */

/*
 * How far before now a record is re-anchored: early enough to lie before the
 * kernel's own reference, late enough for the slopes not to matter.
 */
#define CF_REANCHOR_US 10

/*
 * Where nothing can be read back exactly: near enough, and how often. The
 * first try, with cold caches, is late by some microseconds.
 */
#define CF_PLAIN_NEAR_NS 1000
#define CF_PLAIN_TRIES 4

/**
 * enum cf_ask - which call to make, always for the boot vCPU or its VM
 * @CF_ASK_NOTHING: none; the ladder is at its end
 * @CF_ASK_SET_RECORD: KVM_SET_CLOCK_GUEST with @fn
 * @CF_ASK_GET_RECORD: KVM_GET_CLOCK_GUEST into @fn
 * @CF_ASK_SET_CLOCK: KVM_SET_CLOCK with @clock_ns; if @realtime_ns isn't 0,
 *                    with that and CF_KVM_CLOCK_REALTIME
 * @CF_ASK_GET_CLOCK: KVM_GET_CLOCK into @anchor, TAI offset not needed; where
 *                    the kernel gives no instant, in parts
 */
enum cf_ask {
    CF_ASK_NOTHING,
    CF_ASK_SET_RECORD,
    CF_ASK_GET_RECORD,
    CF_ASK_SET_CLOCK,
    CF_ASK_GET_CLOCK,
};

/**
 * struct cf_call - a call to make, and what came of it
 * @ask: which
 * @fn: what to set, or what was read
 * @clock_ns: what to set
 * @realtime_ns: since when
 * @anchor: what was read
 * @result: 0 or -errno
 * @now_ticks: host TSC after it
 */
struct cf_call {
    enum cf_ask ask;
    struct cf_clock_fn fn;
    uint64_t clock_ns;
    uint64_t realtime_ns;
    struct cf_anchor anchor;
    int result;
    uint64_t now_ticks;
};

/**
 * struct cf_ladder - where on the ladder we are; starts with all bytes 0
 * @target: what kvmclock shall be; given
 * @records: the host has KVM_{GET,SET}_CLOCK_GUEST, and they work; given
 * @rung: the current one, in the end the one that held
 * @tries: how often the clock was set on it
 * @residual_known: the clock could be read back
 * @residual_ns: as read back - as intended
 * @error_ns: how well that is known
 * @set_ticks: host TSC at the instant for which KVM_SET_CLOCK was made last
 * @value_only: the kernel takes no real time
 * @since_ticks: host TSC when this try began
 * @loop: of this rung
 * @fn: KVM's own record that was read last
 * @anchor: the anchor that was read last
 */
struct cf_ladder {
    struct cf_target target;
    bool records;
    enum cf_rung rung;
    int tries;
    bool residual_known;
    int64_t residual_ns;
    uint64_t error_ns;
    uint64_t set_ticks;
    bool value_only;
    uint64_t since_ticks;
    struct cf_loop loop;
    struct cf_clock_fn fn;
    struct cf_anchor anchor;
};

/*
 * The intended clock with KVM's own slope, from just before now on, but not
 * from before the function begins.
 */
static inline bool cf_ladder_reanchor(const struct cf_ladder *ladder,
                                      struct cf_call *call)
{
    const struct cf_target *target = &ladder->target;
    const uint64_t back_ticks = (uint64_t)target->host_khz * CF_REANCHOR_US /
                                1000;
    uint64_t ticks;
    int64_t ns;

    if (!cf_tsc_at(&target->boot, call->now_ticks - back_ticks, &ticks)) {
        return false;
    }
    if ((int64_t)(ticks - target->fn.tsc_ticks) < 0) {
        ticks = target->fn.tsc_ticks;
    }
    if (!cf_clock_fn_rebase(&target->fn, &ladder->fn, ticks, &call->fn) ||
        __builtin_sub_overflow((int64_t)call->fn.system_ns,
                               ladder->loop.correction_ns, &ns) || ns < 0) {
        return false;
    }
    call->fn.system_ns = (uint64_t)ns;
    return true;
}

/*
 * The intended clock at the instant that was read last; for kernels that take
 * no real time at that of the call, which is late by its way.
 */
static inline bool cf_ladder_value(struct cf_ladder *ladder,
                                   struct cf_call *call)
{
    const bool at_once = ladder->value_only;
    int64_t ns;

    ladder->set_ticks = at_once ? call->now_ticks
                                : ladder->anchor.instant.host_ticks;
    call->realtime_ns = at_once ? 0 : ladder->anchor.instant.realtime_ns;
    if (!cf_target_ns(&ladder->target, ladder->set_ticks, &ns) ||
        __builtin_sub_overflow(ns, ladder->loop.correction_ns, &ns) ||
        ns < 0) {
        return false;
    }
    call->clock_ns = (uint64_t)ns;
    return true;
}

/* To the next rung, which begins with a look at KVM's own clock. */
static inline bool cf_ladder_down(struct cf_ladder *ladder,
                                  struct cf_call *call)
{
    const bool reanchor = ladder->records && ladder->rung == CF_RUNG_EXACT;

    ladder->rung = reanchor ? CF_RUNG_REANCHORED : CF_RUNG_PLAIN;
    ladder->tries = 0;
    memset(&ladder->loop, 0, sizeof(ladder->loop));
    call->ask = reanchor ? CF_ASK_GET_RECORD : CF_ASK_GET_CLOCK;
    return true;
}

/* The end; -@error is why the clock couldn't be set. */
static inline bool cf_ladder_end(struct cf_call *call, int error)
{
    call->ask = CF_ASK_NOTHING;
    call->result = -error;
    return false;
}

/* One try on this rung. */
static inline bool cf_ladder_try(struct cf_ladder *ladder,
                                 struct cf_call *call)
{
    ladder->since_ticks = call->now_ticks;
    ladder->residual_known = false;
    ladder->tries++;
    if (ladder->rung > CF_RUNG_REANCHORED) {
        call->ask = CF_ASK_SET_CLOCK;
        return cf_ladder_value(ladder, call) || cf_ladder_end(call, ERANGE);
    }
    call->ask = CF_ASK_SET_RECORD;
    call->fn = ladder->target.fn;
    return ladder->rung == CF_RUNG_EXACT || cf_ladder_reanchor(ladder, call) ||
           cf_ladder_down(ladder, call);
}

/*
 * A clock that is set as a value begins at a whole tick of the guest's TSC,
 * wherever in a tick that was: by so much it may be off if ticks are long. One
 * of up to a nanosecond is among the roundings of cf_bound_ns().
 */
static inline uint64_t cf_ladder_tick_ns(const struct cf_target *target)
{
    uint32_t khz;

    return cf_tsc_freq_khz(&target->boot.freq, &khz) ? 999999 / khz : 0;
}

/*
 * How far the clock that was read is from the intended one. A record at its
 * own instant: from there on the slopes may part.
 */
static inline bool cf_ladder_read_back(struct cf_ladder *ladder, bool record)
{
    const struct cf_target *target = &ladder->target;
    const struct cf_anchor *anchor = &ladder->anchor;
    const uint64_t ns = record ? ladder->fn.system_ns : anchor->clock_ns;
    uint64_t error_ns;
    int64_t wanted_ns;

    if (ns > INT64_MAX ||
        !(record ? cf_clock_fn_eval(&target->fn, ladder->fn.tsc_ticks,
                                    &wanted_ns)
                 : cf_target_ns(target, anchor->instant.host_ticks,
                                &wanted_ns)) ||
        !cf_ticks_to_ns(target->boot.error_ticks, target->host_khz,
                        &error_ns)) {
        return false;
    }
    ladder->residual_known = true;
    ladder->residual_ns = (int64_t)ns - wanted_ns;
    ladder->error_ns = error_ns + target->slack_ns +
                       (record ? 0 : anchor->slack_ns +
                                     cf_ladder_tick_ns(target));
    return true;
}

/* Nothing can be read back exactly: is it near enough? */
static inline bool cf_ladder_plain(struct cf_ladder *ladder)
{
    ladder->rung = CF_RUNG_PLAIN;
    ladder->loop.correction_ns = 0;
    return ladder->tries >= CF_PLAIN_TRIES ||
           cf_magnitude(ladder->residual_ns) <= CF_PLAIN_NEAR_NS;
}

/* A try was read back: the end, another one, or the next rung. */
static inline bool cf_ladder_judge(struct cf_ladder *ladder,
                                   struct cf_call *call)
{
    const bool settled = cf_magnitude(ladder->residual_ns) <= CF_SETTLED_NS;
    const bool value = call->ask == CF_ASK_GET_CLOCK;
    uint64_t took_ns = UINT64_MAX;
    bool done = true;

    (void)cf_ticks_to_ns(call->now_ticks - ladder->since_ticks,
                         ladder->target.host_khz, &took_ns);
    if (value && (ladder->value_only || !cf_anchor_is_exact(&ladder->anchor))) {
        done = cf_ladder_plain(ladder);
    } else if (ladder->rung != CF_RUNG_EXACT) {
        done = cf_loop_learn(&ladder->loop, ladder->residual_ns, took_ns);
        if (value) {
            ladder->rung = settled ? CF_RUNG_CLOSED_LOOP : CF_RUNG_REALTIME;
        }
    }
    if (!done) {
        return cf_ladder_try(ladder, call);
    }
    return value || settled ? cf_ladder_end(call, 0)
                            : cf_ladder_down(ladder, call);
}

/* KVM's clock was read, or couldn't be. */
static inline bool cf_ladder_got(struct cf_ladder *ladder,
                                 struct cf_call *call)
{
    const bool record = call->ask == CF_ASK_GET_RECORD;
    const bool got = call->result == 0;

    if (record && !got) {
        return cf_ladder_down(ladder, call);
    }
    ladder->fn = call->fn;
    ladder->anchor = call->anchor;
    if (!ladder->tries) {
        ladder->value_only = !got;
        return cf_ladder_try(ladder, call);
    }
    if (got && cf_ladder_read_back(ladder, record)) {
        return cf_ladder_judge(ladder, call);
    }
    if (record) {
        return cf_ladder_down(ladder, call);
    }
    ladder->rung = CF_RUNG_PLAIN;
    return cf_ladder_end(call, 0);
}

/*
 * At the end: KVM's line doesn't begin earlier than this. On the rungs with a
 * record nothing but that record tells.
 */
static inline bool cf_ladder_set_at(const struct cf_ladder *ladder,
                                    uint64_t *ret_guest_ticks)
{
    if (ladder->rung <= CF_RUNG_REANCHORED) {
        *ret_guest_ticks = ladder->fn.tsc_ticks;
        return true;
    }
    return cf_tsc_at(&ladder->target.boot, ladder->set_ticks, ret_guest_ticks);
}

/*
 * At the end: where kvmclock was last compared with what it shall be. From
 * there on it has the slope that KVM gives it here.
 */
static inline bool cf_ladder_since(const struct cf_ladder *ladder,
                                   uint64_t *ret_guest_ticks)
{
    return ladder->rung > CF_RUNG_REANCHORED && ladder->residual_known
           ? cf_tsc_at(&ladder->target.boot,
                       ladder->anchor.instant.host_ticks, ret_guest_ticks)
           : cf_ladder_set_at(ladder, ret_guest_ticks);
}

/**
 * cf_ladder_next - the next call on the way down
 * @ladder: where we are
 * @call: the last call, with @result, what it read, and @now_ticks; to begin
 *        with CF_ASK_NOTHING and @now_ticks. Becomes the next one.
 *
 * False at the end: @call's result says whether the clock could be set at
 * all, and @ladder how. It is the last thing before the guest runs.
 */
static inline bool cf_ladder_next(struct cf_ladder *ladder,
                                  struct cf_call *call)
{
    switch (call->ask) {
    case CF_ASK_SET_RECORD:
        if (call->result < 0) {
            return cf_ladder_down(ladder, call);
        }
        call->ask = CF_ASK_GET_RECORD;
        return true;
    case CF_ASK_SET_CLOCK:
        if (call->result == 0) {
            call->ask = CF_ASK_GET_CLOCK;
            return true;
        }
        if (ladder->value_only) {
            return cf_ladder_end(call, -call->result);
        }
        /* Kernels before 5.16 refuse the flag. */
        ladder->value_only = true;
        return cf_ladder_try(ladder, call);
    case CF_ASK_GET_RECORD:
    case CF_ASK_GET_CLOCK:
        return cf_ladder_got(ladder, call);
    default:
        ladder->rung = CF_RUNG_EXACT;
        return ladder->records && ladder->target.carried
               ? cf_ladder_try(ladder, call) : cf_ladder_down(ladder, call);
    }
}

#endif /* CLOCKFERRY_CLOCK_LADDER_H */
