/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Settling what KVM has pending for a vCPU, without running its guest.
 *
 * KVM_RUN does what is pending and then, just before it enters the guest, turns
 * back if there is a signal. So there is one: blocked for this thread, but not
 * for KVM_RUN.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include "kvm/calls.h"
#include "kvm/kvm-uapi.h"

/* All of struct kvm_run that concerns us is in the first page. */
#define RUN_SIZE 4096

/* The most that KVM tells of a nested guest: VMX's two VMCSs. */
#define NESTED_SIZE 8192

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

/* What KVM_RUN could take a step of, and whether it did. */
typedef struct Standing {
    struct kvm_vcpu_events events;
    uint64_t rip;
} Standing;

static bool get_standing(int vcpu_fd, Standing *standing)
{
    struct kvm_regs regs;

    memset(standing, 0, sizeof(*standing));
    if (ioctl(vcpu_fd, KVM_GET_REGS, &regs) < 0) {
        return false;
    }
    standing->rip = regs.rip;
    return ioctl(vcpu_fd, KVM_GET_VCPU_EVENTS, &standing->events) == 0;
}

/* Unknown counts as nested. KVM that can't nest doesn't know the call. */
static bool is_nested(int vcpu_fd)
{
    union {
        struct kvm_nested_state state;
        uint8_t room[sizeof(struct kvm_nested_state) + NESTED_SIZE];
    } nested = { .state.size = sizeof(nested) };

    return ioctl(vcpu_fd, KVM_GET_NESTED_STATE, &nested) < 0
           ? errno != EINVAL
           : nested.state.flags & KVM_STATE_NESTED_GUEST_MODE;
}

/*
 * KVM_RUN takes the first step of whatever is pending. That must change nothing
 * for the guest: no NMI, no entry to SMM, no INIT, no shutdown, no exit from a
 * nested guest.
 */
static bool may_settle(int vcpu_fd, Standing *standing)
{
    const struct kvm_vcpu_events *events = &standing->events;

    return get_standing(vcpu_fd, standing) && !events->nmi.pending &&
           !events->smi.pending && !events->smi.latched_init &&
           !events->triple_fault.pending && !is_nested(vcpu_fd);
}

/* KVM_RUN does nothing for a vCPU that sleeps, so that one is woken for it. */
static bool settle(int vcpu_fd, struct kvm_run *run, bool halted)
{
    Standing before, now;
    bool settled;

    if (!may_settle(vcpu_fd, &before) ||
        (halted && !set_mp_state(vcpu_fd, KVM_MP_STATE_RUNNABLE))) {
        return false;
    }
    settled = run_to_the_brink(vcpu_fd, run);
    /* It sleeps on, unless KVM has taken up an interrupt for it. */
    if (halted && get_standing(vcpu_fd, &now) &&
        memcmp(&now, &before, sizeof(now)) == 0) {
        settled = set_mp_state(vcpu_fd, KVM_MP_STATE_HALTED) && settled;
    }
    return settled;
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
    if (ioctl(vcpu_fd, KVM_GET_MP_STATE, &state) == 0 &&
        (state.mp_state == KVM_MP_STATE_RUNNABLE ||
         state.mp_state == KVM_MP_STATE_HALTED)) {
        settled = settle(vcpu_fd, run, state.mp_state == KVM_MP_STATE_HALTED);
    }
    munmap(run, RUN_SIZE);
    return settled;
}
