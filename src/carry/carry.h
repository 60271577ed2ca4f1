/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A state and its vCPUs as the facts that clock-plan.h decides by. */
#ifndef CF_CARRY_H
#define CF_CARRY_H

#include <string.h>
#include <clockferry/vm.h>

/* An unknown boot id is nobody's. */
static inline bool cf_same_boot(const char *a, const char *b)
{
    return a[0] && !strcmp(a, b);
}

/* Nor is an unknown machine anybody's. */
static inline bool cf_same_machine(uint64_t a, uint64_t b)
{
    return a && a == b;
}

/* A vCPU's frequency is what was seen, not what KVM was asked for. */
static inline struct cf_tsc cf_tsc_of(const CfVcpuState *vcpu)
{
    const bool has_freq = vcpu->freq_origin != CF_FREQ_UNKNOWN;

    return (struct cf_tsc) {
        .known = has_freq && vcpu->offset_origin != CF_OFFSET_UNKNOWN,
        .seen = has_freq && vcpu->freq_origin != CF_FREQ_ASSUMED,
        .freq = has_freq ? vcpu->freq : (struct cf_tsc_freq) { 0 },
        .offset_ticks = vcpu->offset_ticks,
    };
}

/* kvmclock as a function of the boot vCPU's TSC; NULL if it is unknown. */
static inline const struct cf_clock_fn *cf_fn_of(const CfState *state)
{
    return state->fn_origin != CF_FN_NONE ? &state->fn : NULL;
}

/* Are the members of @vm such that it can be worked with? */
gboolean cf_vm_check(const CfVm *vm, GError **error);

/*
 * What is known of @vm's host, by a look at its boot vCPU. A TSC may have become
 * unstable since the host was probed: KVM then puts the guest's back with each
 * call, so that its offset is another one each time.
 */
CfHost cf_look_again(const CfVm *vm);

#endif /* CF_CARRY_H */
