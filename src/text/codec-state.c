/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A guest's clocks as JSON: format clockferry-state. */
#include "codec.h"

#define FORMAT "clockferry-state"
#define VERSION 1
#define MIN_VERSION 1

static CfJson *anchor_to_json(const CfAnchor *anchor)
{
    CfJson *object = cf_instant_to_json(&anchor->instant);

    cf_json_add_u64(object, "clock_ns", anchor->clock_ns);
    cf_json_add_int(object, "flags", anchor->flags);
    if (anchor->slack_ns) {
        cf_json_add_u64(object, "slack_ns", anchor->slack_ns);
    }
    return object;
}

static CfJson *fn_to_json(CfFnOrigin origin, const struct cf_clock_fn *fn)
{
    CfJson *object = cf_json_object();

    cf_json_add_name(object, "origin", &cf_fn_origin_names, origin);
    cf_json_add_u64(object, "tsc_ticks", fn->tsc_ticks);
    cf_json_add_u64(object, "system_ns", fn->system_ns);
    cf_json_add_int(object, "mul", fn->mul);
    cf_json_add_int(object, "shift", fn->shift);
    return object;
}

static CfJson *vcpu_to_json(const CfVcpuState *vcpu)
{
    CfJson *object = cf_json_object();

    if (vcpu->freq_origin != CF_FREQ_UNKNOWN) {
        cf_json_add_name(object, "freq_origin", &cf_freq_origin_names,
                         vcpu->freq_origin);
        cf_json_add_u64(object, "ratio", vcpu->freq.ratio);
        cf_json_add_int(object, "frac_bits", vcpu->freq.frac_bits);
    }
    if (vcpu->offset_origin != CF_OFFSET_UNKNOWN) {
        cf_json_add_name(object, "offset_origin", &cf_offset_origin_names,
                         vcpu->offset_origin);
        cf_json_add_u64(object, "offset_ticks", vcpu->offset_ticks);
    }
    return object;
}

char *cf_state_to_json(const CfState *state)
{
    g_autoptr(CfJson) object = cf_json_new_format(FORMAT, VERSION,
                                                  MIN_VERSION);
    CfJson *vcpus = cf_json_array();
    uint32_t i;

    cf_json_add_int(object, "host_khz", state->host_khz);
    cf_json_add_text(object, "boot_id", state->boot_id);
    if (state->max_error_ns != UINT64_MAX) {
        cf_json_add_u64(object, "max_error_ns", state->max_error_ns);
    }
    if (state->unstable) {
        cf_json_add_bool(object, "unstable", true);
    }
    cf_json_add(object, "anchor", anchor_to_json(&state->anchor));
    if (state->fn_origin != CF_FN_NONE) {
        cf_json_add(object, "clock_fn",
                    fn_to_json(state->fn_origin, &state->fn));
    }
    for (i = 0; i < state->n_vcpus; i++) {
        cf_json_append(vcpus, vcpu_to_json(&state->vcpus[i]));
    }
    cf_json_add(object, "vcpus", vcpus);
    return cf_json_print(object);
}

/* One of several members that only make sense together is missing. */
static void need(CfJsonReader *reader, bool all, const char *what)
{
    if (!all) {
        cf_json_fail(reader, "%s is incomplete", what);
    }
}

static void get_anchor(CfJsonReader *reader, const CfJson *object,
                       CfAnchor *anchor)
{
    CfJson *json;

    if (!cf_json_get_object(reader, object, "anchor", &json)) {
        need(reader, false, "the state without an anchor");
        return;
    }
    cf_instant_from_json(reader, json, &anchor->instant);
    need(reader,
         cf_json_get_u64(reader, json, "clock_ns", &anchor->clock_ns) &&
         cf_json_get_u32(reader, json, "flags", &anchor->flags), "anchor");
    cf_json_get_u64(reader, json, "slack_ns", &anchor->slack_ns);
}

static void get_fn(CfJsonReader *reader, const CfJson *object, CfState *state)
{
    CfJson *json;
    int origin;

    if (!cf_json_get_object(reader, object, "clock_fn", &json)) {
        return;
    }
    if (cf_json_get_name(reader, json, "origin", &cf_fn_origin_names,
                         &origin) &&
        cf_json_get_u64(reader, json, "tsc_ticks", &state->fn.tsc_ticks) &&
        cf_json_get_u64(reader, json, "system_ns", &state->fn.system_ns) &&
        cf_json_get_u32(reader, json, "mul", &state->fn.mul) &&
        cf_json_get_s32(reader, json, "shift", &state->fn.shift)) {
        state->fn_origin = (CfFnOrigin)origin;
    } else {
        need(reader, false, "clock_fn");
    }
}

static void get_vcpu(CfJsonReader *reader, const CfJson *json,
                     uint32_t host_khz, CfVcpuState *vcpu)
{
    int origin;

    if (cf_json_get_name(reader, json, "freq_origin", &cf_freq_origin_names,
                         &origin)) {
        vcpu->freq_origin = (CfFreqOrigin)origin;
        vcpu->freq.host_khz = host_khz;
        need(reader,
             cf_json_get_u64(reader, json, "ratio", &vcpu->freq.ratio) &&
             cf_json_get_u32(reader, json, "frac_bits",
                             &vcpu->freq.frac_bits), "a vCPU's frequency");
    }
    if (cf_json_get_name(reader, json, "offset_origin",
                         &cf_offset_origin_names, &origin)) {
        vcpu->offset_origin = (CfOffsetOrigin)origin;
        need(reader,
             cf_json_get_u64(reader, json, "offset_ticks",
                             &vcpu->offset_ticks), "a vCPU's offset");
    }
}

static void get_members(CfJsonReader *reader, const CfJson *object,
                        const CfJson *vcpus, CfState *state)
{
    uint32_t i;

    need(reader, cf_json_get_u32(reader, object, "host_khz",
                                 &state->host_khz),
         "the state without host_khz");
    cf_json_get_text(reader, object, "boot_id", state->boot_id,
                     sizeof(state->boot_id));
    cf_json_get_u64(reader, object, "max_error_ns", &state->max_error_ns);
    cf_json_get_bool(reader, object, "unstable", &state->unstable);
    get_anchor(reader, object, &state->anchor);
    get_fn(reader, object, state);
    for (i = 0; i < state->n_vcpus && !reader->problem; i++) {
        const CfJson *vcpu = cf_json_element(reader, vcpus, i);

        if (vcpu) {
            get_vcpu(reader, vcpu, state->host_khz, &state->vcpus[i]);
        }
    }
}

static CfState *get_state(CfJsonReader *reader, const CfJson *object)
{
    CfState *state;
    CfJson *vcpus;

    if (!cf_json_check_format(reader, object, FORMAT, VERSION)) {
        return NULL;
    }
    if (!cf_json_get_array(reader, object, "vcpus", &vcpus) ||
        cf_json_length(vcpus) < 1 ||
        cf_json_length(vcpus) > CF_STATE_MAX_VCPUS) {
        cf_json_fail(reader, "vcpus must be an array of 1 to %u objects",
                     CF_STATE_MAX_VCPUS);
        return NULL;
    }
    state = cf_state_new((uint32_t)cf_json_length(vcpus));
    get_members(reader, object, vcpus, state);
    return state;
}

gboolean cf_state_from_json(const char *json, size_t size, CfState **ret_state,
                            GError **error)
{
    CfJsonReader reader = { NULL };
    g_autoptr(CfJson) object = cf_json_parse(&reader, json, size);
    g_autoptr(CfState) state = object ? get_state(&reader, object) : NULL;

    if (reader.problem) {
        return cf_fail_json(error, "the clocks of a guest", &reader);
    }
    if (!cf_state_validate(state, error)) {
        return FALSE;
    }
    *ret_state = g_steal_pointer(&state);
    return TRUE;
}
