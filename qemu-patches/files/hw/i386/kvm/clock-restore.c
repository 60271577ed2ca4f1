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
#include "qapi/qapi-types-migration.h"
#include "migration/client-options.h"
#include "migration/misc.h"
#include "system/kvm.h"
#include "hw/i386/kvm/clock-restore.h"
#include "trace.h"

/* Whoever talks to this host has a kernel that runs: no kexec is between. */
static bool kvmclock_source_runs(const KVMClockCarried *src)
{
    return src->n_exchanges || migration_setup_ack_awaited();
}

/*
 * From where the clocks were captured to here, now.  Is that one host?  Its
 * boot id says so, or what machine it is, if a kexec changed the former; and
 * its TSC ran on since: both are cloned with machines.
 */
void kvmclock_begin_move(struct cf_move *move, const KVMClockCarried *src,
                         const struct cf_anchor *now,
                         const KVMClockTime *time,
                         const KVMClockConfig *config)
{
    const KVMClockHost *host = kvmclock_this_host();
    const bool pretend = config->pretend_other_host ||
                         config->pretend_tsc_khz;
    QemuUUID boot_id;

    *move = (struct cf_move) {
        .then = src->anchor.instant,
        .now = now->instant,
        .host_khz = src->host_khz,
        .rate = src->rate,
        .unstable = src->flags & KVMCLOCK_STATE_UNSTABLE,
        .dst_unstable = host->offset == CF_OFFSET_REWINDS,
        .clocks_bound_ns = cf_bounds_ns(
            cf_anchor_error_ns(&src->anchor, src->max_error_ns),
            cf_anchor_error_ns(now, time->max_error_ns)),
    };
    cf_move_hosts(move,
                  !pretend && kvmclock_boot_id(&boot_id) &&
                  qemu_uuid_is_equal(&boot_id, &src->boot_id),
                  !pretend && src->machine && !kvmclock_source_runs(src) &&
                  src->machine == kvmclock_machine(), host->tsc_khz);
}

static int64_t kvmclock_limit_ns(const KVMClockConfig *config)
{
    return config->blackout_limit_s * NANOSECONDS_PER_SECOND;
}

/* Is a guest that was stopped to be saved resumed within blackout-limit? */
bool kvmclock_within_limit(const KVMClockCarried *carried,
                           const KVMClockConfig *config)
{
    struct cf_anchor now;
    struct cf_move move = {
        .then = carried->anchor.instant,
        .host_khz = carried->host_khz,
        .same_host = true,
    };

    if (!kvmclock_get_anchor(&now, NULL, NULL)) {
        return false;
    }
    move.now = now.instant;
    return cf_move_passed(&move, NULL) &&
           move.passed_ns <= kvmclock_limit_ns(config);
}

static bool kvmclock_over_limit(const KVMClockRestoring *r)
{
    return r->report->move.passed_ns > kvmclock_limit_ns(r->config);
}

/* Whoever updated the kernel under the guest expects its clocks to go on. */
static void kvmclock_warn_of_reboot(const KVMClockRestoring *r)
{
    const char *why = !r->src->machine
        ? "the stream doesn't say which machine it comes from (QEMU couldn't "
          "read /sys/class/dmi/id/product_uuid there, or has x-exchange=off)"
        : !kvmclock_machine()
        ? "QEMU can't read /sys/class/dmi/id/product_uuid"
        : r->src->machine != kvmclock_machine()
        ? "this is another machine"
        : "its TSC was reset, or was as young as real time is doubtful (let "
          "NTP or PTP synchronise it before and after)";

    if (migrate_mode() == MIG_MODE_CPR_REBOOT && !r->report->move.same_host) {
        warn_report("kvmclock: nothing proves that the TSC ran on since the "
                    "guest was saved: %s; the time since then is taken from "
                    "real time", why);
    }
}

static void kvmclock_warn_of_clocks(const struct cf_move *move)
{
    if (cf_time_contradicts(&move->time, move->clocks_bound_ns)) {
        warn_report("kvmclock: the real times of source and destination "
                    "differ by at least %.3f ms, more than their hosts know "
                    "of; elapsed time is taken from the migration channel "
                    "(synchronise the hosts' clocks)",
                    move->time.wrong_ns / 1e6);
    }
}

/* A guest may have them so, but a stream that lies would, too. */
static void kvmclock_warn_of_apart(const KVMClockRestoring *r)
{
    const struct cf_tsc boot = kvmclock_carried_tsc(r->src, first_cpu);
    CPUState *cpu;
    uint64_t ns;

    CPU_FOREACH(cpu) {
        const struct cf_tsc tsc = kvmclock_carried_tsc(r->src, cpu);

        if (!r->here && cf_tsc_apart(&tsc, &boot,
                                     r->src->anchor.instant.host_ticks,
                                     &ns)) {
            warn_report("kvmclock: the TSC of vCPU %d is %.3f s from the "
                        "first vCPU's, as it was on the source",
                        cpu->cpu_index, ns / 1e9);
            return;
        }
    }
}

static bool kvmclock_measure_blackout(KVMClockRestoring *r, Error **errp)
{
    struct cf_move *move = &r->report->move;
    const struct cf_channel channel = kvmclock_channel(r->src);

    kvmclock_begin_move(move, r->src, &r->dst, &r->time, r->config);
    move->same_host = move->same_host || r->here;
    if (r->src->later_than_ns) {
        move->seen_ns = r->report->now_ns - r->src->later_than_ns;
    }
    if (!cf_move_plan(move, &channel,
                      r->config->blackout == KVM_CLOCK_BLACKOUT_FREEZE ||
                      r->src->flags & KVMCLOCK_STATE_PAUSED,
                      kvmclock_limit_ns(r->config))) {
        error_setg(errp, "kvmclock: the real times of source and destination "
                   "can't be compared");
        return false;
    }
    if (move->round_trip_ns != UINT64_MAX) {
        trace_kvmclock_exchanges(channel.n, move->channel_ns.least,
                                 move->channel_ns.greatest,
                                 move->round_trip_ns);
    }
    kvmclock_warn_of_reboot(r);
    kvmclock_warn_of_clocks(move);
    if (move->behind_ns) {
        warn_report("kvmclock: by real time the guest arrived -%" PRIu64 " ns "
                    "after it left the source; the blackout counts as 0 "
                    "(synchronise the hosts' clocks)", move->behind_ns);
    }
    if (move->ahead_ns) {
        warn_report("kvmclock: by real time the guest left the source %.3f s "
                    "ago, but this host saw it come in %.3f s, and only these "
                    "count (synchronise the hosts' clocks)",
                    (move->passed_ns + move->ahead_ns) / 1e9,
                    move->passed_ns / 1e9);
    }
    return true;
}

/* Not before it is known whether this host can freeze a TSC. */
static void kvmclock_warn_of_limit(const KVMClockRestoring *r)
{
    const int64_t passed_s = r->report->move.passed_ns /
                             NANOSECONDS_PER_SECOND;
    const char *fate = r->report->move.frozen
        ? "go on from where they stopped"
        : "count it all the same, for this host can't stop a TSC";

    if (!kvmclock_over_limit(r) || (r->here && r->report->move.frozen)) {
        return;
    }
    if (r->here) {
        warn_report_once("kvmclock: the guest was paused for %" PRId64 " s, "
                         "more than blackout-limit (%u s); its clocks %s",
                         passed_s, r->config->blackout_limit_s, fate);
    } else {
        warn_report("kvmclock: %" PRId64 " s have passed since the guest was "
                    "stopped, more than blackout-limit (%u s); its clocks %s",
                    passed_s, r->config->blackout_limit_s, fate);
    }
}

/*
 * How far kvmclock may be from the source's function of the guest TSC when
 * the guest runs first, which its page tells: but not while that may have to
 * be waited for.
 */
bool kvmclock_report_bound_ns(const KVMClockReport *report, uint64_t *bound_ns)
{
    KVMPvclockRecord record;
    bool read = !migration_in_incoming_postcopy() && report->page &&
                kvmclock_read_page(report->page, &record);

    return cf_bound_ns(&report->result,
                       cf_first_run_ns(read ? &record : NULL,
                                       report->set_ticks, report->guest_khz),
                       bound_ns);
}

/* How far may the TSC be off? */
static void kvmclock_bound_time(KVMClockRestoring *r)
{
    const KVMClockHost *host = kvmclock_this_host();
    const struct cf_policy_facts facts = {
        .same_host = r->report->move.same_host,
        .kexec = r->report->move.kexec_khz,
        .offset = host->offset,
        .measured = host->measured,
    };

    r->report->result.kexec_ppt = cf_move_kexec_ppt(&r->report->move);
    r->report->time_bound_ns = cf_move_bound_ns(&r->report->move, &facts,
                                                &r->boot.src.freq,
                                                r->report->result.tsc);
}

static bool kvmclock_plan_target(KVMClockRestoring *r, Error **errp)
{
    const KVMClockCarried *src = r->src;
    struct cf_target *target = &r->ladder.target;

    target->boot = r->boot.dst;
    target->host_khz = kvmclock_this_host()->tsc_khz;
    if (!cf_target_plan(&r->report->move,
                        src->flags & KVMCLOCK_STATE_FN ? &src->fn : NULL,
                        src->meant ? &src->ahead_ns : NULL, &src->anchor,
                        &r->boot.src, r->report->result.tsc, target)) {
        error_setg(errp, "kvmclock: the guest's clock can't be carried on "
                   "from the captured values");
        return false;
    }
    r->report->result.carried = target->carried && !r->report->move.unstable;
    r->report->meant = target->fn;
    return true;
}

/* Could kvmclock go on whatever comes of the TSCs?  Before they change. */
static bool kvmclock_could_go_on(KVMClockRestoring *r, Error **errp)
{
    r->boot.src = kvmclock_carried_tsc(r->src, first_cpu);
    r->report->result.tsc = CF_TSC_NOT_SET;
    return kvmclock_plan_target(r, errp);
}

static bool kvmclock_restore_all(KVMClockRestoring *r, Error **errp)
{
    const struct cf_move *move = &r->report->move;
    const char *fault = cpu_env(first_cpu)->guest_tsc.valid
                        ? kvmclock_carried_fault(r->src)
                        : "the source didn't send the TSC of the boot vCPU";

    if (fault) {
        error_setg(errp, "kvmclock: %s", fault);
        return false;
    }
    /* A clock that only has to go on isn't set, not even to activate it. */
    if (!(r->here ? kvmclock_get_anchor(&r->dst, &r->time, errp)
                  : kvmclock_activate(&r->dst, &r->time, errp))) {
        return false;
    }
    r->report->now_ns = get_clock();
    kvmclock_look_again(first_cpu->kvm_fd, &r->boot.dst);
    if (!kvmclock_measure_blackout(r, errp) ||
        !kvmclock_could_go_on(r, errp) ||
        !kvmclock_restore_tsc(r, errp)) {
        return false;
    }
    trace_kvmclock_blackout(move->passed_ns, move->elapsed_ns,
                            move->same_host, move->frozen);
    kvmclock_warn_of_limit(r);
    kvmclock_warn_of_apart(r);
    kvmclock_bound_time(r);
    if (!kvmclock_plan_target(r, errp)) {
        return false;
    }
    kvmclock_settle(r);
    if (r->here && r->report->result.tsc == CF_TSC_UNCHANGED) {
        /* KVM's clock went on beside this TSC all the time: it is exact. */
        r->report->result.rung = CF_RUNG_EXACT;
        return true;
    }
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
    report->freq = r.boot.dst.freq;
    report->valid = true;
    trace_kvmclock_restored(KvmClockRung_str((KvmClockRung)
                                             report->result.rung),
                            report->result.residual_ns, report->tries,
                            report->result.rate_error_ppt,
                            report->move.same_host, report->duration_ns);
    return true;
}
