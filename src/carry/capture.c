/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Capture: read a stopped guest's clocks. */
#include <string.h>
#include <clockferry/clock-meant.h>
#include "carry.h"
#include "kvm/calls.h"

gboolean cf_vm_check(const CfVm *vm, GError **error)
{
    if (vm->host && cf_host_has_counter(vm->host)) {
        g_set_error_literal(error, CF_ERROR, CF_ERROR_INVALID,
                            "only the clocks of x86-64's guests can be "
                            "carried, and this host has another architecture");
        return FALSE;
    }
    if (vm->ops && vm->host && vm->host->host_khz && vm->vcpu_fds &&
        vm->n_vcpus >= 1 && vm->n_vcpus <= CF_STATE_MAX_VCPUS) {
        return TRUE;
    }
    g_set_error_literal(error, CF_ERROR, CF_ERROR_INVALID,
                        "the description of the VM is incomplete");
    return FALSE;
}

/* Of the boot vCPU, which doesn't run. */
static bool offset_moved(const CfVm *vm, uint64_t from_ticks)
{
    uint64_t now_ticks;

    return vm->ops->get_tsc_offset(vm->vcpu_fds[0], &now_ticks) == 0 &&
           now_ticks != from_ticks;
}

CfHost cf_look_again(const CfVm *vm)
{
    CfHost host = *vm->host;
    uint64_t ticks;

    if (host.offset == CF_OFFSET_STICKS &&
        vm->ops->get_tsc_offset(vm->vcpu_fds[0], &ticks) == 0 &&
        offset_moved(vm, ticks)) {
        host.offset = CF_OFFSET_REWINDS;
    }
    return host;
}

/* The record that KVM keeps in guest memory, and that the guest can write. */
static bool read_page(const CfVm *vm, CfPvclockRecord *ret_record)
{
    uint64_t msr;

    return vm->read_guest &&
           vm->ops->get_msr(vm->vcpu_fds[0], CF_MSR_KVM_SYSTEM_TIME,
                            &msr) == 0 && msr & 1 &&
           vm->read_guest(msr & ~1ULL, ret_record, sizeof(*ret_record),
                          vm->opaque);
}

static CfFnOrigin capture_fn(const CfVm *vm, CfState *state)
{
    CfPvclockRecord record;
    struct cf_tsc boot;
    bool page;
    uint32_t i;

    if (cf_get_clock_guest(vm->ops, vm->vcpu_fds[0], &state->fn) == 0) {
        return CF_FN_CALL;
    }
    page = read_page(vm, &record);
    boot = cf_tsc_of(&state->vcpus[0]);
    if (state->unstable && page) {
        const uint64_t ticks = cf_catch_up_ticks(&record, &boot,
                                                 &state->anchor);

        boot.offset_ticks += ticks;
        for (i = 0; i < state->n_vcpus; i++) {
            state->vcpus[i].offset_ticks += ticks;
        }
    }
    if (page && cf_page_to_fn(&record, &boot, &state->anchor, &state->fn)) {
        return CF_FN_PAGE;
    }
    return cf_fn_build(&boot, &state->anchor, &state->fn) ? CF_FN_BUILT
                                                          : CF_FN_NONE;
}

static void capture_vcpus(const CfVm *vm, CfState *state)
{
    struct cf_tsc boot = { .known = false };
    uint32_t i;

    for (i = 0; i < vm->n_vcpus; i++) {
        CfVcpuState *vcpu = &state->vcpus[i];
        struct cf_tsc tsc;
        uint64_t error_ticks;

        cf_read_vcpu_tsc(vm->ops, vm->host, vm->vcpu_fds[i], vcpu,
                         &error_ticks);
        tsc = cf_tsc_of(vcpu);
        tsc.error_ticks = error_ticks;
        if (i == 0) {
            boot = tsc;
        }
        cf_tsc_merge(&tsc, &boot, vm->host->offset);
        vcpu->offset_ticks = tsc.offset_ticks;
    }
}

/* How far apart read_pair() reads its two, at most. */
#define PAIR_NS 10000

/* Since this host was probed, if it was this boot of it. */
static bool measure_rate(const CfVm *vm, const CfState *state,
                         struct cf_span *ret_ppt)
{
    const CfHost *host = vm->host;
    const struct cf_moment then = {
        host->instant, cf_bounds_ns(cf_time_error_ns(&host->time), PAIR_NS),
    };
    const struct cf_moment now = {
        state->anchor.instant,
        cf_anchor_error_ns(&state->anchor, state->max_error_ns),
    };

    return host->instant_known &&
           cf_tsc_continuous(&now.instant, &then.instant, host->host_khz) &&
           cf_host_rate_measure(&then, &now, host->host_khz, ret_ppt);
}

/* What the kernel tells is its clocksource's. */
static struct cf_host_rate learn_rate(const CfVm *vm, const CfState *state,
                                      const CfHostTime *time)
{
    const bool told = time->synchronised && cf_anchor_is_exact(&state->anchor);
    struct cf_span measured_ppt;

    return cf_host_rate_learn(told ? time->adjustment_ppt : 0,
                             measure_rate(vm, state, &measured_ppt)
                             ? &measured_ppt : NULL);
}

bool cf_state_as_meant(CfState *state, const CfReport *report)
{
    const struct cf_tsc boot = cf_tsc_of(&state->vcpus[0]);
    struct cf_clock_fn meant;

    if (state->fn_origin == CF_FN_NONE || state->unstable ||
        state->fn_meant || !report->function_carried ||
        !cf_fn_as_meant(&state->fn, &report->meant, report->since_ticks, &boot,
                        &state->anchor, &meant, &state->fn_ahead_ns)) {
        return false;
    }
    state->fn = meant;
    state->fn_meant = true;
    return true;
}

static gboolean capture_once(const CfVm *vm, CfState **ret_state,
                             GError **error)
{
    g_autoptr(CfState) state = cf_state_new(vm->n_vcpus);
    CfHostTime time;

    if (!cf_take_anchor(vm, false, &state->anchor, error)) {
        return FALSE;
    }
    state->host_khz = vm->host->host_khz;
    memcpy(state->boot_id, vm->host->id.boot_id, sizeof(state->boot_id));
    state->machine = vm->host->id.machine;
    time = cf_time_of(vm);
    state->max_error_ns = cf_time_error_ns(&time);
    capture_vcpus(vm, state);
    state->unstable = vm->host->offset == CF_OFFSET_REWINDS;
    if (!state->unstable) {
        state->rate = learn_rate(vm, state, &time);
    }
    state->fn_origin = capture_fn(vm, state);
    *ret_state = g_steal_pointer(&state);
    return TRUE;
}

/* Did it become unstable meanwhile? Then what the calls said doesn't belong
 * together. */
static bool became_unstable(const CfVm *vm, const CfState *state)
{
    return !state->unstable &&
           state->vcpus[0].offset_origin == CF_OFFSET_ATTRIBUTE &&
           offset_moved(vm, state->vcpus[0].offset_ticks);
}

gboolean cf_capture(const CfVm *vm, CfState **ret_state, GError **error)
{
    g_autoptr(CfState) state = NULL;
    CfVm now = *vm;
    CfHost host;

    if (!cf_vm_check(vm, error)) {
        return FALSE;
    }
    now.host = &host;
    do {
        g_clear_pointer(&state, cf_state_free);
        host = cf_look_again(vm);
        if (!capture_once(&now, &state, error)) {
            return FALSE;
        }
    } while (became_unstable(&now, state));
    *ret_state = g_steal_pointer(&state);
    return TRUE;
}
