/*
 * Telling the guest the time, and how far it may be off, on the page of its
 * vmclock device: at its start, when it has arrived, and while it runs
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <sys/timex.h>
#include "qapi/error.h"
#include "qemu/timer.h"
#include "cpu.h"
#include "hw/sysbus.h"          /* which vmclock.h needs */
#include "hw/acpi/vmclock.h"
#include "hw/i386/kvm/clock-carrier.h"
#include "hw/i386/kvm/clock-utc.h"
#include "migration/misc.h"
#include "standard-headers/linux/vmclock-abi.h"
#include "trace.h"

typedef struct KVMVmclock {
    VmclockState *vms;
    KVMClockCarrier *carrier;
    Notifier changed;
    QEMUTimer *timer;
    struct cf_utc brought;      /* what the guest's last host knew, */
    struct cf_instant brought_at; /* and when, by this host's clocks, */
    int64_t brought_ns;         /* and by get_clock() */
    struct cf_tsc tsc;          /* the boot vCPU's, when told last */
} KVMVmclock;

/* What this host knows of the time, at one instant. */
typedef struct KVMHostTime {
    struct cf_anchor anchor;
    int64_t at_ns;              /* get_clock() then */
    uint64_t max_error_ns;
    struct cf_host_rate rate;
    uint8_t leap_indicator;
} KVMHostTime;

static const struct cf_utc utc_unknown = { .error_ns = UINT64_MAX };

/* The TSC of a host that was suspended in between may have begun anew. */
static bool kvmclock_tsc_ran_on(const struct cf_instant *now, int64_t now_ns,
                                const struct cf_instant *then, int64_t then_ns)
{
    const struct cf_instant later = { now->host_ticks, now_ns };
    const struct cf_instant earlier = { then->host_ticks, then_ns };

    return cf_tsc_continuous(&later, &earlier, kvmclock_this_host()->tsc_khz);
}

/* By this host, and by the one that the guest came from. */
static struct cf_utc kvmclock_utc(const KVMVmclock *k, const KVMHostTime *host)
{
    const struct cf_utc here = {
        .ns = host->anchor.instant.realtime_ns,
        .error_ns = cf_anchor_error_ns(&host->anchor, host->max_error_ns),
    };
    struct cf_move since = {
        .then = k->brought_at,
        .now = host->anchor.instant,
        .host_khz = kvmclock_this_host()->tsc_khz,
        .rate = host->rate,
        .same_host = true,
    };
    struct cf_utc brought;

    if (k->brought.error_ns == UINT64_MAX ||
        !kvmclock_tsc_ran_on(&since.now, host->at_ns, &k->brought_at,
                             k->brought_ns) ||
        !cf_move_passed(&since, NULL)) {
        return here;
    }
    brought = cf_utc_after(&k->brought, &since);
    return cf_utc_merge(&here, &brought);
}

static uint8_t kvmclock_leap_indicator(int state)
{
    return state == TIME_INS ? VMCLOCK_LEAP_PRE_POS
           : state == TIME_DEL ? VMCLOCK_LEAP_PRE_NEG
           : state == TIME_OOP ? VMCLOCK_LEAP_POS
           : VMCLOCK_LEAP_NONE;
}

static bool kvmclock_read_host_time(KVMHostTime *host)
{
    KVMClockTime time;

    if (!kvmclock_get_anchor(&host->anchor, NULL)) {
        return false;
    }
    host->at_ns = get_clock();
    time = kvmclock_time();
    host->max_error_ns = time.max_error_ns;
    host->rate = kvmclock_learn_rate(&host->anchor, &time);
    host->leap_indicator = kvmclock_leap_indicator(time.state);
    return true;
}

/* Can one TSC tell the time to all vCPUs? */
static bool kvmclock_tsc_tells(const KVMVmclock *k, const struct cf_tsc *tsc)
{
    const KVMClockReport *report = &k->carrier->report;

    return k->carrier->config.enabled && tsc->known && tsc->seen &&
           kvmclock_this_host()->offset != CF_OFFSET_REWINDS &&
           !(report->valid && report->skew_known && report->skew_ticks);
}

/*
 * Without the TAI offset: Linux 7.0 and later would subtract it from UTC to get
 * TAI, 74 s off.
 */
static struct vmclock_abi kvmclock_page(const KVMHostTime *host,
                                        const struct cf_utc_line *line)
{
    const bool known = line->error_ns != UINT64_MAX;

    return (struct vmclock_abi) {
        .flags = VMCLOCK_FLAG_PERIOD_MAXERROR_VALID |
                 (known ? VMCLOCK_FLAG_TIME_MAXERROR_VALID : 0),
        .clock_status = known ? VMCLOCK_STATUS_SYNCHRONIZED
                              : VMCLOCK_STATUS_FREERUNNING,
        .leap_indicator = host->leap_indicator,
        .counter_value = line->ticks,
        .counter_period_shift = line->shift,
        .counter_period_frac_sec = line->period,
        .counter_period_maxerror_rate_frac_sec = line->period_error,
        .time_sec = line->sec,
        .time_frac_sec = line->frac,
        .time_maxerror_nanosec = known ? line->error_ns : 0,
    };
}

/* Has the guest itself set its TSC since it was told the time? */
static bool kvmclock_tsc_was_set(const KVMVmclock *k, const struct cf_tsc *tsc)
{
    struct cf_tsc both = *tsc;

    both.error_ticks += k->tsc.error_ticks;
    return tsc->known && k->tsc.known &&
           !cf_tsc_is_at(&both, k->tsc.offset_ticks, 0);
}

/* A host's TSC may become unstable while the guest runs. */
static void kvmclock_see_tsc(CPUState *cpu, run_on_cpu_data ret_tsc)
{
    kvmclock_look_again(cpu->kvm_fd, ret_tsc.host_ptr);
}

static void kvmclock_tell_guest(KVMVmclock *k, bool disrupted)
{
    struct vmclock_abi page = { .clock_status = VMCLOCK_STATUS_UNRELIABLE };
    struct cf_utc utc = utc_unknown;
    struct cf_utc_line line;
    struct cf_tsc tsc;
    KVMHostTime host = { 0 };

    run_on_cpu(first_cpu, kvmclock_see_tsc, RUN_ON_CPU_HOST_PTR(&tsc));
    if (kvmclock_tsc_tells(k, &tsc) && kvmclock_read_host_time(&host)) {
        utc = kvmclock_utc(k, &host);
        if (cf_utc_tell(&utc, host.anchor.instant.host_ticks, &tsc, &host.rate,
                        &line)) {
            page = kvmclock_page(&host, &line);
        }
    }
    disrupted |= kvmclock_tsc_was_set(k, &tsc);
    k->tsc = tsc;
    vmclock_tell(k->vms, &page, disrupted);
    trace_kvmclock_told_guest(page.counter_value, utc.ns, utc.error_ns,
                              page.clock_status, disrupted);
    if (k->carrier->config.enabled) {
        timer_mod(k->timer, qemu_clock_get_ns(QEMU_CLOCK_REALTIME) +
                  cf_utc_good_for_ns(&utc, &host.rate, page.leap_indicator));
    }
}

/*
 * A vCPU that waits for a page in postcopy can't be asked: the line may be
 * broken, and then nobody could mend it, for this thread would wait, too.
 */
static void kvmclock_tell_again(void *opaque)
{
    KVMVmclock *k = opaque;

    if (migration_in_incoming_postcopy()) {
        timer_mod(k->timer, qemu_clock_get_ns(QEMU_CLOCK_REALTIME) +
                            NANOSECONDS_PER_SECOND);
    } else {
        kvmclock_tell_guest(k, false);
    }
}

/* What this host knows goes with the guest. */
static void kvmclock_guest_stopped(KVMVmclock *k, KVMClockCarried *carried)
{
    const KVMHostTime host = {
        .anchor = carried->anchor, .at_ns = carried->at_ns,
        .max_error_ns = carried->max_error_ns, .rate = carried->rate,
    };

    timer_del(k->timer);
    carried->utc = carried->flags & KVMCLOCK_STATE_UNSTABLE
                   ? utc_unknown : kvmclock_utc(k, &host);
}

static void kvmclock_guest_restored(KVMVmclock *k)
{
    const KVMClockReport *report = &k->carrier->report;
    const KVMClockCarried *carried = &k->carrier->carried;
    const struct cf_move *move = &report->move;
    const bool here = k->carrier->carried_from == CARRIED_CAPTURED;

    k->brought = here && !kvmclock_tsc_ran_on(&move->now, report->now_ns,
                                              &move->then, carried->at_ns)
                 ? utc_unknown : cf_utc_after(&carried->utc, move);
    k->brought_at = move->now;
    k->brought_ns = report->now_ns;
    k->tsc.known = false;
    kvmclock_tell_guest(k, here && report->result.tsc != CF_TSC_UNCHANGED);
}

/*
 * Its TSCs are about to begin anew, so it is told again once they have: soon,
 * or before it runs.
 */
static void kvmclock_guest_reset(KVMVmclock *k)
{
    const struct vmclock_abi page = {
        .clock_status = VMCLOCK_STATUS_UNRELIABLE,
    };

    if (k->tsc.known) {
        k->tsc.known = false;
        vmclock_tell(k->vms, &page, true);
    }
    if (runstate_is_running()) {
        timer_mod(k->timer, qemu_clock_get_ns(QEMU_CLOCK_REALTIME));
    }
}

static void kvmclock_guest_changed(Notifier *notifier, void *data)
{
    KVMVmclock *k = container_of(notifier, KVMVmclock, changed);

    switch (*(KVMClockChange *)data) {
    case KVM_CLOCK_STOPPED:
        kvmclock_guest_stopped(k, &k->carrier->carried);
        break;
    case KVM_CLOCK_LOST:
        timer_del(k->timer);
        break;
    case KVM_CLOCK_RESTORED:
        kvmclock_guest_restored(k);
        break;
    case KVM_CLOCK_PLAIN:
        timer_del(k->timer);
        k->brought = utc_unknown;
        kvmclock_tell_guest(k, k->tsc.known);
        break;
    case KVM_CLOCK_KEPT:
        kvmclock_tell_guest(k, false);
        break;
    case KVM_CLOCK_RESET:
        kvmclock_guest_reset(k);
        break;
    }
}

bool vmclock_begin_host_time(VmclockState *vms, Error **errp)
{
    KVMClockCarrier *carrier = kvmclock_find_carrier();
    KVMVmclock *k;

    if (!carrier || !carrier->config.enabled) {
        error_setg(errp, "QEMU has to carry the guest's clocks; add -accel kvm "
                   "-global kvmclock.guest-clock=on");
        return false;
    }
    k = g_new0(KVMVmclock, 1);
    k->vms = vms;
    k->carrier = carrier;
    k->brought = utc_unknown;
    k->timer = timer_new_ns(QEMU_CLOCK_REALTIME, kvmclock_tell_again, k);
    k->changed.notify = kvmclock_guest_changed;
    notifier_list_add(&carrier->changes, &k->changed);
    carrier->tells_time = true;
    return true;
}
