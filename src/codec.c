/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* JSON of what the library knows. The only file that uses json-c. */
#include <json-c/json.h>
#include <inttypes.h>
#include "internal.h"

#define PROBE_FORMAT "clockferry-probe"
#define PROBE_VERSION 1
#define PROBE_MIN_VERSION 1

/* As a decimal string: others' JSON numbers end at 53 bits. */
static void add_u64(json_object *object, const char *name, uint64_t value)
{
    char text[24];

    g_snprintf(text, sizeof(text), "%" PRIu64, value);
    json_object_object_add(object, name, json_object_new_string(text));
}

static void add_u32(json_object *object, const char *name, uint32_t value)
{
    json_object_object_add(object, name, json_object_new_int64(value));
}

static void add_bool(json_object *object, const char *name, bool value)
{
    json_object_object_add(object, name, json_object_new_boolean(value));
}

/* An empty string means unknown, so it stays away. Only kernel text comes
 * here, but JSON has to be UTF-8 whatever that says. */
static void add_text(json_object *object, const char *name, const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);

    if (*valid) {
        json_object_object_add(object, name, json_object_new_string(valid));
    }
}

static const char *clock_guest_name(CfClockGuest clock_guest)
{
    return clock_guest == CF_CLOCK_GUEST_ABSENT ? "absent" :
           clock_guest == CF_CLOCK_GUEST_PRESENT ? "present" : "unusable";
}

static void add_time(json_object *object, const CfHostTime *time)
{
    if (time->tai_offset_s) {
        json_object_object_add(object, "tai_offset_s",
                               json_object_new_int(time->tai_offset_s));
    }
    add_u64(object, "max_error_ns", time->max_error_ns);
    add_bool(object, "synchronised", time->synchronised);
}

char *cf_probe_to_json(const CfProbe *probe)
{
    json_object *object = json_object_new_object();
    char *text;

    add_text(object, "format", PROBE_FORMAT);
    add_u32(object, "version", PROBE_VERSION);
    add_u32(object, "min_version", PROBE_MIN_VERSION);
    add_u32(object, "host_khz", probe->host_khz);
    add_bool(object, "tsc_control", probe->tsc_control);
    add_bool(object, "has_offset", probe->has_offset);
    add_text(object, "offset", cf_offset_name(probe->offset));
    add_bool(object, "has_scale", probe->has_scale);
    if (probe->frac_bits) {
        add_u32(object, "frac_bits", probe->frac_bits);
    }
    add_u32(object, "adjust_clock", probe->adjust_clock);
    add_u32(object, "clock_flags", probe->clock_flags);
    add_bool(object, "master_clock",
             (probe->clock_flags & CF_KVM_CLOCK_EXACT) == CF_KVM_CLOCK_EXACT);
    add_text(object, "clock_guest", clock_guest_name(probe->clock_guest));
    add_u32(object, "clock_guest_errno", (uint32_t)probe->clock_guest_errno);
    add_text(object, "best_rung", cf_rung_name(probe->best_rung));
    if (probe->time_known) {
        add_time(object, &probe->time);
    }
    add_text(object, "boot_id", probe->id.boot_id);
    add_text(object, "clocksource", probe->id.clocksource);
    add_u64(object, "duration_ns", probe->duration_ns);

    text = g_strdup(json_object_to_json_string_ext(
                        object, JSON_C_TO_STRING_PRETTY |
                                JSON_C_TO_STRING_SPACED));
    json_object_put(object);
    return text;
}
