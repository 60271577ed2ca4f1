/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Restore: the steps in their order. */
#include "restore.h"

static bool is_same_host(const Restore *restore)
{
    const CfHost *host = restore->vm->host;
    const CfMoment now = {
        host->id.boot_id, host->host_khz, &restore->anchor.instant,
    };

    return cf_same_host(now, cf_moment_of_state(restore->state));
}

static gboolean measure_elapsed(Restore *restore, GError **error)
{
    CfReport *report = &restore->report;

    if (!cf_passed_ns(&restore->anchor.instant,
                      &restore->state->anchor.instant, report->same_host,
                      restore->state->host_khz, &report->passed_ns)) {
        g_set_error_literal(error, CF_ERROR, CF_ERROR_INVALID,
                            "the time since the capture can't be computed");
        return FALSE;
    }
    if (report->passed_ns < 0) {
        report->passed_ns = 0;
        report->clock_behind = true;
    }
    report->frozen = restore->freeze;
    report->elapsed_ns = report->frozen ? 0 : report->passed_ns;
    return TRUE;
}

/* Reading the record of each vCPU does what is pending, where KVM can. */
static bool settle_by_reading(const CfVm *vm)
{
    struct cf_clock_fn fn;
    bool settled = true;
    uint32_t i;

    /* Who fails once would keep all others waiting, too. */
    for (i = 0; settled && i < vm->n_vcpus; i++) {
        settled = cf_get_clock_guest(vm->ops, vm->vcpu_fds[i], &fn) == 0;
    }
    return settled;
}

/*
 * What is pending includes the start of Hyper-V's synthetic timers, by the
 * clock of that moment and once for all. Nearly right is good enough for them,
 * and much better than this VM's own age.
 */
static void set_nearly(const Restore *restore)
{
    const CfVm *vm = restore->vm;
    const struct cf_instant *now = &restore->anchor.instant;
    CfKvmClock clock = {
        .flags = CF_KVM_CLOCK_REALTIME, .realtime_ns = now->realtime_ns,
    };
    int64_t ns;

    if (cf_restore_intended(restore, now->host_ticks, &ns)) {
        clock.clock_ns = (uint64_t)ns;
        (void)vm->ops->set_clock(vm->vm_fd, &clock);
    }
}

/* Not where offsets are ignored: KVM in software takes 100 us a vCPU, longer a
 * blackout than it is worth. Nor is there an update without a master clock. */
static bool settle_by_running(const Restore *restore)
{
    const CfVm *vm = restore->vm;
    bool settled = vm->settle && vm->host->offset == CF_OFFSET_STICKS &&
                   (restore->anchor.flags & CF_KVM_CLOCK_EXACT) ==
                   CF_KVM_CLOCK_EXACT;
    uint32_t i;

    if (settled) {
        set_nearly(restore);
    }
    for (i = 0; settled && i < vm->n_vcpus; i++) {
        settled = vm->settle(i, vm->opaque);
    }
    return settled;
}

static gboolean restore_steps(Restore *restore, GError **error)
{
    if (!cf_take_anchor(restore->vm, true, &restore->anchor, error)) {
        return FALSE;
    }
    restore->report.same_host = is_same_host(restore);
    if (!measure_elapsed(restore, error) || !cf_restore_tsc(restore, error) ||
        !cf_restore_choose_function(restore, error)) {
        return FALSE;
    }
    /* What stays pending would re-base kvmclock when the guest runs first. */
    restore->report.pending_update = !settle_by_reading(restore->vm) &&
                                     !settle_by_running(restore);
    return cf_restore_clock(restore, error);
}

gboolean cf_restore(const CfVm *vm, const CfState *state,
                    const CfRestoreOptions *options, CfReport *ret_report,
                    GError **error)
{
    g_autofree CfVcpuState *vcpus = NULL;
    Restore restore = {
        .vm = vm,
        .state = state,
        .freeze = options && options->freeze,
    };

    if (!cf_vm_check(vm, error) || !cf_state_validate(state, error)) {
        return FALSE;
    }
    if (vm->n_vcpus != state->n_vcpus) {
        g_set_error(error, CF_ERROR, CF_ERROR_INVALID,
                    "the saved clock state has %u vCPUs, this VM has %u",
                    state->n_vcpus, vm->n_vcpus);
        return FALSE;
    }
    restore.vcpus = vcpus = g_new0(CfVcpuState, vm->n_vcpus);
    if (!restore_steps(&restore, error)) {
        return FALSE;
    }
    *ret_report = restore.report;
    return TRUE;
}
