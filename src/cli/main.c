/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command: finds the subcommand, and parses its arguments. */
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include "text/printable.h"
#include "cli.h"
#include "files.h"

typedef struct Command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
} Command;

static const Command commands[] = {
    { "probe", cli_probe, "what this host can do for guests' clocks" },
    { "check", cli_check, "whether a guest may go from one host to another" },
    { "matrix", cli_matrix, "which host can take whose guests" },
    { "selftest", cli_selftest,
      "carry the clocks of a test guest between two VMs and measure" },
    { "state", cli_state, "a running guest's clocks and its last restore" },
    { "diff", cli_diff, "what happened to a guest's clocks meanwhile" },
#ifdef CF_LIBVIRT
    { "enable", cli_enable, "have libvirt start a guest with carried clocks" },
    { "disable", cli_disable, "undo that" },
    { "annotate", cli_annotate,
      "write facts about running guests into their libvirt metadata" },
#endif
};

static char *usage(void)
{
    GString *text = g_string_new(
        "Usage: clockferry COMMAND [OPTION...]\n"
        "       clockferry COMMAND --help\n\n");
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(commands); i++) {
        g_string_append_printf(text, "  %-10s %s\n", commands[i].name,
                               commands[i].summary);
    }
    g_string_append(text, "\nExit status: 0 fine, 1 failure, 2 usage, "
                    "3 refused, 4 works but not exactly.\n");
    return g_string_free(text, FALSE);
}

static int print(const char *text)
{
    g_autoptr(GError) error = NULL;

    return files_write(NULL, text, &error) ? CF_EXIT_FINE : cli_fail(error);
}

static int check_count(const CliSyntax *syntax, char **arguments)
{
    const int n = arguments ? (int)g_strv_length(arguments) : 0;

    if (n > syntax->max) {
        return cli_usage("unexpected argument '%s'", arguments[syntax->max]);
    }
    if (n < syntax->min) {
        return cli_usage("too few arguments; it takes %s", syntax->arguments);
    }
    return CLI_GO_ON;
}

static int parse(GOptionContext *context, const CliSyntax *syntax, int argc,
                 char **argv, char ***ret_arguments)
{
    g_auto(GStrv) arguments = NULL;
    g_autoptr(GError) error = NULL;
    gboolean help = FALSE;
    const GOptionEntry common[] = {
        { "help", 'h', 0, G_OPTION_ARG_NONE, &help, "Show this help", NULL },
        { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &arguments,
          NULL, NULL },
        { 0 },
    };
    int status;

    g_option_context_set_help_enabled(context, FALSE);
    g_option_context_set_summary(context, syntax->summary);
    g_option_context_add_main_entries(context, syntax->options, NULL);
    g_option_context_add_main_entries(context, common, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error)) {
        return cli_usage("%s", error->message);
    }
    if (help) {
        g_autofree char *text = g_option_context_get_help(context, TRUE, NULL);

        return print(text);
    }
    status = check_count(syntax, arguments);
    if (status == CLI_GO_ON && ret_arguments) {
        *ret_arguments = g_steal_pointer(&arguments);
    }
    return status;
}

int cli_parse(const CliSyntax *syntax, int argc, char **argv,
              char ***ret_arguments)
{
    g_autoptr(GOptionContext) context =
        g_option_context_new(syntax->arguments);

    return parse(context, syntax, argc, argv, ret_arguments);
}

/* Names from the command line and from files stand in messages. */
static void complain(const char *message)
{
    g_autofree char *printable = cf_printable(message);
    g_autofree char *line = g_strdup_printf("clockferry: %s\n", printable);

    files_write_error(line);
}

int cli_fail(const GError *error)
{
    complain(error->message);
    return CF_EXIT_FAILURE;
}

int cli_usage(const char *format, ...)
{
    g_autofree char *message = NULL;
    va_list values;

    va_start(values, format);
    message = g_strdup_vprintf(format, values);
    va_end(values);
    complain(message);
    return CF_EXIT_USAGE;
}

static int run(int argc, char **argv)
{
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(commands); i++) {
        if (!strcmp(argv[1], commands[i].name)) {
            g_autofree char *name = g_strdup_printf("clockferry %s", argv[1]);

            g_set_prgname(name);
            return commands[i].run(argc - 1, argv + 1);
        }
    }
    return cli_usage("no command '%s', see clockferry --help", argv[1]);
}

int main(int argc, char **argv)
{
    g_autofree char *text = usage();

    /* Figures in files and on the screen have a point in all countries. */
    setlocale(LC_ALL, "");
    setlocale(LC_NUMERIC, "C");
    if (argc < 2) {
        fputs(text, stderr);
        return CF_EXIT_USAGE;
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
        return print(text);
    }
    if (!strcmp(argv[1], "--version")) {
        return print("clockferry " CF_VERSION "\n");
    }
    return run(argc, argv);
}
