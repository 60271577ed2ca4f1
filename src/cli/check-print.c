/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The answer of clockferry check for people and for programs. */
#include <inttypes.h>
#include "check-print.h"
#include "check-json.h"
#include "units.h"

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

/* Is it refused for nothing but what isn't known? */
static bool is_undecided(const CfCheck *check)
{
    unsigned int i;

    for (i = 0; i < check->n_findings; i++) {
        const CfFinding *finding = &check->findings[i];

        if (finding->verdict == CF_VERDICT_REFUSE &&
            finding->kind != CF_FINDING_RATE_UNKNOWN &&
            finding->kind != CF_FINDING_OFFSET_UNKNOWN &&
            finding->kind != CF_FINDING_RUNG_UNKNOWN) {
            return false;
        }
    }
    return check->verdict == CF_VERDICT_REFUSE;
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
                           is_undecided(check) ? "refused, for lack of facts"
                                               : verdict_text(check->verdict),
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

static void add_guest(GString *out, const Move *move)
{
    g_string_append_printf(
        out, "Guest %s, as %s%s\n", move->name,
        move->teller == LIBVIRT_TELLER_QEMU
        ? "its QEMU tells" : "its XML tells, for there is no QEMU to ask",
        move->carried
        ? "" : "; its clocks aren't carried, see clockferry enable");
}

char *check_to_text(const Move *move)
{
    const CfCheck *check = &move->check;
    GString *out = g_string_new(NULL);
    unsigned int i;

    g_string_append_printf(out, "From %s to %s, policy %s%s\n", move->from,
                           move->to, cf_policy_name(move->guest.policy),
                           move->guest.promised ? ", promised" : "");
    if (move->by_libvirt) {
        add_guest(out, move);
    }
    g_string_append_c(out, '\n');
    for (i = 0; i < check->n_findings; i++) {
        add_finding(out, check, i);
    }
    g_string_append_c(out, '\n');
    add_figures(out, check);
    return g_string_free(out, FALSE);
}

char *check_to_json(const Move *move)
{
    g_autoptr(CfJson) json = cf_json_new_format("clockferry-check", 1, 1);

    cf_json_add_text(json, "source", move->from);
    cf_json_add_text(json, "destination", move->to);
    cf_json_add_text(json, "policy", cf_policy_name(move->guest.policy));
    cf_json_add_text(json, "require", cf_rung_name(move->guest.require));
    cf_json_add_bool(json, "promised", move->guest.promised);
    if (move->by_libvirt) {
        cf_json_add_text(json, "guest", move->name);
        cf_json_add_text(json, "told_by",
                         move->teller == LIBVIRT_TELLER_QEMU ? "qemu" : "xml");
        cf_json_add_bool(json, "carried", move->carried);
    }
    cf_json_add_bool(json, "undecided", is_undecided(&move->check));
    check_add_json(json, &move->check, true);
    return cf_json_print(json);
}
