/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An answer of cf_check() for programs. */
#include "check-json.h"

static void add_freq(CfJson *object, const char *name,
                     const struct cf_tsc_freq *freq)
{
    CfJson *json;

    if (!cf_tsc_freq_valid(freq)) {
        return;
    }
    json = cf_json_object();
    cf_json_add_int(json, "host_khz", freq->host_khz);
    cf_json_add_u64(json, "ratio", freq->ratio);
    cf_json_add_int(json, "frac_bits", freq->frac_bits);
    cf_json_add(object, name, json);
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
    CfJson *findings = cf_json_array();
    unsigned int i;

    cf_json_add_text(object, "verdict", cf_verdict_name(check->verdict));
    cf_json_add_text(object, "rung", cf_rung_name(check->rung));
    cf_json_add_bool(object, "same_host", check->same_host);
    if (check->rate_known) {
        cf_json_add_s64(object, "rate_error_ppt", check->rate_error_ppt);
        cf_json_add_s64(object, "drift_ns_per_day", check->drift_ns);
    }
    if (check->time_known) {
        cf_json_add_u64(object, "time_bound_ns", check->time_bound_ns);
    }
    if (check->kvmclock_known) {
        cf_json_add_u64(object, "kvmclock_bound_ns",
                        check->kvmclock_bound_ns);
    }
    add_freq(object, "tsc_here", &check->guest->freq);
    add_freq(object, "tsc_there", &check->freq);
    for (i = 0; texts && i < check->n_findings; i++) {
        cf_json_append(findings, finding_to_json(check, i));
    }
    if (texts) {
        cf_json_add(object, "findings", findings);
    } else {
        cf_json_free(findings);
    }
}
