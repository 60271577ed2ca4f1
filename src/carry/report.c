/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a restore achieved: the bound of the step, and names. */
#include "carry.h"
#include "text/names.h"

/*
 * From the last setting of kvmclock to the guest's first run: its record says
 * when KVM made it. The guest owns that memory, but one that lies in it lies
 * to itself.
 */
static uint64_t first_run_ns(const CfVm *vm, const CfReport *report)
{
    CfPvclockRecord record;
    uint64_t run_ticks, ns;

    if (!report->page || !vm->read_guest ||
        !vm->read_guest(report->page, &record, sizeof(record), vm->opaque) ||
        GUINT32_FROM_LE(record.version) & 1) {
        return CF_FIRST_RUN_NS;
    }
    run_ticks = GUINT64_FROM_LE(record.tsc_timestamp);
    if (run_ticks < report->set_ticks ||
        !cf_ticks_to_ns(run_ticks - report->set_ticks, report->guest_khz,
                        &ns)) {
        return CF_FIRST_RUN_NS;
    }
    return ns;
}

/* Did the TSC arrive that kvmclock is a function of? */
static bool tsc_is_known(const CfReport *report)
{
    return report->tsc == CF_TSC_UNCHANGED || report->tsc == CF_TSC_COPIED ||
           report->tsc == CF_TSC_COMPUTED;
}

bool cf_report_bound(const CfVm *vm, const CfReport *report,
                     uint64_t *ret_bound_ns)
{
    const uint64_t residual_ns = report->residual_ns < 0
                                 ? 0 - (uint64_t)report->residual_ns
                                 : (uint64_t)report->residual_ns;
    cf_u128 bound_ns = (cf_u128)residual_ns + report->residual_error_ns +
                       CF_ROUNDING_NS;

    if (!report->residual_known || !report->rate_known ||
        !report->function_carried || !tsc_is_known(report)) {
        return false;
    }
    if (report->pending_update) {
        bound_ns += cf_pending_ns(report->rate_error_ppt,
                                  first_run_ns(vm, report));
    }
    if (bound_ns > UINT64_MAX) {
        return false;
    }
    *ret_bound_ns = (uint64_t)bound_ns;
    return true;
}

const char *cf_tsc_outcome_name(CfTscOutcome outcome)
{
    return cf_name_of(&cf_tsc_outcome_names, outcome);
}
