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

/* What a step returns in place of an exit status if the command goes on. */
#define CLI_GO_ON (-1)

/**
 * CliSyntax - what a subcommand takes
 * @arguments: the arguments as --help shows them, "" if there are none
 * @summary: some sentences for --help
 * @examples: command lines for --help, one a line
 * @min: fewest arguments
 * @max: most arguments
 * @options: ends with an empty entry
 * @output: the member for OUTPUT_ENTRY(), or NULL
 * @device: the member for DEVICE_ENTRY(), or NULL
 * @files: the arguments are files, of which one may be the standard input
 */
typedef struct CliSyntax {
    const char *arguments;
    const char *summary;
    const char *examples;
    int min;
    int max;
    const GOptionEntry *options;
    char *const *output;
    char *const *device;
    gboolean files;
} CliSyntax;

/* Options that many commands have, for the members of these names. */
#define JSON_ENTRY(options) \
    { "json", 0, 0, G_OPTION_ARG_NONE, &(options).json, "Print JSON", NULL }
#define OUTPUT_ENTRY(options) \
    { "output", 'o', 0, G_OPTION_ARG_FILENAME, &(options).output, \
      "Write to this file, whole or not at all", "FILE" }
#define CONNECT_ENTRY(options) \
    { "connect", 'c', 0, G_OPTION_ARG_STRING, &(options).uri, \
      "Which libvirt (default: libvirt's own)", "URI" }
#define DEVICE_ENTRY(options) \
    { "device", 0, 0, G_OPTION_ARG_FILENAME, &(options).device, \
      "The KVM device (" CF_CLI_DEVICE ")", "PATH" }

/**
 * cli_parse - parse a subcommand's arguments
 * @syntax: what it takes
 * @argc: number of arguments; the first is the subcommand's name
 * @argv: the arguments
 * @ret_arguments: those that aren't options, ending with NULL; to be freed
 *                 with g_strfreev(); NULL if it takes none
 *
 * Return: CLI_GO_ON; otherwise the exit status, and the user has been told
 * why.
 */
int cli_parse(const CliSyntax *syntax, int argc, char **argv,
              char ***ret_arguments);

/* CLI_GO_ON, unless two of these files are the standard input. */
int cli_check_inputs(const char *const *files);

/* Writes a text, which it frees, as files_write() does. Returns @status, or says
 * why it can't. */
int cli_print(const char *output, char *text, int status);

/* Says in one sentence what is wrong; returns CF_EXIT_FAILURE. */
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
