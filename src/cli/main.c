/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command: finds the subcommand, or says which one may be meant. */
#include <locale.h>
#include <stdbool.h>
#include <string.h>
#include "cli.h"
#include "files.h"

/* Letters of a typing error; with more it is another word. */
#define MAX_DISTANCE 2u

typedef struct Command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
} Command;

static const Command commands[] = {
    { "probe", cli_probe, "what this host can do for guests' clocks" },
    { "check", cli_check, "whether a guest may go from one host to another" },
    { "matrix", cli_matrix, "which host can take whose guests" },
    { "measure", cli_measure,
      "how the clocks of this host and another lie to each other" },
    { "selftest", cli_selftest,
      "carry the clocks of a test guest between two VMs and measure" },
    { "state", cli_state, "a running guest's clocks and its last restore" },
    { "arrivals", cli_arrivals,
      "how a guest's clocks arrived each time that it was moved" },
    { "diff", cli_diff,
      "what happened to a guest's clocks between two captures" },
#ifdef CF_LIBVIRT
    { "enable", cli_enable,
      "have libvirt start a guest with its clocks carried" },
    { "disable", cli_disable,
      "have libvirt start a guest without carried clocks" },
    { "annotate", cli_annotate,
      "write facts about running guests into their libvirt metadata" },
#endif
};

static char *usage(void)
{
    GString *text = g_string_new(
        "Usage: clockferry COMMAND [OPTION\xe2\x80\xa6]\n"
        "       clockferry help COMMAND\n\n");
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(commands); i++) {
        g_string_append_printf(text, "  %-10s %s\n", commands[i].name,
                               commands[i].summary);
    }
    g_string_append(text, "\nExit status: 0 fine, 1 failure, 2 usage, "
                    "3 refused, 4 works but not exactly.\n");
    return g_string_free(text, FALSE);
}

/* Without any argument, also with what to try first. */
static int explain_usage(void)
{
    g_autofree char *text = usage();

    files_write_error(text);
    files_write_error("\nStart with: clockferry probe\n");
    return CF_EXIT_USAGE;
}

/* How many letters have to be put in, left out or replaced (Levenshtein). */
static guint distance(const char *a, const char *b)
{
    const guint n = (guint)strlen(b);
    g_autofree guint *row = g_new(guint, n + 1);
    guint i, j;

    for (j = 0; j <= n; j++) {
        row[j] = j;
    }
    for (i = 1; a[i - 1]; i++) {
        guint diagonal = row[0];

        row[0] = i;
        for (j = 1; j <= n; j++) {
            const guint replaced = diagonal + (a[i - 1] != b[j - 1]);

            diagonal = row[j];
            row[j] = MIN(replaced, MIN(row[j], row[j - 1]) + 1);
        }
    }
    return row[n];
}

/* The word of @words (ending with NULL) that is most like @word, or that it is
 * a beginning of; NULL if none is. */
static const char *suggest(const char *word, const char *const *words)
{
    const char *best = NULL;
    guint least = MAX_DISTANCE + 1;

    for (; *words; words++) {
        const guint far = *word && g_str_has_prefix(*words, word)
                          ? 0 : distance(word, *words);

        if (far < least && far < strlen(*words)) {
            least = far;
            best = *words;
        }
    }
    return best;
}

static int fail_command(const char *word)
{
    const char *names[G_N_ELEMENTS(commands) + 1] = { NULL };
    const char *meant;
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(commands); i++) {
        names[i] = commands[i].name;
    }
    meant = suggest(word, names);
    return meant ? cli_usage("no command '%s': did you mean '%s'? See "
                             "clockferry --help", word, meant)
                 : cli_usage("no command '%s': see clockferry --help", word);
}

static int run(int argc, char **argv)
{
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(commands); i++) {
        if (!strcmp(argv[0], commands[i].name)) {
            g_autofree char *name = g_strdup_printf("clockferry %s", argv[0]);

            g_set_prgname(name);
            return commands[i].run(argc, argv);
        }
    }
    return fail_command(argv[0]);
}

/* "help check", "--help check" */
static int help(char **words)
{
    char option[] = "--help";
    char *arguments[] = { words[0], option, NULL };

    if (!words[0]) {
        return cli_print(NULL, usage(), CF_EXIT_FINE);
    }
    if (words[1]) {
        return cli_usage("unexpected argument '%s'", words[1]);
    }
    return run(2, arguments);
}

static bool is_one_of(const char *word, const char *a, const char *b,
                      const char *c)
{
    return !strcmp(word, a) || !strcmp(word, b) || !strcmp(word, c);
}

int main(int argc, char **argv)
{
    /* Figures have a decimal point in all countries. */
    setlocale(LC_ALL, "");
    setlocale(LC_NUMERIC, "C");
    if (argc < 2) {
        return explain_usage();
    }
    if (is_one_of(argv[1], "help", "--help", "-h")) {
        return help(argv + 2);
    }
    if (is_one_of(argv[1], "version", "--version", "-V")) {
        return cli_print(NULL, g_strdup("clockferry " CLI_VERSION "\n"),
                         CF_EXIT_FINE);
    }
    return run(argc - 1, argv + 1);
}
