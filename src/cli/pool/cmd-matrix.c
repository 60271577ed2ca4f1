/* SPDX-License-Identifier: GPL-2.0-or-later */
/* clockferry matrix: who can take whose guests. */
#include "cli/cli.h"
#include "cli/files.h"
#include "matrix.h"

static char *print(const Pool *pool, const CliOptions *options)
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
    return matrix_to_text(pool, options->output);
}

/* That of the worst move. */
static int status_of(const Pool *pool)
{
    return pool->counts[CF_VERDICT_REFUSE] ? CF_EXIT_REFUSED
           : pool->counts[CF_VERDICT_WARN] || pool->counts[CF_VERDICT_REPORT]
           ? CF_EXIT_INEXACT : CF_EXIT_FINE;
}

static int matrix(CliOptions *options, char **files)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Pool) pool = pool_read(files, &options->wishes, &error);

    if (!pool) {
        return cli_fail(error);
    }
    return cli_print(options->output, print(pool, options), status_of(pool));
}

/* A host that is counted twice would be interchangeable with itself. */
static int check_twins(char **files)
{
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal,
                                                       g_free, NULL);
    size_t i;

    for (i = 0; files[i]; i++) {
        if (!g_hash_table_add(seen, files_identity(files[i]))) {
            return cli_usage("%s is given twice", files[i]);
        }
    }
    return CLI_GO_ON;
}

static int check_form(CliOptions *options, char **files)
{
    if (options->json + options->svg + options->html > 1) {
        return cli_usage("only one of --json, --svg and --html can be chosen");
    }
    if (options->pairs && !options->json) {
        return cli_usage("--pairs needs --json");
    }
    if (options->pairs && g_strv_length(files) > MATRIX_MAX_PAIRS_HOSTS) {
        return cli_usage("--pairs takes up to %u hosts",
                         MATRIX_MAX_PAIRS_HOSTS);
    }
    return check_twins(files);
}

int cli_matrix(int argc, char **argv)
{
    CliOptions options = { 0 };
    const GOptionEntry entries[] = {
        WISHES_ENTRIES(options.wishes),
        JSON_ENTRY(options),
        { "pairs", 0, 0, G_OPTION_ARG_NONE, &options.pairs,
          "In JSON, list every pair of hosts", NULL },
        { "svg", 0, 0, G_OPTION_ARG_NONE, &options.svg, "Print a picture",
          NULL },
        { "html", 0, 0, G_OPTION_ARG_NONE, &options.html, "Print a web page",
          NULL },
        OUTPUT_ENTRY(options),
        { 0 },
    };
    const CliSyntax syntax = {
        .arguments = "HOST.json\xe2\x80\xa6",
        .summary = "Shows which host can take whose guests, which hosts are "
                   "fully interchangeable,\nwhich aren't and why, and which "
                   "TSC frequency suits most of them.\nExit status: 0 every "
                   "guest may go everywhere; 4 not exactly; 3 some are "
                   "refused.",
        .examples = "clockferry matrix host-a.json host-b.json host-c.json\n"
                    "clockferry matrix --html -o pool.html *.json",
        .min = 1,
        .max = G_MAXINT,
        .entries = entries,
        .files = TRUE,
        .steps = { wishes_parse, check_form, matrix },
    };

    return cli_run(&syntax, &options, argc, argv);
}
