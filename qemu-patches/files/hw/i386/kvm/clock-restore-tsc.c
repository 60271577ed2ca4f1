/*
 * Restoring the guest TSC: frequency, then one common shift for all vCPUs
 *
 * On the same host the offsets are copied bit for bit.  On another, every
 * vCPU's TSC goes on from where it was at the source's anchor, by the time
 * that has passed since, so that their differences are kept to the tick.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "cpu.h"
#include "system/kvm.h"
#include "kvm/kvm_i386.h"
#include "hw/i386/kvm/clock-restore.h"
#include "trace.h"

/* Offsets of one vCPU, plugged or parked. */
typedef struct TscTarget {
    int vcpu_fd;
    struct cf_tsc_freq freq;
    uint64_t old_ticks;
    uint64_t new_ticks;         /* as it should be */
    uint64_t now_ticks;         /* as far as is known */
    uint64_t slack_ticks;       /* and how far that may be off */
} TscTarget;

/*
 * Give a vCPU the frequency its TSC really had, which isn't always the one
 * that was asked for.  Without TSC control don't even try: KVM would accept
 * a higher one and let the guest's TSC stutter for good.
 */
static bool kvmclock_restore_freq(KVMClockRestoring *r, CPUState *cpu,
                                  struct cf_tsc_freq *freq)
{
    int64_t error_ppt;
    uint32_t khz;

    if (!kvmclock_vcpu_freq(cpu, r->host_khz, freq)) {
        return false;
    }
    if (!kvmclock_this_host()->tsc_control ||
        !cf_tsc_freq_khz(&r->src_freq, &khz) ||
        (cf_tsc_rate_error_ppt(freq, &r->src_freq, &error_ppt) &&
         ABS(error_ppt) <= CF_RATE_EXACT_PPT)) {
        return true;
    }
    kvm_vcpu_ioctl(cpu, KVM_SET_TSC_KHZ, (unsigned long)khz);
    if (!kvmclock_vcpu_freq(cpu, r->host_khz, freq)) {
        return false;
    }
    trace_kvmclock_set_khz(cpu->cpu_index, khz, freq->ratio, freq->frac_bits);
    return true;
}

/* The TSC that a vCPU would show at this host's anchor, undisturbed. */
bool kvmclock_guest_ticks_now(const KVMClockRestoring *r,
                              const X86GuestTSC *tsc, uint64_t *guest_ticks)
{
    const struct cf_tsc_freq freq = {
        r->src->host_khz, tsc->frac_bits, tsc->ratio
    };
    uint64_t then, passed;

    if (!cf_tsc_host_to_guest(r->src->anchor.at.host_ticks, &freq,
                              tsc->offset, &then) ||
        !cf_ns_to_ticks(r->report->elapsed_ns, &freq, &passed)) {
        return false;
    }
    *guest_ticks = then + passed;
    return true;
}

/* Where offsets are ignored all vCPUs have the same: don't ask each. */
static bool kvmclock_old_offset(CPUState *cpu, const TscTarget *boot,
                                TscTarget *target)
{
    if (cpu != first_cpu &&
        kvmclock_this_host()->offset == CF_OFFSET_IGNORED) {
        target->old_ticks = boot->old_ticks;
    } else if (kvmclock_get_tsc_offset(cpu->kvm_fd, &target->freq,
                                       &target->old_ticks,
                                       &target->slack_ticks) < 0) {
        return false;
    }
    target->now_ticks = target->old_ticks;
    return true;
}

/* @boot: the plan for the boot vCPU, which is made first */
static bool kvmclock_plan_vcpu(KVMClockRestoring *r, CPUState *cpu,
                               const TscTarget *boot, TscTarget *target)
{
    const X86GuestTSC *tsc = &cpu_env(cpu)->guest_tsc;
    uint64_t guest_ticks;

    /* A vCPU that the source didn't have goes with the boot vCPU. */
    if (!tsc->valid) {
        tsc = &cpu_env(first_cpu)->guest_tsc;
    }
    target->vcpu_fd = cpu->kvm_fd;
    if (!kvmclock_restore_freq(r, cpu, &target->freq) ||
        !kvmclock_old_offset(cpu, boot, target)) {
        return false;
    }
    if (r->report->same_host && !r->report->frozen &&
        target->freq.ratio == tsc->ratio &&
        target->freq.frac_bits == tsc->frac_bits) {
        target->new_ticks = tsc->offset;
        return true;
    }
    return kvmclock_guest_ticks_now(r, tsc, &guest_ticks) &&
           cf_tsc_offset_for(guest_ticks, r->dst.at.host_ticks,
                             &target->freq, &target->new_ticks);
}

/* A parked vCPU follows the boot vCPU, in frequency and offset. */
static void kvmclock_plan_parked(int vcpu_fd, void *opaque)
{
    GArray *targets = opaque;
    TscTarget target = g_array_index(targets, TscTarget, 0);
    int khz = kvm_device_ioctl(target.vcpu_fd, KVM_GET_TSC_KHZ, 0);

    if (khz > 0 && kvmclock_this_host()->tsc_control &&
        khz != kvm_device_ioctl(vcpu_fd, KVM_GET_TSC_KHZ, 0)) {
        kvm_device_ioctl(vcpu_fd, KVM_SET_TSC_KHZ, (unsigned long)khz);
    }
    target.vcpu_fd = vcpu_fd;
    if (kvmclock_get_tsc_offset(vcpu_fd, &target.freq,
                                &target.old_ticks,
                                &target.slack_ticks) == 0) {
        target.now_ticks = target.old_ticks;
        g_array_append_val(targets, target);
    }
}

static GArray *kvmclock_plan_tsc(KVMClockRestoring *r, Error **errp)
{
    g_autoptr(GArray) targets = g_array_new(false, false, sizeof(TscTarget));
    CPUState *cpu;

    CPU_FOREACH(cpu) {
        const TscTarget *boot = (TscTarget *)targets->data;
        TscTarget target = { 0 };

        if (!kvmclock_plan_vcpu(r, cpu, boot, &target)) {
            error_setg(errp, "kvmclock: can't compute the TSC offset of "
                       "vCPU %d", cpu->cpu_index);
            return NULL;
        }
        g_array_append_val(targets, target);
    }
    /* KVM counts parked vCPUs when it asks whether all offsets are equal. */
    kvm_foreach_parked_vcpu(kvmclock_plan_parked, targets);
    return g_steal_pointer(&targets);
}

/* Only an exact read-back can differ to the tick; an estimated one can't. */
static bool kvmclock_offset_holds(TscTarget *target)
{
    const uint64_t tolerance_ticks = 1 << 20;

    return kvmclock_get_tsc_offset(target->vcpu_fd, &target->freq,
                                   &target->now_ticks,
                                   &target->slack_ticks) == 0 &&
           target->now_ticks - target->new_ticks + tolerance_ticks
           <= 2 * tolerance_ticks &&
           (target->now_ticks == target->new_ticks ||
            !kvmclock_tsc_offset_exact(target->vcpu_fd));
}

static bool kvmclock_write_offset(const TscTarget *target, uint64_t ticks)
{
    int ret = kvmclock_set_tsc_offset(target->vcpu_fd, &target->freq, ticks);

    trace_kvmclock_set_offset(target->vcpu_fd, ticks, ret);
    return ret == 0;
}

/* From the last to the first, so that a running vCPU has the last word. */
static bool kvmclock_write_offsets(GArray *targets)
{
    int i;

    kvmclock_begin_tsc_offsets(g_array_index(targets, TscTarget, 0).vcpu_fd);
    for (i = targets->len - 1; i >= 0; i--) {
        TscTarget *target = &g_array_index(targets, TscTarget, i);

        if (!kvmclock_write_offset(target, target->new_ticks)) {
            return false;
        }
    }
    return true;
}

static bool kvmclock_offsets_hold(GArray *targets)
{
    int i;

    for (i = 0; i < targets->len; i++) {
        if (!kvmclock_offset_holds(&g_array_index(targets, TscTarget, i))) {
            return false;
        }
    }
    return true;
}

/* All or nothing: unequal offsets cost the guest its stable clock. */
static void kvmclock_undo_offsets(GArray *targets)
{
    int i;

    kvmclock_begin_tsc_offsets(g_array_index(targets, TscTarget, 0).vcpu_fd);
    for (i = targets->len - 1; i >= 0; i--) {
        TscTarget *target = &g_array_index(targets, TscTarget, i);

        kvmclock_write_offset(target, target->old_ticks);
        if (kvmclock_get_tsc_offset(target->vcpu_fd, &target->freq,
                                    &target->now_ticks,
                                    &target->slack_ticks) < 0) {
            target->now_ticks = target->old_ticks;
        }
    }
}

static bool kvmclock_offsets_in_place(GArray *targets)
{
    int i;

    for (i = 0; i < targets->len; i++) {
        TscTarget *target = &g_array_index(targets, TscTarget, i);

        if (target->old_ticks != target->new_ticks) {
            return false;
        }
    }
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

/* Largest deviation of any vCPU's shift from the boot vCPU's. */
static uint64_t kvmclock_skew(GArray *targets)
{
    const TscTarget *boot = &g_array_index(targets, TscTarget, 0);
    uint64_t worst = 0;
    int i;

    for (i = 1; i < targets->len; i++) {
        const TscTarget *target = &g_array_index(targets, TscTarget, i);
        int64_t skew = (target->now_ticks - target->new_ticks) -
                       (boot->now_ticks - boot->new_ticks);

        worst = MAX(worst, ABS(skew));
    }
    return worst;
}

/*
 * Where offsets are ignored, not even a try: each write makes KVM re-base the
 * master clock at the next run, which moves kvmclock by some nanoseconds.
 */
static void kvmclock_apply_tsc(KVMClockRestoring *r, GArray *targets)
{
    const enum cf_offset host = kvmclock_this_host()->offset;
    bool written;

    if (kvmclock_offsets_in_place(targets)) {
        r->report->tsc = KVM_CLOCK_TSC_UNCHANGED;
        return;
    }
    if (host == CF_OFFSET_IGNORED) {
        r->report->tsc = KVM_CLOCK_TSC_NOT_SET;
        return;
    }
    written = kvmclock_write_offsets(targets);
    if (written && host == CF_OFFSET_REWINDS) {
        /*
         * Each vCPU ioctl rewinds such a TSC, so what is read back says
         * nothing.  But KVM lets it catch up to what was written.
         */
        r->report->tsc = KVM_CLOCK_TSC_UNVERIFIED;
        kvmclock_rearm_deadlines();
        return;
    }
    if (written && kvmclock_offsets_hold(targets)) {
        r->report->tsc = r->report->same_host && !r->report->frozen
                         ? KVM_CLOCK_TSC_COPIED : KVM_CLOCK_TSC_COMPUTED;
        kvmclock_rearm_deadlines();
        return;
    }
    kvmclock_undo_offsets(targets);
    r->report->tsc = KVM_CLOCK_TSC_NOT_SET;
}

/*
 * Restore all vCPUs' TSC.  Afterwards r->dst_freq and r->dst_offset_ticks
 * say what is in force, whether that is what was wanted or not.
 */
bool kvmclock_restore_tsc(KVMClockRestoring *r, Error **errp)
{
    g_autoptr(GArray) targets = kvmclock_plan_tsc(r, errp);
    const TscTarget *boot;

    if (!targets) {
        return false;
    }
    kvmclock_apply_tsc(r, targets);
    if (r->report->tsc == KVM_CLOCK_TSC_NOT_SET && r->report->frozen) {
        /*
         * A host that ignores offsets can't stop a TSC.  Then both clocks
         * count, never one without the other.
         */
        r->report->frozen = false;
        r->report->elapsed_ns = r->report->passed_ns;
        return kvmclock_restore_tsc(r, errp);
    }

    boot = &g_array_index(targets, TscTarget, 0);
    r->dst_freq = boot->freq;
    r->dst_offset_ticks = r->report->tsc == KVM_CLOCK_TSC_UNVERIFIED
                          ? boot->new_ticks : boot->now_ticks;
    if (!cf_ticks_to_ns(boot->slack_ticks, r->host_khz,
                        &r->report->slack_ns)) {
        r->report->slack_ns = INT64_MAX;
    }
    r->report->skew_ticks = kvmclock_skew(targets);
    r->report->rate_known = cf_tsc_rate_error_ppt(&r->dst_freq, &r->src_freq,
                                                  &r->report->rate_error_ppt);
    trace_kvmclock_restore_tsc(KvmClockTsc_str(r->report->tsc),
                               boot->old_ticks, boot->new_ticks,
                               r->dst_offset_ticks,
                               r->report->rate_error_ppt);
    return true;
}
