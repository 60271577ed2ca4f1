/* SPDX-License-Identifier: GPL-2.0-or-later */
/* clockferry annotate: facts about running guests for the hosts they go to. */
#include <stdlib.h>
#include "text/json.h"
#include "text/printable.h"
#include "annotate.h"
#include "cli/cli.h"
#include "cli/files.h"

/* Report - about all guests */
typedef struct Report {
    GString *text;   /* for people */
    CfJson *guests;  /* for programs */
    bool failed;     /* the facts of at least one guest couldn't be written */
} Report;

static void report_success(Report *report, const char *name,
                           AnnotateOutcome outcome)
{
    static const struct {
        const char *word;
        const char *text;
    } outcomes[] = {
        [ANNOTATE_WRITTEN] = { "written", "facts written" },
        [ANNOTATE_UNCHANGED] = { "unchanged", "facts unchanged" },
        [ANNOTATE_SKIPPED] = {
            "skipped", "skipped (it isn't on, and no frequency is promised)",
        },
    };
    CfJson *json = cf_json_object();

    g_string_append_printf(report->text, "%s: %s\n", name,
                           outcomes[outcome].text);
    cf_json_add_text(json, "name", name);
    cf_json_add_text(json, "outcome", outcomes[outcome].word);
    cf_json_append(report->guests, json);
}

static void report_failure(Report *report, const char *name,
                           const GError *error)
{
    CfJson *json = cf_json_object();

    cli_fail(error);
    cf_json_add_text(json, "name", name);
    cf_json_add_text(json, "outcome", "failed");
    cf_json_add_text(json, "reason", error->message);
    cf_json_append(report->guests, json);
    report->failed = true;
}

static void annotate(virDomainPtr domain, const CfHost *host, bool wanted,
                     Report *report)
{
    g_autofree char *name = cf_printable(libvirt.virDomainGetName(domain));
    g_autoptr(GError) error = NULL;
    AnnotateOutcome outcome;
    GuestClocks clocks;

    if (annotate_guest(domain, host, wanted, &outcome, &clocks, &error)) {
        report_success(report, name, outcome);
    } else {
        report_failure(report, name, error);
    }
}

static gboolean annotate_all(virConnectPtr connection, const CfHost *host,
                             Report *report, GError **error)
{
    virDomainPtr *domains;
    const int n = libvirt.virConnectListAllDomains(
        connection, &domains, VIR_CONNECT_LIST_DOMAINS_ACTIVE);
    int i;

    if (n < 0) {
        libvirt_set_error(error, "can't list the running guests");
        return FALSE;
    }
    for (i = 0; i < n; i++) {
        annotate(domains[i], host, false, report);
        libvirt_free_domain(domains[i]);
    }
    free(domains);
    return TRUE;
}

static void annotate_named(virConnectPtr connection, const CfHost *host,
                           char **names, Report *report)
{
    size_t i;

    for (i = 0; names[i]; i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(virDomain) domain = libvirt_find_domain(connection,
                                                          names[i], &error);

        if (domain) {
            annotate(domain, host, true, report);
        } else {
            g_autofree char *name = cf_printable(names[i]);

            report_failure(report, name, error);
        }
    }
}

static gboolean annotate_once(const CliOptions *options, char **names,
                              Report *report, GError **error)
{
    g_autoptr(virConnect) connection = libvirt_open(options->uri, error);
    CfHost host;

    if (!connection || !libvirt_get_host(connection, &host, error)) {
        return FALSE;
    }
    if (names) {
        annotate_named(connection, &host, names, report);
        return TRUE;
    }
    return annotate_all(connection, &host, report, error);
}

static char *to_json(Report *report)
{
    g_autoptr(CfJson) json = cf_json_new_format("clockferry-annotate", 1, 1);

    cf_json_add(json, "guests", g_steal_pointer(&report->guests));
    return cf_json_print(json);
}

static int once(const CliOptions *options, char **names)
{
    Report report = { g_string_new(NULL), cf_json_array(), false };
    g_autoptr(GError) error = NULL;
    int status = CF_EXIT_FAILURE;

    if (annotate_once(options, names, &report, &error)) {
        g_autofree char *json = options->json ? to_json(&report) : NULL;

        if (files_write(NULL, json ? json : report.text->str, &error)) {
            status = report.failed ? CF_EXIT_FAILURE : CF_EXIT_FINE;
        }
    }
    if (error) {
        cli_fail(error);
    }
    g_string_free(report.text, TRUE);
    g_clear_pointer(&report.guests, cf_json_free);
    return status;
}

static int run_annotate(CliOptions *options, char **names)
{
    g_autoptr(GError) error = NULL;

    if (!options->follow) {
        return once(options, names);
    }
    annotate_follow(options->uri, names, options->metrics, &error);
    return cli_fail(error);
}

static int check_options(CliOptions *options, char **names)
{
    if (options->all == (names != NULL)) {
        return cli_usage("name the guests, or give --all");
    }
    if (options->follow && options->json) {
        return cli_usage("--follow can't be combined with --json");
    }
    if (options->metrics && !options->follow) {
        return cli_usage("--metrics needs --follow; clockferry state "
                         "--format=prometheus gives a guest's once");
    }
    return CLI_GO_ON;
}

int cli_annotate(int argc, char **argv)
{
    CliOptions options = { .uri = NULL };
    const GOptionEntry entries[] = {
        CONNECT_ENTRY(options),
        { "all", 'a', 0, G_OPTION_ARG_NONE, &options.all,
          "All running guests whose clocks are carried or promised", NULL },
        { "follow", 'f', 0, G_OPTION_ARG_NONE, &options.follow,
          "Stay, and annotate guests as they start and arrive", NULL },
        { "metrics", 0, 0, G_OPTION_ARG_FILENAME, &options.metrics,
          "Keep their clocks in a file for Prometheus", "FILE" },
        JSON_ENTRY(options),
        { 0 },
    };
    const CliSyntax syntax = {
        .arguments = "[DOMAIN\xe2\x80\xa6]",
        .summary = "Writes facts about running guests' clocks into their "
                   "libvirt metadata, for the\nhook on the host that they go "
                   "to.",
        .examples = "clockferry annotate vm-7\n"
                    "clockferry annotate --all --follow",
        .max = G_MAXINT,
        .entries = entries,
        .steps = { check_options, run_annotate },
    };

    return cli_run(&syntax, &options, argc, argv);
}
