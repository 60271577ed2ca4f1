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

/* cli_parse() says so: the command goes on. */
#define CLI_GO_ON (-1)

/**
 * CliSyntax - what a subcommand takes
 * @arguments: how the arguments read in --help, "" if there are none
 * @summary: some sentences for --help
 * @min: fewest arguments
 * @max: most of them
 * @options: ends with an empty entry
 */
typedef struct CliSyntax {
    const char *arguments;
    const char *summary;
    int min;
    int max;
    const GOptionEntry *options;
} CliSyntax;

/* Options that many commands have, for the members of these names. */
#define JSON_ENTRY(options) \
    { "json", 0, 0, G_OPTION_ARG_NONE, &(options).json, "Print JSON", NULL }
#define OUTPUT_ENTRY(options) \
    { "output", 'o', 0, G_OPTION_ARG_FILENAME, &(options).output, \
      "Write to this file, whole or not at all", "FILE" }

/**
 * cli_parse - parse a subcommand's arguments
 * @syntax: what it takes
 * @argc: number of arguments, the subcommand's name being the first
 * @argv: they
 * @ret_arguments: those that aren't options, ending with NULL; to be freed
 *                 with g_strfreev(); NULL if it takes none
 *
 * Return: CLI_GO_ON; else the exit status, and it has said why.
 */
int cli_parse(const CliSyntax *syntax, int argc, char **argv,
              char ***ret_arguments);

/* Says what is wrong in one sentence; returns CF_EXIT_FAILURE. */
int cli_fail(const GError *error);

/* The same for a wrong argument; returns CF_EXIT_USAGE. */
int cli_usage(const char *format, ...) G_GNUC_PRINTF(1, 2);

int cli_annotate(int argc, char **argv);
int cli_check(int argc, char **argv);
int cli_disable(int argc, char **argv);
int cli_diff(int argc, char **argv);
int cli_enable(int argc, char **argv);
int cli_matrix(int argc, char **argv);
int cli_probe(int argc, char **argv);
int cli_selftest(int argc, char **argv);
int cli_state(int argc, char **argv);

#endif /* CF_CLI_H */
