/*
 * Restoring kvmclock as a function of the guest TSC: the ladder
 *
 *   exact        the source's own record, by KVM_SET_CLOCK_GUEST
 *   reanchored   the same, re-expressed with this host's slope
 *   closed-loop  KVM_SET_CLOCK, read back and corrected, within 2 ns
 *   realtime     the same, but it didn't settle
 *   plain        KVM_SET_CLOCK where nothing can be read back exactly
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/timer.h"
#include "cpu.h"
#include "system/kvm.h"
#include "hw/i386/kvm/clock-ladder.h"
#include "hw/i386/kvm/clock-restore.h"
#include "trace.h"

/* A residual that counts as none: one rounding in each of two functions. */
#define EXACT_NS 2

/* What kvmclock should read at a host TSC of this host. */
bool kvmclock_wanted_ns(const KVMClockRestoring *r, uint64_t host_ticks,
                        int64_t *ns)
{
    uint64_t guest_ticks;

    return cf_tsc_host_to_guest(host_ticks, &r->dst_freq, r->dst_offset_ticks,
                                &guest_ticks) &&
           cf_clock_fn_eval(&r->fn, guest_ticks, ns);
}

/*
 * How far the record that KVM now gives is from the wanted function, at the
 * record's own instant: from there on their slopes may part.
 */
static bool kvmclock_record_residual(const KVMClockRestoring *r,
                                     int64_t *residual_ns,
                                     struct cf_clock_fn *now)
{
    KVMPvclockRecord record;
    int64_t is_ns, wanted_ns;

    if (kvmclock_get_record(first_cpu->kvm_fd, &record) < 0) {
        return false;
    }
    kvmclock_record_to_fn(&record, now);
    if (!cf_clock_fn_eval(now, now->tsc_ticks, &is_ns) ||
        !cf_clock_fn_eval(&r->fn, now->tsc_ticks, &wanted_ns)) {
        return false;
    }
    *residual_ns = is_ns - wanted_ns;
    return true;
}

/* What kvmclock_report_bound_ns() needs: for when was the clock set last? */
static void kvmclock_note_set(KVMClockRestoring *r, uint64_t host_ticks)
{
    const uint64_t msr = cpu_env(first_cpu)->system_time_msr;

    r->report->page = msr & 1 ? msr & ~1ULL : 0;
    if (!cf_tsc_host_to_guest(host_ticks, &r->dst_freq,
                              r->dst_offset_ticks, &r->report->set_ticks) ||
        !cf_tsc_freq_khz(&r->dst_freq, &r->report->guest_khz)) {
        r->report->page = 0;
    }
}

/*
 * How badly the source knew its clock: not at all badly, unless it had to be
 * taken from an anchor that the kernel didn't read at one instant.
 */
static uint64_t kvmclock_source_slack_ns(const KVMClockRestoring *r)
{
    const KVMClockCarried *src = r->src;

    return src->flags & KVMCLOCK_STATE_ANCHORED ||
           src->fn.system_ns != src->anchor.clock_ns ? 0
           : src->anchor.slack_ns;
}

static void kvmclock_report_rung(KVMClockRestoring *r, enum cf_rung rung,
                                 int64_t residual_ns)
{
    r->report->rung = rung;
    r->report->residual_ns = residual_ns;
    r->report->residual_known = true;
    r->report->slack_ns += kvmclock_source_slack_ns(r);
}

static bool kvmclock_rung_exact(KVMClockRestoring *r)
{
    struct cf_clock_fn now;
    int64_t residual_ns;
    int ret = kvmclock_set_record(first_cpu->kvm_fd, &r->fn);

    r->report->tries++;
    trace_kvmclock_set_record(ret, r->fn.tsc_ticks, r->fn.system_ns);
    if (ret < 0 || !kvmclock_record_residual(r, &residual_ns, &now) ||
        ABS(residual_ns) > EXACT_NS) {
        return false;
    }
    kvmclock_report_rung(r, CF_RUNG_EXACT, residual_ns);
    return true;
}

/*
 * The kernel wants a record of the vCPU's own frequency, to 1 kHz, and a
 * reference that isn't in the future.  Give it the source's clock with this
 * host's slope, from a point just before now.
 */
static bool kvmclock_set_reanchored(KVMClockRestoring *r,
                                    const struct cf_clock_fn *slope,
                                    int64_t correction_ns)
{
    struct cf_clock_fn fn;
    uint64_t guest_ticks;
    int ret;

    if (!cf_tsc_host_to_guest(cpu_get_host_ticks(), &r->dst_freq,
                              r->dst_offset_ticks, &guest_ticks) ||
        !cf_clock_fn_rebase(&r->fn, slope, guest_ticks, &fn)) {
        return false;
    }
    fn.system_ns -= correction_ns;
    ret = kvmclock_set_record(first_cpu->kvm_fd, &fn);
    r->report->tries++;
    trace_kvmclock_set_record(ret, fn.tsc_ticks, fn.system_ns);
    return ret == 0;
}

static bool kvmclock_rung_reanchored(KVMClockRestoring *r)
{
    struct cf_loop loop = { 0 };
    struct cf_clock_fn slope;
    int64_t residual_ns, start_ns;

    if (!kvmclock_record_residual(r, &residual_ns, &slope)) {
        return false;
    }
    do {
        start_ns = get_clock();
        if (!kvmclock_set_reanchored(r, &slope, loop.correction_ns) ||
            !kvmclock_record_residual(r, &residual_ns, &slope)) {
            return false;
        }
    } while (!cf_loop_learn(&loop, residual_ns, get_clock() - start_ns));

    if (ABS(residual_ns) > EXACT_NS) {
        return false;
    }
    kvmclock_report_rung(r, CF_RUNG_REANCHORED, residual_ns);
    return true;
}

/*
 * One round of the closed loop: set the clock to what it should have read at
 * the instant of @anchor, and see at a new instant what it reads.
 */
static bool kvmclock_loop_round(KVMClockRestoring *r, KVMClockAnchor *anchor,
                                int64_t correction_ns, int64_t *residual_ns)
{
    int64_t wanted_ns;

    if (!kvmclock_wanted_ns(r, anchor->at.host_ticks, &wanted_ns) ||
        wanted_ns < correction_ns ||
        kvmclock_set(wanted_ns - correction_ns, anchor->at.realtime_ns) < 0) {
        return false;
    }
    r->report->tries++;
    kvmclock_note_set(r, anchor->at.host_ticks);
    if (!kvmclock_get_anchor(anchor, NULL) ||
        anchor->flags != KVM_CLOCK_ALL_FLAGS ||
        !kvmclock_wanted_ns(r, anchor->at.host_ticks, &wanted_ns)) {
        return false;
    }
    *residual_ns = (int64_t)anchor->clock_ns - wanted_ns;
    trace_kvmclock_loop(r->report->tries, correction_ns, *residual_ns);
    return true;
}

static bool kvmclock_loop(KVMClockRestoring *r, KVMClockAnchor *anchor,
                          int64_t *residual_ns)
{
    struct cf_loop loop = { 0 };
    int64_t start_ns;

    do {
        start_ns = get_clock();
        if (!kvmclock_loop_round(r, anchor, loop.correction_ns,
                                 residual_ns)) {
            return false;
        }
    } while (!cf_loop_learn(&loop, *residual_ns, get_clock() - start_ns));
    return true;
}

static bool kvmclock_rung_closed_loop(KVMClockRestoring *r)
{
    KVMClockAnchor anchor;
    int64_t residual_ns;

    if (!(kvmclock_settable_flags() & KVM_CLOCK_REALTIME) ||
        !kvmclock_activate(&anchor, NULL) ||
        anchor.flags != KVM_CLOCK_ALL_FLAGS) {
        return false;
    }
    if (!kvmclock_loop(r, &anchor, &residual_ns)) {
        return false;
    }
    kvmclock_report_rung(r, ABS(residual_ns) <= EXACT_NS
                            ? CF_RUNG_CLOSED_LOOP : CF_RUNG_REALTIME,
                         residual_ns);
    return true;
}

/*
 * No master clock, so no instant from the kernel: use our own pair of real
 * time and TSC.  The kernel takes the real time all the same.
 */
static bool kvmclock_set_plainly(KVMClockRestoring *r, Error **errp)
{
    KVMClockAnchor anchor;
    int64_t wanted_ns;
    bool realtime = kvmclock_settable_flags() & KVM_CLOCK_REALTIME;
    int ret;

    r->report->residual_known = false;
    if (!kvmclock_get_anchor(&anchor, errp)) {
        return false;
    }
    if (!realtime) {
        /* KVM takes the value for that of the very moment of the call. */
        anchor.at.host_ticks = cpu_get_host_ticks();
    }
    if (!kvmclock_wanted_ns(r, anchor.at.host_ticks, &wanted_ns)) {
        error_setg(errp, "kvmclock: the guest's clock can't be computed from "
                   "the captured values");
        return false;
    }
    ret = kvmclock_set(wanted_ns, realtime ? anchor.at.realtime_ns : 0);
    r->report->tries++;
    if (ret < 0) {
        error_setg_errno(errp, -ret, "kvmclock: KVM_SET_CLOCK failed");
        return false;
    }
    kvmclock_note_set(r, anchor.at.host_ticks);
    if (kvmclock_get_anchor(&anchor, NULL) &&
        kvmclock_wanted_ns(r, anchor.at.host_ticks, &wanted_ns)) {
        r->report->residual_ns = (int64_t)anchor.clock_ns - wanted_ns;
        r->report->slack_ns += anchor.slack_ns;
        r->report->residual_known = true;
    }
    return true;
}

/* The first try, with cold caches, is late by some microseconds. */
static bool kvmclock_rung_plain(KVMClockRestoring *r, Error **errp)
{
    const uint64_t slack_ns = r->report->slack_ns +
                              kvmclock_source_slack_ns(r);
    int tries = 4;

    r->report->rung = CF_RUNG_PLAIN;
    do {
        r->report->slack_ns = slack_ns;
        if (!kvmclock_set_plainly(r, errp)) {
            return false;
        }
    } while (--tries > 0 && r->report->residual_known &&
             ABS(r->report->residual_ns) > 1000);
    return true;
}

/*
 * New offsets leave an update of the master clock pending, which would move
 * the clock at the first KVM_RUN.  Reading each vCPU's record consumes it.  A
 * kernel that fails for one vCPU will for the others, too.
 */
static bool kvmclock_settle_records(void)
{
    KVMPvclockRecord record;
    CPUState *cpu;

    CPU_FOREACH(cpu) {
        if (kvmclock_get_record(cpu->kvm_fd, &record) < 0) {
            return false;
        }
    }
    return true;
}

bool kvmclock_restore_clock(KVMClockRestoring *r, Error **errp)
{
    if (kvmclock_this_host()->has_clock_guest && kvmclock_settle_records() &&
        (kvmclock_rung_exact(r) || kvmclock_rung_reanchored(r))) {
        return true;
    }
    return kvmclock_rung_closed_loop(r) || kvmclock_rung_plain(r, errp);
}
