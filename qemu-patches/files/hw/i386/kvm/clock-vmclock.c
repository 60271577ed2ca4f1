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
    struct cf_instant brought_at; /* and when, by this host's clocks; */
    bool brought_is_least;      /* see cf_move_is_least() */
    struct cf_instant ran_on;   /* until then did the host's TSC */
    struct cf_tsc tsc;          /* the boot vCPU's, when told last, */
    uint64_t spread_ticks;      /* and how far others are from it; */
    uint64_t seen_ticks;        /* the same, by those that answered since: */
    unsigned int awaited;       /* so many didn't yet */
} KVMVmclock;

/* What this host knows of the time, at one instant. */
typedef struct KVMHostTime {
    struct cf_anchor anchor;
    uint64_t max_error_ns;
    struct cf_host_rate rate;
    uint8_t leap_indicator;
} KVMHostTime;

static const struct cf_utc utc_unknown = { .error_ns = UINT64_MAX };

/*
 * Did the host's TSC run on since this was asked last?  That of a host that was
 * suspended may have stood, as its monotonic clock does, or begun anew; but not
 * CLOCK_BOOTTIME, which nobody sets.
 */
static bool kvmclock_tsc_ran_on(KVMVmclock *k)
{
    const struct cf_instant then = k->ran_on;
    struct timespec ts;

    clock_gettime(CLOCK_BOOTTIME, &ts);
    k->ran_on = (struct cf_instant) {
        .host_ticks = cpu_get_host_ticks(),
        .realtime_ns = ts.tv_sec * CF_NS_PER_SEC + ts.tv_nsec,
    };
    return cf_tsc_continuous(&k->ran_on, &then, kvmclock_this_host()->tsc_khz);
}

/* What was brought is counted on by the TSC. */
static void kvmclock_check_brought(KVMVmclock *k)
{
    if (!kvmclock_tsc_ran_on(k)) {
        k->brought = utc_unknown;
    }
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

    if (k->brought.error_ns == UINT64_MAX || !cf_move_passed(&since, NULL)) {
        return here;
    }
    brought = cf_utc_after(&k->brought, &since);
    return k->brought_is_least ? cf_utc_not_before(&here, &brought)
                               : cf_utc_merge(&here, &brought);
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

    if (!kvmclock_get_anchor(&host->anchor, &time, NULL)) {
        return false;
    }
    host->max_error_ns = time.max_error_ns;
    host->rate = kvmclock_learn_rate(&host->anchor, &time);
    host->leap_indicator = kvmclock_leap_indicator(time.state);
    return true;
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

/* --- The vCPUs' TSCs: one line has to be right for all of them */

/* Where the host's TSC is unstable each question puts a vCPU's back. */
static bool kvmclock_may_ask(const KVMVmclock *k)
{
    return k->carrier->config.enabled &&
           kvmclock_this_host()->offset != CF_OFFSET_REWINDS;
}

/* Before vCPUs run they needn't be woken up. */
static void kvmclock_on_cpu(CPUState *cpu, run_on_cpu_func function,
                            run_on_cpu_data data)
{
    if (cpu->stopped) {
        function(cpu, data);
    } else {
        run_on_cpu(cpu, function, data);
    }
}

/* The boot vCPU's.  A kernel gives a TSC up at any time. */
static void kvmclock_ask_boot(CPUState *cpu, run_on_cpu_data ret_tsc)
{
    kvmclock_look_again(cpu->kvm_fd, ret_tsc.host_ptr);
}

/* Not known if it may not be asked. */
static struct cf_tsc kvmclock_boot_tsc(const KVMVmclock *k)
{
    struct cf_tsc tsc = { 0 };

    if (kvmclock_may_ask(k)) {
        kvmclock_on_cpu(first_cpu, kvmclock_ask_boot,
                        RUN_ON_CPU_HOST_PTR(&tsc));
    }
    return tsc;
}

/* Where offsets are ignored all vCPUs have the host's TSC, whatever is told. */
static bool kvmclock_may_differ(const KVMVmclock *k)
{
    return kvmclock_may_ask(k) &&
           kvmclock_this_host()->offset != CF_OFFSET_IGNORED;
}

static void kvmclock_note_spread(CPUState *cpu, run_on_cpu_data data)
{
    KVMVmclock *k = data.host_ptr;
    struct cf_tsc tsc;

    kvmclock_ask_tsc(cpu, RUN_ON_CPU_HOST_PTR(&tsc));
    k->seen_ticks = MAX(k->seen_ticks, cf_tsc_spread_ticks(&tsc, &k->tsc));
}

/* Of measured ones that can't be told. */
static bool kvmclock_spread_changed(const KVMVmclock *k)
{
    return !k->awaited && !k->tsc.error_ticks &&
           k->seen_ticks != k->spread_ticks;
}

static void kvmclock_note_spread_later(CPUState *cpu, run_on_cpu_data data)
{
    KVMVmclock *k = data.host_ptr;

    k->awaited--;
    if (!runstate_is_running() || !k->tsc.known || !kvmclock_may_differ(k)) {
        return;
    }
    kvmclock_note_spread(cpu, data);
    if (kvmclock_spread_changed(k) && timer_pending(k->timer)) {
        timer_mod_anticipate(k->timer, NANOSECONDS_PER_SECOND +
                             qemu_clock_get_ns(QEMU_CLOCK_REALTIME));
    }
}

/* Nobody waits for vCPUs that run: there may be hundreds. */
static void kvmclock_ask_others_later(KVMVmclock *k)
{
    CPUState *cpu;

    if (k->awaited || !kvmclock_may_differ(k)) {
        return;
    }
    k->seen_ticks = 0;
    CPU_FOREACH(cpu) {
        if (cpu != first_cpu) {
            k->awaited++;
            async_run_on_cpu(cpu, kvmclock_note_spread_later,
                             RUN_ON_CPU_HOST_PTR(k));
        }
    }
}

static void kvmclock_ask_others(KVMVmclock *k)
{
    CPUState *cpu;

    k->seen_ticks = 0;
    CPU_FOREACH(cpu) {
        if (cpu != first_cpu && kvmclock_may_differ(k)) {
            kvmclock_on_cpu(cpu, kvmclock_note_spread, RUN_ON_CPU_HOST_PTR(k));
        }
    }
    k->spread_ticks = k->seen_ticks;
}

/* Has the guest itself set a TSC since it was told the time? */
static bool kvmclock_tsc_was_set(const KVMVmclock *k, const struct cf_tsc *tsc)
{
    struct cf_tsc both = *tsc;

    both.error_ticks += k->tsc.error_ticks;
    return tsc->known && k->tsc.known &&
           (!cf_tsc_is_at(&both, k->tsc.offset_ticks, 0) ||
            kvmclock_spread_changed(k));
}

/* What holds for each of them.  False if no line does. */
static bool kvmclock_line(const KVMVmclock *k, const struct cf_utc *utc,
                          const KVMHostTime *host, struct cf_utc_line *line)
{
    struct cf_tsc any = k->tsc;

    if (!any.known || !any.seen || k->spread_ticks == UINT64_MAX) {
        return false;
    }
    any.error_ticks += k->spread_ticks;
    return cf_utc_tell(utc, host->anchor.instant.host_ticks, &any, &host->rate,
                       line);
}

/* --- The guest is told */

static void kvmclock_tell(KVMVmclock *k, bool disrupted)
{
    struct vmclock_abi page = { .clock_status = VMCLOCK_STATUS_UNRELIABLE };
    struct cf_utc utc = utc_unknown;
    struct cf_utc_line line;
    KVMHostTime host = { 0 };

    if (kvmclock_may_ask(k) && kvmclock_read_host_time(&host)) {
        kvmclock_check_brought(k);
        utc = kvmclock_utc(k, &host);
        if (kvmclock_line(k, &utc, &host, &line)) {
            page = kvmclock_page(&host, &line);
        }
    }
    vmclock_tell(k->vms, &page, disrupted);
    trace_kvmclock_told_guest(page.counter_value, utc.ns, utc.error_ns,
                              page.clock_status, disrupted);
    if (k->carrier->config.enabled) {
        timer_mod(k->timer, qemu_clock_get_ns(QEMU_CLOCK_REALTIME) +
                  cf_utc_good_for_ns(&utc, &host.rate, page.leap_indicator));
    }
}

/* At a turn of its life. */
static void kvmclock_tell_guest(KVMVmclock *k, bool disrupted)
{
    const struct cf_tsc tsc = kvmclock_boot_tsc(k);

    k->seen_ticks = k->spread_ticks;
    disrupted |= kvmclock_tsc_was_set(k, &tsc);
    k->tsc = tsc;
    kvmclock_ask_others(k);
    kvmclock_tell(k, disrupted);
}

/*
 * While it runs.  A vCPU that waits for a page in postcopy can't be asked: the
 * line may be broken, and then nobody could mend it, for this thread would
 * wait, too.
 */
static void kvmclock_tell_again(void *opaque)
{
    KVMVmclock *k = opaque;
    bool disrupted, anew;
    struct cf_tsc tsc;

    if (migration_in_incoming_postcopy()) {
        timer_mod(k->timer, qemu_clock_get_ns(QEMU_CLOCK_REALTIME) +
                            NANOSECONDS_PER_SECOND);
        return;
    }
    tsc = kvmclock_boot_tsc(k);
    disrupted = kvmclock_tsc_was_set(k, &tsc);
    anew = !k->tsc.known;
    k->tsc = tsc;
    if (anew) {
        kvmclock_ask_others(k);
    } else if (!k->awaited) {
        k->spread_ticks = k->seen_ticks;
    }
    if (!runstate_is_running()) {
        return;                 /* it was stopped while we waited */
    }
    kvmclock_tell(k, disrupted);
    kvmclock_ask_others_later(k);
}

/* What this host knows goes with the guest. */
static void kvmclock_guest_stopped(KVMVmclock *k, KVMClockCarried *carried)
{
    const KVMHostTime host = {
        carried->anchor, carried->max_error_ns, carried->rate,
    };

    timer_del(k->timer);
    kvmclock_check_brought(k);
    carried->utc = carried->flags & KVMCLOCK_STATE_UNSTABLE
                   ? utc_unknown : kvmclock_utc(k, &host);
}

static void kvmclock_guest_restored(KVMVmclock *k)
{
    const KVMClockReport *report = &k->carrier->report;
    const bool here = k->carrier->carried_from == CARRIED_CAPTURED;
    const bool ran_on = kvmclock_tsc_ran_on(k);

    k->brought = here && !ran_on
                 ? utc_unknown
                 : cf_utc_after(&k->carrier->carried.utc, &report->move);
    k->brought_at = report->move.now;
    k->brought_is_least = cf_move_is_least(&report->move);
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
