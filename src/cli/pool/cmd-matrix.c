/* SPDX-License-Identifier: GPL-2.0-or-later */
/* clockferry matrix: who can take whose guests. */
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "cli/cli.h"
#include "cli/files.h"
#include "matrix.h"

typedef struct Options {
    Wishes wishes;
    gboolean json;
    gboolean pairs;
    gboolean svg;
    gboolean html;
    char *output;
} Options;

/* 0 if the output is no terminal, or one that doesn't tell. */
static guint terminal_columns(void)
{
    struct winsize size;

    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

static char *print(const Pool *pool, const Options *options)
{
    if (options->json) {
        return matrix_to_json(pool, options->pairs);
    }
    if (options->svg) {
        return matrix_to_svg(pool);
    }
    if (options->html) {
        return matrix_to_html(pool);
    }
    return matrix_to_text(pool, !options->output && isatty(STDOUT_FILENO) &&
                                !getenv("NO_COLOR"),
                          options->output ? 0 : terminal_columns());
}

/* That of the worst move. */
static int status_of(const Pool *pool)
{
    return pool->counts[CF_VERDICT_REFUSE] ? CF_EXIT_REFUSED
           : pool->counts[CF_VERDICT_WARN] || pool->counts[CF_VERDICT_REPORT]
           ? CF_EXIT_INEXACT : CF_EXIT_FINE;
}

static int matrix(const Options *options, char **files)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(Pool) pool = pool_read(files, &options->wishes, &error);

    if (!pool) {
        return cli_fail(error);
    }
    pool_find_kinds(pool);
    pool_find_groups(pool);
    text = print(pool, options);
    if (!files_write(options->output, text, &error)) {
        return cli_fail(error);
    }
    return status_of(pool);
}

static int check_form(const Options *options, char **files)
{
    if (options->json + options->svg + options->html > 1) {
        return cli_usage("--json, --svg and --html contradict");
    }
    if (options->pairs && !options->json) {
        return cli_usage("--pairs goes with --json");
    }
    if (options->pairs && g_strv_length(files) > MATRIX_MAX_PAIRS_HOSTS) {
        return cli_usage("--pairs takes up to %u hosts",
                         MATRIX_MAX_PAIRS_HOSTS);
    }
    return CLI_GO_ON;
}

int cli_matrix(int argc, char **argv)
{
    Options options = { 0 };
    const GOptionEntry entries[] = {
        WISHES_ENTRIES(options.wishes),
        JSON_ENTRY(options),
        { "pairs", 0, 0, G_OPTION_ARG_NONE, &options.pairs,
          "In JSON, tell every pair of hosts by itself", NULL },
        { "svg", 0, 0, G_OPTION_ARG_NONE, &options.svg, "Print a picture",
          NULL },
        { "html", 0, 0, G_OPTION_ARG_NONE, &options.html, "Print a web page",
          NULL },
        OUTPUT_ENTRY(options),
        { 0 },
    };
    const CliSyntax syntax = {
        .arguments = "HOST.json...",
        .summary = "Tells which host can take whose guests, which are fully "
                   "interchangeable,\nwhich aren't and why, and what TSC "
                   "frequency would suit most.\nExit status: 0 every guest "
                   "may go everywhere; 4 not exactly; 3 some are refused.",
        .min = 1,
        .max = G_MAXINT,
        .options = entries,
    };
    g_auto(GStrv) files = NULL;
    int status = cli_parse(&syntax, argc, argv, &files);

    if (status == CLI_GO_ON) {
        status = wishes_parse(&options.wishes);
    }
    if (status == CLI_GO_ON) {
        status = check_form(&options, files);
    }
    if (status == CLI_GO_ON) {
        status = matrix(&options, files);
    }
    wishes_clear(&options.wishes);
    g_free(options.output);
    return status;
}
