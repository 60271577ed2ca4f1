/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The lower rungs: KVM_SET_CLOCK, read back by KVM_GET_CLOCK. */
#include "restore.h"

/* Where nothing can be read back exactly: near enough, and how often. */
#define PLAIN_NEAR_NS 1000
#define PLAIN_TRIES 4

static bool get_exact_clock(const CfVm *vm, CfKvmClock *clock)
{
    return vm->ops->get_clock(vm->vm_fd, clock) == 0 &&
           (clock->flags & CF_KVM_CLOCK_EXACT) == CF_KVM_CLOCK_EXACT;
}

/* Set kvmclock to what it shall be at an instant, less a correction. */
static int set_intended(Restore *restore, uint64_t host_ticks,
                        uint64_t realtime_ns, int64_t correction_ns,
                        uint32_t flags)
{
    const CfVm *vm = restore->vm;
    CfKvmClock clock = { .flags = flags, .realtime_ns = realtime_ns };
    int64_t ns;

    if (!cf_restore_intended(restore, host_ticks, &ns) ||
        __builtin_sub_overflow(ns, correction_ns, &ns) || ns < 0) {
        return -ERANGE;
    }
    clock.clock_ns = (uint64_t)ns;
    restore->set_host_ticks = host_ticks;
    return vm->ops->set_clock(vm->vm_fd, &clock);
}

/* One try: from the kernel's own {realtime, host TSC} to the residual. The
 * pair that is read back serves the next try. */
static bool try_once(Restore *restore, CfKvmClock *clock,
                     int64_t correction_ns, int64_t *ret_residual_ns)
{
    int64_t intended_ns;

    if (set_intended(restore, clock->host_ticks, clock->realtime_ns,
                     correction_ns, CF_KVM_CLOCK_REALTIME) < 0 ||
        !get_exact_clock(restore->vm, clock) || clock->clock_ns > INT64_MAX ||
        !cf_restore_intended(restore, clock->host_ticks, &intended_ns)) {
        return false;
    }
    *ret_residual_ns = (int64_t)clock->clock_ns - intended_ns;
    return true;
}

/* One loop, from the first guess to its end. */
static bool run_loop(Restore *restore, CfKvmClock *clock)
{
    CfReport *report = &restore->report;
    struct cf_loop loop = { 0 };

    do {
        if (!try_once(restore, clock, loop.correction_ns,
                      &report->residual_ns)) {
            return false;
        }
    } while (!cf_loop_learn(&loop, report->residual_ns));
    report->tries += loop.tries;
    return true;
}

bool cf_rung_loop(Restore *restore)
{
    CfReport *report = &restore->report;
    CfKvmClock clock;
    int round = 0;

    report->tries = 0;
    if (!get_exact_clock(restore->vm, &clock)) {
        return false;
    }
    /* A second one, for the kernel's miss may change its size for good while
     * the first one runs: then its median is of the past. */
    do {
        if (!run_loop(restore, &clock)) {
            return false;
        }
    } while (ABS(report->residual_ns) > CF_SETTLED_NS && ++round < 2);

    report->rung = ABS(report->residual_ns) <= CF_SETTLED_NS
                   ? CF_RUNG_CLOSED_LOOP : CF_RUNG_REALTIME;
    report->residual_error_ns = 0;
    report->residual_known = true;
    return true;
}

/* Without a master clock kvmclock can only be placed between two readings
 * of the host's TSC. */
static void plain_residual(Restore *restore)
{
    const CfVm *vm = restore->vm;
    CfReport *report = &restore->report;
    const uint64_t before_ticks = vm->ops->read_tsc();
    CfKvmClock clock;
    const int rc = vm->ops->get_clock(vm->vm_fd, &clock);
    const uint64_t width_ticks = vm->ops->read_tsc() - before_ticks;
    uint64_t width_ns;
    int64_t intended_ns;

    if (rc < 0 || clock.clock_ns > INT64_MAX ||
        !cf_restore_intended(restore, before_ticks + width_ticks / 2,
                             &intended_ns) ||
        !cf_ticks_to_ns(width_ticks / 2 + 1 + restore->tsc_error_ticks,
                        vm->host->host_khz, &width_ns)) {
        return;
    }
    report->residual_ns = (int64_t)clock.clock_ns - intended_ns;
    report->residual_error_ns = width_ns + 1;
    report->residual_known = true;
}

/*
 * With REALTIME the kernel adds the time since our pair itself; only
 * KVM_GET_CLOCK needs a master clock for it. Kernels before 5.16 refuse the
 * flag: then the value is as old as the way to the kernel is long.
 */
static int set_plainly(Restore *restore)
{
    const CfVm *vm = restore->vm;
    uint64_t host_ticks, realtime_ns;
    int rc = vm->ops->read_pair(&host_ticks, &realtime_ns);

    if (rc == 0) {
        restore->report.tries++;
        rc = set_intended(restore, host_ticks, realtime_ns, 0,
                          CF_KVM_CLOCK_REALTIME);
    }
    if (rc < 0) {
        restore->report.tries++;
        rc = set_intended(restore, vm->ops->read_tsc(), 0, 0, 0);
    }
    return rc;
}

/* The first try, with cold caches, is late by some microseconds. */
gboolean cf_rung_plain(Restore *restore, GError **error)
{
    CfReport *report = &restore->report;
    int try = 0;

    report->rung = CF_RUNG_PLAIN;
    report->tries = 0;
    do {
        const int rc = set_plainly(restore);

        if (rc < 0) {
            return cf_fail_call(error, "KVM_SET_CLOCK", rc);
        }
        report->residual_known = false;
        report->residual_ns = 0;
        plain_residual(restore);
    } while (report->residual_known &&
             ABS(report->residual_ns) > PLAIN_NEAR_NS &&
             ++try < PLAIN_TRIES);
    return TRUE;
}
