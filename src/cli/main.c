/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command: finds the subcommand. */
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include "cli.h"

typedef struct Command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
} Command;

static const Command commands[] = {
    { "probe", cli_probe, "what this host can do for guests' clocks" },
    { "selftest", cli_selftest,
      "carry the clocks of a test guest between two VMs and measure" },
};

static void print_usage(FILE *stream)
{
    size_t i;

    fputs("Usage: clockferry COMMAND [OPTION...]\n"
          "       clockferry COMMAND --help\n\n", stream);
    for (i = 0; i < G_N_ELEMENTS(commands); i++) {
        fprintf(stream, "  %-10s %s\n", commands[i].name,
                commands[i].summary);
    }
    fputs("\nExit status: 0 fine, 1 failure, 2 usage, 3 refused, "
          "4 works but not exactly.\n", stream);
}

gboolean cli_parse(int argc, char **argv, const GOptionEntry *entries,
                   const char *summary)
{
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_autoptr(GError) error = NULL;

    g_option_context_set_summary(context, summary);
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error)) {
        fprintf(stderr, "clockferry: %s\n", error->message);
        return FALSE;
    }
    if (argc > 1) {
        fprintf(stderr, "clockferry: unexpected argument '%s'\n", argv[1]);
        return FALSE;
    }
    return TRUE;
}

int cli_fail(const GError *error)
{
    fprintf(stderr, "clockferry: %s\n", error->message);
    return CF_EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    size_t i;

    setlocale(LC_ALL, "");
    if (argc < 2) {
        print_usage(stderr);
        return CF_EXIT_USAGE;
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
        print_usage(stdout);
        return CF_EXIT_FINE;
    }
    if (!strcmp(argv[1], "--version")) {
        puts("clockferry " CF_VERSION);
        return CF_EXIT_FINE;
    }
    for (i = 0; i < G_N_ELEMENTS(commands); i++) {
        if (!strcmp(argv[1], commands[i].name)) {
            g_autofree char *name =
                g_strdup_printf("clockferry %s", argv[1]);

            g_set_prgname(name);
            return commands[i].run(argc - 1, argv + 1);
        }
    }
    fprintf(stderr, "clockferry: no command '%s', see clockferry --help\n",
            argv[1]);
    return CF_EXIT_USAGE;
}
