/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the subcommands share. */
#ifndef CF_CLI_H
#define CF_CLI_H

#include <glib.h>

typedef enum CfExit {
    CF_EXIT_FINE = 0,
    CF_EXIT_FAILURE = 1,
    CF_EXIT_USAGE = 2,
    CF_EXIT_REFUSED = 3,
    CF_EXIT_INEXACT = 4,
} CfExit;

#define CF_CLI_DEVICE "/dev/kvm"

/**
 * cli_parse - parse a subcommand's arguments, which must all be options
 * @argc: number of arguments, the subcommand's name being the first
 * @argv: they
 * @entries: its options
 * @summary: one sentence for --help
 *
 * Return: true on success; false after it has said what is wrong.
 */
gboolean cli_parse(int argc, char **argv, const GOptionEntry *entries,
                   const char *summary);

/* Says what is wrong in one sentence; returns CF_EXIT_FAILURE. */
int cli_fail(const GError *error);

int cli_probe(int argc, char **argv);
int cli_selftest(int argc, char **argv);

#endif /* CF_CLI_H */
