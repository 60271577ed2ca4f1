/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The clocks of a running guest, for people and for programs. */
#include <inttypes.h>
#include "text/codec.h"
#include "text/units.h"
#include "cli/screen.h"
#include "guest-clocks.h"

static void add_khz(Screen *screen, const char *name, uint32_t khz)
{
    if (khz) {
        screen_fact(screen, name, "%u kHz", khz);
    } else {
        screen_fact(screen, name, "unknown");
    }
}

static void add_steps(Screen *screen, const LastRestore *restore)
{
    g_autofree char *residual = cf_signed_time_text(restore->residual_ns);
    g_autofree char *bound = cf_signed_time_text(restore->bound_ns);

    screen_fact(screen, "Residual", "%s",
                restore->residual_known ? residual : "unknown");
    screen_fact(screen, "kvmclock step", "%s%s",
                restore->bound_known ? "up to " : "",
                restore->bound_known ? bound : "unknown");
}

static void add_tsc(Screen *screen, const LastRestore *restore)
{
    g_autofree char *rate = cf_rate_text(restore->rate_error_ppt);

    screen_fact(screen, "TSC offsets", "%s",
                cf_name_of(&cf_tsc_outcome_names, (unsigned int)restore->tsc));
    if (restore->skew_known) {
        screen_fact(screen, "vCPU skew", "%" PRId64 " ticks",
                    restore->skew_ticks);
    } else {
        screen_fact(screen, "vCPU skew", "unknown");
    }
    screen_fact(screen, "Rate error", "%s",
                restore->rate_known ? rate : "unknown");
}

static void add_restore(Screen *screen, const LastRestore *restore)
{
    g_autofree char *took =
        cf_time_text((uint64_t)MAX(restore->duration_ns, 0));
    g_autofree char *elapsed =
        cf_time_text((uint64_t)MAX(restore->elapsed_ns, 0));

    screen_fact(screen, "Last restore", "%s, %u tr%s, %s",
                cf_name_of(&cf_rung_names, (unsigned int)restore->rung),
                restore->tries, restore->tries == 1 ? "y" : "ies", took);
    add_steps(screen, restore);
    add_tsc(screen, restore);
    screen_fact(screen, "Same host", "%s", restore->same_host ? "yes" : "no");
    screen_fact(screen, "Blackout", "%s",
                restore->frozen ? "frozen" : elapsed);
}

static void add_wishes(Screen *screen, const GuestClocks *clocks)
{
    const CfGuest *guest = &clocks->guest;

    if (!clocks->enabled) {
        screen_fact(screen, "Clocks", "not carried: QEMU needs -global "
                    "kvmclock.guest-clock=on, see clockferry enable");
        return;
    }
    screen_fact(screen, "Clocks", "carried, policy %s, require %s",
                cf_policy_name(guest->policy), cf_rung_name(guest->require));
    if (clocks->freeze) {
        screen_fact(screen, "Blackouts", "freeze the clocks");
    } else {
        screen_fact(screen, "Blackouts", "count, up to %u s",
                    clocks->blackout_limit_s);
    }
}

char *guest_clocks_to_text(const GuestClocks *clocks, const char *output)
{
    Screen screen = screen_begin(output);

    screen_fact(&screen, "Guest", "%s, %s",
                *clocks->name ? clocks->name : "no name",
                *clocks->status ? clocks->status : "state unknown");
    add_wishes(&screen, clocks);
    add_khz(&screen, "Host TSC", clocks->host_khz);
    add_khz(&screen, "Guest TSC", clocks->guest_khz);
    screen_fact(&screen, "Promised", "%s",
                clocks->guest.promised ? "yes" : "no");
    if (clocks->restored) {
        add_restore(&screen, &clocks->restore);
    } else {
        screen_fact(&screen, "Last restore",
                    "none: the guest was started here");
    }
    return screen_end(&screen);
}

char *guest_clocks_restore_line(const LastRestore *restore)
{
    GString *out = g_string_new(NULL);
    g_autofree char *rate = cf_rate_text(restore->rate_error_ppt);

    g_string_append_printf(
        out, "%s, %u tr%s",
        cf_name_of(&cf_rung_names, (unsigned int)restore->rung),
        restore->tries, restore->tries == 1 ? "y" : "ies");
    if (restore->residual_known) {
        g_autofree char *residual = cf_signed_time_text(restore->residual_ns);

        g_string_append_printf(out, ", residual %s", residual);
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
    g_autoptr(CfJson) json = cf_guest_to_object(&clocks->guest);

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
