/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The facts about a host as JSON: format clockferry-probe. */
#include <clockferry/host.h>
#include "codec.h"

#define FORMAT "clockferry-probe"
#define VERSION 1
#define MIN_VERSION 1

static void add_answer(CfJson *object, const char *name, CfAnswer answer)
{
    if (answer != CF_ANSWER_UNKNOWN) {
        cf_json_add_bool(object, name, answer == CF_ANSWER_YES);
    }
}

/* For numbers that are 0 when unknown. */
static void add_number(CfJson *object, const char *name, int64_t value)
{
    if (value) {
        cf_json_add_int(object, name, value);
    }
}

static void add_id(CfJson *object, const CfHostId *id)
{
    cf_json_add_text(object, "host", id->name);
    cf_json_add_text(object, "kernel", id->kernel);
    cf_json_add_text(object, "boot_id", id->boot_id);
    add_answer(object, "is_guest", id->is_guest);
    cf_json_add_text(object, "clocksource", id->clocksource);
    add_answer(object, "invariant_tsc", id->invariant_tsc);
}

static void add_tsc(CfJson *object, const CfHost *host)
{
    add_number(object, "host_khz", host->host_khz);
    cf_json_add_name(object, "scaling", &cf_scaling_names, host->scaling);
    add_number(object, "frac_bits", host->frac_bits);
    add_answer(object, "has_scale", host->has_scale);
    if (host->tolerance_known) {
        cf_json_add_int(object, "tolerance_ppm", host->tolerance_ppm);
    }
    add_answer(object, "has_offset", host->has_offset);
    if (host->offset_known) {
        cf_json_add_name(object, "offset", &cf_offset_names, host->offset);
    }
}

static void add_kvmclock(CfJson *object, const CfHost *host)
{
    add_answer(object, "master_clock", host->master_clock);
    add_answer(object, "set_realtime", host->set_realtime);
    cf_json_add_name(object, "clock_guest", &cf_clock_guest_names,
                     host->clock_guest);
    cf_json_add_name(object, "clock_guest_style", &cf_clock_guest_style_names,
                     host->clock_guest_style);
    add_number(object, "clock_guest_errno", host->clock_guest_errno);
    if (host->rung_known) {
        cf_json_add_name(object, "best_rung", &cf_rung_names,
                         host->best_rung);
    }
}

static void add_time(CfJson *object, const CfHostTime *time)
{
    cf_json_add_bool(object, "synchronised", time->synchronised);
    cf_json_add_u64(object, "max_error_ns", time->max_error_ns);
    add_number(object, "tai_offset_s", time->tai_offset_s);
    cf_json_add_name(object, "leap", &cf_leap_names, time->leap);
}

char *cf_host_to_json(const CfHost *host)
{
    g_autoptr(CfJson) object = cf_json_new_format(FORMAT, VERSION,
                                                  MIN_VERSION);

    add_id(object, &host->id);
    add_tsc(object, host);
    add_kvmclock(object, host);
    if (host->time_known) {
        add_time(object, &host->time);
    }
    if (host->instant_known) {
        cf_json_add(object, "instant", cf_instant_to_json(&host->instant));
    }
    if (host->duration_ns) {
        cf_json_add_u64(object, "duration_ns", host->duration_ns);
    }
    return cf_json_print(object);
}

static void get_answer(CfJsonReader *reader, const CfJson *object,
                       const char *name, CfAnswer *ret_answer)
{
    bool yes;

    if (cf_json_get_bool(reader, object, name, &yes)) {
        *ret_answer = yes ? CF_ANSWER_YES : CF_ANSWER_NO;
    }
}

static void get_id(CfJsonReader *reader, const CfJson *object, CfHostId *id)
{
    cf_json_get_text(reader, object, "host", id->name, sizeof(id->name));
    cf_json_get_text(reader, object, "kernel", id->kernel,
                     sizeof(id->kernel));
    cf_json_get_text(reader, object, "boot_id", id->boot_id,
                     sizeof(id->boot_id));
    get_answer(reader, object, "is_guest", &id->is_guest);
    cf_json_get_text(reader, object, "clocksource", id->clocksource,
                     sizeof(id->clocksource));
    get_answer(reader, object, "invariant_tsc", &id->invariant_tsc);
}

/* For a number that can't be 0: if it is unknown it is left out. */
static void get_positive(CfJsonReader *reader, const CfJson *object,
                         const char *name, uint32_t max, uint32_t *ret_value)
{
    int64_t value;

    if (cf_json_get_int(reader, object, name, 1, max, &value)) {
        *ret_value = (uint32_t)value;
    }
}

static void get_tsc(CfJsonReader *reader, const CfJson *object,
                    CfHost *host)
{
    int value;

    get_positive(reader, object, "host_khz", UINT32_MAX, &host->host_khz);
    if (cf_json_get_name(reader, object, "scaling", &cf_scaling_names,
                         &value)) {
        host->scaling = (CfScaling)value;
    }
    get_positive(reader, object, "frac_bits", CF_FRAC_BITS_MAX,
                 &host->frac_bits);
    get_answer(reader, object, "has_scale", &host->has_scale);
    host->tolerance_known = cf_json_get_u32(reader, object, "tolerance_ppm",
                                            &host->tolerance_ppm);
    get_answer(reader, object, "has_offset", &host->has_offset);
    host->offset_known = cf_json_get_name(reader, object, "offset",
                                          &cf_offset_names, &value);
    if (host->offset_known) {
        host->offset = (enum cf_offset)value;
    }
}

static void get_kvmclock(CfJsonReader *reader, const CfJson *object,
                         CfHost *host)
{
    int value;
    int64_t number;

    get_answer(reader, object, "master_clock", &host->master_clock);
    get_answer(reader, object, "set_realtime", &host->set_realtime);
    if (cf_json_get_name(reader, object, "clock_guest",
                         &cf_clock_guest_names, &value)) {
        host->clock_guest = (CfClockGuest)value;
    }
    if (cf_json_get_name(reader, object, "clock_guest_style",
                         &cf_clock_guest_style_names, &value)) {
        host->clock_guest_style = (CfClockGuestStyle)value;
    }
    if (cf_json_get_int(reader, object, "clock_guest_errno", 1, 4095,
                        &number)) {
        host->clock_guest_errno = (int)number;
    }
    host->rung_known = cf_json_get_name(reader, object, "best_rung",
                                        &cf_rung_names, &value);
    if (host->rung_known) {
        host->best_rung = (enum cf_rung)value;
    }
}

static void get_time(CfJsonReader *reader, const CfJson *object,
                     CfHost *host)
{
    CfHostTime time = { 0 };
    int leap;

    cf_json_get_tai(reader, object, &time.tai_offset_s);
    if (cf_json_get_name(reader, object, "leap", &cf_leap_names, &leap)) {
        time.leap = (CfLeap)leap;
    }
    if (cf_json_get_bool(reader, object, "synchronised",
                         &time.synchronised) &&
        cf_json_get_u64(reader, object, "max_error_ns", &time.max_error_ns)) {
        host->time_known = true;
        host->time = time;
    }
}

static void get_instant(CfJsonReader *reader, const CfJson *object,
                        CfHost *host)
{
    CfJson *instant;

    if (cf_json_get_object(reader, object, "instant", &instant)) {
        host->instant_known = cf_instant_from_json(reader, instant,
                                                   &host->instant);
    }
}

static void get_probe(CfJsonReader *reader, const CfJson *object,
                      CfHost *host)
{
    if (!cf_json_check_format(reader, object, FORMAT, VERSION)) {
        return;
    }
    get_id(reader, object, &host->id);
    get_tsc(reader, object, host);
    get_kvmclock(reader, object, host);
    get_time(reader, object, host);
    get_instant(reader, object, host);
    cf_json_get_u64(reader, object, "duration_ns", &host->duration_ns);
}

gboolean cf_host_from_json(const char *json, size_t size, CfHost *ret_host,
                           GError **error)
{
    CfJsonReader reader = { NULL };
    g_autoptr(CfJson) object = cf_json_parse(&reader, json, size);
    CfHost host = { 0 };

    if (object) {
        get_probe(&reader, object, &host);
    }
    if (reader.problem) {
        return cf_fail_json(error, "the facts about a host", &reader);
    }
    *ret_host = host;
    return TRUE;
}
