/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Restore of kvmclock: the calls that the ladder asks for. */
#include "restore.h"

static int set_clock(const CfVm *vm, const struct cf_call *call)
{
    const CfKvmClock clock = {
        .clock_ns = call->clock_ns,
        .realtime_ns = call->realtime_ns,
        .flags = call->realtime_ns ? CF_KVM_CLOCK_REALTIME : 0,
    };

    return vm->ops->set_clock(vm->vm_fd, &clock);
}

static void make(const CfVm *vm, struct cf_call *call)
{
    const int boot_fd = vm->vcpu_fds[0];

    switch (call->ask) {
    case CF_ASK_SET_RECORD:
        call->result = cf_set_clock_guest(vm->ops, boot_fd, &call->fn);
        break;
    case CF_ASK_GET_RECORD:
        call->result = cf_get_clock_guest(vm->ops, boot_fd, &call->fn);
        break;
    case CF_ASK_SET_CLOCK:
        call->result = set_clock(vm, call);
        break;
    default:
        call->result = cf_read_clock(vm, &call->anchor);
        break;
    }
    call->now_ticks = vm->ops->read_tsc();
}

/* What cf_report_bound() needs to find out when the guest ran first. */
static void note_page(Restore *restore)
{
    const CfVm *vm = restore->vm;
    const struct cf_tsc_freq *freq = &restore->vcpus[0].dst.freq;
    CfReport *report = &restore->report;
    uint64_t msr;

    if (vm->ops->get_msr(vm->vcpu_fds[0], CF_MSR_KVM_SYSTEM_TIME, &msr) == 0 &&
        msr & 1 &&
        cf_ladder_set_at(&restore->ladder, &report->set_ticks) &&
        cf_tsc_freq_khz(freq, &report->guest_khz)) {
        report->page = msr & ~1ULL;
    }
}

gboolean cf_restore_clock(Restore *restore, GError **error)
{
    const CfVm *vm = restore->vm;
    struct cf_ladder *ladder = &restore->ladder;
    struct cf_call call = { .now_ticks = vm->ops->read_tsc() };
    CfReport *report = &restore->report;

    while (cf_ladder_next(ladder, &call)) {
        make(vm, &call);
    }
    if (call.result < 0) {
        return cf_fail_call(error, "KVM_SET_CLOCK", call.result);
    }
    report->rung = ladder->rung;
    report->tries = ladder->tries;
    report->residual_known = ladder->residual_known;
    report->residual_ns = ladder->residual_known ? ladder->residual_ns : 0;
    report->residual_error_ns = ladder->error_ns;
    note_page(restore);
    (void)cf_ladder_since(ladder, &report->since_ticks);
    return TRUE;
}
