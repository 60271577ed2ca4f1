/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Capture: read a stopped guest's clocks. */
#include <string.h>
#include "carry.h"
#include "kvm/calls.h"

/* A page is believed if it is this near the kernel's own clock, plus 2 ppm
 * of the record's age: on scaled guests the two differ in arithmetic. */
#define PAGE_NEAR_NS 1000000
#define PAGE_NEAR_AGE 500000

/* And if its slope is this near the vCPU's: KVM truncates to kHz. */
#define PAGE_NEAR_HZ 2000

gboolean cf_vm_check(const CfVm *vm, GError **error)
{
    if (vm->ops && vm->host && vm->host->host_khz && vm->vcpu_fds &&
        vm->n_vcpus >= 1 && vm->n_vcpus <= CF_STATE_MAX_VCPUS) {
        return TRUE;
    }
    g_set_error_literal(error, CF_ERROR, CF_ERROR_INVALID,
                        "the description of the VM is incomplete");
    return FALSE;
}

/* Is what the guest's memory says near what the kernel says? */
static bool page_is_plausible(const CfState *state,
                              const struct cf_clock_fn *fn)
{
    uint64_t guest_ticks, hz, vcpu_hz, age_ns, apart_ns;
    int64_t page_ns;
    uint32_t khz;

    if (!cf_anchor_guest_ticks(state, &guest_ticks) ||
        !cf_clock_fn_eval(fn, guest_ticks, &page_ns) || page_ns < 0 ||
        !cf_clock_fn_hz(fn, &hz) ||
        !cf_tsc_freq_khz(&state->vcpus[0].freq, &khz)) {
        return false;
    }
    vcpu_hz = (uint64_t)khz * 1000;
    age_ns = (uint64_t)page_ns - fn->system_ns;
    apart_ns = (uint64_t)page_ns - state->anchor.clock_ns;
    apart_ns = MIN(apart_ns, 0 - apart_ns);
    return apart_ns <= PAGE_NEAR_NS + age_ns / PAGE_NEAR_AGE &&
           MAX(hz, vcpu_hz) - MIN(hz, vcpu_hz) <= PAGE_NEAR_HZ;
}

/* The guest owns this memory: nothing in it is believed without a check. */
static bool read_page(const CfVm *vm, const CfState *state,
                      struct cf_clock_fn *ret_fn)
{
    CfPvclockRecord record;
    struct cf_clock_fn fn;
    uint64_t msr;

    if (!vm->read_guest ||
        vm->ops->get_msr(vm->vcpu_fds[0], CF_MSR_KVM_SYSTEM_TIME, &msr) < 0 ||
        !(msr & 1) ||
        !vm->read_guest(msr & ~1ULL, &record, sizeof(record), vm->opaque) ||
        !(record.flags & CF_PVCLOCK_TSC_STABLE) ||
        !cf_record_to_fn(&record, &fn) || !page_is_plausible(state, &fn)) {
        return false;
    }
    *ret_fn = fn;
    return true;
}

/* Not when scaled: there KVM_GET_CLOCK and the guest's arithmetic part. */
static bool build_fn(const CfState *state, struct cf_clock_fn *ret_fn)
{
    const struct cf_tsc_freq *freq = &state->vcpus[0].freq;
    struct cf_clock_fn fn = { .system_ns = state->anchor.clock_ns };

    if (!cf_anchor_guest_ticks(state, &fn.tsc_ticks) ||
        cf_tsc_is_scaled(freq) ||
        !cf_clock_fn_set_hz(&fn, (uint64_t)freq->host_khz * 1000)) {
        return false;
    }
    *ret_fn = fn;
    return true;
}

static CfFnOrigin capture_fn(const CfVm *vm, const CfState *state,
                             struct cf_clock_fn *ret_fn)
{
    if (cf_get_clock_guest(vm->ops, vm->vcpu_fds[0], ret_fn) == 0) {
        return CF_FN_CALL;
    }
    if (read_page(vm, state, ret_fn)) {
        return CF_FN_PAGE;
    }
    return build_fn(state, ret_fn) ? CF_FN_BUILT : CF_FN_NONE;
}

/* Measured offsets that agree within their errors are one offset: KVM keeps
 * vCPUs in step, only the measurements differ. */
static void merge_measured(CfState *state, const uint64_t *error_ticks)
{
    const CfVcpuState *boot = &state->vcpus[0];
    uint32_t i;

    for (i = 1; i < state->n_vcpus; i++) {
        CfVcpuState *vcpu = &state->vcpus[i];
        const uint64_t apart = vcpu->offset_ticks - boot->offset_ticks;

        if (vcpu->offset_origin == CF_OFFSET_MEASURED &&
            boot->offset_origin == CF_OFFSET_MEASURED &&
            MIN(apart, 0 - apart) <= error_ticks[0] + error_ticks[i]) {
            vcpu->offset_ticks = boot->offset_ticks;
        }
    }
}

static void capture_vcpus(const CfVm *vm, CfState *state)
{
    g_autofree uint64_t *error_ticks = g_new(uint64_t, vm->n_vcpus);
    uint32_t i;

    for (i = 0; i < vm->n_vcpus; i++) {
        cf_read_vcpu_tsc(vm->ops, vm->host, vm->vcpu_fds[i], &state->vcpus[i],
                         &error_ticks[i]);
    }
    merge_measured(state, error_ticks);
}

gboolean cf_capture(const CfVm *vm, CfState **ret_state, GError **error)
{
    g_autoptr(CfState) state = NULL;
    CfHostTime time;

    if (!cf_vm_check(vm, error)) {
        return FALSE;
    }
    state = cf_state_new(vm->n_vcpus);
    if (!cf_take_anchor(vm, false, &state->anchor, error)) {
        return FALSE;
    }
    state->host_khz = vm->host->host_khz;
    memcpy(state->boot_id, vm->host->id.boot_id, sizeof(state->boot_id));
    if (vm->ops->get_host_time(&time) == 0 && time.synchronised) {
        state->max_error_ns = time.max_error_ns;
    }
    capture_vcpus(vm, state);
    state->fn_origin = capture_fn(vm, state, &state->fn);
    *ret_state = g_steal_pointer(&state);
    return TRUE;
}
