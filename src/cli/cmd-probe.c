/* SPDX-License-Identifier: GPL-2.0-or-later */
/* clockferry probe: what this host can do for guests' clocks. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <clockferry/host.h>
#include "cli.h"
#include "files.h"
#include "hosts.h"
#include "probe-print.h"

typedef struct Options {
    char *device;
    char *from;
    char *output;
    char *format;
} Options;

static bool wants_colour(const Options *options)
{
    return !options->output && isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
}

static char *print(const CfHost *probe, const Options *options)
{
    if (!strcmp(options->format, "json")) {
        return cf_host_to_json(probe);
    }
    if (!strcmp(options->format, "prometheus")) {
        return probe_to_prometheus(probe);
    }
    if (!strcmp(options->format, "kubevirt")) {
        return probe_to_kubevirt(probe);
    }
    return probe_to_text(probe, wants_colour(options));
}

/* Can guests come here by the default policy, and exactly? */
static int verdict(const CfHost *probe)
{
    return probe->offset_known && probe->offset == CF_OFFSET_STICKS &&
           probe->rung_known && probe->best_rung <= CF_RUNG_CLOSED_LOOP
           ? CF_EXIT_FINE : CF_EXIT_INEXACT;
}

static gboolean get_facts(const Options *options, CfHost *probe,
                          GError **error)
{
    const char *device = options->device ? options->device : CF_CLI_DEVICE;

    return options->from
           ? hosts_read(options->from, probe, error)
           : cf_host_probe(cf_kvm_ops(), device, probe, error);
}

static int probe(const Options *options)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    CfHost facts;

    if (!get_facts(options, &facts, &error)) {
        return cli_fail(error);
    }
    text = print(&facts, options);
    if (!files_write(options->output, text, &error)) {
        return cli_fail(error);
    }
    return verdict(&facts);
}

static int choose_format(Options *options, gboolean json)
{
    static const char *const formats[] = {
        "text", "json", "prometheus", "kubevirt", NULL,
    };

    if (json && options->format && strcmp(options->format, "json") != 0) {
        return cli_usage("--json and --format %s contradict",
                         options->format);
    }
    if (!options->format) {
        options->format = g_strdup(json ? "json" : "text");
    }
    if (!g_strv_contains(formats, options->format)) {
        return cli_usage("no format '%s': there are text, json, prometheus "
                         "and kubevirt", options->format);
    }
    return CLI_GO_ON;
}

int cli_probe(int argc, char **argv)
{
    Options options = { 0 };
    gboolean json = FALSE;
    const GOptionEntry entries[] = {
        { "format", 'f', 0, G_OPTION_ARG_STRING, &options.format,
          "text (default), json, prometheus or kubevirt", "FORMAT" },
        { "json", 0, 0, G_OPTION_ARG_NONE, &json, "The same as --format json",
          NULL },
        OUTPUT_ENTRY(options),
        { "device", 0, 0, G_OPTION_ARG_FILENAME, &options.device,
          "The KVM device (" CF_CLI_DEVICE ")", "PATH" },
        { "from", 0, 0, G_OPTION_ARG_FILENAME, &options.from,
          "Don't probe, show the facts in this file (- is the standard input)",
          "FILE" },
        { 0 },
    };
    const CliSyntax syntax = {
        .arguments = "",
        .summary = "Tells what this host can do for guests' clocks, by trying "
                   "it on a scratch VM.\nExit status 4: guests of other hosts "
                   "can't come here exactly.",
        .options = entries,
    };
    int status = cli_parse(&syntax, argc, argv, NULL);

    if (status == CLI_GO_ON) {
        status = choose_format(&options, json);
    }
    if (status == CLI_GO_ON) {
        status = probe(&options);
    }
    g_free(options.format);
    g_free(options.output);
    g_free(options.device);
    g_free(options.from);
    return status;
}
