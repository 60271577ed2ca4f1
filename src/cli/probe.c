/* SPDX-License-Identifier: GPL-2.0-or-later */
/* clockferry probe: what this host can do, one line a check. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <clockferry/probe.h>
#include <clockferry/state.h>
#include "cli.h"

/* One check's line; @cure says what follows and what to do about it. */
static void check(const char *what, gboolean passed, const char *cure)
{
    static const char *const green = "\033[32m", *const yellow = "\033[33m";
    const gboolean colour = isatty(STDOUT_FILENO);

    printf("  Checking %-49s: %s%s%s", what,
           !colour ? "" : passed ? green : yellow, passed ? "PASS" : "WARN",
           colour ? "\033[0m" : "");
    if (!passed) {
        printf(" (%s)", cure);
    }
    putchar('\n');
}

static gboolean has_master_clock(const CfProbe *probe)
{
    return (probe->clock_flags & CF_KVM_CLOCK_EXACT) == CF_KVM_CLOCK_EXACT;
}

static void check_tsc(const CfProbe *probe)
{
    g_autofree char *clocksource = g_strdup_printf(
        "it is '%s', so the kernel distrusts the TSC: the kernel log says why",
        *probe->id.clocksource ? probe->id.clocksource : "unknown");

    check("that the host's clocksource is its TSC",
          !strcmp(probe->id.clocksource, "tsc"), clocksource);
    check("that a guest's TSC can be given an offset",
          probe->offset == CF_OFFSET_STICKS,
          probe->offset == CF_OFFSET_REWINDS
          ? "the host's TSC is unstable, guests' TSCs are rewound: mend that "
            "first"
          : "offsets are accepted and ignored: guests' TSCs can only go on "
            "within one boot of this host");
    check("that a guest's TSC can be scaled", probe->tsc_control,
          "guests can only go between hosts of one TSC frequency");
    if (probe->tsc_control) {
        check("that the ratio of a scaled TSC can be read", probe->has_scale,
              "it is derived from the frequency in kHz and checked; newer "
              "kernels tell it");
    }
}

static void check_kvmclock(const CfProbe *probe)
{
    check("for the master clock", has_master_clock(probe),
          "kvmclock can't be read back exactly; it needs the TSC as the "
          "host's clocksource");
    check("that KVM_SET_CLOCK takes the real time",
          probe->adjust_clock & CF_KVM_CLOCK_REALTIME,
          "needs Linux 5.16");
    check("for KVM_SET_CLOCK_GUEST",
          probe->clock_guest == CF_CLOCK_GUEST_PRESENT,
          probe->clock_guest == CF_CLOCK_GUEST_UNUSABLE
          ? "this kernel has it, but it failed"
          : has_master_clock(probe)
          ? "kvmclock will be restored to within 2 ns instead of exactly; "
            "needs a newer kernel"
          : "needs a newer kernel");
}

static void check_time(const CfProbe *probe)
{
    check("that the host's time is synchronised",
          probe->time_known && probe->time.synchronised,
          "guests' TSCs are off by as much as the hosts' times: run chronyd "
          "or phc2sys");
    check("for the host's TAI offset",
          probe->time_known && probe->time.tai_offset_s,
          "a leap second would count: have chronyd set it, leapsectz "
          "right/UTC");
    check("for the boot id", *probe->id.boot_id,
          "two VMs on this host look like two hosts: make "
          "/proc/sys/kernel/random/boot_id readable");
}

static void print_checks(const CfProbe *probe)
{
    check("that KVM can be used", TRUE, "");
    check_tsc(probe);
    check_kvmclock(probe);
    check_time(probe);
    printf("  TSC %" G_GUINT32_FORMAT " kHz", probe->host_khz);
    if (probe->time_known && probe->time.synchronised) {
        printf(", time within %.3f ms", (double)probe->time.max_error_ns / 1e6);
    }
    printf(", best rung for kvmclock: %s\n", cf_rung_name(probe->best_rung));
}

static int verdict(const CfProbe *probe)
{
    return probe->offset == CF_OFFSET_STICKS &&
           probe->best_rung <= CF_RUNG_CLOSED_LOOP ? CF_EXIT_FINE
                                                   : CF_EXIT_INEXACT;
}

int cli_probe(int argc, char **argv)
{
    gboolean json = FALSE;
    g_autofree char *device = NULL;
    const GOptionEntry entries[] = {
        { "json", 0, 0, G_OPTION_ARG_NONE, &json, "Print JSON", NULL },
        { "device", 0, 0, G_OPTION_ARG_FILENAME, &device,
          "The KVM device (" CF_CLI_DEVICE ")", "PATH" },
        { 0 },
    };
    g_autoptr(GError) error = NULL;
    CfProbe probe;

    if (!cli_parse(argc, argv, entries,
                   "Tells what this host can do for guests' clocks, by trying "
                   "it on a scratch VM.\nExit status 4: guests' TSCs can't be "
                   "moved here exactly, or no master clock.")) {
        return CF_EXIT_USAGE;
    }
    if (!cf_probe_host(cf_kvm_ops(), device ? device : CF_CLI_DEVICE, &probe,
                       &error)) {
        return cli_fail(error);
    }
    if (json) {
        g_autofree char *text = cf_probe_to_json(&probe);

        puts(text);
    } else {
        print_checks(&probe);
    }
    return verdict(&probe);
}
