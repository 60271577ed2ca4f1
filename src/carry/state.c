/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The state: its memory, its invariants, and names. */
#include <string.h>
#include <clockferry/clock-meant.h>
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

static gboolean check_clocks(const CfState *state, GError **error)
{
    const struct cf_tsc boot = cf_tsc_of(&state->vcpus[0]);
    const char *fault = cf_clocks_fault(&state->anchor, state->host_khz,
                                        cf_fn_of(state), &boot);

    if (state->fn_origin < CF_FN_NONE || state->fn_origin > CF_FN_BUILT) {
        fault = "origin of the clock function";
    } else if (cf_magnitude(state->fn_ahead_ns) >
               (state->fn_meant ? CF_FN_APART_NS : 0)) {
        fault = "how far kvmclock was ahead of its function";
    } else if (!cf_host_rate_valid(&state->rate)) {
        fault = "rate of the TSC";
    } else if (state->exchanges.n > CF_EXCHANGES_MAX) {
        fault = "number of exchanges";
    } else if (!memchr(state->boot_id, '\0', sizeof(state->boot_id))) {
        fault = "boot id";
    }
    return fault ? invalid(error, fault) : TRUE;
}

gboolean cf_state_validate(const CfState *state, GError **error)
{
    return check_vcpus(state, error) && check_clocks(state, error);
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
