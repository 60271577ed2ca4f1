/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Restore of kvmclock: down the ladder, rung by rung. */
#include "restore.h"

/* What cf_report_bound() needs to find out when the guest ran first. */
static void note_page(Restore *restore)
{
    const CfVm *vm = restore->vm;
    CfReport *report = &restore->report;
    uint64_t msr;

    if (vm->ops->get_msr(vm->vcpu_fds[0], CF_MSR_KVM_SYSTEM_TIME, &msr) == 0 &&
        msr & 1 &&
        cf_restore_guest_ticks(restore, restore->set_host_ticks,
                               &report->set_ticks) &&
        cf_tsc_freq_khz(&restore->vcpus[0].freq, &report->guest_khz)) {
        report->page = msr & ~1ULL;
    }
}

gboolean cf_restore_clock(Restore *restore, GError **error)
{
    if (!cf_rung_exact(restore) && !cf_rung_reanchored(restore) &&
        !cf_rung_loop(restore) && !cf_rung_plain(restore, error)) {
        return FALSE;
    }
    note_page(restore);
    return TRUE;
}
