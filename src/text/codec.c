/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the formats have in common. */
#include "codec.h"

CfJson *cf_instant_to_json(const struct cf_instant *instant)
{
    CfJson *object = cf_json_object();

    cf_json_add_u64(object, "host_ticks", instant->host_ticks);
    cf_json_add_u64(object, "realtime_ns", instant->realtime_ns);
    if (instant->tai_offset_s) {
        cf_json_add_int(object, "tai_offset_s", instant->tai_offset_s);
    }
    return object;
}

void cf_json_get_tai(CfJsonReader *reader, const CfJson *object,
                     int32_t *ret_tai_offset_s)
{
    int64_t value;

    if (cf_json_get_int(reader, object, "tai_offset_s", -CF_TAI_LIMIT_S,
                        CF_TAI_LIMIT_S, &value)) {
        *ret_tai_offset_s = (int32_t)value;
    }
}

bool cf_instant_from_json(CfJsonReader *reader, const CfJson *object,
                          struct cf_instant *ret_instant)
{
    struct cf_instant instant = { 0 };

    if (!cf_json_get_u64(reader, object, "host_ticks", &instant.host_ticks) ||
        !cf_json_get_u64(reader, object, "realtime_ns",
                         &instant.realtime_ns)) {
        return cf_json_fail(reader, "an instant needs host_ticks and "
                            "realtime_ns");
    }
    cf_json_get_tai(reader, object, &instant.tai_offset_s);
    *ret_instant = instant;
    return true;
}

gboolean cf_fail_json(GError **error, const char *what, CfJsonReader *reader)
{
    g_set_error(error, CF_ERROR, CF_ERROR_INVALID, "can't read %s: %s", what,
                reader->problem);
    g_clear_pointer(&reader->problem, g_free);
    return FALSE;
}
