/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The findings of a check in sentences, and what to do about them. */
#include <clockferry/check.h>
#include "carry/carry.h"
#include "counter.h"
#include "kvm/calls.h"
#include "text/units.h"

static char *rate_text(const CfCheck *check, enum cf_verdict verdict)
{
    g_autofree char *rate = cf_rate_words(check->rate_error_ppt);
    g_autofree char *drift = cf_time_text(cf_magnitude(check->drift_ns));
    uint32_t here_khz = 0, there_khz = 0;

    (void)cf_tsc_freq_khz(&check->guest->freq, &here_khz);
    (void)cf_tsc_freq_khz(&check->freq, &there_khz);
    if (verdict == CF_VERDICT_GO) {
        return g_strdup_printf("the guest's TSC keeps its frequency, %u kHz%s",
                               here_khz, cf_tsc_is_scaled(&check->freq)
                                         ? ", scaled" : "");
    }
    return g_strdup_printf("the guest's TSC runs at %u kHz and would run at "
                           "%u kHz: %s, %s a day", here_khz, there_khz, rate,
                           drift);
}

static char *rate_unknown_text(const CfCheck *check)
{
    const CfHost *host = check->destination;

    if (!cf_tsc_freq_valid(&check->guest->freq)) {
        return g_strdup("the frequency of the guest's TSC is unknown");
    }
    if (!host->host_khz) {
        return g_strdup("the frequency of the destination's TSC is unknown");
    }
    return g_strdup_printf(
        "the guest's TSC doesn't run at the destination's %u kHz, and %s",
        host->host_khz,
        host->scaling == CF_SCALING_UNKNOWN
        ? "whether the destination can scale it is unknown"
        : "how finely the destination would scale it is unknown");
}

/* What the bound is made of. */
static char *parts_text(const CfCheck *check)
{
    const uint64_t later_ns = check->kvmclock_bound_ns - CF_SETTLED_NS -
                              CF_ROUNDING_NS;
    g_autofree char *later = cf_time_text(later_ns);

    return g_strdup_printf("%d ns from setting it, %d ns from rounding%s%s%s",
                           CF_SETTLED_NS, CF_ROUNDING_NS,
                           later_ns ? ", " : "", later_ns ? later : "",
                           later_ns ? " if the guest first runs 50 ms later"
                                    : "");
}

static enum cf_rung required_rung(const CfCheck *check)
{
    const struct cf_policy_facts facts = {
        .policy = check->guest->policy,
        .required_rung = check->guest->require,
    };

    return cf_policy_required(&facts);
}

static char *rung_text(const CfCheck *check)
{
    const enum cf_rung require = required_rung(check);
    const char *rung = cf_rung_name(check->rung);
    g_autofree char *bound = NULL, *parts = NULL;

    if (check->rung > require) {
        return g_strdup_printf("the destination restores kvmclock no better "
                               "than by rung '%s', and %s'%s' is required",
                               rung, check->rung > check->guest->require
                                     ? "" : "by policy strict ",
                               cf_rung_name(require));
    }
    if (check->rung > CF_RUNG_CLOSED_LOOP) {
        return g_strdup_printf("kvmclock is restored by rung '%s', which isn't "
                               "exact to the nanosecond", rung);
    }
    if (!check->kvmclock_known) {
        return g_strdup_printf("kvmclock is restored by rung '%s'", rung);
    }
    bound = cf_time_text(check->kvmclock_bound_ns);
    parts = parts_text(check);
    return g_strdup_printf("kvmclock is restored by rung '%s', within %s of "
                           "its function of the TSC: %s", rung, bound, parts);
}

static char *time_text(const CfCheck *check)
{
    g_autofree char *bound = cf_time_text(check->time_bound_ns);

    return check->time_bound_ns
           ? g_strdup_printf("both clocks may step together by up to %s, "
                             "because the hosts' clocks may differ", bound)
           : g_strdup("neither clock steps");
}

/* Does the destination do something else with an offset than keep it? */
static bool loses_offset(const CfCheck *check)
{
    return check->destination->offset_known &&
           check->destination->offset != CF_OFFSET_STICKS;
}

/* Words - what there is to say where no figure is part of it */
typedef struct Words {
    const char *text;
    const char *cure;
} Words;

#define PROBE_BOTH \
    "run clockferry probe --json on both hosts, and check with those files"

static const Words words[] = {
    [CF_FINDING_RATE_UNKNOWN] = { NULL, PROBE_BOTH },
    [CF_FINDING_OFFSET] = { "the guest's TSC goes on where it was", NULL },
    [CF_FINDING_OFFSET_IGNORED] = {
        "the destination's KVM ignores TSC offsets, so the guest's TSC "
        "would jump", "choose a destination whose KVM keeps TSC offsets",
    },
    [CF_FINDING_OFFSET_UNKNOWN] = {
        "whether the destination's KVM keeps TSC offsets is unknown, so "
        "the guest's TSC may jump", PROBE_BOTH,
    },
    [CF_FINDING_TSC_UNSTABLE] = {
        "the destination's TSC is unstable, so the guest's would be "
        "rewound again and again",
        "fix what the destination's kernel log reports about the TSC, or "
        "choose another destination",
    },
    [CF_FINDING_RUNG_UNKNOWN] = {
        "how the destination restores kvmclock is unknown, so the worst "
        "is assumed", PROBE_BOTH,
    },
    [CF_FINDING_TIME_UNKNOWN] = {
        "the step of both clocks can't be predicted, because the hosts' "
        "clocks aren't both known to be synchronised",
        "run chronyd, or ptp4l and phc2sys, on both hosts",
    },
    [CF_FINDING_SAME_HOST] = {
        "the source and the destination are the same host", NULL,
    },
    [CF_FINDING_UNPROVEN] = {
        "both hosts have the same boot id, but nothing proves that they "
        "are the same host",
        "give cloned hosts boot ids of their own, or probe both again",
    },
    [CF_FINDING_TOLERANCE] = {
        "the destination's kvm.tsc_tolerance_ppm is unknown; the default "
        "of 250 is assumed", NULL,
    },
    [CF_FINDING_OFFSET_MEASURED] = {
        "the destination isn't known to read TSC offsets exactly, so the "
        "guest's TSC is set only to within microseconds",
        "choose a destination with Linux 5.16 or later",
    },
    [CF_FINDING_TAI] = {
        "a leap second during the move would count as a second, because "
        "at least one host doesn't know its TAI offset",
        "have chronyd set the TAI offset on both hosts: leapsectz "
        "right/UTC",
    },
    [CF_FINDING_LEAP] = {
        "a leap second is near", "wait until the leap second has passed",
    },
};

/* Of a host with another boot id. */
static const Words kexeced = {
    "the source and the destination are the same machine, with another kernel "
    "since (kexec); its TSC ran on", NULL,
};
static const Words unproven_machine = {
    "both hosts say that they are the same machine, but nothing proves that "
    "its TSC ran on: it was reset or young, or a clock isn't synchronised",
    "have NTP or PTP synchronise the clocks before and after a kexec, and "
    "probe again",
};

static const Words *words_of(const CfCheck *check, CfFindingKind kind)
{
    static const Words none = { "nothing is known about this", NULL };
    static const Words lost = {
        "the step of both clocks can't be predicted, because the TSC doesn't "
        "end up where it should",
        "choose a destination that keeps it",
    };
    const bool same_boot = cf_same_boot(check->guest->boot_id,
                                        check->destination->id.boot_id);

    return kind == CF_FINDING_TIME_UNKNOWN && loses_offset(check) ? &lost
           : kind == CF_FINDING_SAME_HOST && check->kexec ? &kexeced
           : kind == CF_FINDING_UNPROVEN && !same_boot ? &unproven_machine
           : kind < G_N_ELEMENTS(words) ? &words[kind] : &none;
}

/* Both may be right, but only around a leap second. */
static char *tai_text(const CfCheck *check)
{
    const int32_t here_s = check->guest->tai_offset_s;
    const CfHost *host = check->destination;
    const int32_t there_s = host->time_known ? host->time.tai_offset_s : 0;

    return here_s && there_s
           ? g_strdup_printf("the hosts' TAI offsets, %d s and %d s, differ: "
                             "both clocks step by the difference, unless a "
                             "leap second has just passed", here_s, there_s)
           : g_strdup(words[CF_FINDING_TAI].text);
}

char *cf_check_text(const CfCheck *check, unsigned int i)
{
    const CfFindingKind kind = check->findings[i].kind;
    char *text = cf_check_by_counter(check)
                 ? cf_counter_text(check, &check->findings[i]) : NULL;

    if (text) {
        return text;
    }
    switch (kind) {
    case CF_FINDING_RATE:
        return rate_text(check, check->findings[i].verdict);
    case CF_FINDING_RATE_UNKNOWN:
        return rate_unknown_text(check);
    case CF_FINDING_RUNG:
        return rung_text(check);
    case CF_FINDING_TIME:
        return time_text(check);
    case CF_FINDING_TAI:
        return tai_text(check);
    default:
        return g_strdup(words_of(check, kind)->text);
    }
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
                               "whose own TSC runs at %u kHz", khz);
    }
    if (cf_tsc_is_scaled(&check->freq) ||
        !cf_tsc_is_tolerated(khz, host->host_khz, cf_tolerance_ppm(host))) {
        return g_strdup_printf("choose a destination whose TSC runs closer to "
                               "%u kHz", khz);
    }
    return g_strdup("set kvm.tsc_tolerance_ppm to 0 on the destination: echo "
                    "0 >/sys/module/kvm/parameters/tsc_tolerance_ppm");
}

static char *rung_cure(const CfCheck *check)
{
    const bool refused = check->rung > required_rung(check);

    if (!refused && check->rung <= CF_RUNG_CLOSED_LOOP) {
        return NULL;
    }
    return g_strdup_printf(
        "%s%s",
        check->destination->master_clock == CF_ANSWER_YES
        ? "choose a destination with a newer kernel"
        : "make the TSC the destination's clocksource",
        !refused ? "" : check->rung > check->guest->require
        ? ", or require less" : ", or choose a policy that isn't strict");
}

char *cf_check_cure(const CfCheck *check, unsigned int i)
{
    const CfFinding *finding = &check->findings[i];
    char *cure = cf_check_by_counter(check)
                 ? cf_counter_cure(check, finding, PROBE_BOTH) : NULL;

    if (cure || cf_check_foreign(check)) {
        return cure;
    }
    switch (finding->kind) {
    case CF_FINDING_RATE:
        return rate_cure(check, finding->verdict);
    case CF_FINDING_RUNG:
        return rung_cure(check);
    case CF_FINDING_TIME:
        return finding->verdict == CF_VERDICT_GO
               ? NULL : g_strdup(words[CF_FINDING_TIME_UNKNOWN].cure);
    default:
        return g_strdup(words_of(check, finding->kind)->cure);
    }
}
