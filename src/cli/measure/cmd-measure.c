/* SPDX-License-Identifier: GPL-2.0-or-later */
/* clockferry measure: how the clocks of two hosts lie to each other. */
#include "cli/cli.h"
#include "cli/files.h"
#include "kvm/calls.h"
#include "measure.h"

#define MAX_SECONDS 3600
#define BY_SSH "ssh -- HOST clockferry measure --answer"
#define SSH_HOST 2

/* What starts the other end. */
static gboolean start(const CliOptions *options, const char *host,
                      Measured *m, GError **error)
{
    g_auto(GStrv) argv = NULL;

    if (!g_shell_parse_argv(options->via ? options->via : BY_SSH, NULL, &argv,
                            error)) {
        return FALSE;
    }
    if (!options->via) {
        g_free(argv[SSH_HOST]);
        argv[SSH_HOST] = g_strdup(host);
    }
    return measure_talk(argv, (unsigned int)options->seconds, m, error);
}

static int measure(CliOptions *options, char **host)
{
    const char *device = options->device ? options->device : CF_CLI_DEVICE;
    g_autofree Measured *m = g_new0(Measured, 1);
    g_autoptr(GError) error = NULL;

    if (!cf_host_probe(cf_kvm_ops(), device, &m->here, &error)) {
        return cli_fail(error);
    }
    if (cf_host_has_counter(&m->here)) {
        g_set_error_literal(&error, CF_ERROR, CF_ERROR_INVALID,
                            "this host has no TSC to measure by: clockferry "
                            "measure is for x86-64");
        return cli_fail(error);
    }
    if (options->answer) {
        return measure_answer(&m->here);
    }
    if (!start(options, *host, m, &error) || !measure_evaluate(m, &error)) {
        g_prefix_error(&error, "%s: ", *host);
        return cli_fail(error);
    }
    return cli_print(options->output,
                     options->json ? measure_to_json(m)
                                   : measure_to_text(m, options->output),
                     m->contradicted ? CF_EXIT_INEXACT : CF_EXIT_FINE);
}

static int check_options(CliOptions *options, char **host)
{
    g_autoptr(GError) error = NULL;

    if (options->answer && (host || options->via)) {
        return cli_usage("--answer takes neither a HOST nor --via: it is the "
                         "other end");
    }
    if (!options->answer && !host) {
        return cli_usage("name the HOST to measure");
    }
    if (options->seconds < 1 || options->seconds > MAX_SECONDS) {
        return cli_usage("--seconds must be 1 to %d", MAX_SECONDS);
    }
    if (!files_check_writable(options->output, &error)) {
        return cli_fail(error);
    }
    return CLI_GO_ON;
}

int cli_measure(int argc, char **argv)
{
    CliOptions options = { .seconds = 5 };
    const GOptionEntry entries[] = {
        { "seconds", 's', 0, G_OPTION_ARG_INT, &options.seconds,
          "For how long (5); the longer, the closer the rate", "N" },
        { "via", 0, 0, G_OPTION_ARG_STRING, &options.via,
          "Start the other end by this, not by ssh", "COMMAND" },
        { "answer", 0, 0, G_OPTION_ARG_NONE, &options.answer,
          "Be the other end, on stdin and stdout", NULL },
        JSON_ENTRY(options),
        OUTPUT_ENTRY(options),
        DEVICE_ENTRY(options),
        { 0 },
    };
    const CliSyntax syntax = {
        .arguments = "[HOST]",
        .summary = "Shows how the clocks and TSCs of this host and another "
                   "lie to each other, by\nmessages that prove it, and what "
                   "a guest that goes there would be off by.\nHOST is asked "
                   "by ssh and needs clockferry.\nExit status 4: the clocks "
                   "are farther apart than their kernels know.",
        .examples = "clockferry measure host-b\n"
                    "clockferry measure --seconds=60 --json host-b",
        .max = 1,
        .entries = entries,
        .steps = { check_options, measure },
    };

    return cli_run(&syntax, &options, argc, argv);
}
