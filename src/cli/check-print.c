/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The answer of clockferry check, for people and for programs. */
#include "check/counter.h"
#include "text/units.h"
#include "check-print.h"

/* What is worth knowing, but decides nothing. */
static bool is_note(const CfFinding *finding)
{
    return finding->verdict == CF_VERDICT_GO &&
           (finding->kind == CF_FINDING_TIME_UNKNOWN ||
            finding->kind >= CF_FINDING_SAME_HOST);
}

Level check_level(enum cf_verdict verdict)
{
    static const Level levels[] = {
        [CF_VERDICT_GO] = LEVEL_PASS,
        [CF_VERDICT_REPORT] = LEVEL_WARN,
        [CF_VERDICT_WARN] = LEVEL_WARN,
        [CF_VERDICT_REFUSE] = LEVEL_FAIL,
    };

    return levels[verdict];
}

static const char *const verdict_texts[] = {
    [CF_VERDICT_GO] = "go",
    [CF_VERDICT_REPORT] = "go, but not exactly",
    [CF_VERDICT_WARN] = "go, with a warning",
    [CF_VERDICT_REFUSE] = "refused",
};

/* Is it refused only because of what isn't known? */
static bool is_undecided(const CfCheck *check)
{
    unsigned int i;

    for (i = 0; i < check->n_findings; i++) {
        const CfFinding *finding = &check->findings[i];

        if (finding->verdict == CF_VERDICT_REFUSE &&
            finding->kind != CF_FINDING_RATE_UNKNOWN &&
            finding->kind != CF_FINDING_OFFSET_UNKNOWN &&
            finding->kind != CF_FINDING_TIME_UNKNOWN &&
            finding->kind != CF_FINDING_OFFSET_MEASURED &&
            finding->kind != CF_FINDING_RUNG_UNKNOWN) {
            return false;
        }
    }
    return check->verdict == CF_VERDICT_REFUSE;
}

static void add_rung(Screen *screen, const CfCheck *check)
{
    g_autofree char *bound = cf_time_text(check->kvmclock_bound_ns);

    screen_fact(screen, "Expected rung", "%s%s%s", cf_rung_name(check->rung),
                check->kvmclock_known ? ", within " : "",
                check->kvmclock_known ? bound : "");
}

static void add_rate(Screen *screen, const CfCheck *check)
{
    g_autofree char *rate = cf_rate_text(check->rate_error_ppt);
    g_autofree char *drift = cf_signed_time_text(check->drift_ns);

    if (check->rate_known && !check->rate_error_ppt) {
        screen_fact(screen, "Rate error", "0");
    } else {
        screen_known(screen, "Rate error", check->rate_known, "%s, %s a day",
                     rate, drift);
    }
}

/* Between architectures there are none. */
static void add_figures(Screen *screen, const CfCheck *check)
{
    g_autofree char *step = cf_time_text(check->time_bound_ns);

    screen_fact(screen, "Verdict", "%s",
                is_undecided(check) ? "refused, for lack of facts"
                                    : verdict_texts[check->verdict]);
    if (cf_check_foreign(check)) {
        return;
    }
    if (!cf_check_by_counter(check)) {
        add_rung(screen, check);
    }
    add_rate(screen, check);
    screen_known(screen, "Clocks step", check->time_known, "up to %s", step);
}

static void add_guest(Screen *screen, const Move *move)
{
    screen_add(screen, "Guest %s, according to %s%s\n", move->name,
               move->source == LIBVIRT_SOURCE_QEMU
               ? "its QEMU" : "its XML; there is no QEMU to ask",
               move->carried ? "" : "\nIts clocks aren't carried: see "
                                    "clockferry enable");
}

static void add_finding(Screen *screen, const CfCheck *check, unsigned int i)
{
    const CfFinding *finding = &check->findings[i];
    g_autofree char *text = cf_check_text(check, i);
    g_autofree char *cure = cf_check_cure(check, i);

    /* Another architecture is all that there is to say. */
    if (!cf_check_foreign(check) || finding->verdict != CF_VERDICT_GO) {
        screen_finding(screen, is_note(finding)
                       ? LEVEL_NOTE : check_level(finding->verdict),
                       text, cure);
    }
}

char *check_to_text(const Move *move, const char *output)
{
    Screen screen = screen_begin(output);
    const CfCheck *check = &move->check;
    unsigned int i;

    screen_add(&screen, "From %s to %s, policy %s%s\n", move->from, move->to,
               cf_policy_name(move->guest.policy),
               move->guest.promised ? ", promised" : "");
    if (move->by_libvirt) {
        add_guest(&screen, move);
    }
    screen_add(&screen, "\n");
    for (i = 0; i < check->n_findings; i++) {
        add_finding(&screen, check, i);
    }
    screen_add(&screen, "\n");
    add_figures(&screen, check);
    return screen_end(&screen);
}

#define AT(member) CF_AT(CfCheck, member)
#define KNOWN(member) CF_KNOWN(CfCheck, member)

static const CfMember members[] = {
    { "verdict", CF_MEMBER_WORD, AT(verdict), .names = &cf_verdict_names },
    { "rung", CF_MEMBER_WORD, AT(rung), .names = &cf_rung_names },
    { "same_host", CF_MEMBER_BOOL, AT(same_host) },
    { "kexec", CF_MEMBER_BOOL, AT(kexec), .optional = true },
    { "rate_error_ppt", CF_MEMBER_S64, AT(rate_error_ppt),
      KNOWN(rate_known) },
    { "drift_ns_per_day", CF_MEMBER_S64, AT(drift_ns), KNOWN(rate_known) },
    { "time_bound_ns", CF_MEMBER_U64, AT(time_bound_ns), KNOWN(time_known) },
    { "kvmclock_bound_ns", CF_MEMBER_U64, AT(kvmclock_bound_ns),
      KNOWN(kvmclock_known) },
    { 0 },
};

static void add_freq(CfJson *object, const char *name,
                     const struct cf_tsc_freq *freq)
{
    CfJson *json;

    if (cf_tsc_freq_valid(freq)) {
        json = cf_json_object();
        cf_json_add_int(json, "host_khz", freq->host_khz);
        cf_members_add(json, cf_freq_members, freq);
        cf_json_add(object, name, json);
    }
}

static CfJson *finding_to_json(const CfCheck *check, unsigned int i)
{
    const CfFinding *finding = &check->findings[i];
    g_autofree char *text = cf_check_text(check, i);
    g_autofree char *cure = cf_check_cure(check, i);
    CfJson *json = cf_json_object();

    cf_json_add_text(json, "kind", cf_finding_name(finding->kind));
    cf_json_add_text(json, "verdict", cf_verdict_name(finding->verdict));
    cf_json_add_text(json, "text", text);
    if (cure) {
        cf_json_add_text(json, "cure", cure);
    }
    return json;
}

void check_add_json(CfJson *object, const CfCheck *check, bool texts)
{
    unsigned int i;

    cf_members_add(object, members, check);
    add_freq(object, "tsc_here", &check->guest->freq);
    add_freq(object, "tsc_there", &check->freq);
    if (texts) {
        CfJson *findings = cf_json_array();

        for (i = 0; i < check->n_findings; i++) {
            cf_json_append(findings, finding_to_json(check, i));
        }
        cf_json_add(object, "findings", findings);
    }
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
                         move->source == LIBVIRT_SOURCE_QEMU ? "qemu" : "xml");
        cf_json_add_bool(json, "carried", move->carried);
    }
    cf_json_add_bool(json, "undecided", is_undecided(&move->check));
    check_add_json(json, &move->check, true);
    return cf_json_print(json);
}
