/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which of a host's facts are good, which aren't, and what to do about it. */
#include <errno.h>
#include "kvm/calls.h"
#include "probe.h"

/* TAI - UTC; it only grows. */
#define TAI_SINCE_2017_S 37

typedef struct List {
    Check *checks;
    size_t n;
} List;

/* @good is said if all is well, else @otherwise, @bad and @cure. */
static void add(List *list, const char *name, bool passed, const char *good,
                Level otherwise, const char *bad, const char *cure)
{
    g_assert(list->n < CHECKS_MAX);
    list->checks[list->n++] = (Check) {
        .name = name,
        .level = passed ? LEVEL_PASS : otherwise,
        .text = passed ? good : bad,
        .cure = passed ? NULL : cure,
    };
}

static void check_host_tsc(const CfHost *host, List *list)
{
    const CfHostId *id = &host->id;

    add(list, "invariant", id->invariant_tsc == CF_ANSWER_YES,
        "the processor's TSC never changes its rate", LEVEL_WARN,
        "the processor's TSC may stop or change its rate, and then the host's "
        "clock falls back on something else",
        "use newer processors for guests that migrate");
    add(list, "clocksource", g_str_has_prefix(id->clocksource, "tsc"),
        "the host's clocksource is its TSC", LEVEL_WARN,
        "the host's clocksource isn't its TSC: the kernel distrusts the TSC, "
        "or was told not to use it",
        "see the kernel log, and the kernel parameters tsc= and clocksource=");
    add(list, "bare_metal", id->is_guest == CF_ANSWER_NO,
        "this host isn't a guest itself", LEVEL_WARN,
        "this host may be a guest itself: if it is migrated, its TSC moves, "
        "and its guests' TSCs with it",
        "keep this host where it is while guests run on it");
}

static void check_offset_kept(const CfHost *host, List *list)
{
    static const char good[] = "a guest's TSC can be given an offset";

    if (!host->offset_known) {
        add(list, "offset", false, good, LEVEL_FAIL,
            "nobody has tried whether a guest's TSC can be given an offset",
            "run clockferry probe on this host itself");
    } else if (host->offset == CF_OFFSET_REWINDS) {
        add(list, "offset", false, good, LEVEL_WARN,
            "a guest's TSC can't keep an offset: the host's TSC is unstable, "
            "and guests' TSCs are rewound",
            "fix what the kernel log reports about the TSC");
    } else {
        add(list, "offset", host->offset == CF_OFFSET_STICKS, good, LEVEL_FAIL,
            "a guest's TSC can't be given an offset: KVM accepts it and "
            "ignores it, so the TSC of every guest that comes here jumps",
            "use this host only for guests that stay here");
    }
}

static void check_offset(const CfHost *host, List *list)
{
    check_offset_kept(host, list);
    add(list, "offset_attribute", host->has_offset == CF_ANSWER_YES,
        "a TSC offset can be read exactly", LEVEL_WARN,
        "a TSC offset can't be read exactly, so guests' TSCs are set only to "
        "within microseconds", "use Linux 5.16 or newer");
}

static void check_scaling(const CfHost *host, List *list)
{
    const bool works = host->scaling == CF_SCALING_WORKS;

    add(list, "scaling", works, "a guest's TSC can be scaled", LEVEL_WARN,
        host->scaling == CF_SCALING_FAILS
        ? "a guest's TSC can't be scaled: KVM says that it can, but the TSC "
          "didn't take the frequency that was set"
        : "a guest's TSC can't be scaled",
        "exchange guests only with hosts of the same TSC frequency");
    if (!works) {
        return;
    }
    add(list, "tolerance", host->tolerance_known && !host->tolerance_ppm,
        "small differences of frequency are scaled, too", LEVEL_WARN,
        "small differences of frequency aren't scaled: a guest whose TSC is "
        "within kvm.tsc_tolerance_ppm of this host's runs at this host's rate",
        "set kvm.tsc_tolerance_ppm to 0");
    add(list, "scale_attribute", host->has_scale == CF_ANSWER_YES,
        "the ratio of a scaled TSC can be read", LEVEL_WARN,
        "the ratio of a scaled TSC can't be read, so it is computed from the "
        "frequency in kHz and checked", "use a newer kernel");
}

static void check_calls(const CfHost *host, List *list)
{
    static const char good[] = "KVM has KVM_SET_CLOCK_GUEST";
    const int code = host->clock_guest_errno;

    if (host->clock_guest == CF_CLOCK_GUEST_UNUSABLE &&
        (code == EPERM || code == EACCES || code == ENOSYS)) {
        add(list, "clock_guest", false, good, LEVEL_WARN,
            "a sandbox forbids KVM_SET_CLOCK_GUEST, if KVM has it",
            "allow it in the sandbox");
    } else if (host->clock_guest == CF_CLOCK_GUEST_UNUSABLE) {
        add(list, "clock_guest", false, good, LEVEL_WARN,
            "KVM has KVM_SET_CLOCK_GUEST, but it failed",
            "see to the master clock first");
    } else {
        add(list, "clock_guest", host->clock_guest == CF_CLOCK_GUEST_PRESENT,
            good, LEVEL_WARN,
            host->rung_known && host->best_rung == CF_RUNG_CLOSED_LOOP
            ? "KVM lacks KVM_SET_CLOCK_GUEST, so kvmclock is restored to "
              "within 2 ns instead of exactly"
            : "KVM lacks KVM_SET_CLOCK_GUEST, so kvmclock isn't restored "
              "exactly", "use a newer kernel");
    }
}

static void check_kvmclock(const CfHost *host, List *list)
{
    add(list, "master_clock", host->master_clock == CF_ANSWER_YES,
        "KVM's master clock is on", LEVEL_WARN,
        "KVM's master clock is off, so kvmclock is restored only to within "
        "about 1 us", "make the TSC the host's clocksource");
    add(list, "set_realtime", host->set_realtime == CF_ANSWER_YES,
        "KVM_SET_CLOCK takes the real time", LEVEL_WARN,
        "KVM_SET_CLOCK doesn't take the real time, so kvmclock is restored "
        "only to within about 1 us", "use Linux 5.16 or newer");
    check_calls(host, list);
}

static void check_time(const CfHost *host, List *list)
{
    const CfHostTime *time = &host->time;

    add(list, "synchronised", host->time_known && time->synchronised,
        "the host's clock is synchronised", LEVEL_WARN,
        "the host's clock isn't synchronised: guests' clocks step by as much "
        "as the hosts' clocks differ",
        "run chronyd, or ptp4l and phc2sys");
    add(list, "tai_offset",
        host->time_known && time->tai_offset_s >= TAI_SINCE_2017_S,
        "the host knows its TAI offset", LEVEL_WARN,
        host->time_known && time->tai_offset_s
        ? "the host's TAI offset is wrong: it has been 37 s since 2017, and "
          "guests' clocks step by the difference"
        : "the host doesn't know its TAI offset, so a leap second during a "
          "migration would count",
        "have chronyd set it: leapsectz right/UTC");
    if (host->time_known && time->leap != CF_LEAP_NONE) {
        add(list, "leap", false, "", LEVEL_WARN, "a leap second is near",
            "migrate when it has passed, unless both hosts know their TAI "
            "offset");
    }
    add(list, "boot_id", *host->id.boot_id, "the host has a boot id",
        LEVEL_WARN, "the boot id can't be read, so one host looks like two",
        "make /proc/sys/kernel/random/boot_id readable");
}

static void check_counter(const CfHost *host, List *list)
{
    static const char good[] = "a guest's counter can be given an offset";

    add(list, "clocksource",
        g_str_has_prefix(host->id.clocksource, "arch_sys_counter"),
        "the host's clocksource is its counter", LEVEL_WARN,
        "the host's clocksource isn't its counter, by which alone its guests "
        "tell the time", "see the kernel log, and the parameter clocksource=");
    if (host->id.is_guest == CF_ANSWER_YES) {
        add(list, "bare_metal", false, "", LEVEL_WARN,
            "this host is a guest itself: if it is migrated, its counter may "
            "jump, and its guests' counters with it",
            "keep this host where it is while guests run on it");
    }
    if (!host->offset_known) {
        add(list, "offset", false, good, LEVEL_FAIL,
            "nobody has tried whether a guest's counter can be given an offset",
            "run clockferry probe on this host itself");
        return;
    }
    add(list, "offset", host->offset == CF_OFFSET_STICKS, good, LEVEL_FAIL,
        "a guest's counter can't be given an offset, so that of every guest "
        "that comes here jumps", "use this host only for guests that stay here");
    add(list, "counter_offset", !cf_offset_is_measured(host),
        "the offset of a guest's counter can be set exactly", LEVEL_WARN,
        "the offset of a guest's counter can't be set itself, so counters are "
        "set only to within microseconds", "use Linux 6.4 or newer");
}

size_t probe_checks(const CfHost *host, Check *ret_checks)
{
    List list = { ret_checks, 0 };

    if (cf_host_has_counter(host)) {
        check_counter(host, &list);
    } else {
        check_host_tsc(host, &list);
        check_offset(host, &list);
        check_scaling(host, &list);
        check_kvmclock(host, &list);
    }
    check_time(host, &list);
    return list.n;
}
