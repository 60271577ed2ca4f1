/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A guest's clocks as JSON: format clockferry-state. */
#include <clockferry/clock-meant.h>
#include "codec.h"

#define FORMAT "clockferry-state"
#define VERSION 1
#define MIN_VERSION 1

#define AT(member) CF_AT(CfState, member)

static const CfMember anchor_members[] = {
    { "", CF_MEMBER_INLINE, AT(anchor.instant),
      .members = cf_instant_members },
    { "clock_ns", CF_MEMBER_U64, AT(anchor.clock_ns), .needed = true },
    { "flags", CF_MEMBER_INT, AT(anchor.flags),
      .needed = true, .max = UINT32_MAX },
    { "slack_ns", CF_MEMBER_U64, AT(anchor.slack_ns), .optional = true },
    { 0 },
};

static const CfMember rate_members[] = {
    { "ppt", CF_MEMBER_INT, AT(rate.ppt),
      .needed = true, .min = -CF_TSC_DOUBT_PPT, .max = CF_TSC_DOUBT_PPT },
    { "doubt_ppt", CF_MEMBER_INT, AT(rate.doubt_ppt),
      .needed = true, .min = 1, .max = 2 * CF_TSC_DOUBT_PPT },
    { 0 },
};

static const CfMember state_members[] = {
    { "host_khz", CF_MEMBER_INT, AT(host_khz),
      .needed = true, .max = UINT32_MAX },
    { "boot_id", CF_MEMBER_TEXT, AT(boot_id) },
    { "machine", CF_MEMBER_U64, AT(machine), .optional = true },
    { "max_error_ns", CF_MEMBER_U64, AT(max_error_ns),
      .optional = true, .unknown = UINT64_MAX },
    { "unstable", CF_MEMBER_BOOL, AT(unstable), .optional = true },
    { "anchor", CF_MEMBER_OBJECT, .members = anchor_members, .needed = true },
    { 0 },
};

static const CfMember fn_members[] = {
    { "origin", CF_MEMBER_WORD, AT(fn_origin),
      .needed = true, .names = &cf_fn_origin_names },
    { "tsc_ticks", CF_MEMBER_U64, AT(fn.tsc_ticks), .needed = true },
    { "system_ns", CF_MEMBER_U64, AT(fn.system_ns), .needed = true },
    { "mul", CF_MEMBER_INT, AT(fn.mul), .needed = true, .max = UINT32_MAX },
    { "shift", CF_MEMBER_INT, AT(fn.shift),
      .needed = true, .min = INT32_MIN, .max = INT32_MAX },
    { "ahead_ns", CF_MEMBER_INT, AT(fn_ahead_ns), CF_KNOWN(CfState, fn_meant),
      .min = -CF_FN_APART_NS, .max = CF_FN_APART_NS },
    { 0 },
};

static const CfMember freq_members[] = {
    { "freq_origin", CF_MEMBER_WORD, CF_AT(CfVcpuState, freq_origin),
      .names = &cf_freq_origin_names },
    { "", CF_MEMBER_INLINE, CF_AT(CfVcpuState, freq),
      .members = cf_freq_members },
    { 0 },
};

static const CfMember offset_members[] = {
    { "offset_origin", CF_MEMBER_WORD, CF_AT(CfVcpuState, offset_origin),
      .names = &cf_offset_origin_names },
    { "offset_ticks", CF_MEMBER_U64, CF_AT(CfVcpuState, offset_ticks),
      .needed = true },
    { 0 },
};

/* Of the source, in a message's order: its number. */
static const CfMember exchange_members[] = {
    { "sent_ticks", CF_MEMBER_U64, CF_AT(CfExchange, sent_ticks),
      .needed = true },
    { "back_ticks", CF_MEMBER_U64, CF_AT(CfExchange, back_ticks),
      CF_KNOWN(CfExchange, answered) },
    { 0 },
};

static CfJson *vcpu_to_json(const CfVcpuState *vcpu)
{
    CfJson *object = cf_json_object();

    if (vcpu->freq_origin != CF_FREQ_UNKNOWN) {
        cf_members_add(object, freq_members, vcpu);
    }
    if (vcpu->offset_origin != CF_OFFSET_UNKNOWN) {
        cf_members_add(object, offset_members, vcpu);
    }
    return object;
}

static CfJson *exchanges_to_json(const CfExchanges *exchanges)
{
    CfJson *array = cf_json_array();
    uint32_t i;

    for (i = 0; i < exchanges->n; i++) {
        cf_json_append(array, cf_members_to_json(exchange_members,
                                                 &exchanges->each[i]));
    }
    return array;
}

char *cf_state_to_json(const CfState *state)
{
    g_autoptr(CfJson) object = cf_json_new_format(FORMAT, VERSION,
                                                  MIN_VERSION);
    CfJson *vcpus = cf_json_array();
    uint32_t i;

    cf_members_add(object, state_members, state);
    if (state->rate.doubt_ppt) {
        cf_json_add(object, "rate", cf_members_to_json(rate_members, state));
    }
    if (state->fn_origin != CF_FN_NONE) {
        cf_json_add(object, "clock_fn",
                    cf_members_to_json(fn_members, state));
    }
    for (i = 0; i < state->n_vcpus; i++) {
        cf_json_append(vcpus, vcpu_to_json(&state->vcpus[i]));
    }
    cf_json_add(object, "vcpus", vcpus);
    if (state->exchanges.n) {
        cf_json_add(object, "exchanges",
                    exchanges_to_json(&state->exchanges));
    }
    return cf_json_print(object);
}

static void get_vcpu(CfJsonReader *reader, const CfJson *json,
                     uint32_t host_khz, CfVcpuState *vcpu)
{
    if (cf_json_has(json, "freq_origin")) {
        cf_members_get(reader, json, "a vCPU", freq_members, vcpu);
        vcpu->freq.host_khz = host_khz;
    }
    if (cf_json_has(json, "offset_origin")) {
        cf_members_get(reader, json, "a vCPU", offset_members, vcpu);
    }
}

static void get_exchanges(CfJsonReader *reader, const CfJson *object,
                          CfExchanges *exchanges)
{
    CfJson *array, *json;

    if (!cf_json_get_array(reader, object, "exchanges", &array)) {
        return;
    }
    if (cf_json_length(array) > CF_EXCHANGES_MAX) {
        cf_json_fail(reader, "exchanges must be an array of at most %u "
                     "objects", CF_EXCHANGES_MAX);
        return;
    }
    for (; exchanges->n < cf_json_length(array); exchanges->n++) {
        json = cf_json_element(reader, array, exchanges->n);
        if (json) {
            cf_members_get(reader, json, "an exchange", exchange_members,
                           &exchanges->each[exchanges->n]);
        }
    }
}

static CfState *get_state(CfJsonReader *reader, const CfJson *object)
{
    CfState *state;
    CfJson *vcpus, *json;
    uint32_t i;

    if (!cf_json_get_array(reader, object, "vcpus", &vcpus) ||
        cf_json_length(vcpus) < 1 ||
        cf_json_length(vcpus) > CF_STATE_MAX_VCPUS) {
        cf_json_fail(reader, "vcpus must be an array of 1 to %u objects",
                     CF_STATE_MAX_VCPUS);
        return NULL;
    }
    state = cf_state_new((uint32_t)cf_json_length(vcpus));
    cf_members_get(reader, object, "it", state_members, state);
    if (cf_json_get_object(reader, object, "rate", &json)) {
        cf_members_get(reader, json, "rate", rate_members, state);
    }
    if (cf_json_get_object(reader, object, "clock_fn", &json)) {
        cf_members_get(reader, json, "clock_fn", fn_members, state);
    }
    for (i = 0; i < state->n_vcpus && !reader->problem; i++) {
        json = cf_json_element(reader, vcpus, i);
        if (json) {
            get_vcpu(reader, json, state->host_khz, &state->vcpus[i]);
        }
    }
    get_exchanges(reader, object, &state->exchanges);
    return state;
}

gboolean cf_state_from_json(const char *json, size_t size, CfState **ret_state,
                            GError **error)
{
    CfJsonReader reader = { NULL };
    g_autoptr(CfJson) object = cf_json_read(&reader, json, size, FORMAT,
                                            VERSION);
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
