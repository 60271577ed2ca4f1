/*
 * "info kvm-clock": the human form of query-kvm-clock
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "monitor/hmp.h"
#include "monitor/hmp-target.h"
#include "monitor/monitor.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-kvm-clock.h"

static void kvmclock_print_ns(Monitor *mon, const char *name, bool known,
                              int64_t ns)
{
    if (known) {
        monitor_printf(mon, "%s: %" PRId64 " ns\n", name, ns);
    } else {
        monitor_printf(mon, "%s: unknown\n", name);
    }
}

static void kvmclock_print_restore(Monitor *mon, const KvmClockRestore *info)
{
    monitor_printf(mon, "last restore: %s, %" PRId64 " tries, %.3f us, "
                   "%s host\n", KvmClockRung_str(info->rung), info->tries,
                   info->duration_ns / 1e3,
                   info->has_kexec_ppt ? "kexec'ed"
                   : info->same_host ? "same" : "other");
    kvmclock_print_ns(mon, "kvmclock residual", info->has_residual_ns,
                      info->residual_ns);
    kvmclock_print_ns(mon, "kvmclock step bound", info->has_bound_ns,
                      info->bound_ns);
    monitor_printf(mon, "TSC: %s\n", KvmClockTsc_str(info->tsc));
    if (info->has_rate_error_ppt) {
        monitor_printf(mon, "TSC rate error: %.3f ppb\n",
                       info->rate_error_ppt / 1e3);
    }
    if (info->has_skew_ticks) {
        monitor_printf(mon, "TSC skew between vCPUs: %" PRIu64 " ticks\n",
                       info->skew_ticks);
    }
    kvmclock_print_ns(mon, "time bound", info->has_time_bound_ns,
                      info->time_bound_ns);
    monitor_printf(mon, "elapsed time from: %s\n",
                   KvmClockTime_str(info->elapsed_from));
    if (info->has_round_trip_ns) {
        monitor_printf(mon, "round trip: %.3f us\n",
                       info->round_trip_ns / 1e3);
    }
    if (info->has_clocks_wrong_ns) {
        monitor_printf(mon, "hosts' clocks: wrong by %.3f ms at least\n",
                       info->clocks_wrong_ns / 1e6);
    }
    if (info->has_kexec_ppt) {
        monitor_printf(mon, "kvmclock's rate since the kexec: %+.3f ppm\n",
                       info->kexec_ppt / 1e6);
    }
    if (info->frozen) {
        monitor_printf(mon, "blackout: frozen\n");
    } else {
        monitor_printf(mon, "blackout: %.3f ms counted\n",
                       info->elapsed_ns / 1e6);
    }
}

void hmp_info_kvm_clock(Monitor *mon, const QDict *qdict)
{
    Error *err = NULL;
    g_autoptr(KvmClockInfo) info = qmp_query_kvm_clock(&err);

    if (hmp_handle_error(mon, err)) {
        return;
    }
    monitor_printf(mon, "guest-clock: %s\n", info->enabled ? "on" : "off");
    if (!info->enabled) {
        return;
    }
    monitor_printf(mon, "policy: %s, require: %s, blackout: %s, "
                   "blackout-limit: %u s\n",
                   KvmClockPolicy_str(info->policy),
                   KvmClockRung_str(info->require),
                   KvmClockBlackout_str(info->blackout),
                   info->blackout_limit);
    monitor_printf(mon, "host TSC: %u kHz\n", info->host_tsc_khz);
    if (info->has_guest_tsc_khz) {
        monitor_printf(mon, "guest TSC: %u kHz\n", info->guest_tsc_khz);
    }
    if (info->not_carried) {
        monitor_printf(mon, "not carried: %s\n", info->not_carried);
    }
    if (info->restore) {
        kvmclock_print_restore(mon, info->restore);
    } else {
        monitor_printf(mon, "last restore: none\n");
    }
}
