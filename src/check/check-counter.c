/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sentences about counters, arm64's, and about other architectures. */
#include "text/names.h"
#include "text/units.h"
#include "counter.h"

static const char *architecture(CfArchitecture value)
{
    return cf_name_of(&cf_architecture_names, value);
}

static char *foreign_text(const CfCheck *check, const CfFinding *finding)
{
    if (finding->verdict == CF_VERDICT_GO) {
        return g_strdup("not asked, because no guest goes to another "
                        "architecture");
    }
    return g_strdup_printf("the guest is one of %s and the destination is "
                           "%s: no guest goes to another architecture",
                           architecture(check->guest->architecture),
                           architecture(check->destination->architecture));
}

static char *rate_text(const CfCheck *check, enum cf_verdict verdict)
{
    const uint32_t here_hz = check->guest->counter_hz;

    return verdict == CF_VERDICT_GO
           ? g_strdup_printf("the guest's counter keeps its frequency, %u Hz",
                             here_hz)
           : g_strdup_printf("the guest's counter runs at %u Hz and would run "
                             "at %u Hz, and nothing can scale it", here_hz,
                             check->destination->counter_hz);
}

static char *time_text(const CfCheck *check)
{
    g_autofree char *bound = cf_time_text(check->time_bound_ns);

    return check->time_bound_ns
           ? g_strdup_printf("the guest's clock may step by up to %s, because "
                             "the hosts' clocks may differ", bound)
           : g_strdup("the guest's clock doesn't step");
}

static const char *plain_text(const CfCheck *check, CfFindingKind kind)
{
    switch (kind) {
    case CF_FINDING_RATE_UNKNOWN:
        return check->guest->counter_hz
               ? "the frequency of the destination's counter is unknown"
               : "the frequency of the guest's counter is unknown";
    case CF_FINDING_OFFSET:
        return "the destination's KVM lets the guest's counter go on where it "
               "was, if its VMM asks for that";
    case CF_FINDING_OFFSET_IGNORED:
        return "the destination's KVM doesn't keep an offset of the counter, "
               "so the guest's would jump";
    case CF_FINDING_OFFSET_UNKNOWN:
        return "whether the destination's KVM keeps an offset of the counter "
               "is unknown, so the guest's may jump";
    case CF_FINDING_OFFSET_MEASURED:
        return "the destination isn't known to take the counter's offset "
               "itself, so the guest's is set only to within microseconds";
    case CF_FINDING_RUNG:
        return "there is no kvmclock on arm64: the guest's clock is its "
               "counter";
    case CF_FINDING_TIME_UNKNOWN:
        return check->destination->offset_known &&
               check->destination->offset != CF_OFFSET_STICKS
               ? "the step of the guest's clock can't be predicted, because "
                 "the counter doesn't end up where it should"
               : "the step of the guest's clock can't be predicted, because "
                 "the hosts' clocks aren't both known to be synchronised";
    default:
        return NULL;
    }
}

char *cf_counter_text(const CfCheck *check, const CfFinding *finding)
{
    if (cf_check_foreign(check)) {
        return foreign_text(check, finding);
    }
    switch (finding->kind) {
    case CF_FINDING_RATE:
        return rate_text(check, finding->verdict);
    case CF_FINDING_TIME:
        return time_text(check);
    default:
        return g_strdup(plain_text(check, finding->kind));
    }
}

char *cf_counter_cure(const CfCheck *check, const CfFinding *finding,
                      const char *both)
{
    const bool fine = finding->verdict == CF_VERDICT_GO;

    if (cf_check_foreign(check)) {
        return fine ? NULL
               : g_strdup_printf("choose a destination of %s",
                                 architecture(check->guest->architecture));
    }
    switch (finding->kind) {
    case CF_FINDING_RATE:
        return fine ? NULL
               : g_strdup_printf("choose a destination whose counter runs at "
                                 "%u Hz", check->guest->counter_hz);
    case CF_FINDING_RATE_UNKNOWN:
    case CF_FINDING_OFFSET_UNKNOWN:
        return g_strdup(both);
    case CF_FINDING_OFFSET_IGNORED:
        return g_strdup("choose a destination whose KVM keeps it");
    case CF_FINDING_OFFSET_MEASURED:
        return g_strdup("choose a destination with Linux 6.4 or later");
    default:
        return NULL;
    }
}
