/*
 * Restoring a guest's clocks, at the first run on this host
 *
 * TSC first, then kvmclock as the same function of it: consistency before
 * absolute accuracy.  kvmclock goes down a ladder of methods until one holds;
 * each is verified by reading back.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "qemu/timer.h"
#include "cpu.h"
#include "migration/misc.h"
#include "system/kvm.h"
#include "hw/i386/kvm/clock-restore.h"
#include "trace.h"

/*
 * Is this the host where the clocks were captured?  Its boot id says so, and
 * its TSC ran on since: boot ids are cloned with machines and restored with
 * hibernated ones.
 */
bool kvmclock_same_host(const KVMClockCarried *src,
                        const struct cf_instant *now, uint32_t host_khz,
                        const KVMClockConfig *config)
{
    QemuUUID boot_id;

    return !config->pretend_other_host && !config->pretend_tsc_khz &&
           kvmclock_boot_id(&boot_id) &&
           !qemu_uuid_is_null(&boot_id) &&
           qemu_uuid_is_equal(&boot_id, &src->boot_id) &&
           src->host_khz == host_khz &&
           cf_tsc_continuous(now, &src->anchor.at, host_khz);
}

static int64_t kvmclock_limit_ns(const KVMClockConfig *config)
{
    return config->blackout_limit_s * NANOSECONDS_PER_SECOND;
}

/*
 * Real time can be stepped meanwhile, a TSC that is known to be the same
 * can't.
 */
static bool kvmclock_passed_ns(const KVMClockCarried *carried,
                               const struct cf_instant *now, bool same_tsc,
                               int64_t *passed_ns)
{
    uint64_t ns;

    if (!same_tsc) {
        return cf_elapsed_ns(now, &carried->anchor.at, passed_ns);
    }
    if (!cf_ticks_to_ns(now->host_ticks - carried->anchor.at.host_ticks,
                        carried->host_khz, &ns) || ns > INT64_MAX) {
        return false;
    }
    *passed_ns = ns;
    return true;
}

/* Is a guest that was stopped to be saved resumed within blackout-limit? */
bool kvmclock_within_limit(const KVMClockCarried *carried,
                           const KVMClockConfig *config)
{
    KVMClockAnchor now;
    int64_t passed_ns;

    return kvmclock_get_anchor(&now, NULL) &&
           kvmclock_passed_ns(carried, &now.at, true, &passed_ns) &&
           passed_ns <= kvmclock_limit_ns(config);
}

static bool kvmclock_over_limit(const KVMClockRestoring *r)
{
    return r->report->passed_ns > kvmclock_limit_ns(r->config);
}

static bool kvmclock_measure_blackout(KVMClockRestoring *r, Error **errp)
{
    int64_t *passed_ns = &r->report->passed_ns;

    if (!kvmclock_passed_ns(r->src, &r->dst.at, r->report->same_host,
                            passed_ns)) {
        error_setg(errp, "kvmclock: the real times of source and destination "
                   "can't be compared");
        return false;
    }
    if (*passed_ns < 0) {
        warn_report("kvmclock: by real time the guest arrived %" PRId64 " ns "
                    "after it left the source; the blackout counts as 0 "
                    "(synchronise the hosts' clocks)", *passed_ns);
        *passed_ns = 0;
    }
    /* Does the time since the source's anchor count for the guest? */
    r->report->frozen = r->config->blackout == KVM_CLOCK_BLACKOUT_FREEZE ||
                        r->src->flags & KVMCLOCK_STATE_PAUSED ||
                        kvmclock_over_limit(r);
    r->report->elapsed_ns = r->report->frozen ? 0 : *passed_ns;
    return true;
}

/* Not before it is known whether this host can freeze a TSC. */
static void kvmclock_warn_of_limit(const KVMClockRestoring *r)
{
    const int64_t second_ns = NANOSECONDS_PER_SECOND;

    if (kvmclock_over_limit(r) && !r->here) {
        warn_report("kvmclock: %" PRId64 " s have passed since the guest was "
                    "stopped, more than blackout-limit (%u s); its clocks %s",
                    r->report->passed_ns / second_ns,
                    r->config->blackout_limit_s, r->report->frozen
                    ? "go on from where they stopped"
                    : "count it all the same, for this host can't stop a TSC");
    }
}

/*
 * The guest's TSC couldn't be set, so the source's function of it is void:
 * let the clock run on by the time that passed, from the TSC there is now.
 */
static bool kvmclock_rebase_fn(KVMClockRestoring *r, Error **errp)
{
    uint64_t undisturbed, now;
    uint32_t khz;
    int64_t ns;

    if (!kvmclock_guest_ticks_now(r, &cpu_env(first_cpu)->guest_tsc,
                                  &undisturbed) ||
        !cf_clock_fn_eval(&r->src->fn, undisturbed, &ns) ||
        !cf_tsc_host_to_guest(r->dst.at.host_ticks, &r->dst_freq,
                              r->dst_offset_ticks, &now) ||
        !cf_tsc_freq_khz(&r->dst_freq, &khz) ||
        !cf_clock_fn_set_hz(&r->fn, khz * 1000ULL)) {
        error_setg(errp, "kvmclock: the guest's clock can't be carried on "
                   "from the captured values");
        return false;
    }
    r->fn.tsc_ticks = now;
    r->fn.system_ns = ns;
    return true;
}

/* Is it known what the guest TSC is now? */
bool kvmclock_tsc_known(const KVMClockReport *report)
{
    return report->tsc != KVM_CLOCK_TSC_NOT_SET &&
           report->tsc != KVM_CLOCK_TSC_UNVERIFIED;
}

/*
 * From the last setting of kvmclock to the guest's first run: its record says
 * when KVM made it.  It is guest memory; a guest that lies in it, lies to
 * itself.  Without one, as long as a busy host may take.
 */
static uint64_t kvmclock_first_run_us(const KVMClockReport *report)
{
    const uint64_t default_us = 50000;
    KVMPvclockRecord record;
    uint64_t ns;

    if (migration_in_incoming_postcopy()) {
        return default_us;      /* the page may not be here: don't wait */
    }
    if (!report->page || !kvmclock_read_page(report->page, &record) ||
        record.version & 1 || record.tsc_timestamp < report->set_ticks ||
        !cf_ticks_to_ns(record.tsc_timestamp - report->set_ticks,
                        report->guest_khz, &ns)) {
        return default_us;
    }
    return ns / 1000 + 1;
}

/*
 * How far kvmclock may be from the source's function of the guest TSC when
 * the guest runs first: what was read back, how well that is known, and the
 * rates' difference over the time since it was set.  1 ppm more if an update
 * of the master clock may still come with the first KVM_RUN, for KVM rounds
 * frequencies there.
 */
bool kvmclock_report_bound_ns(const KVMClockReport *report, uint64_t *bound_ns)
{
    const uint64_t rounding_ns = 2;
    uint64_t rate_ppm = report->settled ? 0 : 1;
    uint64_t pending_ns = 0;

    if (!report->residual_known || !report->rate_known ||
        report->source_unstable || !kvmclock_tsc_known(report)) {
        return false;
    }
    if (ABS(report->rate_error_ppt) > CF_RATE_EXACT_PPT) {
        rate_ppm += DIV_ROUND_UP(ABS(report->rate_error_ppt),
                                 CF_RATE_CLOSE_PPT);
    }
    if (report->rung > CF_RUNG_REANCHORED && rate_ppm) {
        pending_ns = muldiv64(kvmclock_first_run_us(report),
                              MIN(rate_ppm, UINT32_MAX), 1000) + 1;
    }
    *bound_ns = ABS(report->residual_ns) + report->slack_ns + rounding_ns +
                pending_ns;
    return true;
}

static bool kvmclock_restore_all(KVMClockRestoring *r, Error **errp)
{
    const X86GuestTSC *tsc = &cpu_env(first_cpu)->guest_tsc;

    if (!(r->src->flags & KVMCLOCK_STATE_FN) || !tsc->valid) {
        error_setg(errp, "kvmclock: the source didn't send the clocks of the "
                   "boot vCPU");
        return false;
    }
    r->host_khz = kvmclock_host_khz();
    r->src_freq.host_khz = r->src->host_khz;
    r->src_freq.frac_bits = tsc->frac_bits;
    r->src_freq.ratio = tsc->ratio;
    r->fn = r->src->fn;
    r->report->source_unstable = r->src->flags & KVMCLOCK_STATE_UNSTABLE;
    /* A clock that only has to go on isn't set, not even to activate it. */
    if (!(r->here ? kvmclock_get_anchor(&r->dst, errp)
                  : kvmclock_activate(&r->dst, errp))) {
        return false;
    }
    r->report->same_host = r->here ||
                           kvmclock_same_host(r->src, &r->dst.at, r->host_khz,
                                              r->config);
    if (!kvmclock_measure_blackout(r, errp) ||
        !kvmclock_restore_tsc(r, errp)) {
        return false;
    }
    trace_kvmclock_blackout(r->report->passed_ns, r->report->elapsed_ns,
                            r->report->same_host, r->report->frozen);
    kvmclock_warn_of_limit(r);
    if (r->report->tsc == KVM_CLOCK_TSC_NOT_SET &&
        !kvmclock_rebase_fn(r, errp)) {
        return false;
    }
    if (r->here && r->report->tsc == KVM_CLOCK_TSC_UNCHANGED) {
        /* KVM's clock went on beside this TSC all the time: it is exact. */
        r->report->rung = CF_RUNG_EXACT;
        kvmclock_settle(r);
        return true;
    }
    kvmclock_settle(r);
    return kvmclock_restore_clock(r, errp);
}

/*
 * Restore the guest's clocks; to be called with all vCPUs' state in KVM and
 * before any of them runs.  On failure the caller still has the plain value
 * that QEMU has always sent.
 * @here: they were captured by this very QEMU, when its user paused the guest
 */
bool kvmclock_restore(const KVMClockCarried *carried, bool here,
                      const KVMClockConfig *config, KVMClockReport *report,
                      Error **errp)
{
    KVMClockRestoring r = {
        .src = carried, .here = here, .config = config, .report = report,
    };
    const int64_t start_ns = get_clock();

    memset(report, 0, sizeof(*report));
    if (!kvmclock_restore_all(&r, errp)) {
        return false;
    }
    report->duration_ns = get_clock() - start_ns;
    report->freq = r.dst_freq;
    report->valid = true;
    trace_kvmclock_restored(KvmClockRung_str((KvmClockRung)report->rung),
                            report->residual_ns, report->tries,
                            report->rate_error_ppt, report->same_host,
                            report->duration_ns);
    return true;
}
