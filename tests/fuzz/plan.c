/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From facts to a plan for TSCs and kvmclock, on any facts: no vCPU's TSC moves
 * relative to another's, and both clocks move by what counts.
 */
#include <clockferry/clock-meant.h>
#include "bytes.h"
#include "exact.h"

#define VCPUS_MAX 4

/* Case - what a destination knows when a guest arrives */
typedef struct Case {
    struct cf_move move;
    uint32_t now_khz;
    struct cf_exchange exchanges[4];
    struct cf_channel channel;
    struct cf_vcpu vcpus[VCPUS_MAX];
    uint32_t n_vcpus;
    struct cf_anchor anchor;
    struct cf_clock_fn fn;
    bool has_fn;
} Case;

/* A destination's, at that frequency of its host; a source's likewise. */
static struct cf_tsc take_tsc(Bytes *bytes, uint32_t host_khz)
{
    const uint8_t kind = take_byte(bytes);
    struct cf_tsc tsc = {
        .known = (kind & 7) != 7, .seen = (kind & 24) != 24,
        .freq = take_freq(bytes), .offset_ticks = take_u64(bytes),
        .error_ticks = kind & 32 ? take_raw(bytes, 2) : 0,
    };

    tsc.freq.host_khz = host_khz;
    return tsc;
}

/* Later than @then, by times that TSC and real time often agree about. */
static struct cf_instant take_later(Bytes *bytes, const struct cf_instant *then,
                                    uint32_t khz)
{
    struct cf_instant now = *then;
    const uint64_t ns = take_u64(bytes);

    if (take_bool(bytes)) {
        return take_instant(bytes);
    }
    now.realtime_ns += ns;
    now.host_ticks += (uint64_t)((cf_u128)ns * khz / 1000000);
    if (take_bool(bytes)) {
        now.realtime_ns += (uint64_t)take_i64(bytes);
    }
    return now;
}

/* Messages that say anything. */
static void take_channel(Bytes *bytes, Case *c)
{
    while (c->channel.n < take_byte(bytes) % G_N_ELEMENTS(c->exchanges)) {
        c->exchanges[c->channel.n++] = (struct cf_exchange) {
            c->move.then.host_ticks - take_u64(bytes),
            c->move.now.host_ticks - take_u64(bytes),
            c->move.then.host_ticks - take_u64(bytes), take_bool(bytes),
        };
    }
    c->channel.exchanges = c->exchanges;
    c->channel.src_khz = c->move.host_khz;
    c->channel.dst_khz = c->now_khz;
    c->channel.doubt_ppt = take_between(bytes, 0, CF_RATE_DOUBT_PPT);
    c->channel.wander_ppt = CF_RATE_WANDER_PPT;
}

static void take_vcpus(Bytes *bytes, Case *c)
{
    const bool alike = take_bool(bytes);
    uint32_t i;

    c->n_vcpus = 1 + take_byte(bytes) % VCPUS_MAX;
    for (i = 0; i < c->n_vcpus; i++) {
        struct cf_vcpu *vcpu = &c->vcpus[i];

        vcpu->src = take_tsc(bytes, c->move.host_khz);
        vcpu->dst = take_tsc(bytes, c->now_khz);
        if (alike) {
            vcpu->dst.freq.ratio = vcpu->src.freq.ratio;
            vcpu->dst.freq.frac_bits = vcpu->src.freq.frac_bits;
        }
        vcpu->src.freq = cf_move_freq(&c->move, vcpu->src.freq);
    }
}

/* A clock that fits the boot vCPU's TSC, or any. */
static void take_clock(Bytes *bytes, Case *c)
{
    uint64_t ticks;

    c->anchor = (struct cf_anchor) {
        .instant = c->move.then, .clock_ns = take_u64(bytes),
        .slack_ns = take_bool(bytes) ? take_u64(bytes) : 0,
        .flags = CF_KVM_CLOCK_EXACT,
    };
    c->has_fn = !take_bool(bytes);
    c->fn = (struct cf_clock_fn) {
        take_u64(bytes), take_u64(bytes), (uint32_t)take_u64(bytes),
        (int32_t)take_between(bytes, -32, 32),
    };
    if (take_bool(bytes) &&
        cf_tsc_at(&c->vcpus[0].src, c->move.then.host_ticks, &ticks)) {
        c->fn.tsc_ticks = ticks - take_raw(bytes, 4);
    }
}

static Case take_case(Bytes *bytes)
{
    const uint8_t kind = take_byte(bytes), marks = take_byte(bytes);
    Case c = {
        .move = {
            .then = take_instant(bytes), .host_khz = take_khz(bytes),
            .rate = take_rate(bytes), .unstable = (marks & 7) == 7,
            .dst_unstable = (marks & 56) == 56,
            .clocks_bound_ns = take_u64(bytes), .seen_ns = take_i64(bytes),
        },
    };

    c.move.now = take_later(bytes, &c.move.then, c.move.host_khz);
    c.now_khz = kind & 1 ? c.move.host_khz : take_khz(bytes);
    cf_move_hosts(&c.move, kind & 2, kind & 4, c.now_khz);
    take_channel(bytes, &c);
    take_vcpus(bytes, &c);
    take_clock(bytes, &c);
    return c;
}

static void check_move(const struct cf_move *move, bool freeze,
                       int64_t limit_ns)
{
    MUST(move->passed_ns >= 0, "%" PRId64 " ns passed", move->passed_ns);
    MUST(!freeze || move->frozen, "it counts, against its user's wish");
    MUST(move->frozen || move->passed_ns <= limit_ns, "longer than it may");
    MUST(move->elapsed_ns == (move->frozen ? 0 : move->passed_ns),
         "%" PRId64 " ns count", move->elapsed_ns);
    MUST(!move->behind_ns || !move->ahead_ns, "behind and ahead");
    MUST(!move->behind_ns || !move->passed_ns, "in the future");
}

/* By how much this vCPU's TSC moves, if it gets what is planned. */
static uint64_t moved(const Case *c, const struct cf_vcpu *vcpu)
{
    return exact_scaled(c->move.now.host_ticks, &vcpu->dst.freq) +
           vcpu->wanted_ticks -
           exact_scaled(c->move.then.host_ticks, &vcpu->src.freq) -
           vcpu->src.offset_ticks;
}

static void check_computed(const Case *c)
{
    const struct cf_tsc_freq *freq = &c->vcpus[0].src.freq;
    const uint64_t shift = c->move.frozen || !c->move.same_host
        ? exact_ticks((uint64_t)c->move.elapsed_ns, freq)
        : exact_scaled(c->move.now.host_ticks, freq) -
          exact_scaled(c->move.then.host_ticks, freq);
    uint32_t i;

    for (i = 0; i < c->n_vcpus; i++) {
        MUST(moved(c, &c->vcpus[i]) == shift, "vCPU %u moves by %" PRIu64
             ", not %" PRIu64, i, moved(c, &c->vcpus[i]), shift);
    }
}

static void check_copied(const Case *c)
{
    uint32_t i;

    MUST(c->move.same_host && !c->move.frozen, "copied to another host");
    for (i = 0; i < c->n_vcpus; i++) {
        MUST(c->vcpus[i].wanted_ticks == c->vcpus[i].src.offset_ticks,
             "vCPU %u", i);
    }
}

/* As if this host had taken the offsets. */
static void check_arrival(Case *c, enum cf_tsc_outcome outcome)
{
    enum cf_tsc_outcome then = outcome;
    uint64_t apart = 1;
    uint32_t i;

    for (i = 0; i < c->n_vcpus; i++) {
        c->vcpus[i].dst.offset_ticks = c->vcpus[i].wanted_ticks;
        c->vcpus[i].dst.error_ticks = 0;
    }
    MUST(cf_tsc_accept(c->vcpus, c->n_vcpus, CF_OFFSET_STICKS, &then) &&
         then == outcome, "what was taken isn't accepted");
    MUST(!cf_tsc_must_write(c->vcpus, c->n_vcpus, CF_OFFSET_STICKS, false,
                            &then) && then == CF_TSC_UNCHANGED,
         "what is right is written again");
    if (outcome == CF_TSC_COMPUTED &&
        cf_tsc_skew(&c->move, c->vcpus, c->n_vcpus, &apart)) {
        MUST(!apart, "%" PRIu64 " ticks apart", apart);
    }
}

static void check_target(const Case *c, enum cf_tsc_outcome outcome,
                         Bytes *bytes)
{
    struct cf_target target = {
        .boot = c->vcpus[0].dst, .host_khz = c->now_khz,
    };
    const int64_t ahead_ns = take_between(bytes, -CF_FN_APART_NS,
                                          CF_FN_APART_NS);
    const bool meant = take_bool(bytes);
    const uint64_t slack_ns = c->anchor.slack_ns;
    int64_t ns;

    if (slack_ns > CF_SLACK_MAX_NS ||
        !cf_target_plan(&c->move, c->has_fn ? &c->fn : NULL,
                        meant ? &ahead_ns : NULL, &c->anchor,
                        &c->vcpus[0].src, outcome, &target)) {
        return;
    }
    MUST(cf_target_ns(&target, c->move.now.host_ticks, &ns) && ns >= 0,
         "planned, and unknown");
    if (target.carried) {
        MUST(c->has_fn && !memcmp(&target.fn, &c->fn, sizeof(c->fn)),
             "another function is called the source's");
        MUST(!meant || target.slack_ns >= cf_magnitude(ahead_ns) + 2,
             "too sure");
    } else if (!c->has_fn) {
        MUST((cf_s128)ns == (cf_s128)c->anchor.clock_ns + c->move.elapsed_ns,
             "%" PRId64 ", not what it was and what passed", ns);
    }
}

static void check_bound(const Case *c, enum cf_tsc_outcome outcome,
                        Bytes *bytes)
{
    const struct cf_policy_facts facts = {
        .same_host = c->move.same_host, .kexec = c->move.kexec_khz != 0,
        .offset = CF_OFFSET_STICKS, .measured = take_bool(bytes),
    };
    const uint64_t bound_ns = cf_move_bound_ns(&c->move, &facts,
                                               &c->vcpus[0].src.freq, outcome);

    MUST(bound_ns == UINT64_MAX || (!c->move.frozen &&
                                    c->move.behind_ns <= bound_ns &&
                                    c->move.ahead_ns <= bound_ns),
         "%" PRIu64 " ns, though more was seen", bound_ns);
    MUST(bound_ns == UINT64_MAX || c->move.same_host ||
         bound_ns > c->move.time.bound_ns, "better known than the time");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Bytes bytes = { data, size };
    Case c = take_case(&bytes);
    const bool freeze = (take_byte(&bytes) & 7) == 7;
    const int64_t limit_ns = (int64_t)(take_u64(&bytes) >> 1);
    const bool talks = take_bool(&bytes);
    enum cf_tsc_outcome outcome;

    if (!cf_move_plan(&c.move, talks ? &c.channel : NULL, freeze, limit_ns)) {
        return 0;
    }
    check_move(&c.move, freeze, limit_ns);
    outcome = cf_tsc_plan(&c.move, c.vcpus, c.n_vcpus);
    if (outcome == CF_TSC_COMPUTED) {
        check_computed(&c);
    } else if (outcome == CF_TSC_COPIED) {
        check_copied(&c);
    } else {
        MUST(outcome == CF_TSC_UNKNOWN, "outcome %d", (int)outcome);
    }
    if (outcome != CF_TSC_UNKNOWN) {
        check_arrival(&c, outcome);
    }
    check_target(&c, outcome, &bytes);
    check_bound(&c, outcome, &bytes);
    return 0;
}
