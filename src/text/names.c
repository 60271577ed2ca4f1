/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The names of enumerators, as users and files see them. */
#include <clockferry/check.h>
#include "names.h"

const CfNames cf_policy_names = {
    [CF_POLICY_AUTO] = "auto",
    [CF_POLICY_STRICT] = "strict",
    [CF_POLICY_LAX] = "lax",
};

const CfNames cf_verdict_names = {
    [CF_VERDICT_GO] = "go",
    [CF_VERDICT_REPORT] = "report",
    [CF_VERDICT_WARN] = "warn",
    [CF_VERDICT_REFUSE] = "refuse",
};

const CfNames cf_finding_names = {
    [CF_FINDING_RATE] = "rate",
    [CF_FINDING_RATE_UNKNOWN] = "rate-unknown",
    [CF_FINDING_OFFSET] = "offset",
    [CF_FINDING_OFFSET_IGNORED] = "offset-ignored",
    [CF_FINDING_OFFSET_UNKNOWN] = "offset-unknown",
    [CF_FINDING_TSC_UNSTABLE] = "tsc-unstable",
    [CF_FINDING_RUNG] = "rung",
    [CF_FINDING_RUNG_UNKNOWN] = "rung-unknown",
    [CF_FINDING_TIME] = "time",
    [CF_FINDING_TIME_UNKNOWN] = "time-unknown",
    [CF_FINDING_SAME_HOST] = "same-host",
    [CF_FINDING_UNPROVEN] = "unproven",
    [CF_FINDING_TOLERANCE] = "tolerance",
    [CF_FINDING_OFFSET_MEASURED] = "offset-measured",
    [CF_FINDING_TAI] = "tai",
    [CF_FINDING_LEAP] = "leap",
};

const CfNames cf_rung_names = {
    [CF_RUNG_EXACT] = "exact",
    [CF_RUNG_REANCHORED] = "reanchored",
    [CF_RUNG_CLOSED_LOOP] = "closed-loop",
    [CF_RUNG_REALTIME] = "realtime",
    [CF_RUNG_PLAIN] = "plain",
};

const CfNames cf_offset_names = {
    [CF_OFFSET_STICKS] = "sticks",
    [CF_OFFSET_IGNORED] = "ignored",
    [CF_OFFSET_REWINDS] = "rewinds",
};

const CfNames cf_scaling_names = {
    [CF_SCALING_NONE] = "none",
    [CF_SCALING_WORKS] = "works",
    [CF_SCALING_FAILS] = "fails",
};

const CfNames cf_architecture_names = {
    [CF_ARCHITECTURE_X86_64] = "x86-64",
    [CF_ARCHITECTURE_ARM64] = "arm64",
};

const CfNames cf_counter_offset_names = {
    [CF_COUNTER_OFFSET_NONE] = "none",
    [CF_COUNTER_OFFSET_IOCTL] = "ioctl",
    [CF_COUNTER_OFFSET_REGISTER] = "register",
};

const CfNames cf_clock_guest_names = {
    [CF_CLOCK_GUEST_ABSENT] = "absent",
    [CF_CLOCK_GUEST_PRESENT] = "present",
    [CF_CLOCK_GUEST_UNUSABLE] = "unusable",
};

const CfNames cf_clock_guest_style_names = {
    [CF_CLOCK_GUEST_STYLE_V6] = "v6",
    [CF_CLOCK_GUEST_STYLE_CAPABILITY] = "capability",
};

const CfNames cf_leap_names = {
    [CF_LEAP_NONE] = "none",
    [CF_LEAP_INSERT] = "insert",
    [CF_LEAP_DELETE] = "delete",
    [CF_LEAP_NOW] = "now",
};

const CfNames cf_freq_origin_names = {
    [CF_FREQ_UNSCALED] = "unscaled",
    [CF_FREQ_ATTRIBUTE] = "attribute",
    [CF_FREQ_DERIVED] = "derived",
    [CF_FREQ_ASSUMED] = "assumed",
};

const CfNames cf_offset_origin_names = {
    [CF_OFFSET_ATTRIBUTE] = "attribute",
    [CF_OFFSET_MEASURED] = "measured",
};

const CfNames cf_fn_origin_names = {
    [CF_FN_CALL] = "call",
    [CF_FN_PAGE] = "page",
    [CF_FN_BUILT] = "built",
};

const CfNames cf_tsc_outcome_names = {
    [CF_TSC_UNCHANGED] = "unchanged",
    [CF_TSC_COPIED] = "copied",
    [CF_TSC_COMPUTED] = "computed",
    [CF_TSC_UNVERIFIED] = "unverified",
    [CF_TSC_NOT_SET] = "not-set",
    [CF_TSC_UNKNOWN] = "unknown",
};

const CfNames cf_elapsed_from_names = {
    [CF_ELAPSED_UNKNOWN] = "unknown",
    [CF_ELAPSED_TSC] = "tsc",
    [CF_ELAPSED_TAI] = "tai",
    [CF_ELAPSED_UTC] = "utc",
    [CF_ELAPSED_CHANNEL] = "channel",
};

const char *cf_name_of(const CfNames *names, unsigned int value)
{
    const char *name = value < G_N_ELEMENTS(*names) ? (*names)[value] : NULL;

    return name ? name : "unknown";
}

int cf_name_find(const CfNames *names, const char *name)
{
    int i;

    for (i = 0; i < (int)G_N_ELEMENTS(*names); i++) {
        if (!g_strcmp0((*names)[i], name)) {
            return i;
        }
    }
    return -1;
}
