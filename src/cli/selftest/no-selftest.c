/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Replaces clockferry selftest where there is no test guest for it. */
#include "cli/cli.h"

static int selftest(CliOptions *options G_GNUC_UNUSED,
                    char **arguments G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;

    g_set_error_literal(&error, CF_ERROR, CF_ERROR_INVALID,
                        "the selftest is for x86-64: nothing carries the "
                        "clocks of this architecture's guests");
    return cli_fail(error);
}

int cli_selftest(int argc, char **argv)
{
    CliOptions options = { 0 };
    const GOptionEntry entries[] = { { 0 } };
    const CliSyntax syntax = {
        .arguments = "",
        .summary = "Says that this architecture has no selftest.",
        .examples = "clockferry selftest",
        .entries = entries,
        .steps = { selftest },
    };

    return cli_run(&syntax, &options, argc, argv);
}
