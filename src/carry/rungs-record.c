/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The upper rungs: KVM_SET_CLOCK_GUEST, checked by KVM_GET_CLOCK_GUEST. */
#include "restore.h"

/* How far before now a record is re-anchored: early enough to lie before
 * the kernel's own reference, late enough for the slopes not to matter. */
#define REANCHOR_US 10

/* How far the record that guests get is from the intended clock, at the
 * record's own instant: from there on their slopes may part. */
static bool record_residual(const Restore *restore, int64_t *ret_ns)
{
    const CfVm *vm = restore->vm;
    struct cf_clock_fn fn;
    int64_t here_ns, intended_ns;

    if (cf_get_clock_guest(vm->ops, vm->vcpu_fds[0], &fn) < 0 ||
        !cf_clock_fn_eval(&fn, fn.tsc_ticks, &here_ns) ||
        !cf_clock_fn_eval(&restore->fn, fn.tsc_ticks, &intended_ns)) {
        return false;
    }
    *ret_ns = here_ns - intended_ns;
    return true;
}

static bool settled(Restore *restore, enum cf_rung rung, int tries,
                    int64_t residual_ns)
{
    if (ABS(residual_ns) > CF_SETTLED_NS) {
        return false;
    }
    restore->report.rung = rung;
    restore->report.tries = tries;
    restore->report.residual_ns = residual_ns;
    restore->report.residual_error_ns = 0;
    restore->report.residual_known = true;
    return true;
}

bool cf_rung_exact(Restore *restore)
{
    const CfVm *vm = restore->vm;
    int64_t residual_ns;

    return restore->report.function_carried &&
           cf_set_clock_guest(vm->ops, vm->vcpu_fds[0], &restore->fn) == 0 &&
           record_residual(restore, &residual_ns) &&
           settled(restore, CF_RUNG_EXACT, 1, residual_ns);
}

/* A guest TSC just before now, but not before the function begins. */
static bool recent_ticks(const Restore *restore, uint64_t *ret_guest_ticks)
{
    const CfVm *vm = restore->vm;
    const uint64_t back_ticks =
        (uint64_t)vm->host->host_khz * REANCHOR_US / 1000;

    if (!cf_restore_guest_ticks(restore, vm->ops->read_tsc() - back_ticks,
                                ret_guest_ticks)) {
        return false;
    }
    if ((int64_t)(*ret_guest_ticks - restore->fn.tsc_ticks) < 0) {
        *ret_guest_ticks = restore->fn.tsc_ticks;
    }
    return true;
}

/* The intended clock with the destination's own slope, less a correction. */
static bool reanchor(const Restore *restore, int64_t correction_ns,
                     struct cf_clock_fn *ret_fn)
{
    const CfVm *vm = restore->vm;
    struct cf_clock_fn own, fn;
    uint64_t guest_ticks;
    int64_t ns;

    if (cf_get_clock_guest(vm->ops, vm->vcpu_fds[0], &own) < 0 ||
        !recent_ticks(restore, &guest_ticks) ||
        !cf_clock_fn_rebase(&restore->fn, &own, guest_ticks, &fn) ||
        __builtin_sub_overflow((int64_t)fn.system_ns, correction_ns, &ns) ||
        ns < 0) {
        return false;
    }
    fn.system_ns = (uint64_t)ns;
    *ret_fn = fn;
    return true;
}

bool cf_rung_reanchored(Restore *restore)
{
    const CfVm *vm = restore->vm;
    struct cf_loop loop = { 0 };
    struct cf_clock_fn fn;
    int64_t residual_ns;

    do {
        if (!reanchor(restore, loop.correction_ns, &fn) ||
            cf_set_clock_guest(vm->ops, vm->vcpu_fds[0], &fn) < 0 ||
            !record_residual(restore, &residual_ns)) {
            return false;
        }
    } while (!cf_loop_learn(&loop, residual_ns));
    return settled(restore, CF_RUNG_REANCHORED, loop.tries, residual_ns);
}
