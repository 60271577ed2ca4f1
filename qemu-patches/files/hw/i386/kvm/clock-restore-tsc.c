/*
 * Restoring the guest TSC: frequency, then offset
 *
 * The vCPUs are gone through by index: first those that are plugged in, the
 * boot vCPU at their head, then the parked ones.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "cpu.h"
#include "system/kvm.h"
#include "kvm/kvm_i386.h"
#include "hw/i386/kvm/clock-restore.h"
#include "trace.h"

/* All vCPUs' TSCs, and the file descriptors that go with them. */
typedef struct TscPlan {
    const KVMClockRestoring *r;
    GArray *vcpus;              /* of struct cf_vcpu */
    GArray *fds;                /* of int */
    bool changed;               /* a frequency or an offset was written */
} TscPlan;

static struct cf_vcpu *kvmclock_vcpu(const TscPlan *plan, int i)
{
    return &g_array_index(plan->vcpus, struct cf_vcpu, i);
}

static int kvmclock_fd(const TscPlan *plan, int i)
{
    return g_array_index(plan->fds, int, i);
}

/* A vCPU that the source didn't have goes with the boot vCPU. */
static struct cf_tsc kvmclock_src_tsc(const TscPlan *plan, CPUState *cpu)
{
    struct cf_tsc tsc = kvmclock_carried_tsc(plan->r->src, cpu);

    if (!tsc.known) {
        return kvmclock_vcpu(plan, 0)->src;
    }
    tsc.freq = cf_move_freq(&plan->r->report->move, tsc.freq);
    return tsc;
}

/* Its frequency is set here; the offset comes when those of all are known. */
static bool kvmclock_add_vcpu(TscPlan *plan, int vcpu_fd, struct cf_tsc src)
{
    const KVMClockHost *host = kvmclock_this_host();
    struct cf_vcpu vcpu = { .src = src };
    uint32_t khz;

    if (!plan->vcpus->len ||
        (host->offset == CF_OFFSET_IGNORED && !host->tsc_control)) {
        /* All have the same TSC, or it has been read: don't ask each. */
        vcpu.dst = plan->r->boot.dst;
    } else {
        kvmclock_get_tsc(vcpu_fd, host, &vcpu.dst);
    }
    if (!vcpu.dst.known) {
        return false;
    }
    if (cf_tsc_wants_khz(&vcpu, host->tsc_control, &khz)) {
        kvm_device_ioctl(vcpu_fd, KVM_SET_TSC_KHZ, (unsigned long)khz);
        plan->changed = true;
        if (!kvmclock_get_tsc(vcpu_fd, host, &vcpu.dst)) {
            return false;
        }
        trace_kvmclock_set_khz(plan->vcpus->len, khz, vcpu.dst.freq.ratio,
                               vcpu.dst.freq.frac_bits);
    }
    vcpu.before_ticks = vcpu.dst.offset_ticks;
    g_array_append_val(plan->vcpus, vcpu);
    g_array_append_val(plan->fds, vcpu_fd);
    return true;
}

/* KVM counts parked vCPUs when it asks whether all offsets are equal. */
static void kvmclock_add_parked(int vcpu_fd, void *opaque)
{
    TscPlan *plan = opaque;

    kvmclock_add_vcpu(plan, vcpu_fd, kvmclock_vcpu(plan, 0)->src);
}

static bool kvmclock_add_vcpus(TscPlan *plan, Error **errp)
{
    CPUState *cpu;

    CPU_FOREACH(cpu) {
        if (!kvmclock_add_vcpu(plan, cpu->kvm_fd,
                               kvmclock_src_tsc(plan, cpu))) {
            error_setg(errp, "kvmclock: can't compute the TSC offset of "
                       "vCPU %d", cpu->cpu_index);
            return false;
        }
    }
    kvm_foreach_parked_vcpu(kvmclock_add_parked, plan);
    return true;
}

/*
 * What is wanted, or what was before.  From the last to the first, so that a
 * running vCPU has the last word.
 */
static bool kvmclock_write_offsets(const TscPlan *plan, bool wanted)
{
    bool done = true;
    int i;

    kvmclock_begin_tsc_offsets(kvmclock_fd(plan, 0),
                               &kvmclock_vcpu(plan, 0)->dst);
    for (i = plan->vcpus->len - 1; i >= 0; i--) {
        const struct cf_vcpu *vcpu = kvmclock_vcpu(plan, i);

        done = kvmclock_set_tsc_offset(kvmclock_fd(plan, i), &vcpu->dst,
                                       wanted ? vcpu->wanted_ticks
                                              : vcpu->before_ticks) == 0 &&
               done;
    }
    return done;
}

static bool kvmclock_read_back(const TscPlan *plan)
{
    bool done = true;
    int i;

    for (i = 0; i < plan->vcpus->len; i++) {
        struct cf_tsc now;

        if (kvmclock_get_tsc(kvmclock_fd(plan, i), kvmclock_this_host(),
                             &now)) {
            kvmclock_vcpu(plan, i)->dst = now;
        } else {
            done = false;
        }
    }
    return done;
}

static void kvmclock_apply_offsets(TscPlan *plan, enum cf_offset host,
                                   enum cf_tsc_outcome *outcome)
{
    bool done = kvmclock_write_offsets(plan, true);

    plan->changed = true;
    if (done && host != CF_OFFSET_REWINDS) {
        done = kvmclock_read_back(plan);
    }
    if (!done || !cf_tsc_accept(kvmclock_vcpu(plan, 0), plan->vcpus->len,
                                host, outcome)) {
        *outcome = CF_TSC_NOT_SET;
        kvmclock_write_offsets(plan, false);
        kvmclock_read_back(plan);
    }
}

static bool kvmclock_place_tsc(TscPlan *plan, KVMClockReport *report,
                               Error **errp)
{
    const enum cf_offset host = kvmclock_this_host()->offset;
    enum cf_tsc_outcome *outcome = &report->result.tsc;
    struct cf_vcpu *vcpus = kvmclock_vcpu(plan, 0);
    uint32_t n = plan->vcpus->len;

    do {
        *outcome = cf_tsc_plan(&report->move, vcpus, n);
        if (*outcome == CF_TSC_UNKNOWN) {
            error_setg(errp, "kvmclock: can't compute the TSC offsets");
            return false;
        }
        if (cf_tsc_must_write(vcpus, n, host, plan->changed, outcome)) {
            kvmclock_apply_offsets(plan, host, outcome);
        }
    } while (cf_move_thaw(&report->move, *outcome));
    return true;
}

/* KVM armed deadline timers with the offset of that moment: arm them anew. */
static void kvmclock_rearm_deadlines(void)
{
    CPUState *cpu;

    trace_kvmclock_rearm_deadlines();
    CPU_FOREACH(cpu) {
        kvm_rearm_tsc_deadline(X86_CPU(cpu));
    }
}

/*
 * Restore all vCPUs' TSC.  Afterwards r->boot says what is in force for the
 * boot vCPU, whether that is what was wanted or not.
 */
bool kvmclock_restore_tsc(KVMClockRestoring *r, Error **errp)
{
    g_autoptr(GArray) vcpus = g_array_new(false, true, sizeof(struct cf_vcpu));
    g_autoptr(GArray) fds = g_array_new(false, false, sizeof(int));
    TscPlan plan = { .r = r, .vcpus = vcpus, .fds = fds };
    KVMClockReport *report = r->report;
    struct cf_result *result = &report->result;

    if (!kvmclock_add_vcpus(&plan, errp) ||
        !kvmclock_place_tsc(&plan, report, errp)) {
        return false;
    }
    if (plan.changed) {
        kvmclock_rearm_deadlines();
    }
    r->boot = *kvmclock_vcpu(&plan, 0);
    result->rate_known = cf_tsc_rate(kvmclock_vcpu(&plan, 0), vcpus->len,
                                     &result->rate_error_ppt);
    report->skew_known = result->tsc != CF_TSC_UNVERIFIED &&
                         cf_tsc_skew(&report->move, kvmclock_vcpu(&plan, 0),
                                     vcpus->len, &report->skew_ticks);
    trace_kvmclock_restore_tsc(KvmClockTsc_str((KvmClockTsc)result->tsc),
                               r->boot.before_ticks, r->boot.wanted_ticks,
                               r->boot.dst.offset_ticks,
                               result->rate_error_ppt);
    return true;
}
