/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The clocks of a running guest, for people and for programs. */
#include <inttypes.h>
#include "text/codec.h"
#include "text/units.h"
#include "cli/screen.h"
#include "guest-clocks.h"

static void add_steps(Screen *screen, const LastRestore *restore)
{
    g_autofree char *residual = cf_signed_time_text(restore->residual_ns);
    g_autofree char *bound = cf_signed_time_text(restore->bound_ns);

    screen_known(screen, "Residual", restore->residual_known, "%s", residual);
    screen_known(screen, "kvmclock step", restore->bound_known, "up to %s",
                 bound);
}

static void add_tsc(Screen *screen, const LastRestore *restore)
{
    g_autofree char *rate = cf_rate_text(restore->rate_error_ppt);
    g_autofree char *step = cf_signed_time_text(restore->time_bound_ns);

    screen_fact(screen, "TSC offsets", "%s",
                cf_name_of(&cf_tsc_outcome_names, (unsigned int)restore->tsc));
    screen_known(screen, "vCPU skew", restore->skew_known, "%" PRId64 " ticks",
                 restore->skew_ticks);
    screen_known(screen, "Rate error", restore->rate_known, "%s", rate);
    screen_known(screen, "TSC step", restore->time_known, "up to %s", step);
}

/* What told how much time passed; how well is the TSC's step. */
static void add_time(Screen *screen, const LastRestore *restore)
{
    g_autofree char *trip = cf_signed_time_text(restore->round_trip_ns);
    g_autofree char *wrong = cf_signed_time_text(restore->clocks_wrong_ns);

    screen_fact(screen, "Time from", "%s",
                cf_name_of(&cf_elapsed_from_names,
                           (unsigned int)restore->elapsed_from));
    if (restore->round_trip_known) {
        screen_fact(screen, "Round trip", "%s", trip);
    }
    if (restore->clocks_wrong) {
        screen_fact(screen, "Hosts' clocks", "wrong by %s at least", wrong);
    }
}

static void add_restore(Screen *screen, const LastRestore *restore)
{
    g_autofree char *took =
        cf_time_text((uint64_t)MAX(restore->duration_ns, 0));
    g_autofree char *elapsed =
        cf_time_text((uint64_t)MAX(restore->elapsed_ns, 0));
    g_autofree char *kexec = cf_rate_text(restore->kexec_ppt);

    screen_fact(screen, "Last restore", "%s, %u tr%s, %s",
                cf_name_of(&cf_rung_names, (unsigned int)restore->rung),
                restore->tries, restore->tries == 1 ? "y" : "ies", took);
    add_steps(screen, restore);
    add_tsc(screen, restore);
    add_time(screen, restore);
    screen_fact(screen, "Same host", "%s%s%s",
                restore->same_host ? "yes" : "no",
                restore->kexec ? ", after a kexec; kvmclock's rate changed by "
                               : "", restore->kexec ? kexec : "");
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
    if (clocks->blackout == GUEST_BLACKOUT_FREEZE) {
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
    screen_known(&screen, "Host TSC", clocks->host_khz, "%u kHz",
                 clocks->host_khz);
    screen_known(&screen, "Guest TSC", clocks->guest_khz, "%u kHz",
                 clocks->guest_khz);
    screen_fact(&screen, "Promised", "%s",
                clocks->guest.promised ? "yes" : "no");
    if (*clocks->not_carried) {
        screen_fact(&screen, "Not carried", "%s", clocks->not_carried);
    }
    if (clocks->restored) {
        add_restore(&screen, &clocks->restore);
    } else {
        screen_fact(&screen, "Last restore", "none%s", *clocks->not_carried
                    ? "" : ": the guest was started here");
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

