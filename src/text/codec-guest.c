/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A guest that is to move, as JSON: format clockferry-guest. */
#include <clockferry/check.h>
#include "codec.h"

#define FORMAT CF_GUEST_FORMAT
#define VERSION CF_GUEST_VERSION

char *cf_guest_to_json(const CfGuest *guest)
{
    g_autoptr(CfJson) object = cf_guest_to_object(guest);

    return cf_json_print(object);
}

static void get_freq(CfJsonReader *reader, const CfJson *object,
                     CfGuest *guest)
{
    struct cf_tsc_freq freq = { .host_khz = guest->host_khz };
    uint32_t khz;

    if (!cf_json_has(object, "ratio")) {
        return;
    }
    if (cf_members_get(reader, object, "it", cf_freq_members, &freq) &&
        !cf_tsc_freq_khz(&freq, &khz)) {
        cf_json_fail(reader, "host_khz, ratio and frac_bits give no "
                     "frequency");
    }
    guest->freq = freq;
}

static gboolean guest_from_object(CfJsonReader *reader, const CfJson *object,
                                  CfGuest *ret_guest, GError **error)
{
    CfGuest guest = {
        .policy = CF_POLICY_AUTO,
        .require = CF_RUNG_PLAIN,
        .max_error_ns = UINT64_MAX,
    };

    if (object && cf_json_check_format(reader, object, FORMAT, VERSION) &&
        cf_members_get(reader, object, "it", cf_guest_host_members, &guest)) {
        get_freq(reader, object, &guest);
        cf_members_get(reader, object, "it", cf_guest_wish_members, &guest);
    }
    if (reader->problem) {
        return cf_fail_json(error, "the description of a guest", reader);
    }
    *ret_guest = guest;
    return TRUE;
}

gboolean cf_guest_from_json(const char *json, size_t size, CfGuest *ret_guest,
                            GError **error)
{
    CfJsonReader reader = { NULL };
    g_autoptr(CfJson) object = cf_json_parse(&reader, json, size);
    const char *format = object ? cf_json_get_format(object) : NULL;
    g_autoptr(CfState) state = NULL;
    CfHost probe;

    if (!g_strcmp0(format, "clockferry-probe")) {
        if (!cf_host_from_json(json, size, &probe, error)) {
            return FALSE;
        }
        cf_guest_from_host(&probe, 0, ret_guest);
        return TRUE;
    }
    if (!g_strcmp0(format, "clockferry-state")) {
        if (!cf_state_from_json(json, size, &state, error)) {
            return FALSE;
        }
        cf_guest_from_state(state, ret_guest);
        return TRUE;
    }
    return guest_from_object(&reader, object, ret_guest, error);
}
