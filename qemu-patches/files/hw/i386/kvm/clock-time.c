/*
 * What this host's kernel knows of real time, and what that tells of its TSC
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <sys/timex.h>
#include "hw/i386/kvm/clock-host.h"
#include "trace.h"

uint64_t kvmclock_realtime_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return ts.tv_sec * CF_NS_PER_SEC + ts.tv_nsec;
}

KVMClockTime kvmclock_time(void)
{
    struct timex tx = { .modes = 0 };
    const int state = adjtimex(&tx);
    KVMClockTime time = { .state = state, .max_error_ns = UINT64_MAX };

    if (state >= 0) {
        time.tai_offset_s = tx.tai;
    }
    if (state >= 0 && state != TIME_ERROR) {
        time.max_error_ns = cf_clock_error_ns(tx.maxerror, tx.offset,
                                              tx.status & STA_NANO);
        time.adjustment_ppt = cf_clock_adjustment_ppt(tx.freq, tx.tick,
                                                      sysconf(_SC_CLK_TCK));
    }
    return time;
}

/*
 * How fast this host's TSC really runs: by what the kernel tells of its
 * clocksource, and since the first reading here whose error was known.
 */
struct cf_host_rate kvmclock_learn_rate(const struct cf_anchor *anchor,
                                       const KVMClockTime *time)
{
    static struct cf_moment then = { .error_ns = UINT64_MAX };
    const struct cf_moment now = {
        anchor->instant, cf_anchor_error_ns(anchor, time->max_error_ns),
    };
    const uint32_t khz = kvmclock_this_host()->tsc_khz;
    struct cf_host_rate rate;
    struct cf_span measured;
    bool known;

    known = cf_tsc_continuous(&now.instant, &then.instant, khz) &&
            cf_host_rate_measure(&then, &now, khz, &measured);
    rate = cf_host_rate_learn(cf_anchor_is_exact(anchor)
                             ? time->adjustment_ppt : 0,
                             known ? &measured : NULL);
    if (then.error_ns == UINT64_MAX) {
        then = now;
    }
    trace_kvmclock_rate(rate.ppt, rate.doubt_ppt);
    return rate;
}
