/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Restore of the TSCs: frequency first, for the offsets depend on it. */
#include "restore.h"

static void read_vcpu(Restore *restore, uint32_t i)
{
    const CfVm *vm = restore->vm;
    CfVcpuState state;
    uint64_t error_ticks;

    cf_read_vcpu_tsc(vm->ops, vm->host, vm->vcpu_fds[i], &state, &error_ticks);
    restore->vcpus[i].dst = cf_tsc_of(&state);
    restore->vcpus[i].dst.error_ticks = error_ticks;
}

static void read_all(Restore *restore)
{
    uint32_t i;

    for (i = 0; i < restore->vm->n_vcpus; i++) {
        read_vcpu(restore, i);
    }
}

void cf_read_tscs(Restore *restore)
{
    uint32_t i;

    read_all(restore);
    for (i = 0; i < restore->vm->n_vcpus; i++) {
        struct cf_vcpu *vcpu = &restore->vcpus[i];

        vcpu->src = cf_tsc_of(&restore->state->vcpus[i]);
        vcpu->src.freq = cf_move_freq(&restore->move, vcpu->src.freq);
        vcpu->before_ticks = vcpu->dst.offset_ticks;
    }
}

/* If it fails, what is read back says so. */
static void set_freq(Restore *restore, uint32_t i)
{
    const CfVm *vm = restore->vm;
    const int fd = vm->vcpu_fds[i];
    uint32_t khz, before_khz;

    if (cf_tsc_wants_khz(&restore->vcpus[i], cf_has_tsc_control(vm->host),
                         &khz) &&
        vm->ops->get_tsc_khz(fd, &before_khz) == 0 &&
        vm->ops->set_tsc_khz(fd, khz) == 0) {
        restore->before_khz[i] = before_khz;
        restore->tsc_changed = true;
        read_vcpu(restore, i);
    }
}

/*
 * Before 5.16 KVM takes a TSC that is within a second of the last one written
 * for an attempt to write the same, and keeps the old offset. One far away
 * makes it forget the last one.
 */
static void forget_last_write(const Restore *restore)
{
    const CfVm *vm = restore->vm;
    uint64_t guest_ticks;

    if (restore->vcpus[0].dst.error_ticks &&
        vm->ops->get_msr(vm->vcpu_fds[0], CF_MSR_TSC, &guest_ticks) == 0) {
        (void)vm->ops->set_msr(vm->vcpu_fds[0], CF_MSR_TSC,
                               guest_ticks + CF_FAR_TICKS);
    }
}

/* What is wanted, or what was before. From the last vCPU to the first: the
 * others may be parked, and KVM acts on the last write when that vCPU runs.
 * Returns the first failure, or 0. */
static int write_offsets(const Restore *restore, bool wanted)
{
    const CfVm *vm = restore->vm;
    int result = 0;
    uint32_t i;

    forget_last_write(restore);
    for (i = vm->n_vcpus; i-- > 0; ) {
        const struct cf_vcpu *vcpu = &restore->vcpus[i];
        const int rc = cf_write_tsc_offset(vm->ops, vm->vcpu_fds[i],
                                           &vcpu->dst,
                                           wanted ? vcpu->wanted_ticks
                                                  : vcpu->before_ticks);

        result = result < 0 ? result : rc;
    }
    return result;
}

static gboolean set_offsets(Restore *restore, GError **error)
{
    const CfVm *vm = restore->vm;
    int rc;

    restore->tsc_changed = true;
    rc = write_offsets(restore, true);
    if (rc < 0) {
        return cf_fail_call(error, "setting the TSC offset", rc);
    }
    if (vm->host->offset != CF_OFFSET_REWINDS) {
        read_all(restore);
    }
    if (!cf_tsc_accept(restore->vcpus, vm->n_vcpus, vm->host->offset,
                       &restore->report.tsc)) {
        (void)write_offsets(restore, false);
        read_all(restore);
    }
    return TRUE;
}

static gboolean place_tsc(Restore *restore, GError **error)
{
    const uint32_t n = restore->vm->n_vcpus;
    CfTscOutcome *outcome = &restore->report.tsc;

    do {
        *outcome = cf_tsc_plan(&restore->move, restore->vcpus, n);
        if (*outcome != CF_TSC_UNKNOWN &&
            cf_tsc_must_write(restore->vcpus, n, restore->vm->host->offset,
                              restore->tsc_changed, outcome) &&
            !set_offsets(restore, error)) {
            return FALSE;
        }
    } while (cf_move_thaw(&restore->move, *outcome));
    return TRUE;
}

/* KVM armed the guest's deadline timer by the offset of that moment. */
static void rearm_deadlines(const CfVm *vm)
{
    uint32_t i;

    for (i = 0; i < vm->n_vcpus; i++) {
        uint64_t deadline_ticks;

        if (vm->ops->get_msr(vm->vcpu_fds[i], CF_MSR_TSC_DEADLINE,
                             &deadline_ticks) == 0 && deadline_ticks) {
            (void)vm->ops->set_msr(vm->vcpu_fds[i], CF_MSR_TSC_DEADLINE,
                                   deadline_ticks);
        }
    }
}

/* There is nothing left to do if this fails, too. */
void cf_undo_tsc(Restore *restore)
{
    const CfVm *vm = restore->vm;
    uint32_t i;

    if (!restore->tsc_changed) {
        return;
    }
    for (i = 0; i < vm->n_vcpus; i++) {
        if (restore->before_khz[i]) {
            (void)vm->ops->set_tsc_khz(vm->vcpu_fds[i],
                                       restore->before_khz[i]);
        }
    }
    read_all(restore);
    (void)write_offsets(restore, false);
    rearm_deadlines(vm);
}

gboolean cf_restore_tsc(Restore *restore, GError **error)
{
    const uint32_t n = restore->vm->n_vcpus;
    CfReport *report = &restore->report;
    uint32_t i;

    for (i = 0; i < n; i++) {
        set_freq(restore, i);
    }
    report->rate_known = cf_tsc_rate(restore->vcpus, n,
                                     &report->rate_error_ppt);
    if (!place_tsc(restore, error)) {
        return FALSE;
    }
    if (restore->tsc_changed) {
        rearm_deadlines(restore->vm);
    }
    report->skew_known = report->tsc != CF_TSC_UNKNOWN &&
                         report->tsc != CF_TSC_UNVERIFIED &&
                         cf_tsc_skew(&restore->move, restore->vcpus, n,
                                     &report->skew_ticks);
    return TRUE;
}
