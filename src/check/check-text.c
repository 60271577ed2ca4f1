/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The findings of a check in sentences, and what to do about them. */
#include <inttypes.h>
#include <clockferry/check.h>

/* Exact decimals: a rate error is known to 10^-12. */
static char *ppm_text(int64_t ppt)
{
    const uint64_t size = ppt < 0 ? 0 - (uint64_t)ppt : (uint64_t)ppt;

    return g_strdup_printf("%c%" PRIu64 ".%06" PRIu64 " ppm",
                           ppt < 0 ? '-' : '+', size / 1000000,
                           size % 1000000);
}

static char *ms_text(int64_t ns)
{
    const uint64_t size = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;

    return g_strdup_printf("%c%" PRIu64 ".%03" PRIu64 " ms",
                           ns < 0 ? '-' : '+', size / 1000000,
                           size / 1000 % 1000);
}

static char *rate_text(const CfCheck *check, enum cf_verdict verdict)
{
    g_autofree char *ppm = ppm_text(check->rate_error_ppt);
    g_autofree char *ms = ms_text(check->drift_ns);
    uint32_t here_khz = 0, there_khz = 0;

    (void)cf_tsc_freq_khz(&check->guest->freq, &here_khz);
    (void)cf_tsc_freq_khz(&check->freq, &there_khz);
    if (verdict == CF_VERDICT_GO) {
        return g_strdup_printf("the guest's TSC keeps its frequency, %u kHz%s",
                               here_khz, cf_tsc_is_scaled(&check->freq)
                                         ? ", scaled" : "");
    }
    return g_strdup_printf("the guest's TSC runs at %u kHz and would run at "
                           "%u kHz: %s, %s a day", here_khz, there_khz, ppm,
                           ms);
}

static char *rate_unknown_text(const CfCheck *check)
{
    const CfHost *host = check->destination;

    if (!cf_tsc_freq_valid(&check->guest->freq)) {
        return g_strdup("it isn't known at which frequency the guest's TSC "
                        "runs");
    }
    if (!host->host_khz) {
        return g_strdup("it isn't known at which frequency the destination's "
                        "TSC runs");
    }
    return g_strdup_printf(
        "the guest's TSC doesn't run at the destination's %u kHz, and it "
        "isn't known %s", host->host_khz,
        host->scaling == CF_SCALING_UNKNOWN
        ? "whether the destination can scale it"
        : "with how many fraction bits the destination would scale it");
}

static char *rung_text(const CfCheck *check)
{
    const enum cf_rung require = check->guest->require;
    const char *rung = cf_rung_name(check->rung);

    if (check->rung > require) {
        return g_strdup_printf("kvmclock can be restored no better than '%s' "
                               "there, and '%s' is required", rung,
                               cf_rung_name(require));
    }
    if (!check->kvmclock_known) {
        return g_strdup_printf("kvmclock is restored by rung '%s'", rung);
    }
    return g_strdup_printf("kvmclock is restored by rung '%s', within %"
                           PRIu64 " ns of its function of the TSC", rung,
                           check->kvmclock_bound_ns);
}

static char *time_text(const CfCheck *check)
{
    if (!check->time_bound_ns) {
        return g_strdup("neither clock steps");
    }
    return g_strdup_printf("both clocks step together by up to %" PRIu64
                           ".%06" PRIu64 " ms, as the hosts' clocks may "
                           "differ", check->time_bound_ns / 1000000,
                           check->time_bound_ns % 1000000);
}

static const char *time_unknown_text(const CfCheck *check)
{
    if (check->destination->offset_known &&
        check->destination->offset != CF_OFFSET_STICKS) {
        return "by how much the clocks step can't be told, for the TSC doesn't "
               "go where it should";
    }
    return "by how much both clocks step together can't be told, for the "
           "hosts' clocks aren't both known to be synchronised";
}

static const char *fixed_text(const CfCheck *check, CfFindingKind kind)
{
    switch (kind) {
    case CF_FINDING_OFFSET:
        return "the guest's TSC goes on where it was";
    case CF_FINDING_OFFSET_IGNORED:
        return "the destination's KVM ignores TSC offsets, so the guest's TSC "
               "would jump";
    case CF_FINDING_OFFSET_UNKNOWN:
        return "it isn't known whether the destination's KVM keeps TSC "
               "offsets, so the guest's TSC may jump";
    case CF_FINDING_TSC_UNSTABLE:
        return "the destination's TSC is unstable, so the guest's would be "
               "rewound again and again";
    case CF_FINDING_RUNG_UNKNOWN:
        return "it isn't known how the destination restores kvmclock, so the "
               "worst way is assumed";
    case CF_FINDING_TIME_UNKNOWN:
        return time_unknown_text(check);
    case CF_FINDING_SAME_HOST:
        return "source and destination are one host";
    case CF_FINDING_UNPROVEN:
        return "both hosts have one boot id, but it isn't proven that they "
               "are one host";
    case CF_FINDING_TOLERANCE:
        return "the destination's kvm.tsc_tolerance_ppm isn't known; 250, the "
               "default, is assumed";
    case CF_FINDING_OFFSET_MEASURED:
        return "the destination isn't known to read TSC offsets exactly, so "
               "the guest's TSC is set to within microseconds only";
    case CF_FINDING_TAI:
        return "a leap second during the move would count as a second, for "
               "not both hosts know TAI";
    case CF_FINDING_LEAP:
        return "a leap second is near";
    default:
        return "nothing is known";
    }
}

char *cf_check_text(const CfCheck *check, unsigned int i)
{
    const CfFindingKind kind = check->findings[i].kind;

    switch (kind) {
    case CF_FINDING_RATE:
        return rate_text(check, check->findings[i].verdict);
    case CF_FINDING_RATE_UNKNOWN:
        return rate_unknown_text(check);
    case CF_FINDING_RUNG:
        return rung_text(check);
    case CF_FINDING_TIME:
        return time_text(check);
    default:
        return g_strdup(fixed_text(check, kind));
    }
}

static bool is_within(int64_t value, int64_t limit)
{
    return value >= -limit && value <= limit;
}

static char *rate_cure(const CfCheck *check, enum cf_verdict verdict)
{
    const CfHost *host = check->destination;
    uint32_t khz = 0;

    (void)cf_tsc_freq_khz(&check->guest->freq, &khz);
    if (verdict == CF_VERDICT_GO) {
        return NULL;
    }
    if (host->scaling != CF_SCALING_WORKS) {
        return g_strdup_printf("choose a destination that can scale TSCs, or "
                               "whose own runs at %u kHz", khz);
    }
    if (cf_tsc_is_scaled(&check->freq) ||
        !is_within(check->rate_error_ppt,
                   (int64_t)MIN(host->tolerance_known ? host->tolerance_ppm
                                                      : 250, 1000000) *
                   1000000 + 1000000)) {
        return g_strdup_printf("choose a destination whose TSC runs nearer to "
                               "%u kHz", khz);
    }
    return g_strdup("set kvm.tsc_tolerance_ppm to 0 on the destination: echo "
                    "0 >/sys/module/kvm/parameters/tsc_tolerance_ppm");
}

static char *rung_cure(const CfCheck *check)
{
    if (check->rung <= check->guest->require) {
        return NULL;
    }
    return g_strdup(
        check->destination->master_clock == CF_ANSWER_YES
        ? "choose a destination with a newer kernel, or require less"
        : "make the TSC the destination's clocksource, or require less");
}

static const char *fixed_cure(const CfCheck *check, CfFindingKind kind)
{
    switch (kind) {
    case CF_FINDING_RATE_UNKNOWN:
    case CF_FINDING_OFFSET_UNKNOWN:
    case CF_FINDING_RUNG_UNKNOWN:
        return "probe both hosts themselves: clockferry probe --json";
    case CF_FINDING_OFFSET_IGNORED:
        return "choose a destination whose KVM keeps TSC offsets";
    case CF_FINDING_TSC_UNSTABLE:
        return "mend what the destination's kernel log says of the TSC, or "
               "choose another one";
    case CF_FINDING_TIME_UNKNOWN:
        return check->destination->offset_known &&
               check->destination->offset != CF_OFFSET_STICKS
               ? NULL : "run chronyd, or ptp4l and phc2sys, on both hosts";
    case CF_FINDING_UNPROVEN:
        return "give cloned hosts boot ids of their own, or probe both anew";
    case CF_FINDING_TAI:
        return "have chronyd set the TAI offset on both hosts: leapsectz "
               "right/UTC";
    case CF_FINDING_LEAP:
        return "move the guest tomorrow";
    default:
        return NULL;
    }
}

char *cf_check_cure(const CfCheck *check, unsigned int i)
{
    const CfFindingKind kind = check->findings[i].kind;

    return kind == CF_FINDING_RATE ? rate_cure(check,
                                               check->findings[i].verdict)
           : kind == CF_FINDING_RUNG ? rung_cure(check)
           : g_strdup(fixed_cure(check, kind));
}
