/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The clocks of a running guest for people and for programs. */
#include <inttypes.h>
#include <string.h>
#include "guest-clocks.h"
#include "cli/units.h"

static void number_fact(GString *out, const char *name, bool known,
                        const char *before, int64_t value, const char *unit)
{
    if (known) {
        units_fact(out, name, "%s%" PRId64 " %s", before, value, unit);
    } else {
        units_fact(out, name, "unknown");
    }
}

static void add_restore(GString *out, const LastRestore *restore)
{
    g_autofree char *took = units_time((uint64_t)MAX(restore->duration_ns, 0));
    g_autofree char *elapsed = units_time((uint64_t)MAX(restore->elapsed_ns,
                                                        0));
    g_autofree char *rate = units_ppb(restore->rate_error_ppt);

    units_fact(out, "Last restore", "%s, %u tr%s, %s",
               cf_name_of(&cf_rung_names, (unsigned int)restore->rung),
               restore->tries, restore->tries == 1 ? "y" : "ies", took);
    number_fact(out, "Residual", restore->residual_known, "",
                restore->residual_ns, "ns");
    number_fact(out, "kvmclock step", restore->bound_known, "up to ",
                restore->bound_ns, "ns");
    units_fact(out, "TSC offsets", "%s",
               cf_name_of(&cf_tsc_outcome_names, (unsigned int)restore->tsc));
    number_fact(out, "vCPU skew", restore->skew_known, "",
                restore->skew_ticks, "ticks");
    units_fact(out, "Rate error", "%s",
               restore->rate_known ? rate : "unknown");
    units_fact(out, "Same host", "%s", restore->same_host ? "yes" : "no");
    units_fact(out, "Blackout", "%s", restore->frozen ? "frozen" : elapsed);
}

static void add_wishes(GString *out, const GuestClocks *clocks)
{
    const CfGuest *guest = &clocks->guest;

    if (!clocks->enabled) {
        units_fact(out, "Clocks", "not carried: QEMU needs -global "
                   "kvmclock.guest-clock=on, see clockferry enable");
        return;
    }
    units_fact(out, "Clocks", "carried, policy %s, require %s",
               cf_policy_name(guest->policy), cf_rung_name(guest->require));
    if (clocks->freeze) {
        units_fact(out, "Blackouts", "freeze the clocks");
    } else {
        units_fact(out, "Blackouts", "count, up to %u s",
                   clocks->blackout_limit_s);
    }
}

char *guest_clocks_to_text(const GuestClocks *clocks)
{
    GString *out = g_string_new(NULL);

    units_fact(out, "Guest", "%s, %s",
               *clocks->name ? clocks->name : "no name",
               *clocks->status ? clocks->status : "state unknown");
    add_wishes(out, clocks);
    number_fact(out, "Host TSC", clocks->host_khz, "", clocks->host_khz,
                "kHz");
    number_fact(out, "Guest TSC", clocks->guest_khz, "", clocks->guest_khz,
                "kHz");
    units_fact(out, "Promised", "%s", clocks->guest.promised ? "yes" : "no");
    if (clocks->restored) {
        add_restore(out, &clocks->restore);
    } else {
        units_fact(out, "Last restore", "none, the guest was started here");
    }
    return g_string_free(out, FALSE);
}

char *guest_clocks_restore_line(const LastRestore *restore)
{
    GString *out = g_string_new(NULL);
    g_autofree char *rate = units_ppb(restore->rate_error_ppt);

    g_string_append_printf(
        out, "%s, %u tr%s",
        cf_name_of(&cf_rung_names, (unsigned int)restore->rung),
        restore->tries, restore->tries == 1 ? "y" : "ies");
    if (restore->residual_known) {
        g_string_append_printf(out, ", residual %" PRId64 " ns",
                               restore->residual_ns);
    }
    g_string_append_printf(
        out, ", TSC %s, rate error %s",
        cf_name_of(&cf_tsc_outcome_names, (unsigned int)restore->tsc),
        restore->rate_known ? rate : "unknown");
    return g_string_free(out, FALSE);
}

static CfJson *restore_to_json(const LastRestore *restore)
{
    CfJson *json = cf_json_object();

    cf_json_add_name(json, "rung", &cf_rung_names,
                     (unsigned int)restore->rung);
    cf_json_add_int(json, "tries", restore->tries);
    cf_json_add_name(json, "tsc", &cf_tsc_outcome_names,
                     (unsigned int)restore->tsc);
    if (restore->residual_known) {
        cf_json_add_s64(json, "residual_ns", restore->residual_ns);
    }
    if (restore->bound_known) {
        cf_json_add_s64(json, "bound_ns", restore->bound_ns);
    }
    if (restore->rate_known) {
        cf_json_add_s64(json, "rate_error_ppt", restore->rate_error_ppt);
    }
    if (restore->skew_known) {
        cf_json_add_s64(json, "skew_ticks", restore->skew_ticks);
    }
    cf_json_add_bool(json, "same_host", restore->same_host);
    cf_json_add_bool(json, "frozen", restore->frozen);
    cf_json_add_s64(json, "elapsed_ns", restore->elapsed_ns);
    cf_json_add_s64(json, "duration_ns", restore->duration_ns);
    return json;
}

char *guest_clocks_to_json(const GuestClocks *clocks)
{
    CfJsonReader reader = { NULL };
    g_autofree char *guest = cf_guest_to_json(&clocks->guest);
    g_autoptr(CfJson) json = cf_json_parse(&reader, guest, strlen(guest));

    cf_json_add_text(json, "name", clocks->name);
    cf_json_add_text(json, "status", clocks->status);
    cf_json_add_bool(json, "enabled", clocks->enabled);
    cf_json_add_text(json, "blackout", clocks->freeze ? "freeze" : "count");
    cf_json_add_int(json, "blackout_limit_s", clocks->blackout_limit_s);
    if (clocks->restored) {
        cf_json_add(json, "restore", restore_to_json(&clocks->restore));
    }
    return cf_json_print(json);
}
