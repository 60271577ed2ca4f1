/* SPDX-License-Identifier: GPL-2.0-or-later */
/* clockferry diff: what happened to a guest's clocks between two captures. */
#include <inttypes.h>
#include <stdlib.h>
#include "text/json.h"
#include "cli.h"
#include "difference.h"
#include "files.h"
#include "units.h"

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

static void known_fact(GString *out, const char *name, bool known,
                       int64_t value, const char *unit)
{
    if (known) {
        units_fact(out, name, "%" PRId64 " %s", value, unit);
    } else {
        units_fact(out, name, "unknown");
    }
}

static char *to_text(const Difference *d)
{
    GString *out = g_string_new(NULL);
    g_autofree char *elapsed = units_ms(d->elapsed_ns);
    g_autofree char *error = units_time(d->elapsed_error_ns);
    g_autofree char *rate = units_ppb(d->rate_error_ppt);

    units_fact(out, "Hosts", "%s", d->same_host ? "one" : "two, or not proven");
    units_fact(out, "Time between", "%s, by %s", elapsed,
               d->same_host ? "the host's TSC" : "the hosts' clocks");
    if (d->elapsed_error_known && !d->same_host) {
        units_fact(out, "Known to", "%s", error);
    }
    known_fact(out, "TSC step", d->tsc_known, d->tsc_step_ticks, "ticks");
    known_fact(out, "", d->tsc_known, d->tsc_step_ns, "ns");
    known_fact(out, "kvmclock step", d->clock_known, d->clock_step_ns, "ns");
    known_fact(out, "against the TSC", d->mismatch_known, d->mismatch_ns,
               "ns");
    known_fact(out, "vCPU skew", d->skew_known, (int64_t)d->skew_ticks,
               "ticks");
    units_fact(out, "Rate error", "%s", d->rate_known ? rate : "unknown");
    return g_string_free(out, FALSE);
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
    text = options->json ? to_json(&difference) : to_text(&difference);
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
        .summary = "Tells what happened to a guest's clocks between two "
                   "captures: steps of TSC and\nkvmclock against the time "
                   "that passed, rate, skew between vCPUs.\nExit status 4: "
                   "kvmclock and TSC came apart, or a vCPU's TSC, or the rate "
                   "changed.",
        .min = 2,
        .max = 2,
        .options = entries,
    };
    g_auto(GStrv) files = NULL;
    int status = cli_parse(&syntax, argc, argv, &files);

    if (status == CLI_GO_ON) {
        status = diff(&options, files);
    }
    g_free(options.output);
    return status;
}
