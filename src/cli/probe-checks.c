/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What of a host's facts is good, what isn't, and what to do about it. */
#include <errno.h>
#include <string.h>
#include "probe-checks.h"

typedef struct List {
    Check *checks;
    size_t n;
} List;

static void add(List *list, const char *name, const char *what, bool passed,
                Level otherwise, const char *cure)
{
    g_assert(list->n < CHECKS_MAX);
    list->checks[list->n++] = (Check) {
        .name = name,
        .what = what,
        .level = passed ? LEVEL_PASS : otherwise,
        .cure = passed ? NULL : cure,
    };
}

static void check_host_tsc(const CfHost *probe, List *list)
{
    const CfHostId *id = &probe->id;

    add(list, "invariant", "that the processor's TSC never changes its rate",
        id->invariant_tsc == CF_ANSWER_YES, LEVEL_WARN,
        "a TSC that stops or changes its rate makes the host's clock fall "
        "back on something else: use newer processors for guests that move");
    add(list, "clocksource", "that the host's clocksource is its TSC",
        g_str_has_prefix(id->clocksource, "tsc"), LEVEL_WARN,
        "the kernel distrusts the TSC or was told not to use it: the kernel "
        "log and the parameters tsc= and clocksource= say why");
    add(list, "bare_metal", "that this host isn't a guest itself",
        id->is_guest == CF_ANSWER_NO, LEVEL_WARN,
        "if this host is migrated, its TSC moves and its guests' with it: "
        "keep it where it is while guests run");
}

static const char *offset_cure(const CfHost *probe)
{
    if (!probe->offset_known) {
        return "nobody tried: probe this host itself";
    }
    return probe->offset == CF_OFFSET_REWINDS
           ? "the host's TSC is unstable, so guests' are rewound: mend what "
             "the kernel log says of it"
           : "offsets are accepted and ignored, so guests of other hosts "
             "can't come without a jump of their TSC";
}

static void check_offset(const CfHost *probe, List *list)
{
    add(list, "offset", "that a guest's TSC can be given an offset",
        probe->offset_known && probe->offset == CF_OFFSET_STICKS,
        probe->offset == CF_OFFSET_REWINDS ? LEVEL_WARN : LEVEL_FAIL,
        offset_cure(probe));
    add(list, "offset_attribute", "that this offset can be read exactly",
        probe->has_offset == CF_ANSWER_YES, LEVEL_WARN,
        "guests' TSCs are set to within microseconds only: Linux 5.16 has "
        "the attribute");
}

static void check_scaling(const CfHost *probe, List *list)
{
    const bool works = probe->scaling == CF_SCALING_WORKS;

    add(list, "scaling", "that a guest's TSC can be scaled", works, LEVEL_WARN,
        probe->scaling == CF_SCALING_FAILS
        ? "KVM says that it can, but a frequency that was set wasn't taken: "
          "guests can only come from hosts of the same TSC frequency"
        : "guests can only come from hosts of the same TSC frequency");
    if (!works) {
        return;
    }
    add(list, "tolerance", "that small differences of frequency are scaled",
        probe->tolerance_known && !probe->tolerance_ppm, LEVEL_WARN,
        "guests whose TSC is within kvm.tsc_tolerance_ppm of this host's run "
        "at this host's rate: set that parameter to 0");
    add(list, "scale_attribute", "that the ratio of a scaled TSC can be read",
        probe->has_scale == CF_ANSWER_YES, LEVEL_WARN,
        "it is computed from the frequency in kHz and checked: newer kernels "
        "tell it");
}

static const char *clock_guest_cure(const CfHost *probe)
{
    if (probe->clock_guest == CF_CLOCK_GUEST_UNUSABLE) {
        return probe->clock_guest_errno == EPERM ||
               probe->clock_guest_errno == EACCES ||
               probe->clock_guest_errno == ENOSYS
               ? "a sandbox forbids it, if the kernel has it at all: allow it "
                 "there"
               : "this kernel has it, but it failed: see the master clock";
    }
    return probe->master_clock == CF_ANSWER_YES
           ? "kvmclock is restored to within 2 ns instead of exactly: needs a "
             "newer kernel"
           : "needs a newer kernel";
}

static void check_kvmclock(const CfHost *probe, List *list)
{
    add(list, "master_clock", "for the master clock",
        probe->master_clock == CF_ANSWER_YES, LEVEL_WARN,
        "kvmclock is restored to within about 1 us only: make the TSC the "
        "host's clocksource");
    add(list, "set_realtime", "that KVM_SET_CLOCK takes the real time",
        probe->set_realtime == CF_ANSWER_YES, LEVEL_WARN,
        "kvmclock is restored to within about 1 us only: needs Linux 5.16");
    add(list, "clock_guest", "for KVM_SET_CLOCK_GUEST",
        probe->clock_guest == CF_CLOCK_GUEST_PRESENT, LEVEL_WARN,
        clock_guest_cure(probe));
}

static void check_time(const CfHost *probe, List *list)
{
    const CfHostTime *time = &probe->time;

    add(list, "synchronised", "that the host's time is synchronised",
        probe->time_known && time->synchronised, LEVEL_WARN,
        "guests' clocks step by as much as the hosts' times differ: run "
        "chronyd, or ptp4l and phc2sys");
    add(list, "tai_offset", "for the host's TAI offset",
        probe->time_known && time->tai_offset_s, LEVEL_WARN,
        "a leap second during a migration would count: have chronyd set it "
        "(leapsectz right/UTC)");
    if (probe->time_known && time->leap != CF_LEAP_NONE) {
        add(list, "leap", "that no leap second is near", false, LEVEL_WARN,
            "migrate tomorrow, unless both hosts know their TAI offset");
    }
    add(list, "boot_id", "for the boot id", *probe->id.boot_id, LEVEL_WARN,
        "one host looks like two: make /proc/sys/kernel/random/boot_id "
        "readable");
}

size_t probe_checks(const CfHost *probe, Check *ret_checks)
{
    List list = { ret_checks, 0 };

    check_host_tsc(probe, &list);
    check_offset(probe, &list);
    check_scaling(probe, &list);
    check_kvmclock(probe, &list);
    check_time(probe, &list);
    return list.n;
}

const char *level_name(Level level)
{
    return level == LEVEL_PASS ? "PASS" : level == LEVEL_WARN ? "WARN"
                                                              : "FAIL";
}
