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

/* Has KVM taken up an interrupt for it, so that it has to wake? */
static bool kvmclock_has_woken(CPUState *cpu)
{
    struct kvm_mp_state mp_state;
    struct kvm_vcpu_events events;

    return kvm_vcpu_ioctl(cpu, KVM_GET_MP_STATE, &mp_state) < 0 ||
           mp_state.mp_state != KVM_MP_STATE_RUNNABLE ||
           kvm_vcpu_ioctl(cpu, KVM_GET_VCPU_EVENTS, &events) < 0 ||
           events.interrupt.injected || events.nmi.injected ||
           events.exception.injected;
}

/* KVM_RUN does nothing for a vCPU that sleeps. */
static bool kvmclock_settle_halted(CPUState *cpu)
{
    bool settled;

    if (kvmclock_set_mp_state(cpu, KVM_MP_STATE_RUNNABLE) < 0) {
        return false;
    }
    settled = kvmclock_run_to_the_brink(cpu) == 0;
    if (!kvmclock_has_woken(cpu)) {
        kvmclock_set_mp_state(cpu, KVM_MP_STATE_HALTED);
    }
    return settled;
}

/*
 * KVM_RUN to the brink takes the first step of whatever is pending.  That must
 * be neutral: no registers that QEMU writes afterwards (half an injected
 * interrupt would be undone, and its priority blocked for good), no entry to
 * SMM, no exit from a nested guest, no page that postcopy has yet to fetch.
 */
static bool kvmclock_may_settle(CPUState *cpu)
{
    struct kvm_vcpu_events events;

    return !cpu->vcpu_dirty && !migration_in_incoming_postcopy() &&
           !(cpu_env(cpu)->hflags & HF_GUEST_MASK) &&
           kvm_vcpu_ioctl(cpu, KVM_GET_VCPU_EVENTS, &events) == 0 &&
           !events.nmi.pending && !events.smi.pending && !events.smi.smm &&
           !events.smi.latched_init;
}

/*
 * Tell a vCPU's guest that it was stopped, so that its watchdogs don't bark,
 * and settle what is pending.  Both here, for threads are slow to wake.
 */
static void kvmclock_settle_vcpu(CPUState *cpu, run_on_cpu_data data)
{
    bool *settle = data.host_ptr;

    kvm_vcpu_ioctl(cpu, KVM_KVMCLOCK_CTRL, 0);
    *settle = *settle && kvmclock_may_settle(cpu);
    if (!*settle) {
        return;
    }
    switch (cpu_env(cpu)->mp_state) {
    case KVM_MP_STATE_RUNNABLE:
        *settle = kvmclock_run_to_the_brink(cpu) == 0;
        break;
    case KVM_MP_STATE_HALTED:
        *settle = kvmclock_settle_halted(cpu);
        break;
    default:
        *settle = false;        /* it waits to be started */
        break;
    }
}

/*
 * Are there updates of the master clock that only KVM_RUN can settle?  Not on
 * hosts that ignore TSC offsets, which have KVM in software: there it takes
 * 100 us for each vCPU, too long a blackout for what it gains.
 */
static bool kvmclock_to_settle(const KVMClockRestoring *r)
{
    const KVMClockHost *host = kvmclock_this_host();

    return !r->here && !host->has_clock_guest &&
           host->offset == CF_OFFSET_STICKS &&
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
