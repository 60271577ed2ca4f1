/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Settling what KVM has pending for a vCPU, without running its guest.
 *
 * KVM_RUN does what is pending and then, just before it enters the guest, turns
 * back if there is a signal. So there is one: blocked for this thread, but not
 * for KVM_RUN.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include "calls.h"
#include "kvm-uapi.h"

/* All of struct kvm_run that concerns us is in the first page. */
#define RUN_SIZE 4096

/* struct kvm_signal_mask, with the kernel's own kind of sigset_t. */
typedef struct __attribute__((packed)) KernelSignalMask {
    uint32_t len;
    uint64_t blocked;
} KernelSignalMask;

/* Realtime signals queue, so nobody else's can be taken for ours. */
static int turn_back_signal(void)
{
    return SIGRTMAX;
}

static int run_until_signal(int vcpu_fd, struct kvm_run *run)
{
    const uint8_t immediate_exit = run->immediate_exit;
    const KernelSignalMask open = {
        .len = sizeof(open.blocked),
        .blocked = ~(1ULL << (turn_back_signal() - 1)),
    };
    int rc = ioctl(vcpu_fd, KVM_SET_SIGNAL_MASK, &open);

    if (rc == 0) {
        /* With this set KVM would turn back before it does anything. */
        run->immediate_exit = 0;
        rc = ioctl(vcpu_fd, KVM_RUN, 0) < 0 ? -errno : 0;
        run->immediate_exit = immediate_exit;
        (void)ioctl(vcpu_fd, KVM_SET_SIGNAL_MASK, NULL);
    }
    return rc;
}

/* True if KVM_RUN came as far as it should, and no further. */
static bool run_to_the_brink(int vcpu_fd, struct kvm_run *run)
{
    const struct timespec at_once = { 0 };
    sigset_t ours, before;
    int rc;

    sigemptyset(&ours);
    sigaddset(&ours, turn_back_signal());
    if (pthread_sigmask(SIG_BLOCK, &ours, &before) != 0) {
        return false;
    }
    rc = pthread_kill(pthread_self(), turn_back_signal());
    if (rc == 0) {
        rc = run_until_signal(vcpu_fd, run);
        (void)sigtimedwait(&ours, NULL, &at_once);
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc == -EINTR;
}

static bool set_mp_state(int vcpu_fd, uint32_t value)
{
    struct kvm_mp_state state = { value };

    return ioctl(vcpu_fd, KVM_SET_MP_STATE, &state) == 0;
}

/* Did KVM take up an interrupt for it, so that it has to wake? */
static bool has_woken(int vcpu_fd)
{
    struct kvm_mp_state state;
    struct kvm_vcpu_events events;

    return ioctl(vcpu_fd, KVM_GET_MP_STATE, &state) < 0 ||
           state.mp_state != KVM_MP_STATE_RUNNABLE ||
           ioctl(vcpu_fd, KVM_GET_VCPU_EVENTS, &events) < 0 ||
           events.interrupt.injected || events.nmi.injected ||
           events.exception.injected;
}

/* KVM_RUN does nothing for a vCPU that sleeps. */
static bool settle_halted(int vcpu_fd, struct kvm_run *run)
{
    bool settled;

    if (!set_mp_state(vcpu_fd, KVM_MP_STATE_RUNNABLE)) {
        return false;
    }
    settled = run_to_the_brink(vcpu_fd, run);
    return (has_woken(vcpu_fd) ||
            set_mp_state(vcpu_fd, KVM_MP_STATE_HALTED)) && settled;
}

bool cf_settle_vcpu(int vcpu_fd)
{
    struct kvm_run *run = mmap(NULL, RUN_SIZE, PROT_READ | PROT_WRITE,
                               MAP_SHARED, vcpu_fd, 0);
    struct kvm_mp_state state;
    bool settled = false;

    if (run == MAP_FAILED) {
        return false;
    }
    if (ioctl(vcpu_fd, KVM_GET_MP_STATE, &state) < 0) {
        state.mp_state = KVM_MP_STATE_UNINITIALIZED;
    }
    if (state.mp_state == KVM_MP_STATE_RUNNABLE) {
        settled = run_to_the_brink(vcpu_fd, run);
    } else if (state.mp_state == KVM_MP_STATE_HALTED) {
        settled = settle_halted(vcpu_fd, run);
    }
    munmap(run, RUN_SIZE);
    return settled;
}
