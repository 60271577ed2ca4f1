/* SPDX-License-Identifier: GPL-2.0-or-later */
/* clockferry arrivals: how a guest's clocks arrived each time. */
#include "cli/cli.h"
#include "cli/screen.h"
#include "arrivals.h"

static char *to_text(const Arrivals *arrivals, const char *output)
{
    Screen screen = screen_begin(output);
    guint i;

    for (i = 0; i < arrivals->len; i++) {
        const GuestClocks *arrival = &g_array_index(arrivals, GuestClocks, i);
        g_autofree char *time = arrivals_time(arrival);
        g_autofree char *line = arrivals_line(arrival);

        screen_add(&screen, "%s%s%s: %s\n", time, *time ? " " : "",
                   *arrival->guest.host ? arrival->guest.host
                                        : "some host", line);
    }
    return screen_end(&screen);
}

static int status_of(const Arrivals *arrivals)
{
    guint i;

    for (i = 0; i < arrivals->len; i++) {
        if (!guest_clocks_exact(&g_array_index(arrivals, GuestClocks, i))) {
            return CF_EXIT_INEXACT;
        }
    }
    return CF_EXIT_FINE;
}

static int show(CliOptions *options, char **files)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) arrivals = arrivals_read(files, &error);

    if (!arrivals) {
        return cli_fail(error);
    }
    return cli_print(options->output,
                     options->svg ? arrivals_to_svg(arrivals)
                                  : to_text(arrivals, options->output),
                     status_of(arrivals));
}

int cli_arrivals(int argc, char **argv)
{
    CliOptions options = { 0 };
    const GOptionEntry entries[] = {
        { "svg", 0, 0, G_OPTION_ARG_NONE, &options.svg, "Print a picture",
          NULL },
        OUTPUT_ENTRY(options),
        { 0 },
    };
    const CliSyntax syntax = {
        .arguments = "GUEST.json\xe2\x80\xa6",
        .summary = "Shows how a guest's clocks arrived each time that it was "
                   "moved, from what\nclockferry state --watch --json wrote.\n"
                   "Exit status 4: not exactly, at least once.",
        .examples = "clockferry arrivals vm-7-a.json vm-7-b.json\n"
                    "clockferry arrivals --svg -o vm-7.svg vm-7-*.json",
        .min = 1,
        .max = G_MAXINT,
        .entries = entries,
        .files = TRUE,
        .steps = { show },
    };

    return cli_run(&syntax, &options, argc, argv);
}
