/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Restore: the steps in their order. */
#include <string.h>
#include "restore.h"

/* The boot id alone can lie (containers, clones, a host that was itself
 * migrated); that the TSC ran on can't. */
static bool is_same_host(const Restore *restore)
{
    const CfState *state = restore->state;
    const CfProbe *host = restore->vm->host;

    return state->boot_id[0] && !strcmp(state->boot_id, host->id.boot_id) &&
           state->host_khz == host->host_khz &&
           cf_tsc_continuous(&restore->anchor.instant, &state->anchor.instant,
                             host->host_khz);
}

static gboolean measure_elapsed(Restore *restore, GError **error)
{
    CfReport *report = &restore->report;

    if (!cf_elapsed_ns(&restore->anchor.instant,
                       &restore->state->anchor.instant, &report->elapsed_ns)) {
        g_set_error_literal(error, CF_ERROR, CF_ERROR_INVALID,
                            "the time since the capture can't be computed");
        return FALSE;
    }
    if (report->elapsed_ns < 0) {
        report->elapsed_ns = 0;
        report->clock_behind = true;
    }
    return TRUE;
}

/* Changed offsets leave a master clock update pending, which would re-base
 * kvmclock at the first run. Reading the record of each vCPU consumes it. */
static bool consume_pending_update(const CfVm *vm)
{
    struct cf_clock_fn fn;
    bool consumed = true;
    uint32_t i;

    for (i = 0; i < vm->n_vcpus; i++) {
        consumed &= cf_get_clock_guest(vm->ops, vm->vcpu_fds[i], &fn) == 0;
    }
    return consumed;
}

static gboolean restore_steps(Restore *restore, GError **error)
{
    if (!cf_take_anchor(restore->vm, true, &restore->anchor, error) ||
        !measure_elapsed(restore, error)) {
        return FALSE;
    }
    restore->report.same_host = is_same_host(restore);
    if (!cf_restore_tsc(restore, error)) {
        return FALSE;
    }
    restore->report.pending_update = !consume_pending_update(restore->vm);
    return cf_restore_clock(restore, error);
}

gboolean cf_restore(const CfVm *vm, const CfState *state, CfReport *ret_report,
                    GError **error)
{
    g_autofree CfVcpuState *vcpus = NULL;
    Restore restore = { .vm = vm, .state = state };

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
