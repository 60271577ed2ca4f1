/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One instant of a VM: host TSC, real time and kvmclock. */
#include "calls.h"

/* A kernel that gives no instant with its clock: host TSC and real time are
 * read just before it. */
static int read_in_parts(const CfVm *vm, CfKvmClock *clock, CfAnchor *anchor)
{
    int i;

    anchor->slack_ns = UINT64_MAX;
    for (i = 0; i < CF_READINGS; i++) {
        struct cf_instant before = { 0 };
        int rc = vm->ops->read_pair(&before.host_ticks, &before.realtime_ns);

        if (rc == 0) {
            rc = vm->ops->get_clock(vm->vm_fd, clock);
        }
        if (rc < 0) {
            return rc;
        }
        cf_anchor_keep(anchor, &before, clock->clock_ns, vm->ops->read_tsc(),
                       vm->host->host_khz);
    }
    anchor->flags = clock->flags & CF_KVM_CLOCK_TSC_STABLE;
    return 0;
}

int cf_read_clock(const CfVm *vm, CfAnchor *ret_anchor)
{
    CfKvmClock clock;
    CfAnchor anchor = { 0 };
    int rc = vm->ops->get_clock(vm->vm_fd, &clock);

    if (rc == 0) {
        anchor = (CfAnchor) {
            .instant.host_ticks = clock.host_ticks,
            .instant.realtime_ns = clock.realtime_ns,
            .clock_ns = clock.clock_ns,
            .flags = clock.flags,
        };
        if (!cf_anchor_is_exact(&anchor)) {
            rc = read_in_parts(vm, &clock, &anchor);
        }
    }
    if (rc == 0) {
        *ret_anchor = anchor;
    }
    return rc;
}

/* KVM_SET_CLOCK makes the kernel look again whether it can have a master
 * clock. Where that is refused the ladder ends on a lower rung, no more. */
static void activate_master_clock(const CfVm *vm, const CfAnchor *now)
{
    const CfKvmClock same = { .clock_ns = now->clock_ns };

    (void)vm->ops->set_clock(vm->vm_fd, &same);
}

CfHostTime cf_time_of(const CfVm *vm)
{
    const CfHostTime unknown = { 0 };
    CfHostTime time = unknown;

    if (vm->time) {
        return *vm->time;
    }
    return vm->ops->get_host_time(&time) < 0 ? unknown : time;
}

gboolean cf_take_anchor(const CfVm *vm, bool activate, CfAnchor *ret_anchor,
                        GError **error)
{
    int32_t tai_s = cf_time_of(vm).tai_offset_s;
    int32_t tai_before_s;
    CfAnchor anchor;
    int try = 0;

    do {
        int rc = cf_read_clock(vm, &anchor);

        if (rc == 0 && activate && !cf_anchor_is_exact(&anchor)) {
            activate_master_clock(vm, &anchor);
            rc = cf_read_clock(vm, &anchor);
        }
        if (rc < 0) {
            return cf_fail_call(error, "KVM_GET_CLOCK", rc);
        }
        tai_before_s = tai_s;
        tai_s = cf_time_of(vm).tai_offset_s;
    } while (tai_s != tai_before_s && ++try < CF_LEAP_TRIES);

    anchor.instant.tai_offset_s = tai_s;
    *ret_anchor = anchor;
    return TRUE;
}
