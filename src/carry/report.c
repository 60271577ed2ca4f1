/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a restore achieved: the bound of the step, and names. */
#include "carry.h"
#include "text/names.h"

/* The same twice, for the guest may run, and KVM write, meanwhile. */
static bool read_record(const CfVm *vm, uint64_t page, CfPvclockRecord *record)
{
    CfPvclockRecord again;
    int i;

    for (i = 0; page && vm->read_guest && i < CF_READINGS; i++) {
        if (!vm->read_guest(page, record, sizeof(*record), vm->opaque) ||
            !vm->read_guest(page, &again, sizeof(again), vm->opaque)) {
            break;
        }
        if (!memcmp(record, &again, sizeof(again))) {
            return true;
        }
    }
    return false;
}

bool cf_report_bound(const CfVm *vm, const CfReport *report,
                     uint64_t *ret_bound_ns)
{
    const struct cf_result result = {
        .rung = report->rung,
        .residual_known = report->residual_known,
        .residual_ns = report->residual_ns,
        .error_ns = report->residual_error_ns,
        .carried = report->function_carried,
        .pending = report->pending_update,
        .tsc = report->tsc,
        .rate_known = report->rate_known,
        .rate_error_ppt = report->rate_error_ppt,
        .kexec_ppt = report->kexec_ppt,
    };
    CfPvclockRecord record;
    const bool read = read_record(vm, report->page, &record);

    return cf_bound_ns(&result,
                       cf_first_run_ns(read ? &record : NULL,
                                       report->set_ticks, report->guest_khz),
                       ret_bound_ns);
}

const char *cf_tsc_outcome_name(CfTscOutcome outcome)
{
    return cf_name_of(&cf_tsc_outcome_names, outcome);
}

const char *cf_elapsed_from_name(CfElapsedFrom from)
{
    return cf_name_of(&cf_elapsed_from_names, from);
}
