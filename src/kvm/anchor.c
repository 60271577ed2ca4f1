/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One instant of a VM: host TSC, real time and kvmclock. */
#include "calls.h"

#define LEAP_TRIES 3

/* Without the kernel's pair: read one after the other. */
static int read_own_pair(const CfVm *vm, CfKvmClock *clock)
{
    return vm->ops->read_pair(&clock->host_ticks, &clock->realtime_ns);
}

static int read_clock(const CfVm *vm, CfKvmClock *clock)
{
    const int rc = vm->ops->get_clock(vm->vm_fd, clock);

    if (rc < 0 || (clock->flags & CF_KVM_CLOCK_EXACT) == CF_KVM_CLOCK_EXACT) {
        return rc;
    }
    return read_own_pair(vm, clock);
}

/* KVM_SET_CLOCK makes the kernel look again whether it can have a master
 * clock. Where that is refused the ladder ends on a lower rung, no more. */
static void activate_master_clock(const CfVm *vm, const CfKvmClock *now)
{
    const CfKvmClock same = { .clock_ns = now->clock_ns };

    (void)vm->ops->set_clock(vm->vm_fd, &same);
}

static int32_t tai_offset(const CfVm *vm)
{
    CfHostTime time;

    return vm->ops->get_host_time(&time) < 0 ? 0 : time.tai_offset_s;
}

gboolean cf_take_anchor(const CfVm *vm, bool activate, CfAnchor *ret_anchor,
                        GError **error)
{
    int32_t tai_s = tai_offset(vm);
    int32_t tai_before_s;
    CfKvmClock clock;
    int try = 0;

    /* A leap second between the two readings would be a second's error. */
    do {
        int rc = read_clock(vm, &clock);

        if (rc == 0 && activate &&
            (clock.flags & CF_KVM_CLOCK_EXACT) != CF_KVM_CLOCK_EXACT) {
            activate_master_clock(vm, &clock);
            rc = read_clock(vm, &clock);
        }
        if (rc < 0) {
            return cf_fail_call(error, "KVM_GET_CLOCK", rc);
        }
        tai_before_s = tai_s;
        tai_s = tai_offset(vm);
    } while (tai_s != tai_before_s && ++try < LEAP_TRIES);

    ret_anchor->instant.host_ticks = clock.host_ticks;
    ret_anchor->instant.realtime_ns = clock.realtime_ns;
    ret_anchor->instant.tai_offset_s = tai_s;
    ret_anchor->clock_ns = clock.clock_ns;
    ret_anchor->flags = clock.flags;
    return TRUE;
}
