/* SPDX-License-Identifier: GPL-2.0-or-later */
/* May this guest go to that host? Any guest, a zero byte, any host. */
#include <clockferry/check.h>
#include "fuzz.h"

static void must_be_sound(const CfCheck *check)
{
    enum cf_verdict worst = CF_VERDICT_GO;
    unsigned int i;

    MUST(check->n_findings >= 4 && check->n_findings <= CF_FINDINGS_MAX,
         "%u findings", check->n_findings);
    for (i = 0; i < check->n_findings; i++) {
        g_autofree char *text = cf_check_text(check, i);
        g_autofree char *cure = cf_check_cure(check, i);

        must_be_line(text);
        if (cure) {
            must_be_line(cure);
        }
        MUST(!g_str_has_suffix(text, "."), "a full stop: %s", text);
        MUST(strcmp(cf_finding_name(check->findings[i].kind), "unknown"),
             "a finding without a name: %s", text);
        worst = MAX(worst, check->findings[i].verdict);
    }
    MUST(check->verdict == worst, "%s, but one says %s",
         cf_verdict_name(check->verdict), cf_verdict_name(worst));
    /* Less than a rate of 10^-18 is none. */
    MUST(!check->rate_known || check->rate_error_ppt == 0 ||
         (check->rate_error_ppt > 0) == (check->drift_ns > 0),
         "it drifts the other way: %" PRId64, check->drift_ns);
}

static enum cf_verdict verdict_of(const CfGuest *guest, const CfHost *host,
                                  enum cf_policy policy)
{
    CfGuest one = *guest;
    CfCheck check;

    one.policy = policy;
    memset(&check, 0xa5, sizeof(check));
    cf_check(&one, host, &check);
    must_be_sound(&check);
    return check.verdict;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const Part guest_json = take_part(&data, &size);
    const Part host_json = take_part(&data, &size);
    enum cf_verdict lax, automatic, strict;
    CfGuest guest;
    CfHost host;

    if (!cf_guest_from_json(guest_json.text, guest_json.size, &guest, NULL) ||
        !cf_host_from_json(host_json.text, host_json.size, &host, NULL)) {
        return 0;
    }
    lax = verdict_of(&guest, &host, CF_POLICY_LAX);
    automatic = verdict_of(&guest, &host, CF_POLICY_AUTO);
    strict = verdict_of(&guest, &host, CF_POLICY_STRICT);
    MUST((automatic != CF_VERDICT_REFUSE || strict == CF_VERDICT_REFUSE) &&
         (lax != CF_VERDICT_REFUSE || automatic == CF_VERDICT_REFUSE),
         "a stricter policy takes it: lax %s, auto %s, strict %s",
         cf_verdict_name(lax), cf_verdict_name(automatic),
         cf_verdict_name(strict));
    return 0;
}
