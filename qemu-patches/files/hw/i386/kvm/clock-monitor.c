/*
 * What QEMU tells of a guest's clocks: log and QMP
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-kvm-clock.h"
#include "qapi/qapi-events-kvm-clock.h"
#include "qemu/error-report.h"
#include "cpu.h"
#include "hw/i386/kvm/clock-carrier.h"

static KvmClockTime kvmclock_elapsed_from(const struct cf_move *move)
{
    return (KvmClockTime)(cf_move_elapsed_from(move) - CF_ELAPSED_TSC);
}

/* A line for the log: what was achieved, as a warning if it wasn't much. */
static void kvmclock_log_restored(const KVMClockReport *report)
{
    const struct cf_result *result = &report->result;
    const bool good = result->rung <= CF_RUNG_CLOSED_LOOP &&
                      cf_tsc_is_proven(result->tsc) && result->rate_known &&
                      cf_rate_is_exact(result->rate_error_ppt);
    g_autofree char *residual = result->residual_known
        ? g_strdup_printf("%" PRId64 " ns", result->residual_ns)
        : g_strdup("unknown");
    g_autofree char *time = report->time_bound_ns != UINT64_MAX
        ? g_strdup_printf("%.3f ms", report->time_bound_ns / 1e6)
        : g_strdup("unknown");

    g_autofree char *line = g_strdup_printf(
        "kvmclock: restored by %s, residual %s; TSC %s, rate error %.3f ppb, "
        "%s host; blackout of %.3f ms (by %s) %s, time bound %s",
        KvmClockRung_str((KvmClockRung)result->rung), residual,
        KvmClockTsc_str((KvmClockTsc)result->tsc),
        result->rate_error_ppt / 1e3,
        report->move.kexec_khz ? "kexec'ed"
        : report->move.same_host ? "same" : "other",
        report->move.passed_ns / 1e6,
        KvmClockTime_str(kvmclock_elapsed_from(&report->move)),
        report->move.frozen ? "frozen" : "counted", time);

    if (good) {
        info_report("%s", line);
    } else {
        warn_report("%s", line);
    }
}

/*
 * What isn't exact, why, and what to do about it: each reason once, however
 * often this QEMU restores a guest's clocks.
 */
static void kvmclock_warn_of_tsc(const struct cf_result *result)
{
    if (result->tsc == CF_TSC_NOT_SET) {
        warn_report_once("kvmclock: this host ignores TSC offsets, so the "
                         "guest TSC has jumped; a host of another kind "
                         "keeps it");
    }
    if (result->tsc == CF_TSC_UNVERIFIED) {
        warn_report_once("kvmclock: this host's TSC is unstable, so the guest "
                         "TSC couldn't be read back; see the host kernel's "
                         "log for why it gave the TSC up");
    }
    if (!result->rate_known) {
        warn_report_once("kvmclock: it isn't known how fast the guest TSC "
                         "runs here; the guest's clocks may drift until its "
                         "NTP client has learnt the new rate");
    } else if (!cf_rate_is_exact(result->rate_error_ppt)) {
        warn_report_once("kvmclock: the guest TSC runs %.3f ppb off its rate "
                         "on the source%s", result->rate_error_ppt / 1e3,
                         kvmclock_this_host()->tsc_control
                         ? "; kvm.tsc_tolerance_ppm=0 makes KVM scale it" : "");
    }
}

/* The loop never ends if the clock drifts while it is set. */
static void kvmclock_warn_of_loop(const KVMClockReport *report)
{
    const int64_t rate_ppt = report->result.rate_error_ppt;
    uint64_t bound_ns;

    if (!report->result.rate_known ||
        cf_rate_is_within(rate_ppt, CF_RATE_LIMIT_PPT)) {
        warn_report_once("kvmclock: the clock didn't settle while it was set, "
                         "which is a sign of an overloaded host; "
                         "query-kvm-clock tells by how much it is off");
    } else if (kvmclock_report_bound_ns(report, &bound_ns)) {
        warn_report_once("kvmclock: at that rate the clock can't settle while "
                         "it is set, for it drifts by %.3f ns each us; it was "
                         "up to %" PRIu64 " ns off when the guest ran first",
                         rate_ppt / 1e9, bound_ns);
    } else {
        warn_report_once("kvmclock: at that rate the clock can't settle while "
                         "it is set, for it drifts by %.3f ns each us",
                         rate_ppt / 1e9);
    }
}

static void kvmclock_warn_of_clock(const KVMClockReport *report)
{
    if (report->move.unstable) {
        warn_report_once("kvmclock: the source's TSC is unstable, so "
                         "kvmclock arrived as a value and not as a function "
                         "of the guest TSC");
    }
    if (report->result.rung == CF_RUNG_REALTIME) {
        kvmclock_warn_of_loop(report);
    }
    if (report->result.rung == CF_RUNG_PLAIN) {
        warn_report_once("kvmclock: KVM doesn't tell TSC and clock of one "
                         "instant here, so the clock may be about 1 us off; "
                         "it does with the TSC as the host's clocksource and "
                         "Linux 5.16 or newer");
    }
}

static KvmClockRestore *kvmclock_describe(const KVMClockReport *report)
{
    const struct cf_result *result = &report->result;
    KvmClockRestore *info = g_new0(KvmClockRestore, 1);

    info->rung = (KvmClockRung)result->rung;
    info->tries = report->tries;
    info->has_residual_ns = result->residual_known;
    info->residual_ns = result->residual_ns;
    info->has_bound_ns = kvmclock_report_bound_ns(report, &info->bound_ns);
    info->has_rate_error_ppt = result->rate_known;
    info->rate_error_ppt = result->rate_error_ppt;
    info->tsc = (KvmClockTsc)result->tsc;
    info->has_skew_ticks = report->skew_known;
    info->skew_ticks = report->skew_ticks;
    info->has_time_bound_ns = report->time_bound_ns != UINT64_MAX;
    info->time_bound_ns = report->time_bound_ns;
    info->elapsed_from = kvmclock_elapsed_from(&report->move);
    info->has_round_trip_ns = report->move.round_trip_ns != UINT64_MAX;
    info->round_trip_ns = report->move.round_trip_ns;
    info->has_clocks_wrong_ns = report->move.time.wrong_ns > 0;
    info->clocks_wrong_ns = report->move.time.wrong_ns;
    info->same_host = report->move.same_host;
    info->has_kexec_ppt = report->move.kexec_khz;
    info->kexec_ppt = result->kexec_ppt;
    info->frozen = report->move.frozen;
    info->elapsed_ns = report->move.elapsed_ns;
    info->duration_ns = report->duration_ns;
    return info;
}

void kvmclock_tell_restored(const KVMClockReport *report)
{
    g_autoptr(KvmClockRestore) info = kvmclock_describe(report);

    kvmclock_log_restored(report);
    kvmclock_warn_of_tsc(&report->result);
    kvmclock_warn_of_clock(report);
    qapi_event_send_kvm_clock_restored(info);
}

/* Now, and to whoever asks later: @why is @kept, as the latest. */
void kvmclock_tell_not_carried(Error **kept, Error *why, const char *so)
{
    error_free(*kept);
    *kept = why;
    warn_report("%s: %s", so, error_get_pretty(why));
    qapi_event_send_kvm_clock_not_carried(error_get_pretty(why));
}

KvmClockInfo *qmp_query_kvm_clock(Error **errp)
{
    const KVMClockCarrier *c = kvmclock_find_carrier();
    const Error *why;
    KvmClockInfo *info;

    if (!c) {
        error_setg(errp, "This machine has no kvmclock device");
        return NULL;
    }
    info = g_new0(KvmClockInfo, 1);
    info->enabled = c->config.enabled;
    info->policy = c->config.policy;
    info->require = c->config.require;
    info->blackout = c->config.blackout;
    info->blackout_limit = c->config.blackout_limit_s;
    if (c->config.enabled) {
        info->has_host_tsc_khz = true;
        info->host_tsc_khz = c->freq.host_khz;
        info->has_guest_tsc_khz = cf_tsc_freq_khz(&c->freq,
                                                  &info->guest_tsc_khz);
    }
    if (c->report.valid) {
        info->restore = kvmclock_describe(&c->report);
    }
    why = c->not_restored ?: c->not_captured;
    if (why) {
        info->not_carried = g_strdup(error_get_pretty(why));
    }
    return info;
}
