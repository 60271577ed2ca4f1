/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The facts about a host as JSON: format clockferry-probe. */
#include <clockferry/clock-causal.h>
#include <clockferry/host.h>
#include "codec.h"

#define FORMAT "clockferry-probe"
#define VERSION 1
#define MIN_VERSION 1

#define AT(member) CF_AT(CfHost, member)
#define KNOWN(member) CF_KNOWN(CfHost, member)

static const CfMember time_members[] = {
    { "synchronised", CF_MEMBER_BOOL, AT(time.synchronised) },
    { "max_error_ns", CF_MEMBER_U64, AT(time.max_error_ns) },
    CF_TAI(CfHost, time.tai_offset_s),
    { "leap", CF_MEMBER_WORD, AT(time.leap), .names = &cf_leap_names },
    { "adjustment_ppt", CF_MEMBER_INT, AT(time.adjustment_ppt),
      .optional = true, .min = -CF_PPT, .max = CF_PPT },
    { 0 },
};

static const CfMember host_members[] = {
    { "host", CF_MEMBER_TEXT, AT(id.name) },
    { "kernel", CF_MEMBER_TEXT, AT(id.kernel) },
    CF_ARCHITECTURE(CfHost),
    { "boot_id", CF_MEMBER_TEXT, AT(id.boot_id) },
    { "machine", CF_MEMBER_U64, AT(id.machine), .optional = true },
    { "is_guest", CF_MEMBER_ANSWER, AT(id.is_guest) },
    { "clocksource", CF_MEMBER_TEXT, AT(id.clocksource) },
    { "invariant_tsc", CF_MEMBER_ANSWER, AT(id.invariant_tsc) },
    { "host_khz", CF_MEMBER_INT, AT(host_khz),
      .optional = true, .min = 1, .max = UINT32_MAX },
    CF_COUNTER_HZ(CfHost),
    { "counter_offset", CF_MEMBER_WORD, AT(counter_offset),
      .names = &cf_counter_offset_names },
    { "scaling", CF_MEMBER_WORD, AT(scaling), .names = &cf_scaling_names },
    { "frac_bits", CF_MEMBER_INT, AT(frac_bits),
      .optional = true, .min = 1, .max = CF_FRAC_BITS_MAX },
    { "has_scale", CF_MEMBER_ANSWER, AT(has_scale) },
    { "tolerance_ppm", CF_MEMBER_INT, AT(tolerance_ppm),
      KNOWN(tolerance_known), .max = UINT32_MAX },
    { "has_offset", CF_MEMBER_ANSWER, AT(has_offset) },
    { "offset", CF_MEMBER_WORD, AT(offset),
      KNOWN(offset_known), .names = &cf_offset_names },
    { "master_clock", CF_MEMBER_ANSWER, AT(master_clock) },
    { "set_realtime", CF_MEMBER_ANSWER, AT(set_realtime) },
    { "clock_guest", CF_MEMBER_WORD, AT(clock_guest),
      .names = &cf_clock_guest_names },
    { "clock_guest_style", CF_MEMBER_WORD, AT(clock_guest_style),
      .names = &cf_clock_guest_style_names },
    { "clock_guest_errno", CF_MEMBER_INT, AT(clock_guest_errno),
      .optional = true, .min = 1, .max = 4095 },
    { "best_rung", CF_MEMBER_WORD, AT(best_rung),
      KNOWN(rung_known), .names = &cf_rung_names },
    { "", CF_MEMBER_INLINE, KNOWN(time_known), .members = time_members },
    { "instant", CF_MEMBER_OBJECT, AT(instant),
      KNOWN(instant_known), .members = cf_instant_members },
    { "duration_ns", CF_MEMBER_U64, AT(duration_ns), .optional = true },
    { 0 },
};

char *cf_host_to_json(const CfHost *host)
{
    g_autoptr(CfJson) object = cf_json_new_format(FORMAT, VERSION,
                                                  MIN_VERSION);

    cf_members_add(object, host_members, host);
    return cf_json_print(object);
}

gboolean cf_host_from_json(const char *json, size_t size, CfHost *ret_host,
                           GError **error)
{
    CfJsonReader reader = { NULL };
    g_autoptr(CfJson) object = cf_json_read(&reader, json, size, FORMAT,
                                            VERSION);
    CfHost host = { 0 };

    if (!object ||
        !cf_members_get(&reader, object, "it", host_members, &host)) {
        return cf_fail_json(error, "the facts about a host", &reader);
    }
    /* Only these two together tell anything. */
    host.time_known = cf_json_has(object, "synchronised") &&
                      cf_json_has(object, "max_error_ns");
    if (!host.time_known) {
        host.time = (CfHostTime) { 0 };
    }
    *ret_host = host;
    return TRUE;
}
