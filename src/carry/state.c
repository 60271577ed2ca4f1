/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The state: its memory, its invariants, and names. */
#include <string.h>
#include "carry.h"
#include "text/names.h"

CfState *cf_state_new(uint32_t n_vcpus)
{
    CfState *state;

    if (n_vcpus < 1 || n_vcpus > CF_STATE_MAX_VCPUS) {
        return NULL;
    }
    state = g_new0(CfState, 1);
    state->max_error_ns = UINT64_MAX;
    state->n_vcpus = n_vcpus;
    state->vcpus = g_new0(CfVcpuState, n_vcpus);
    return state;
}

void cf_state_free(CfState *state)
{
    if (state) {
        g_free(state->vcpus);
        g_free(state);
    }
}

static gboolean invalid(GError **error, const char *what)
{
    g_set_error(error, CF_ERROR, CF_ERROR_INVALID,
                "the saved clock state is invalid: %s", what);
    return FALSE;
}

static gboolean check_vcpus(const CfState *state, GError **error)
{
    uint32_t i;

    if (state->n_vcpus < 1 || state->n_vcpus > CF_STATE_MAX_VCPUS ||
        !state->vcpus) {
        return invalid(error, "number of vCPUs");
    }
    for (i = 0; i < state->n_vcpus; i++) {
        const CfVcpuState *vcpu = &state->vcpus[i];
        uint32_t khz;

        if (vcpu->freq_origin < CF_FREQ_UNKNOWN ||
            vcpu->freq_origin > CF_FREQ_ASSUMED ||
            (vcpu->freq_origin != CF_FREQ_UNKNOWN &&
             !cf_tsc_freq_khz(&vcpu->freq, &khz))) {
            return invalid(error, "frequency of a vCPU");
        }
        if (vcpu->offset_origin < CF_OFFSET_UNKNOWN ||
            vcpu->offset_origin > CF_OFFSET_MEASURED) {
            return invalid(error, "offset of a vCPU");
        }
    }
    return TRUE;
}

static gboolean check_anchor(const CfState *state, GError **error)
{
    const struct cf_instant *instant = &state->anchor.instant;
    int64_t ns;

    /* cf_elapsed_ns() checks the ranges of both. */
    if (!instant->realtime_ns || !cf_elapsed_ns(instant, instant, &ns)) {
        return invalid(error, "real time");
    }
    if (state->anchor.clock_ns > INT64_MAX) {
        return invalid(error, "kvmclock");
    }
    if (!state->host_khz) {
        return invalid(error, "frequency of the host's TSC");
    }
    if (!memchr(state->boot_id, '\0', sizeof(state->boot_id))) {
        return invalid(error, "boot id");
    }
    return TRUE;
}

static gboolean check_fn(const CfState *state, GError **error)
{
    const struct cf_tsc boot = cf_tsc_of(&state->vcpus[0]);

    if (state->fn_origin == CF_FN_NONE) {
        return TRUE;
    }
    if (state->fn_origin < CF_FN_NONE || state->fn_origin > CF_FN_BUILT ||
        !cf_clock_fn_valid(&state->fn)) {
        return invalid(error, "clock function");
    }
    if (boot.known &&
        cf_fn_contradicts(&state->fn, &boot, &state->anchor)) {
        return invalid(error, "clock function and anchor contradict");
    }
    return TRUE;
}

gboolean cf_state_validate(const CfState *state, GError **error)
{
    return check_vcpus(state, error) && check_anchor(state, error) &&
           check_fn(state, error);
}

const char *cf_policy_name(enum cf_policy policy)
{
    return cf_name_of(&cf_policy_names, policy);
}

const char *cf_rung_name(enum cf_rung rung)
{
    return cf_name_of(&cf_rung_names, rung);
}

const char *cf_offset_name(enum cf_offset offset)
{
    return cf_name_of(&cf_offset_names, offset);
}
