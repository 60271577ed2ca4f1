/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What happened to a guest's clocks between two captures. */
#include "carry/carry.h"
#include "difference.h"

/**
 * Pair - two captures of one guest
 * @move: from the one to the other
 * @boot: the boot vCPU, if its frequency was seen in both
 */
typedef struct Pair {
    const CfState *before;
    const CfState *after;
    struct cf_move move;
    struct cf_vcpu boot;
} Pair;

/* What KVM was only asked for is no knowledge of what happened. */
static struct cf_tsc tsc_in(const CfState *state, uint32_t i)
{
    struct cf_tsc tsc = cf_tsc_of(&state->vcpus[i]);

    tsc.known = tsc.known && tsc.seen;
    return tsc;
}

static struct cf_vcpu vcpu_of(const Pair *pair, uint32_t i)
{
    struct cf_vcpu vcpu = {
        .src = tsc_in(pair->before, i), .dst = tsc_in(pair->after, i),
    };

    vcpu.src.freq = cf_move_freq(&pair->move, vcpu.src.freq);
    return vcpu;
}

static bool find_elapsed(Pair *pair, Difference *d)
{
    const CfState *before = pair->before, *after = pair->after;
    struct cf_move *move = &pair->move;

    move->then = before->anchor.instant;
    move->now = after->anchor.instant;
    move->host_khz = before->host_khz;
    move->unstable = before->unstable || after->unstable;
    move->clocks_bound_ns = cf_bounds_ns(before->max_error_ns,
                                         after->max_error_ns);
    cf_move_hosts(move, cf_same_boot(before->boot_id, after->boot_id),
                  cf_same_machine(before->machine, after->machine),
                  after->host_khz);
    d->same_host = move->same_host;
    d->kexec = move->kexec_khz;
    if (!cf_move_passed(move, NULL) || move->passed_ns < 0) {
        return false;
    }
    d->elapsed_ns = move->elapsed_ns = move->passed_ns;
    return true;
}

static void find_elapsed_error(const Pair *pair, Difference *d)
{
    const uint64_t bound_ns = d->kexec ? pair->move.time.bound_ns
                              : d->same_host ? 0 : pair->move.clocks_bound_ns;

    d->elapsed_error_known = bound_ns != UINT64_MAX;
    d->elapsed_error_ns = d->elapsed_error_known ? bound_ns : 0;
}

static void find_tsc_step(const Pair *pair, Difference *d)
{
    const struct cf_move *move = &pair->move;
    const struct cf_tsc *src = &pair->boot.src;
    uint64_t then_ticks, shift_ticks, ticks, ns;
    uint32_t khz;

    if (!cf_tsc_at(src, move->then.host_ticks, &then_ticks) ||
        !cf_tsc_at(&pair->boot.dst, move->now.host_ticks, &ticks) ||
        !cf_move_shift(move, &src->freq, &shift_ticks) ||
        !cf_tsc_freq_khz(&src->freq, &khz)) {
        return;
    }
    d->tsc_step_ticks = (int64_t)(ticks - then_ticks - shift_ticks);
    if (cf_ticks_to_ns(cf_magnitude(d->tsc_step_ticks), khz, &ns) &&
        ns <= INT64_MAX) {
        d->tsc_known = true;
        d->tsc_step_ns = d->tsc_step_ticks < 0 ? -(int64_t)ns : (int64_t)ns;
    }
}

static void find_clock_step(const Pair *pair, Difference *d)
{
    int64_t before_ns, after_ns;

    d->clock_known =
        cf_clock_at(cf_fn_of(pair->before), &pair->boot.src,
                    &pair->before->anchor, &before_ns) &&
        cf_clock_at(cf_fn_of(pair->after), &pair->boot.dst,
                    &pair->after->anchor, &after_ns) &&
        !__builtin_sub_overflow(after_ns, before_ns, &after_ns) &&
        !__builtin_sub_overflow(after_ns, d->elapsed_ns, &d->clock_step_ns);
}

/*
 * Is it no more than the residual of one restore, and roundings? A restore does
 * without what the one before it was off by; and what it is off by itself is
 * known if the second capture goes on from what was meant.
 */
static bool is_exact(const CfState *before, const CfState *after,
                     int64_t mismatch_ns)
{
    const int64_t known_ns = after->fn_ahead_ns - before->fn_ahead_ns;
    const uint64_t left_ns = (after->fn_meant ? 0 : CF_SETTLED_NS) +
                             CF_ROUNDING_NS;

    return cf_magnitude(mismatch_ns - known_ns) <= left_ns;
}

static void find_mismatch(const Pair *pair, Difference *d)
{
    uint64_t ticks;
    int64_t is_ns, was_ns;

    d->mismatch_known =
        cf_fn_of(pair->after) && cf_fn_of(pair->before) &&
        cf_tsc_at(&pair->boot.dst, pair->move.now.host_ticks, &ticks) &&
        cf_clock_fn_eval(&pair->after->fn, ticks, &is_ns) &&
        cf_clock_fn_eval(&pair->before->fn, ticks, &was_ns);
    if (d->mismatch_known) {
        d->mismatch_ns = is_ns - was_ns;
        d->mismatch_exact = is_exact(pair->before, pair->after,
                                     d->mismatch_ns);
    }
}

static void find_skew(const Pair *pair, Difference *d)
{
    const uint32_t n = MIN(pair->before->n_vcpus, pair->after->n_vcpus);
    g_autofree struct cf_vcpu *vcpus = g_new(struct cf_vcpu, n);
    uint32_t i;

    for (i = 0; i < n; i++) {
        vcpus[i] = vcpu_of(pair, i);
    }
    d->skew_known = cf_tsc_skew(&pair->move, vcpus, n, &d->skew_ticks);
}

/* By what kvmclock was, not by what it was meant to be. */
static CfState as_was(const CfState *state)
{
    CfState was = *state;

    was.fn.system_ns += (uint64_t)was.fn_ahead_ns;
    return was;
}

gboolean difference_of(const CfState *before, const CfState *after,
                       Difference *ret_difference, GError **error)
{
    const CfState was = as_was(before), is = as_was(after);
    Pair pair = { .before = &was, .after = &is };
    Difference d = { 0 };

    if (!find_elapsed(&pair, &d)) {
        g_set_error_literal(error, CF_ERROR, CF_ERROR_INVALID,
                            "the second capture is older than the first one: "
                            "swap the two files");
        return FALSE;
    }
    pair.boot = vcpu_of(&pair, 0);
    find_elapsed_error(&pair, &d);
    find_tsc_step(&pair, &d);
    find_clock_step(&pair, &d);
    find_mismatch(&pair, &d);
    find_skew(&pair, &d);
    d.rate_known = cf_tsc_rate(&pair.boot, 1, &d.rate_error_ppt);
    *ret_difference = d;
    return TRUE;
}

bool difference_is_exact(const Difference *d)
{
    return d->mismatch_exact && d->skew_known && !d->skew_ticks &&
           d->rate_known && cf_rate_is_exact(d->rate_error_ppt);
}
