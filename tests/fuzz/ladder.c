/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ladder by which kvmclock is set, and a KVM that answers what it likes:
 * it comes to an end, and what it says of it is what KVM said.
 */
#include <clockferry/clock-ladder.h>
#include "bytes.h"

/* All of the loop's budget, in tries of the least time that one takes here;
 * four calls to begin with on each of the rungs. */
#define CALL_NS 500
#define CALLS_MAX (2 * (2 * CF_LOOP_BUDGET_NS / CALL_NS) + 20)

/* Kvm - what it has, and how it misses */
typedef struct Kvm {
    const struct cf_target *target;
    struct cf_clock_fn fn;
    uint64_t now_ticks;
    uint64_t call_ticks;
    uint8_t fails;        /* so many calls in 256 */
    uint8_t strays;       /* so many answers in 256 are anything */
    int16_t bias_ns;      /* what is read is off by this, always */
    uint8_t spread;       /* and by up to 8 times this besides */
    uint32_t flags;
    Bytes *bytes;
    uint32_t n_calls;
} Kvm;

/* What the bytes say; in a loop, when they are at their end, by its count. */
static uint8_t chance(Kvm *kvm)
{
    return kvm->bytes->left ? take_byte(kvm->bytes)
                            : (uint8_t)(kvm->n_calls * 37);
}

/* Off by so much is what is read. */
static uint64_t miss_ns(Kvm *kvm)
{
    return (uint64_t)(int64_t)(kvm->bias_ns +
                               (int8_t)chance(kvm) * kvm->spread / 16);
}

/* Near to what it shall be, as KVM's clocks are. */
static void read_clock(Kvm *kvm, struct cf_call *call)
{
    int64_t ns = 0;

    call->anchor = (struct cf_anchor) {
        .instant = { kvm->now_ticks, 1ULL << 60, 0 }, .flags = kvm->flags,
    };
    if (!cf_target_ns(kvm->target, kvm->now_ticks, &ns) ||
        chance(kvm) < kvm->strays) {
        ns = take_i64(kvm->bytes);
        call->anchor.slack_ns = take_u64(kvm->bytes) >> 8;
    }
    call->anchor.clock_ns = (uint64_t)ns + miss_ns(kvm);
}

static void read_record(Kvm *kvm, struct cf_call *call)
{
    int64_t ns;
    uint64_t ticks;

    call->fn = kvm->fn;
    if (cf_tsc_at(&kvm->target->boot, kvm->now_ticks, &ticks) &&
        cf_clock_fn_eval(&kvm->target->fn, ticks, &ns) &&
        chance(kvm) >= kvm->strays) {
        call->fn.tsc_ticks = ticks;
        call->fn.system_ns = (uint64_t)ns + miss_ns(kvm);
    }
}

static void answer(Kvm *kvm, struct cf_call *call)
{
    kvm->now_ticks += kvm->call_ticks;
    kvm->n_calls++;
    call->result = chance(kvm) < kvm->fails ? -EINVAL : 0;
    if (call->ask == CF_ASK_GET_CLOCK) {
        read_clock(kvm, call);
    } else if (call->ask == CF_ASK_GET_RECORD) {
        read_record(kvm, call);
    } else {
        MUST(call->ask != CF_ASK_SET_CLOCK || call->clock_ns <= INT64_MAX,
             "a clock of %" PRIu64, call->clock_ns);
        MUST(call->ask != CF_ASK_SET_RECORD || cf_clock_fn_valid(&call->fn),
             "a record that is none");
    }
    call->now_ticks = kvm->now_ticks;
}

static void check_end(const struct cf_ladder *ladder, int result,
                      bool exact_anchors)
{
    const uint64_t off_ns = cf_magnitude(ladder->residual_ns);

    MUST(result <= 0, "%d", result);
    if (result < 0) {
        return;
    }
    MUST(ladder->rung != CF_RUNG_EXACT ||
         (ladder->records && ladder->target.carried),
         "exact, without what it takes");
    MUST(ladder->rung > CF_RUNG_CLOSED_LOOP ||
         (ladder->residual_known && off_ns <= CF_SETTLED_NS),
         "rung %d, and %" PRIu64 " ns off", (int)ladder->rung, off_ns);
    MUST(exact_anchors || ladder->rung < CF_RUNG_CLOSED_LOOP ||
         ladder->rung == CF_RUNG_PLAIN, "rung %d without anchors",
         (int)ladder->rung);
    MUST(ladder->tries > 0, "set by no call");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Bytes bytes = { data, size };
    const uint8_t kind = take_byte(&bytes);
    struct cf_ladder ladder = {
        .records = kind & 1,
        .target = {
            .fn = { take_u64(&bytes), take_u64(&bytes),
                    (uint32_t)take_u64(&bytes),
                    (int32_t)take_between(&bytes, -31, 31) },
            .carried = kind & 2, .slack_ns = take_raw(&bytes, 2),
            .boot = { .known = (kind & 12) != 12, .seen = true,
                      .freq = take_freq(&bytes),
                      .offset_ticks = take_u64(&bytes) },
            .host_khz = take_khz(&bytes),
        },
    };
    Kvm kvm = {
        .target = &ladder.target, .fn = ladder.target.fn,
        .now_ticks = take_u64(&bytes), .fails = take_byte(&bytes) & kind,
        .call_ticks = (uint64_t)ladder.target.host_khz * CALL_NS / 1000000 + 1,
        .strays = take_byte(&bytes), .spread = take_byte(&bytes),
        .bias_ns = (int16_t)take_raw(&bytes, take_byte(&bytes) % 3),
        .flags = kind & 64 ? take_byte(&bytes) : CF_KVM_CLOCK_EXACT,
        .bytes = &bytes,
    };
    struct cf_call call = { .now_ticks = kvm.now_ticks };

    /* as its callers make sure of */
    if (!cf_clock_fn_valid(&ladder.target.fn)) {
        return 0;
    }
    while (cf_ladder_next(&ladder, &call)) {
        MUST(call.ask != CF_ASK_NOTHING, "no call, and no end");
        MUST(kvm.n_calls < CALLS_MAX, "no end");
        answer(&kvm, &call);
    }
    MUST(call.ask == CF_ASK_NOTHING, "the end, and a call");
    check_end(&ladder, call.result,
              (kvm.flags & CF_KVM_CLOCK_EXACT) == CF_KVM_CLOCK_EXACT);
    return 0;
}
