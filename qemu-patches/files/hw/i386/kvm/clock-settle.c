/*
 * Settling what KVM has pending for a vCPU, before its clock is set
 *
 * A vCPU that was created, or whose TSC was written, has an update of the
 * master clock pending, which happens when it enters the guest for the first
 * time.  It moves kvmclock by what the host's raw monotonic clock and its TSC
 * have parted since the clock was set: some 60 ns a second are usual, and a
 * vCPU that sleeps may enter the guest seconds later.
 *
 * Kernels with KVM_GET_CLOCK_GUEST settle that when they are asked for the
 * record.  On others KVM_RUN does, with a signal pending: KVM then turns back
 * after it has done all that is pending, just before it enters the guest.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/main-loop.h"
#include "cpu.h"
#include "system/kvm.h"
#include "migration/misc.h"
#include "hw/i386/kvm/clock-restore.h"
#include "trace.h"

/* struct kvm_signal_mask, with the kernel's own kind of sigset_t. */
typedef struct QEMU_PACKED KernelSignalMask {
    uint32_t len;
    uint64_t blocked;
} KernelSignalMask;

/* KVM_RUN that ends before the guest runs: 0 if it did. */
static int kvmclock_run_to_the_brink(CPUState *cpu)
{
    const struct timespec at_once = { 0 };
    const uint8_t immediate_exit = cpu->kvm_run->immediate_exit;
    KernelSignalMask open = {
        .len = sizeof(open.blocked),
        .blocked = ~(1ULL << (SIG_IPI - 1)),
    };
    sigset_t ipi, old;
    int ret;

    sigemptyset(&ipi);
    sigaddset(&ipi, SIG_IPI);
    pthread_sigmask(SIG_BLOCK, &ipi, &old);
    pthread_kill(pthread_self(), SIG_IPI);

    ret = kvm_vcpu_ioctl(cpu, KVM_SET_SIGNAL_MASK, &open);
    if (ret == 0) {
        /* With this set, KVM wouldn't do anything at all. */
        cpu->kvm_run->immediate_exit = 0;
        ret = kvm_vcpu_ioctl(cpu, KVM_RUN, 0);
        cpu->kvm_run->immediate_exit = immediate_exit;
        kvm_vcpu_ioctl(cpu, KVM_SET_SIGNAL_MASK, NULL);
    }

    sigtimedwait(&ipi, NULL, &at_once);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return ret == -EINTR ? 0 : -EIO;
}

static int kvmclock_set_mp_state(CPUState *cpu, uint32_t state)
{
    struct kvm_mp_state mp_state = { state };

    return kvm_vcpu_ioctl(cpu, KVM_SET_MP_STATE, &mp_state);
}

/* What KVM_RUN could take a step of, and whether it did. */
typedef struct Standing {
    struct kvm_vcpu_events events;
    uint64_t rip;
} Standing;

static bool kvmclock_get_standing(CPUState *cpu, Standing *standing)
{
    struct kvm_regs regs;

    memset(standing, 0, sizeof(*standing));
    if (kvm_vcpu_ioctl(cpu, KVM_GET_REGS, &regs) < 0) {
        return false;
    }
    standing->rip = regs.rip;
    return kvm_vcpu_ioctl(cpu, KVM_GET_VCPU_EVENTS, &standing->events) == 0;
}

/*
 * KVM_RUN to the brink takes the first step of whatever is pending.  That must
 * be neutral: no registers that QEMU writes afterwards (half an injected
 * interrupt would be undone, and its priority blocked for good), no NMI, no
 * entry to SMM, no INIT, no shutdown, no exit from a nested guest.
 */
static bool kvmclock_may_settle(CPUState *cpu, Standing *standing)
{
    const struct kvm_vcpu_events *events = &standing->events;

    return !cpu->vcpu_dirty && !(cpu_env(cpu)->hflags & HF_GUEST_MASK) &&
           kvmclock_get_standing(cpu, standing) &&
           !events->nmi.pending && !events->smi.pending &&
           !events->smi.latched_init && !events->triple_fault.pending;
}

/* KVM_RUN does nothing for a vCPU that sleeps, so that one is woken for it. */
static bool kvmclock_may_run(CPUState *cpu)
{
    const uint32_t state = cpu_env(cpu)->mp_state;

    return state == KVM_MP_STATE_RUNNABLE ||
           (state == KVM_MP_STATE_HALTED &&
            kvmclock_set_mp_state(cpu, KVM_MP_STATE_RUNNABLE) == 0);
}

/* It sleeps on, unless KVM has taken up an interrupt for it. */
static void kvmclock_sleep_on(CPUState *cpu, const Standing *before)
{
    Standing now;

    if (cpu_env(cpu)->mp_state == KVM_MP_STATE_HALTED &&
        kvmclock_get_standing(cpu, &now) &&
        memcmp(&now, before, sizeof(now)) == 0) {
        kvmclock_set_mp_state(cpu, KVM_MP_STATE_HALTED);
    }
}

/*
 * Tell a vCPU's guest that it was stopped, so that its watchdogs don't bark,
 * and settle what is pending.  Both here, for threads are slow to wake.
 */
static void kvmclock_settle_vcpu(CPUState *cpu, run_on_cpu_data data)
{
    bool *settle = data.host_ptr;
    Standing before;

    kvm_vcpu_ioctl(cpu, KVM_KVMCLOCK_CTRL, 0);
    *settle = *settle && kvmclock_may_settle(cpu, &before) &&
              kvmclock_may_run(cpu);
    if (*settle) {
        *settle = kvmclock_run_to_the_brink(cpu) == 0;
        kvmclock_sleep_on(cpu, &before);
    }
}

/*
 * Are there updates of the master clock that only KVM_RUN can settle?  Not on
 * hosts that ignore TSC offsets, which have KVM in software: there it takes
 * 100 us for each vCPU, too long a blackout for what it gains; nor in postcopy,
 * where KVM_RUN would wait for pages under the BQL.
 */
static bool kvmclock_to_settle(const KVMClockRestoring *r)
{
    const KVMClockHost *host = kvmclock_this_host();

    return !r->here && !migration_in_incoming_postcopy() &&
           !host->has_clock_guest && host->offset == CF_OFFSET_STICKS &&
           cf_anchor_is_exact(&r->dst) &&
           kvm_check_extension(kvm_state, KVM_CAP_IMMEDIATE_EXIT);
}

/*
 * KVM_RUN also starts Hyper-V's synthetic timers, by the clock of that moment
 * and once for all.  Nearly right is good enough for them, and much better
 * than this VM's own age.
 */
static void kvmclock_set_nearly(const KVMClockRestoring *r)
{
    const struct cf_instant *now = &r->dst.instant;
    int64_t ns;

    if (cf_target_ns(&r->ladder.target, now->host_ticks, &ns)) {
        kvmclock_set(ns, now->realtime_ns);
    }
}

/* With all vCPUs' TSCs set, and before the clock is set exactly. */
void kvmclock_settle(KVMClockRestoring *r)
{
    bool settle = kvmclock_to_settle(r);
    CPUState *cpu;

    if (settle) {
        kvmclock_set_nearly(r);
    }
    CPU_FOREACH(cpu) {
        run_on_cpu(cpu, kvmclock_settle_vcpu, RUN_ON_CPU_HOST_PTR(&settle));
    }
    r->report->result.pending = !settle;
    trace_kvmclock_settled(settle);
}
