/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Probe of an arm64 host: what becomes of an offset of the counter. */
#include <clockferry/clock-counter.h>
#include "calls.h"
#include "scratch.h"

/* Reads the counter; the narrowest of some tries. Returns 0 or -errno. */
static int read_counter(const Scratch *scratch,
                        struct cf_tsc_reading *ret_reading)
{
    const CfKvmOps *ops = scratch->ops;
    struct cf_tsc_reading best = { .before_ticks = 1 };
    int try;

    for (try = 0; try < CF_READINGS; try++) {
        struct cf_tsc_reading reading = { .before_ticks = ops->read_tsc() };
        const int rc = ops->get_counter(scratch->vcpu_fd,
                                        &reading.guest_ticks);

        if (rc < 0) {
            return rc;
        }
        reading.after_ticks = ops->read_tsc();
        cf_tsc_reading_keep(&best, &reading);
    }
    *ret_reading = best;
    return 0;
}

/* A guest that comes may have run for longer than this host. */
static int write_offset(const Scratch *scratch,
                        const struct cf_tsc_reading *now,
                        struct cf_counter_offset *ret_written)
{
    *ret_written = (struct cf_counter_offset) {
        now->before_ticks - now->guest_ticks - CF_FAR_TICKS, 0,
    };
    return scratch->ops->set_counter_offset(scratch->vm_fd,
                                            ret_written->least_ticks);
}

/* The same by the counter itself: the offset follows from when KVM takes it. */
static int write_counter(const Scratch *scratch,
                         const struct cf_tsc_reading *now,
                         struct cf_counter_offset *ret_written)
{
    const CfKvmOps *ops = scratch->ops;
    struct cf_tsc_reading reading = {
        .before_ticks = ops->read_tsc(),
        .guest_ticks = now->guest_ticks + CF_FAR_TICKS,
    };
    const int rc = ops->set_counter(scratch->vcpu_fd, reading.guest_ticks);

    reading.after_ticks = ops->read_tsc();
    *ret_written = cf_counter_offset_seen(&reading);
    return rc;
}

static bool try_offset(const Scratch *scratch, bool by_ioctl)
{
    struct cf_tsc_reading before, after;
    struct cf_counter_offset written, seen;

    if (read_counter(scratch, &before) < 0 ||
        (by_ioctl ? write_offset(scratch, &before, &written)
                  : write_counter(scratch, &before, &written)) < 0 ||
        read_counter(scratch, &after) < 0) {
        return false;
    }
    seen = cf_counter_offset_seen(&after);
    return cf_counter_obeys(&written, &seen) == CF_OFFSET_STICKS;
}

gboolean cf_probe_counter(const Scratch *scratch, CfHost *probe,
                          GError **error)
{
    const CfKvmOps *ops = scratch->ops;
    uint32_t by_ioctl = 0;
    const int rc = ops->get_counter_hz(&probe->counter_hz);

    if (rc < 0) {
        return cf_fail_call(error, "reading CNTFRQ_EL0", rc);
    }
    cf_identify_host(ops, probe);
    (void)ops->check_extension(scratch->vm_fd, CF_KVM_CAP_COUNTER_OFFSET,
                               &by_ioctl);
    probe->counter_offset = by_ioctl && try_offset(scratch, true)
                            ? CF_COUNTER_OFFSET_IOCTL
                            : try_offset(scratch, false)
                            ? CF_COUNTER_OFFSET_REGISTER
                            : CF_COUNTER_OFFSET_NONE;
    probe->offset_known = true;
    probe->offset = probe->counter_offset == CF_COUNTER_OFFSET_NONE
                    ? CF_OFFSET_IGNORED : CF_OFFSET_STICKS;
    return TRUE;
}
