/* SPDX-License-Identifier: GPL-2.0-or-later */
/* clockferry diff: what happened to a guest's clocks between two captures. */
#include <inttypes.h>
#include "text/codec.h"
#include "text/units.h"
#include "cli.h"
#include "difference.h"
#include "hosts.h"
#include "screen.h"

static void add_step(Screen *screen, const char *name, bool known,
                     int64_t step_ns)
{
    g_autofree char *step = cf_signed_time_text(step_ns);

    screen_known(screen, name, known, "%s", step);
}

static char *to_text(const Difference *d, const char *output)
{
    Screen screen = screen_begin(output);
    g_autofree char *elapsed = cf_signed_time_text(d->elapsed_ns);
    g_autofree char *error = cf_time_text(d->elapsed_error_ns);
    g_autofree char *step = cf_signed_time_text(d->tsc_step_ns);
    g_autofree char *rate = cf_rate_text(d->rate_error_ppt);

    screen_fact(&screen, "Hosts", "%s",
                d->kexec ? "the same, with another kernel since (kexec)"
                : d->same_host ? "the same"
                               : "different, or not proven to be the same");
    screen_fact(&screen, "Time between", "%s, by %s", elapsed,
                d->same_host ? "the host's TSC" : "the hosts' clocks");
    if (d->elapsed_error_known && (!d->same_host || d->kexec)) {
        screen_fact(&screen, "Known to", "%s", error);
    }
    screen_known(&screen, "TSC step", d->tsc_known, "%" PRId64 " ticks, %s",
                 d->tsc_step_ticks, step);
    add_step(&screen, "kvmclock step", d->clock_known, d->clock_step_ns);
    add_step(&screen, "against the TSC", d->mismatch_known, d->mismatch_ns);
    screen_known(&screen, "vCPU skew", d->skew_known, "%" PRIu64 " ticks",
                 d->skew_ticks);
    screen_known(&screen, "Rate error", d->rate_known, "%s", rate);
    return screen_end(&screen);
}

#define AT(member) CF_AT(Difference, member)
#define KNOWN(member) CF_KNOWN(Difference, member)

static const CfMember members[] = {
    { "same_host", CF_MEMBER_BOOL, AT(same_host) },
    { "kexec", CF_MEMBER_BOOL, AT(kexec), .optional = true },
    { "elapsed_ns", CF_MEMBER_S64, AT(elapsed_ns) },
    { "elapsed_error_ns", CF_MEMBER_U64, AT(elapsed_error_ns),
      KNOWN(elapsed_error_known) },
    { "tsc_step_ticks", CF_MEMBER_S64, AT(tsc_step_ticks), KNOWN(tsc_known) },
    { "tsc_step_ns", CF_MEMBER_S64, AT(tsc_step_ns), KNOWN(tsc_known) },
    { "clock_step_ns", CF_MEMBER_S64, AT(clock_step_ns), KNOWN(clock_known) },
    { "mismatch_ns", CF_MEMBER_S64, AT(mismatch_ns), KNOWN(mismatch_known) },
    { "skew_ticks", CF_MEMBER_U64, AT(skew_ticks), KNOWN(skew_known) },
    { "rate_error_ppt", CF_MEMBER_S64, AT(rate_error_ppt),
      KNOWN(rate_known) },
    { 0 },
};

static char *to_json(const Difference *d)
{
    g_autoptr(CfJson) json = cf_json_new_format("clockferry-diff", 1, 1);

    cf_members_add(json, members, d);
    return cf_json_print(json);
}

static int diff(CliOptions *options, char **files)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(CfState) before = hosts_read_state(files[0], &error);
    g_autoptr(CfState) after = before ? hosts_read_state(files[1], &error)
                                      : NULL;
    Difference difference;

    if (!after || !difference_of(before, after, &difference, &error)) {
        return cli_fail(error);
    }
    return cli_print(options->output,
                     options->json ? to_json(&difference)
                                   : to_text(&difference, options->output),
                     difference_is_exact(&difference) ? CF_EXIT_FINE
                                                      : CF_EXIT_INEXACT);
}

int cli_diff(int argc, char **argv)
{
    CliOptions options = { 0 };
    const GOptionEntry entries[] = {
        JSON_ENTRY(options),
        OUTPUT_ENTRY(options),
        { 0 },
    };
    const CliSyntax syntax = {
        .arguments = "BEFORE.json AFTER.json",
        .summary = "Shows what happened to a guest's clocks between two "
                   "captures: steps of TSC and\nkvmclock against the time "
                   "that passed, rate, skew between vCPUs.\nExit status 4: "
                   "kvmclock and the TSC, or two vCPUs' TSCs, moved apart, or "
                   "the\nrate changed.",
        .examples = "clockferry diff before.json after.json",
        .min = 2,
        .max = 2,
        .entries = entries,
        .files = TRUE,
        .steps = { diff },
    };

    return cli_run(&syntax, &options, argc, argv);
}
