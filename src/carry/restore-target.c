/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What both clocks shall be at a host TSC: the target of all rungs. */
#include "restore.h"

bool cf_restore_guest_ticks(const Restore *restore, uint64_t host_ticks,
                            uint64_t *ret_guest_ticks)
{
    const CfVcpuState *boot = &restore->vcpus[0];

    return cf_tsc_host_to_guest(host_ticks, &boot->freq, boot->offset_ticks,
                                ret_guest_ticks);
}

bool cf_restore_intended(const Restore *restore, uint64_t host_ticks,
                         int64_t *ret_ns)
{
    uint64_t guest_ticks;

    return cf_restore_guest_ticks(restore, host_ticks, &guest_ticks) &&
           cf_clock_fn_eval(&restore->fn, guest_ticks, ret_ns) &&
           *ret_ns >= 0;
}

/* kvmclock on the source when it was captured. */
static int64_t clock_at_capture(const CfState *state)
{
    uint64_t guest_ticks;
    int64_t ns;

    if (state->fn_origin != CF_FN_NONE &&
        cf_anchor_guest_ticks(state, &guest_ticks) &&
        cf_clock_fn_eval(&state->fn, guest_ticks, &ns)) {
        return ns;
    }
    return (int64_t)state->anchor.clock_ns;
}

static bool tsc_was_carried(const CfReport *report)
{
    return report->tsc == CF_TSC_UNCHANGED || report->tsc == CF_TSC_COPIED ||
           report->tsc == CF_TSC_COMPUTED || report->tsc == CF_TSC_UNVERIFIED;
}

/* The clock goes on from the source's time, at this vCPU's own frequency. */
static bool function_from_time(const Restore *restore,
                               struct cf_clock_fn *ret_fn)
{
    struct cf_clock_fn fn;
    int64_t ns;
    uint32_t khz;

    if (__builtin_add_overflow(clock_at_capture(restore->state),
                               restore->report.elapsed_ns, &ns) ||
        !cf_restore_guest_ticks(restore, restore->anchor.instant.host_ticks,
                                &fn.tsc_ticks) ||
        !cf_tsc_freq_khz(&restore->vcpus[0].freq, &khz) ||
        !cf_clock_fn_set_hz(&fn, (uint64_t)khz * 1000)) {
        return false;
    }
    fn.system_ns = (uint64_t)ns;
    *ret_fn = fn;
    return true;
}

/*
 * The source's own function, if the TSC that it is a function of arrived.
 * Else it would make kvmclock jump along with the TSC.
 */
gboolean cf_restore_choose_function(Restore *restore, GError **error)
{
    int64_t ns;

    restore->fn = restore->state->fn;
    if (restore->state->fn_origin != CF_FN_NONE &&
        tsc_was_carried(&restore->report) &&
        cf_restore_intended(restore, restore->anchor.instant.host_ticks,
                            &ns)) {
        restore->report.function_carried = true;
        return TRUE;
    }
    if (function_from_time(restore, &restore->fn)) {
        return TRUE;
    }
    g_set_error_literal(error, CF_ERROR, CF_ERROR_INVALID,
                        "kvmclock can't be computed: the TSC is unknown or "
                        "the clock would leave its range");
    return FALSE;
}
