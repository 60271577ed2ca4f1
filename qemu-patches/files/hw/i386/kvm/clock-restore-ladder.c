/*
 * Restoring kvmclock as a function of the guest TSC: the calls that the
 * ladder asks for
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "cpu.h"
#include "system/kvm.h"
#include "hw/i386/kvm/clock-restore.h"
#include "trace.h"

static void kvmclock_make_call(struct cf_call *call)
{
    const int boot_fd = first_cpu->kvm_fd;

    switch (call->ask) {
    case CF_ASK_SET_RECORD:
        call->result = kvmclock_set_fn(boot_fd, &call->fn);
        break;
    case CF_ASK_GET_RECORD:
        call->result = kvmclock_get_fn(boot_fd, &call->fn);
        break;
    case CF_ASK_SET_CLOCK:
        call->result = kvmclock_set(call->clock_ns, call->realtime_ns);
        break;
    default:
        call->result = kvmclock_read_anchor(&call->anchor);
        break;
    }
    call->now_ticks = cpu_get_host_ticks();
}

/* What kvmclock_report_bound_ns() needs: for when was the clock set last? */
static void kvmclock_note_set(KVMClockRestoring *r)
{
    const uint64_t msr = cpu_env(first_cpu)->system_time_msr;

    if (msr & 1 &&
        cf_ladder_set_at(&r->ladder, &r->report->set_ticks) &&
        cf_tsc_freq_khz(&r->boot.dst.freq, &r->report->guest_khz)) {
        r->report->page = msr & ~1ULL;
    }
}

/*
 * New offsets leave an update of the master clock pending, which would move
 * the clock at the first KVM_RUN.  Reading each vCPU's record consumes it.  A
 * kernel that fails for one vCPU will for the others, too.
 */
static bool kvmclock_settle_records(void)
{
    struct cf_clock_fn fn;
    CPUState *cpu;

    CPU_FOREACH(cpu) {
        if (kvmclock_get_fn(cpu->kvm_fd, &fn) < 0) {
            return false;
        }
    }
    return true;
}

bool kvmclock_restore_clock(KVMClockRestoring *r, Error **errp)
{
    struct cf_call call = { .now_ticks = cpu_get_host_ticks() };
    struct cf_ladder *ladder = &r->ladder;
    struct cf_result *result = &r->report->result;

    ladder->records = kvmclock_this_host()->has_clock_guest &&
                      kvmclock_settle_records();
    result->pending = result->pending && !ladder->records;
    while (cf_ladder_next(ladder, &call)) {
        trace_kvmclock_loop(ladder->tries, ladder->loop.correction_ns,
                            ladder->residual_ns);
        kvmclock_make_call(&call);
    }
    if (call.result < 0) {
        error_setg_errno(errp, -call.result,
                         "kvmclock: KVM_SET_CLOCK failed");
        return false;
    }
    result->rung = ladder->rung;
    result->residual_known = ladder->residual_known;
    result->residual_ns = ladder->residual_ns;
    result->error_ns = ladder->error_ns;
    r->report->tries = ladder->tries;
    kvmclock_note_set(r);
    (void)cf_ladder_since(ladder, &r->report->since_ticks);
    return true;
}
