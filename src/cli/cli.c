/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Parses a subcommand's arguments, and says what is wrong. */
#include <string.h>
#include "text/names.h"
#include "text/printable.h"
#include "cli.h"
#include "files.h"

int cli_print(const char *output, char *text, int status)
{
    g_autofree char *owned = text;
    g_autoptr(GError) error = NULL;

    return files_write(output, owned, &error) ? status : cli_fail(error);
}

static int check_inputs(char **files)
{
    guint n = 0;

    for (; *files; files++) {
        n += !strcmp(*files, "-");
    }
    return n > 1 ? cli_usage("only one file can be '-', the standard input")
                 : CLI_GO_ON;
}

/* What is wrong with values that any command may have. */
static int check_values(const CliSyntax *syntax, const CliOptions *options,
                        char **arguments)
{
    if (options->output && !*options->output) {
        return cli_usage("--output needs the name of a file");
    }
    return syntax->files && arguments ? check_inputs(arguments) : CLI_GO_ON;
}

static int check_count(const CliSyntax *syntax, char **arguments)
{
    const int n = arguments ? (int)g_strv_length(arguments) : 0;

    if (arguments && n > syntax->max) {
        return cli_usage("unexpected argument '%s'", arguments[syntax->max]);
    }
    if (n < syntax->min) {
        return cli_usage("too few arguments: %s takes %s", g_get_prgname(),
                         syntax->arguments);
    }
    return CLI_GO_ON;
}

/* Text that GLib can't convert it doesn't name. */
static const char *find_broken(char **arguments)
{
    for (; *arguments; arguments++) {
        g_autofree char *text = g_locale_to_utf8(*arguments, -1, NULL, NULL,
                                                 NULL);

        if (!text) {
            return *arguments;
        }
    }
    return NULL;
}

/* In our quotes, and with where to look. */
static int fail_options(char **arguments, const GError *error)
{
    const char *broken = g_error_matches(error, G_CONVERT_ERROR,
                                         G_CONVERT_ERROR_ILLEGAL_SEQUENCE)
                         ? find_broken(arguments) : NULL;
    g_auto(GStrv) opened = g_strsplit(error->message, "\xe2\x80\x9c", -1);
    g_autofree char *half = g_strjoinv("'", opened);
    g_auto(GStrv) closed = g_strsplit(half, "\xe2\x80\x9d", -1);
    g_autofree char *message = g_strjoinv("'", closed);

    if (broken) {
        return cli_usage("'%s' isn't text in this locale's encoding", broken);
    }
    return cli_usage("%s; see %s --help", message, g_get_prgname());
}

static char *description_of(const CliSyntax *syntax)
{
    g_auto(GStrv) lines = g_strsplit(syntax->examples, "\n", -1);
    g_autofree char *examples = g_strjoinv("\n  ", lines);

    return g_strdup_printf("Example%s:\n  %s", lines[1] ? "s" : "", examples);
}

static int parse(GOptionContext *context, const CliSyntax *syntax,
                 const CliOptions *options, int argc, char **argv,
                 char ***ret_arguments)
{
    g_auto(GStrv) given = g_strdupv(argv);
    g_autoptr(GError) error = NULL;
    gboolean help = FALSE;
    const GOptionEntry common[] = {
        { "help", 'h', 0, G_OPTION_ARG_NONE, &help, "Show this help", NULL },
        { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, ret_arguments,
          NULL, NULL },
        { 0 },
    };
    int status;

    g_option_context_add_main_entries(context, syntax->entries, NULL);
    g_option_context_add_main_entries(context, common, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error)) {
        return fail_options(given, error);
    }
    if (help) {
        return cli_print(NULL, g_option_context_get_help(context, TRUE, NULL),
                         CF_EXIT_FINE);
    }
    status = check_count(syntax, *ret_arguments);
    return status == CLI_GO_ON ? check_values(syntax, options, *ret_arguments)
                               : status;
}

static void free_options(const GOptionEntry *entries)
{
    for (; entries->long_name; entries++) {
        if (entries->arg == G_OPTION_ARG_STRING ||
            entries->arg == G_OPTION_ARG_FILENAME) {
            g_free(*(char **)entries->arg_data);
        }
    }
}

int cli_choose_format(CliOptions *options, const char *const *formats)
{
    g_autofree char *all = NULL;

    if (options->json && options->format &&
        strcmp(options->format, "json") != 0) {
        return cli_usage("--json can't be combined with --format %s",
                         options->format);
    }
    if (!options->format) {
        options->format = g_strdup(options->json ? "json" : "text");
    }
    if (!g_strv_contains(formats, options->format)) {
        all = g_strjoinv(", ", (char **)(uintptr_t)formats);
        return cli_usage("no format '%s': choose one of %s", options->format,
                         all);
    }
    return CLI_GO_ON;
}

int cli_run(const CliSyntax *syntax, CliOptions *options, int argc,
            char **argv)
{
    g_autoptr(GOptionContext) context =
        g_option_context_new(syntax->arguments);
    g_autofree char *description = description_of(syntax);
    g_auto(GStrv) arguments = NULL;
    CliStep *const *step = syntax->steps;
    int status;

    g_option_context_set_help_enabled(context, FALSE);
    g_option_context_set_summary(context, syntax->summary);
    g_option_context_set_description(context, description);
    status = parse(context, syntax, options, argc, argv, &arguments);
    while (status == CLI_GO_ON) {
        status = (*step++)(options, arguments);
    }
    free_options(syntax->entries);
    return status;
}

/* Names from the command line and from files are part of messages. */
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

#define NOT_SAID (-1)

/* Writes the value of a word, or NOT_SAID if there is none; false if it isn't
 * one of the names. */
static bool find_word(const CfNames *names, const char *word, int *ret_value)
{
    *ret_value = word ? cf_name_find(names, word) : NOT_SAID;
    return !word || *ret_value >= 0;
}

int wishes_parse(CliOptions *options, char **arguments G_GNUC_UNUSED)
{
    Wishes *wishes = &options->wishes;
    guint64 khz = 0;

    if (!find_word(&cf_policy_names, wishes->policy_word, &wishes->policy)) {
        return cli_usage("no policy '%s': choose auto, strict or lax",
                         wishes->policy_word);
    }
    if (!find_word(&cf_rung_names, wishes->require_word, &wishes->require)) {
        return cli_usage("no rung '%s': choose exact, reanchored, "
                         "closed-loop, realtime or plain",
                         wishes->require_word);
    }
    if (wishes->khz_word &&
        !g_ascii_string_to_unsigned(wishes->khz_word, 10, 1, UINT32_MAX, &khz,
                                    NULL)) {
        return cli_usage("--tsc-khz takes a frequency in kHz, not '%s'",
                         wishes->khz_word);
    }
    wishes->tsc_khz = (uint32_t)khz;
    return CLI_GO_ON;
}

void wishes_apply(const Wishes *wishes, CfGuest *guest)
{
    if (wishes->policy != NOT_SAID) {
        guest->policy = (enum cf_policy)wishes->policy;
    }
    if (wishes->require != NOT_SAID) {
        guest->require = (enum cf_rung)wishes->require;
    }
    if (wishes->promised || wishes->tsc_khz) {
        guest->promised = true;
    }
}
