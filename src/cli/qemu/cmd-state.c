/* SPDX-License-Identifier: GPL-2.0-or-later */
/* clockferry state: a running guest's clocks, and its last restore. */
#include <string.h>
#include "cli/cli.h"
#include "cli/files.h"
#include "cli/screen.h"
#include "guest-clocks.h"
#include "cli/hosts.h"
#include "cli/libvirt/libvirt.h"

static gboolean show(const GuestClocks *clocks, const CliOptions *options,
                     GError **error)
{
    const GuestClocks *const one[] = { clocks, NULL };
    g_autofree char *text =
        !strcmp(options->format, "json")
        ? options->watch ? guest_clocks_to_line(clocks)
                         : guest_clocks_to_json(clocks)
        : !strcmp(options->format, "text")
        ? guest_clocks_to_text(clocks, options->output)
        : guest_clocks_to_prometheus(one);

    return files_write(options->output, text, error);
}

/* The time of an event, or of now if the event has none. */
static char *event_time(const CfJson *event)
{
    CfJson *stamp;
    int64_t seconds = g_get_real_time() / G_USEC_PER_SEC;

    if (cf_json_get_object(NULL, event, "timestamp", &stamp)) {
        cf_json_get_int(NULL, stamp, "seconds", 0, INT64_MAX, &seconds);
    }
    return screen_time(seconds);
}

static const char *run_event_text(const char *name)
{
    static const char *const texts[][2] = {
        { "STOP", "the guest was stopped" },
        { "RESUME", "the guest runs again" },
        { "RESET", "the guest was reset" },
        { "SUSPEND", "the guest went to sleep" },
        { "WAKEUP", "the guest woke up" },
        { "SHUTDOWN", "the guest shuts down" },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(texts); i++) {
        if (!strcmp(name, texts[i][0])) {
            return texts[i][1];
        }
    }
    return NULL;
}

#define UNREADABLE "QEMU's words can't be read (is it newer than clockferry?)"

static char *restored_text(const CfJson *event)
{
    g_autofree char *line = NULL;
    LastRestore restore;

    if (guest_clocks_read_event(event, &restore)) {
        line = guest_clocks_restore_line(&restore);
    }
    return g_strdup_printf("restored: %s", line ?: UNREADABLE);
}

static char *not_carried_text(const CfJson *event)
{
    char why[512] = UNREADABLE;
    CfJson *data;

    if (cf_json_get_object(NULL, event, "data", &data)) {
        cf_json_get_text(NULL, data, "reason", why, sizeof(why));
    }
    return g_strdup_printf("not carried: %s", why);
}

/* A line for an event that concerns clocks; NULL for others. */
static char *event_line(const CfJson *event)
{
    g_autofree char *time = event_time(event);
    g_autofree char *text = NULL;
    char name[64] = "";

    cf_json_get_text(NULL, event, "event", name, sizeof(name));
    if (!strcmp(name, "KVM_CLOCK_RESTORED")) {
        text = restored_text(event);
    } else if (!strcmp(name, "KVM_CLOCK_NOT_CARRIED")) {
        text = not_carried_text(event);
    } else {
        text = g_strdup(run_event_text(name));
    }
    return text ? g_strdup_printf("%s %s\n", time, text) : NULL;
}

static bool is_arrival(const CfJson *event)
{
    char name[64] = "";

    cf_json_get_text(NULL, event, "event", name, sizeof(name));
    return !strcmp(name, "KVM_CLOCK_RESTORED") ||
           !strcmp(name, "KVM_CLOCK_NOT_CARRIED");
}

static gboolean ask(Qmp *qmp, const LibvirtGuest *guest,
                    GuestClocks *ret_clocks, GError **error)
{
    GuestClocks clocks;

    if (!guest_clocks_ask(qmp, &guest->host, &clocks, error)) {
        return FALSE;
    }
    if (*guest->name) {
        guest_clocks_name(&clocks, guest->name);
    }
    cf_domain_tighten(&guest->settings, &clocks.guest);
    *ret_clocks = clocks;
    return TRUE;
}

/* All about the guest as it is now, in a line; NULL for other events. */
static char *arrival_line(Qmp *qmp, LibvirtGuest *guest, const CfJson *event,
                          GError **error)
{
    GuestClocks clocks;

    if (!is_arrival(event)) {
        return NULL;
    }
    if (guest->host.instant_known) {
        CfHost now;

        hosts_here(&now);
        guest->host.instant = now.instant;
    }
    return ask(qmp, guest, &clocks, error) ? guest_clocks_to_line(&clocks)
                                           : NULL;
}

static int watch(Qmp *qmp, LibvirtGuest *guest, bool as_json)
{
    g_autoptr(GError) error = NULL;

    for (;;) {
        g_autoptr(CfJson) event = qmp_wait_event(qmp, &error);
        g_autofree char *line = NULL;

        if (g_error_matches(error, QMP_ERROR, QMP_ERROR_GONE)) {
            return as_json || files_write(NULL, "QEMU is gone\n", NULL)
                   ? CF_EXIT_FINE : CF_EXIT_FAILURE;
        }
        if (!event) {
            return cli_fail(error);
        }
        line = as_json ? arrival_line(qmp, guest, event, &error)
                       : event_line(event);
        if (error || (line && !files_write(NULL, line, &error))) {
            return cli_fail(error);
        }
    }
}

/* A monitor, and what is known about the guest without it. */
static Qmp *open_monitor(const CliOptions *options, char **domain,
                         LibvirtGuest *ret_guest, GError **error)
{
    if (options->uri) {
        return libvirt_open_monitor(options->uri, *domain,
                                    options->watch, ret_guest, error);
    }
    /* The socket is a file of this host, so QEMU runs here. */
    *ret_guest = (LibvirtGuest) { .name = "" };
    hosts_here(&ret_guest->host);
    return qmp_open_socket(options->socket, error);
}

static int state(CliOptions *options, char **domain)
{
    g_autoptr(GError) error = NULL;
    LibvirtGuest guest;
    g_autoptr(Qmp) qmp = open_monitor(options, domain, &guest, &error);
    GuestClocks clocks;

    if (!qmp || !ask(qmp, &guest, &clocks, &error) ||
        !show(&clocks, options, &error)) {
        return cli_fail(error);
    }
    return options->watch ? watch(qmp, &guest, !strcmp(options->format, "json"))
           : guest_clocks_exact(&clocks) ? CF_EXIT_FINE : CF_EXIT_INEXACT;
}

static int check_options(CliOptions *options, char **domain)
{
    static const char *const formats[] = { "text", "json", "prometheus", NULL };

    if (!options->socket == !options->uri) {
        return cli_usage("name the guest, by --qmp SOCKET or by --connect URI "
                         "DOMAIN");
    }
    if (!options->uri != !domain) {
        return cli_usage(options->uri ? "name the guest: --connect URI DOMAIN"
                                      : "a DOMAIN needs --connect URI");
    }
    if (options->watch && options->output) {
        return cli_usage("--watch can't be combined with --output");
    }
    if (options->watch && !g_strcmp0(options->format, "prometheus")) {
        return cli_usage("--watch has no format prometheus: clockferry "
                         "annotate --follow --metrics=FILE keeps one");
    }
    return cli_choose_format(options, formats);
}

int cli_state(int argc, char **argv)
{
    CliOptions options = { 0 };
    const GOptionEntry entries[] = {
        { "qmp", 0, 0, G_OPTION_ARG_FILENAME, &options.socket,
          "The guest's QMP socket", "SOCKET" },
        { "connect", 'c', 0, G_OPTION_ARG_STRING, &options.uri,
          "Ask through this libvirt", "URI" },
        { "watch", 'w', 0, G_OPTION_ARG_NONE, &options.watch,
          "Stay, and report what happens to the guest", NULL },
        { "format", 'f', 0, G_OPTION_ARG_STRING, &options.format,
          "text (default), json or prometheus", "FORM" },
        { "json", 0, 0, G_OPTION_ARG_NONE, &options.json,
          "Print JSON, as clockferry check takes it", NULL },
        OUTPUT_ENTRY(options),
        { 0 },
    };
    const CliSyntax syntax = {
        .arguments = "[DOMAIN]",
        .summary = "Shows a running guest's clocks, and how they were "
                   "restored when it arrived.\nExit status 4: they aren't "
                   "carried, or didn't arrive exactly.",
        .examples = "clockferry state --connect=qemu:///system vm-7\n"
                    "clockferry state --watch --qmp=/run/vm-7/qmp",
        .max = 1,
        .entries = entries,
        .steps = { check_options, state },
    };

    return cli_run(&syntax, &options, argc, argv);
}
