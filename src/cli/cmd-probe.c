/* SPDX-License-Identifier: GPL-2.0-or-later */
/* clockferry probe: what this host can do for guests' clocks. */
#include <string.h>
#include <clockferry/host.h>
#include "kvm/calls.h"
#include "cli.h"
#include "files.h"
#include "hosts.h"
#include "probe.h"

static char *print(const CfHost *host, const CliOptions *options)
{
    if (!strcmp(options->format, "json")) {
        return cf_host_to_json(host);
    }
    if (!strcmp(options->format, "prometheus")) {
        return probe_to_prometheus(host);
    }
    if (!strcmp(options->format, "kubevirt")) {
        return probe_to_kubevirt(host);
    }
    if (!strcmp(options->format, "nfd")) {
        return probe_to_nfd(host);
    }
    return probe_to_text(host, options->output);
}

/* Can guests come here exactly, as far as that is this host's doing? */
static int verdict(const CfHost *host)
{
    const struct cf_policy_facts facts = {
        .rate_known = true,
        .offset = host->offset_known ? host->offset : CF_OFFSET_IGNORED,
        .measured = cf_offset_is_measured(host),
        .time_bound_ns = cf_time_error_ns(&host->time),
        .best_rung = cf_host_rung(host),
        .required_rung = CF_RUNG_PLAIN,
    };
    enum cf_reason reason;

    return cf_policy_decide(&facts, &reason) == CF_VERDICT_GO
           ? CF_EXIT_FINE : CF_EXIT_INEXACT;
}

static gboolean get_facts(const CliOptions *options, CfHost *ret_host,
                          GError **error)
{
    const char *device = options->device ? options->device : CF_CLI_DEVICE;

    return options->from
           ? hosts_read(options->from, ret_host, error)
           : cf_host_probe(cf_kvm_ops(), device, ret_host, error);
}

/* For programs that read it again and again; NULL for others. */
static char *failure(const char *format)
{
    return !strcmp(format, "prometheus") ? probe_to_prometheus(NULL)
           : !strcmp(format, "nfd") ? probe_to_nfd(NULL) : NULL;
}

static int probe(CliOptions *options, char **arguments G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    CfHost facts;

    if (!get_facts(options, &facts, &error)) {
        /* What was written on better days would hide it. */
        g_autofree char *text = failure(options->format);

        if (text) {
            files_write(options->output, text, NULL);
        }
        return cli_fail(error);
    }
    return cli_print(options->output, print(&facts, options),
                     verdict(&facts));
}

static int choose_format(CliOptions *options, char **arguments G_GNUC_UNUSED)
{
    static const char *const formats[] = {
        "text", "json", "prometheus", "kubevirt", "nfd", NULL,
    };

    if (options->from && options->device) {
        return cli_usage("--from can't be combined with --device: nothing is "
                         "probed then");
    }
    return cli_choose_format(options, formats);
}

int cli_probe(int argc, char **argv)
{
    CliOptions options = { 0 };
    const GOptionEntry entries[] = {
        { "format", 'f', 0, G_OPTION_ARG_STRING, &options.format,
          "text (default), json, prometheus, kubevirt or nfd", "FORMAT" },
        { "json", 0, 0, G_OPTION_ARG_NONE, &options.json,
          "The same as --format json", NULL },
        OUTPUT_ENTRY(options),
        DEVICE_ENTRY(options),
        { "from", 0, 0, G_OPTION_ARG_FILENAME, &options.from,
          "Don't probe: show this file's facts (-: stdin)",
          "FILE" },
        { 0 },
    };
    const CliSyntax syntax = {
        .arguments = "",
        .summary = "Shows what this host can do for guests' clocks, by trying "
                   "it on a scratch VM.\nExit status 4: guests from other "
                   "hosts can't keep exact clocks here.",
        .examples = "clockferry probe\n"
                    "clockferry probe --json -o host-a.json",
        .entries = entries,
        .steps = { choose_format, probe },
    };

    return cli_run(&syntax, &options, argc, argv);
}
