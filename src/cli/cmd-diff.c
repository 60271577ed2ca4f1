/* SPDX-License-Identifier: GPL-2.0-or-later */
/* clockferry diff: what happened to a guest's clocks between two captures. */
#include <inttypes.h>
#include "text/json.h"
#include "text/units.h"
#include "cli.h"
#include "difference.h"
#include "files.h"
#include "screen.h"

typedef struct Options {
    gboolean json;
    char *output;
} Options;

static CfState *read_state(const char *path, GError **error)
{
    g_autofree char *text = NULL;
    CfState *state;
    gsize size;

    if (!files_read(path, &text, &size, error)) {
        return NULL;
    }
    if (!cf_state_from_json(text, size, &state, error)) {
        g_prefix_error(error, "%s: ", path);
        return NULL;
    }
    return state;
}

static void add_step(Screen *screen, const char *name, bool known,
                     int64_t step_ns)
{
    g_autofree char *step = cf_signed_time_text(step_ns);

    screen_fact(screen, name, "%s", known ? step : "unknown");
}

static void add_tsc(Screen *screen, const Difference *d)
{
    g_autofree char *step = cf_signed_time_text(d->tsc_step_ns);

    if (d->tsc_known) {
        screen_fact(screen, "TSC step", "%" PRId64 " ticks, %s",
                    d->tsc_step_ticks, step);
    } else {
        screen_fact(screen, "TSC step", "unknown");
    }
}

static void add_skew(Screen *screen, const Difference *d)
{
    if (d->skew_known) {
        screen_fact(screen, "vCPU skew", "%" PRIu64 " ticks", d->skew_ticks);
    } else {
        screen_fact(screen, "vCPU skew", "unknown");
    }
}

static char *to_text(const Difference *d, const char *output)
{
    Screen screen = screen_begin(output);
    g_autofree char *elapsed = cf_signed_time_text(d->elapsed_ns);
    g_autofree char *error = cf_time_text(d->elapsed_error_ns);
    g_autofree char *rate = cf_rate_text(d->rate_error_ppt);

    screen_fact(&screen, "Hosts", "%s",
                d->same_host ? "the same"
                             : "different, or not proven to be the same");
    screen_fact(&screen, "Time between", "%s, by %s", elapsed,
                d->same_host ? "the host's TSC" : "the hosts' clocks");
    if (d->elapsed_error_known && !d->same_host) {
        screen_fact(&screen, "Known to", "%s", error);
    }
    add_tsc(&screen, d);
    add_step(&screen, "kvmclock step", d->clock_known, d->clock_step_ns);
    add_step(&screen, "against the TSC", d->mismatch_known, d->mismatch_ns);
    add_skew(&screen, d);
    screen_fact(&screen, "Rate error", "%s", d->rate_known ? rate : "unknown");
    return screen_end(&screen);
}

static void add_known(CfJson *json, const char *name, bool known,
                      int64_t value)
{
    if (known) {
        cf_json_add_s64(json, name, value);
    }
}

static char *to_json(const Difference *d)
{
    g_autoptr(CfJson) json = cf_json_new_format("clockferry-diff", 1, 1);

    cf_json_add_bool(json, "same_host", d->same_host);
    cf_json_add_s64(json, "elapsed_ns", d->elapsed_ns);
    if (d->elapsed_error_known) {
        cf_json_add_u64(json, "elapsed_error_ns", d->elapsed_error_ns);
    }
    add_known(json, "tsc_step_ticks", d->tsc_known, d->tsc_step_ticks);
    add_known(json, "tsc_step_ns", d->tsc_known, d->tsc_step_ns);
    add_known(json, "clock_step_ns", d->clock_known, d->clock_step_ns);
    add_known(json, "mismatch_ns", d->mismatch_known, d->mismatch_ns);
    if (d->skew_known) {
        cf_json_add_u64(json, "skew_ticks", d->skew_ticks);
    }
    add_known(json, "rate_error_ppt", d->rate_known, d->rate_error_ppt);
    return cf_json_print(json);
}

static int diff(const Options *options, char **files)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(CfState) before = read_state(files[0], &error);
    g_autoptr(CfState) after = before ? read_state(files[1], &error) : NULL;
    g_autofree char *text = NULL;
    Difference difference;

    if (!after || !difference_of(before, after, &difference, &error)) {
        return cli_fail(error);
    }
    text = options->json ? to_json(&difference)
                         : to_text(&difference, options->output);
    if (!files_write(options->output, text, &error)) {
        return cli_fail(error);
    }
    return difference_is_exact(&difference) ? CF_EXIT_FINE : CF_EXIT_INEXACT;
}

int cli_diff(int argc, char **argv)
{
    Options options = { 0 };
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
        .options = entries,
        .output = &options.output,
        .files = TRUE,
    };
    g_auto(GStrv) files = NULL;
    int status = cli_parse(&syntax, argc, argv, &files);

    if (status == CLI_GO_ON) {
        status = diff(&options, files);
    }
    g_free(options.output);
    return status;
}
