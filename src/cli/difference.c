/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What happened to a guest's clocks between two captures. */
#include "carry/carry.h"
#include "difference.h"

/* The residual of a restore, and a rounding in each of two functions. */
#define EXACT_NS 4

typedef struct Pair {
    const CfState *before;
    const CfState *after;
} Pair;

static bool find_elapsed(const Pair *pair, Difference *d)
{
    d->same_host = cf_same_host(cf_moment_of_state(pair->after),
                                cf_moment_of_state(pair->before));
    return cf_passed_ns(&pair->after->anchor.instant,
                        &pair->before->anchor.instant, d->same_host,
                        pair->before->host_khz, &d->elapsed_ns) &&
           d->elapsed_ns >= 0;
}

static void find_elapsed_error(const Pair *pair, Difference *d)
{
    const uint64_t before_ns = pair->before->max_error_ns;
    const uint64_t after_ns = pair->after->max_error_ns;

    d->elapsed_error_known = d->same_host ||
                             (before_ns != UINT64_MAX &&
                              after_ns < UINT64_MAX - before_ns);
    if (d->elapsed_error_known && !d->same_host) {
        d->elapsed_error_ns = before_ns + after_ns;
    }
}

/* A vCPU's TSC at a host TSC, by its own ratio and offset. */
static bool ticks_at(const CfVcpuState *vcpu, uint64_t host_ticks,
                     uint64_t *ret_ticks)
{
    return cf_freq_was_seen(vcpu) &&
           vcpu->offset_origin != CF_OFFSET_UNKNOWN &&
           cf_tsc_host_to_guest(host_ticks, &vcpu->freq, vcpu->offset_ticks,
                                ret_ticks);
}

/* What the boot vCPU's TSC would be if nothing had happened to it: on the same
 * host exact to the tick, by its old offset. */
static bool undisturbed_ticks(const Pair *pair, const Difference *d,
                              uint64_t *ret_ticks)
{
    const CfVcpuState *boot = &pair->before->vcpus[0];
    uint64_t then_ticks, passed_ticks;

    if (d->same_host) {
        return ticks_at(boot, pair->after->anchor.instant.host_ticks,
                        ret_ticks);
    }
    if (!ticks_at(boot, pair->before->anchor.instant.host_ticks,
                  &then_ticks) ||
        !cf_ns_to_ticks((uint64_t)d->elapsed_ns, &boot->freq,
                        &passed_ticks)) {
        return false;
    }
    *ret_ticks = then_ticks + passed_ticks;
    return true;
}

static uint64_t size_of(int64_t value)
{
    return value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
}

static void find_tsc_step(const Pair *pair, Difference *d)
{
    const CfVcpuState *boot = &pair->before->vcpus[0];
    uint64_t wanted_ticks, ticks, ns;
    uint32_t khz;

    if (!undisturbed_ticks(pair, d, &wanted_ticks) ||
        !ticks_at(&pair->after->vcpus[0],
                  pair->after->anchor.instant.host_ticks, &ticks) ||
        !cf_tsc_freq_khz(&boot->freq, &khz)) {
        return;
    }
    d->tsc_step_ticks = (int64_t)(ticks - wanted_ticks);
    if (cf_ticks_to_ns(size_of(d->tsc_step_ticks), khz, &ns) &&
        ns <= INT64_MAX) {
        d->tsc_known = true;
        d->tsc_step_ns = d->tsc_step_ticks < 0 ? -(int64_t)ns : (int64_t)ns;
    }
}

/* kvmclock at the capture, as the guest sees it if that is known. */
static bool clock_at_capture(const CfState *state, int64_t *ret_ns)
{
    uint64_t ticks;

    if (state->fn_origin != CF_FN_NONE &&
        ticks_at(&state->vcpus[0], state->anchor.instant.host_ticks,
                 &ticks) &&
        cf_clock_fn_eval(&state->fn, ticks, ret_ns)) {
        return true;
    }
    *ret_ns = (int64_t)state->anchor.clock_ns;
    return state->anchor.clock_ns <= INT64_MAX;
}

static void find_clock_step(const Pair *pair, Difference *d)
{
    int64_t before_ns, after_ns;

    d->clock_known =
        clock_at_capture(pair->before, &before_ns) &&
        clock_at_capture(pair->after, &after_ns) &&
        !__builtin_sub_overflow(after_ns, before_ns, &after_ns) &&
        !__builtin_sub_overflow(after_ns, d->elapsed_ns, &d->clock_step_ns);
}

static void find_mismatch(const Pair *pair, Difference *d)
{
    const CfState *after = pair->after;
    uint64_t ticks;
    int64_t is_ns, was_ns;

    d->mismatch_known =
        after->fn_origin != CF_FN_NONE &&
        pair->before->fn_origin != CF_FN_NONE &&
        ticks_at(&after->vcpus[0], after->anchor.instant.host_ticks,
                 &ticks) &&
        cf_clock_fn_eval(&after->fn, ticks, &is_ns) &&
        cf_clock_fn_eval(&pair->before->fn, ticks, &was_ns);
    if (d->mismatch_known) {
        d->mismatch_ns = is_ns - was_ns;
    }
}

/* A vCPU's TSC against the boot vCPU's, at the capture. */
static bool ticks_ahead(const CfState *state, uint32_t i, uint64_t *ret_ticks)
{
    const uint64_t host_ticks = state->anchor.instant.host_ticks;
    uint64_t ticks, boot_ticks;

    if (!ticks_at(&state->vcpus[i], host_ticks, &ticks) ||
        !ticks_at(&state->vcpus[0], host_ticks, &boot_ticks)) {
        return false;
    }
    *ret_ticks = ticks - boot_ticks;
    return true;
}

static void find_skew(const Pair *pair, Difference *d)
{
    const uint32_t n = MIN(pair->before->n_vcpus, pair->after->n_vcpus);
    int64_t lowest = 0, highest = 0;
    uint32_t i;

    for (i = 0; i < n; i++) {
        uint64_t before_ticks, after_ticks;
        int64_t apart_ticks;

        if (!ticks_ahead(pair->before, i, &before_ticks) ||
            !ticks_ahead(pair->after, i, &after_ticks)) {
            return;
        }
        apart_ticks = (int64_t)(after_ticks - before_ticks);
        lowest = MIN(lowest, apart_ticks);
        highest = MAX(highest, apart_ticks);
    }
    d->skew_known = true;
    d->skew_ticks = (uint64_t)highest - (uint64_t)lowest;
}

static void find_rate(const Pair *pair, Difference *d)
{
    const CfVcpuState *before = &pair->before->vcpus[0];
    const CfVcpuState *after = &pair->after->vcpus[0];

    d->rate_known = cf_freq_was_seen(before) && cf_freq_was_seen(after) &&
                    cf_tsc_rate_error_ppt(&after->freq, &before->freq,
                                          &d->rate_error_ppt);
}

gboolean difference_of(const CfState *before, const CfState *after,
                       Difference *ret_difference, GError **error)
{
    const Pair pair = { before, after };
    Difference d = { 0 };

    if (!find_elapsed(&pair, &d)) {
        g_set_error_literal(error, CF_ERROR, CF_ERROR_INVALID,
                            "the second capture is older than the first one: "
                            "swap the two files");
        return FALSE;
    }
    find_elapsed_error(&pair, &d);
    find_tsc_step(&pair, &d);
    find_clock_step(&pair, &d);
    find_mismatch(&pair, &d);
    find_skew(&pair, &d);
    find_rate(&pair, &d);
    *ret_difference = d;
    return TRUE;
}

bool difference_is_exact(const Difference *d)
{
    return d->mismatch_known && size_of(d->mismatch_ns) <= EXACT_NS &&
           d->skew_known && !d->skew_ticks && d->rate_known &&
           d->rate_error_ppt >= -CF_RATE_EXACT_PPT &&
           d->rate_error_ppt <= CF_RATE_EXACT_PPT;
}
