/* SPDX-License-Identifier: GPL-2.0-or-later */
/* clockferry check: may a guest go from one host to another? */
#include <string.h>
#include <clockferry/check.h>
#include "text/printable.h"
#include "check-print.h"
#include "cli.h"
#include "hosts.h"

/* Ends - the two ends of the move, as the user named them */
typedef struct Ends {
    const char *source;       /* a file; or a libvirt, if @domain isn't NULL */
    const char *domain;       /* a guest of that libvirt, or NULL */
    const char *destination;  /* a file or a libvirt */
} Ends;

static int status_of(enum cf_verdict verdict)
{
    return verdict == CF_VERDICT_GO ? CF_EXIT_FINE
           : verdict == CF_VERDICT_REFUSE ? CF_EXIT_REFUSED : CF_EXIT_INEXACT;
}

/* By the hosts' own names if these differ, otherwise as the user named them. */
static void name_hosts(Move *move, const Ends *ends)
{
    const char *from = move->guest.host, *to = move->destination.id.name;
    const bool differ = strcmp(from, to) != 0;

    move->from = cf_printable(*from && differ ? from : ends->source);
    move->to = cf_printable(*to && differ ? to : ends->destination);
}

static gboolean ask_guest(const Ends *ends, Move *move, GError **error)
{
    LibvirtGuest guest;
    GuestClocks clocks;
    g_autoptr(Qmp) qmp = libvirt_open_monitor(ends->source, ends->domain,
                                              false, &guest, error);

    if (!qmp || !libvirt_ask_clocks(qmp, &guest, &clocks, &move->source,
                                    error)) {
        return FALSE;
    }
    move->by_libvirt = true;
    move->name = cf_printable(guest.name);
    move->carried = clocks.enabled;
    move->guest = clocks.guest;
    return TRUE;
}

static gboolean read_ends(const CliOptions *options, const Ends *ends,
                          Move *move, GError **error)
{
    return (ends->domain ? ask_guest(ends, move, error)
            : hosts_read_guest(ends->source, options->wishes.tsc_khz,
                               &move->guest, error)) &&
           (options->destination_uri
            ? libvirt_ask_destination(ends->destination, &move->destination,
                                      error)
            : hosts_read(ends->destination, &move->destination, error));
}

static Ends ends_of(const CliOptions *options, char **arguments)
{
    return (Ends) {
        .source = options->uri ? options->uri : arguments[0],
        .domain = options->uri ? arguments[0] : NULL,
        .destination = arguments[1] ? arguments[1] : options->destination_uri,
    };
}

static int check(CliOptions *options, char **arguments)
{
    const Ends ends = ends_of(options, arguments);
    g_autoptr(GError) error = NULL;
    Move move = { .from = NULL };
    int status;

    if (!read_ends(options, &ends, &move, &error)) {
        g_free(move.name);
        return cli_fail(error);
    }
    wishes_apply(&options->wishes, &move.guest);
    name_hosts(&move, &ends);
    cf_check(&move.guest, &move.destination, &move.check);
    status = cli_print(options->output,
                       options->json ? check_to_json(&move)
                                     : check_to_text(&move, options->output),
                       status_of(move.check.verdict));
    g_free(move.from);
    g_free(move.to);
    g_free(move.name);
    return status;
}

static int check_ends(CliOptions *options, char **arguments)
{
    const guint n = g_strv_length(arguments);

    if (options->uri && options->wishes.khz_word) {
        return cli_usage("--tsc-khz can't be combined with --connect, which "
                         "asks for the guest's frequency");
    }
    if (options->destination_uri && n > 1) {
        return cli_usage("unexpected argument '%s': --desturi names the "
                         "destination already", arguments[1]);
    }
    if (!options->destination_uri && n < 2) {
        return cli_usage("too few arguments: name the destination, by a file "
                         "or with --desturi");
    }
    return CLI_GO_ON;
}

int cli_check(int argc, char **argv)
{
    CliOptions options = { .json = FALSE };
    const GOptionEntry entries[] = {
        { "connect", 'c', 0, G_OPTION_ARG_STRING, &options.uri,
          "Ask this libvirt for the guest; SRC is then its name", "URI" },
        { "desturi", 0, 0, G_OPTION_ARG_STRING, &options.destination_uri,
          "Ask this libvirt for the destination, instead of DST", "URI" },
        WISHES_ENTRIES(options.wishes),
        JSON_ENTRY(options),
        OUTPUT_ENTRY(options),
        { 0 },
    };
    const CliSyntax syntax = {
        .arguments = "SRC [DST]",
        .summary = "Says whether a guest may go from SRC to DST, and how "
                   "exact its clocks will be.\nSRC is the file of a host "
                   "(clockferry probe --json), of a running guest\n"
                   "(clockferry state --json) or of captured clocks; DST is "
                   "the file of a host.\nExit status: 3 refused; 4 it may "
                   "go, but not exactly.",
        .examples = "clockferry check host-a.json host-b.json\n"
                    "clockferry check --connect=qemu:///system vm-7 "
                    "host-b.json",
        .min = 1,
        .max = 2,
        .entries = entries,
        .files = TRUE,
        .steps = { check_ends, wishes_parse, check },
    };

    return cli_run(&syntax, &options, argc, argv);
}
