/* SPDX-License-Identifier: GPL-2.0-or-later */
/* clockferry check: may a guest go from one host to another? */
#include <inttypes.h>
#include <string.h>
#include <clockferry/check.h>
#include "check-json.h"
#include "cli.h"
#include "files.h"
#include "hosts.h"
#include "units.h"
#include "wishes.h"

typedef struct Options {
    Wishes wishes;
    gboolean json;
    char *output;
} Options;

typedef struct Move {
    char *from;
    char *to;
    CfGuest guest;
    CfProbe destination;
    CfCheck check;
} Move;

/* What a finding's line begins with. */
static const char *topic(CfFindingKind kind)
{
    switch (kind) {
    case CF_FINDING_RATE:
    case CF_FINDING_RATE_UNKNOWN:
        return "the TSC's frequency";
    case CF_FINDING_OFFSET:
    case CF_FINDING_OFFSET_IGNORED:
    case CF_FINDING_OFFSET_UNKNOWN:
    case CF_FINDING_TSC_UNSTABLE:
        return "the TSC's value";
    case CF_FINDING_RUNG:
    case CF_FINDING_RUNG_UNKNOWN:
        return "kvmclock";
    case CF_FINDING_TIME:
    case CF_FINDING_TIME_UNKNOWN:
        return "the hosts' clocks";
    default:
        return NULL;
    }
}

/* What doesn't decide is a note, if it isn't good. */
static const char *level(const CfFinding *finding)
{
    static const char *const words[] = {
        [CF_VERDICT_GO] = "PASS",
        [CF_VERDICT_REPORT] = "WARN",
        [CF_VERDICT_WARN] = "WARN",
        [CF_VERDICT_REFUSE] = "FAIL",
    };

    return finding->kind == CF_FINDING_TIME_UNKNOWN ||
           finding->kind == CF_FINDING_RUNG_UNKNOWN
           ? (finding->verdict == CF_VERDICT_GO ? "NOTE" : "FAIL")
           : words[finding->verdict];
}

static void add_finding(GString *out, const CfCheck *check, unsigned int i)
{
    const CfFinding *finding = &check->findings[i];
    g_autofree char *text = cf_check_text(check, i);
    g_autofree char *cure = cf_check_cure(check, i);
    const char *about = topic(finding->kind);

    if (about) {
        g_string_append_printf(out, "  Checking %-20s: %s (%s", about,
                               level(finding), text);
    } else {
        g_string_append_printf(out, "  %-29s: NOTE (%s", "Also", text);
    }
    if (cure) {
        g_string_append_printf(out, "; %s", cure);
    }
    g_string_append(out, ")\n");
}

static const char *verdict_text(enum cf_verdict verdict)
{
    static const char *const texts[] = {
        [CF_VERDICT_GO] = "go",
        [CF_VERDICT_REPORT] = "go, but not exactly",
        [CF_VERDICT_WARN] = "go, with a warning",
        [CF_VERDICT_REFUSE] = "refused",
    };

    return texts[verdict];
}

static void add_rate(GString *out, const CfCheck *check)
{
    g_autofree char *ppb = units_ppb(check->rate_error_ppt);
    g_autofree char *ms = units_ms(check->drift_ns);

    if (!check->rate_known) {
        g_string_append(out, "Rate error    : unknown\n");
    } else if (!check->rate_error_ppt) {
        g_string_append(out, "Rate error    : 0\n");
    } else {
        g_string_append_printf(out, "Rate error    : %s, %s a day\n", ppb, ms);
    }
}

static void add_figures(GString *out, const CfCheck *check)
{
    g_autofree char *step = units_time(check->time_bound_ns);

    g_string_append_printf(out, "Verdict       : %s\nExpected rung : %s",
                           verdict_text(check->verdict),
                           cf_rung_name(check->rung));
    if (check->kvmclock_known) {
        g_string_append_printf(out, ", within %" PRIu64 " ns",
                               check->kvmclock_bound_ns);
    }
    g_string_append_c(out, '\n');
    add_rate(out, check);
    g_string_append_printf(out, "Clocks step   : %s%s\n",
                           check->time_known ? "up to " : "unknown",
                           check->time_known ? step : "");
}

static char *to_text(const Move *move)
{
    const CfCheck *check = &move->check;
    GString *out = g_string_new(NULL);
    unsigned int i;

    g_string_append_printf(out, "From %s to %s, policy %s%s\n\n", move->from,
                           move->to, cf_policy_name(move->guest.policy),
                           move->guest.promised ? ", promised" : "");
    for (i = 0; i < check->n_findings; i++) {
        add_finding(out, check, i);
    }
    g_string_append_c(out, '\n');
    add_figures(out, check);
    return g_string_free(out, FALSE);
}

static char *to_json(const Move *move)
{
    g_autoptr(CfJson) json = cf_json_new_format("clockferry-check", 1, 1);

    cf_json_add_text(json, "source", move->from);
    cf_json_add_text(json, "destination", move->to);
    cf_json_add_text(json, "policy", cf_policy_name(move->guest.policy));
    cf_json_add_text(json, "require", cf_rung_name(move->guest.require));
    cf_json_add_bool(json, "promised", move->guest.promised);
    check_add_json(json, &move->check, true);
    return cf_json_print(json);
}

static int status_of(enum cf_verdict verdict)
{
    return verdict == CF_VERDICT_GO ? CF_EXIT_FINE
           : verdict == CF_VERDICT_REFUSE ? CF_EXIT_REFUSED : CF_EXIT_INEXACT;
}

/* By their names, if they have different ones; else by their files. */
static void name_hosts(Move *move, char **files)
{
    const char *from = move->guest.host, *to = move->destination.id.name;
    const bool differ = strcmp(from, to) != 0;

    move->from = cli_printable(*from && differ ? from : files[0]);
    move->to = cli_printable(*to && differ ? to : files[1]);
}

static int print(const Move *move, const Options *options)
{
    g_autofree char *text = options->json ? to_json(move) : to_text(move);
    g_autoptr(GError) error = NULL;

    return files_write(options->output, text, &error)
           ? status_of(move->check.verdict) : cli_fail(error);
}

static int check(const Options *options, char **files)
{
    g_autoptr(GError) error = NULL;
    Move move;
    int status;

    if (!hosts_read_guest(files[0], options->wishes.tsc_khz, &move.guest,
                          &error) ||
        !hosts_read(files[1], &move.destination, &error)) {
        return cli_fail(error);
    }
    wishes_apply(&options->wishes, &move.guest);
    name_hosts(&move, files);
    cf_check(&move.guest, &move.destination, &move.check);
    status = print(&move, options);
    g_free(move.from);
    g_free(move.to);
    return status;
}

int cli_check(int argc, char **argv)
{
    Options options = { 0 };
    const GOptionEntry entries[] = {
        WISHES_ENTRIES(options.wishes),
        { "json", 0, 0, G_OPTION_ARG_NONE, &options.json, "Print JSON", NULL },
        { "output", 'o', 0, G_OPTION_ARG_FILENAME, &options.output,
          "Write to this file, whole or not at all", "FILE" },
        { 0 },
    };
    const CliSyntax syntax = {
        .arguments = "SRC DST",
        .summary = "Tells whether a guest may go from SRC to DST, and how "
                   "exact its clocks will be then.\nSRC is the file of a host "
                   "(clockferry probe --json), of a running guest\n"
                   "(clockferry state --json) or of captured clocks; DST is "
                   "the file of a host.\nExit status 3: refused; 4: it may "
                   "go, but not exactly.",
        .min = 2,
        .max = 2,
        .options = entries,
    };
    g_auto(GStrv) files = NULL;
    int status = cli_parse(&syntax, argc, argv, &files);

    if (status == CLI_GO_ON) {
        status = wishes_parse(&options.wishes);
    }
    if (status == CLI_GO_ON) {
        status = check(&options, files);
    }
    wishes_clear(&options.wishes);
    g_free(options.output);
    return status;
}
