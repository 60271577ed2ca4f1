/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What vCPUs have pending besides clocks: what KVM would take the first step
 * of when it is told to run them, and turns back with a signal pending. The
 * guest itself knows nothing of it, and it is over when the guest runs.
 */
#include <errno.h>
#include <string.h>
#include "shim.h"

static bool is_pending(const ShimHandle *handle, FakePending what)
{
    return shim_host.pending == what && !handle->vcpu->ran;
}

static bool has_taken(const ShimHandle *handle, FakeBrink what)
{
    return shim_host.brink == what && handle->at_brink;
}

int shim_get_events(const ShimHandle *handle, struct kvm_vcpu_events *events)
{
    const int rc = shim_kernel(handle->fd, KVM_GET_VCPU_EVENTS, events);

    if (rc == 0) {
        events->nmi.pending |= is_pending(handle, FAKE_PENDING_NMI);
        events->smi.pending |= is_pending(handle, FAKE_PENDING_SMI);
        events->smi.latched_init |= is_pending(handle, FAKE_PENDING_INIT);
        events->triple_fault.pending |= is_pending(handle,
                                                   FAKE_PENDING_SHUTDOWN);
        events->interrupt.injected |= has_taken(handle, FAKE_BRINK_WAKES);
    }
    return rc;
}

int shim_get_regs(const ShimHandle *handle, struct kvm_regs *regs)
{
    const int rc = shim_kernel(handle->fd, KVM_GET_REGS, regs);

    if (rc == 0) {
        regs->rip += has_taken(handle, FAKE_BRINK_MOVES);
    }
    return rc;
}

/* The call is the kernel's, but the log shall have it. */
int shim_set_mp_state(const ShimHandle *handle, struct kvm_mp_state *state)
{
    ShimCall call = shim_call(handle, "KVM_SET_MP_STATE", NULL);

    return shim_done(&call, call.fault ? -call.fault
                     : shim_kernel(handle->fd, KVM_SET_MP_STATE, state),
                     "state=%u", state->mp_state);
}

/* A guest that nests, by SVM: it is in its own guest, always. */
#define NESTED_SIZE (sizeof(struct kvm_nested_state) + \
                     sizeof(struct kvm_svm_nested_state_data))

int shim_nested_size(void)
{
    return shim_host.pending == FAKE_PENDING_NESTED ? NESTED_SIZE : SHIM_PASS;
}

int shim_get_nested(struct kvm_nested_state *state)
{
    if (shim_host.pending != FAKE_PENDING_NESTED) {
        return SHIM_PASS;
    }
    if (state->size < NESTED_SIZE) {
        return -E2BIG;
    }
    memset(state, 0, NESTED_SIZE);
    state->flags = KVM_STATE_NESTED_GUEST_MODE | KVM_STATE_NESTED_GIF_SET;
    state->format = KVM_STATE_NESTED_FORMAT_SVM;
    state->size = NESTED_SIZE;
    return 0;
}

int shim_set_nested(void)
{
    return shim_host.pending == FAKE_PENDING_NESTED ? 0 : SHIM_PASS;
}
