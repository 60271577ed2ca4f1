/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An answer of cf_check() for programs. */
#include "check-json.h"

#define AT(member) CF_AT(CfCheck, member)
#define KNOWN(member) CF_KNOWN(CfCheck, member)

static const CfMember members[] = {
    { "verdict", CF_MEMBER_WORD, AT(verdict), .names = &cf_verdict_names },
    { "rung", CF_MEMBER_WORD, AT(rung), .names = &cf_rung_names },
    { "same_host", CF_MEMBER_BOOL, AT(same_host) },
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
