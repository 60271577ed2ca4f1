/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* KVM_GET_CLOCK_GUEST and KVM_SET_CLOCK_GUEST, while KVM is busy again. */
#include <clockferry/clock-ladder.h>
#include "calls.h"

static bool wait_again(int rc, uint32_t *waited_us)
{
    if (rc != -EBUSY || !cf_busy_again(waited_us)) {
        return false;
    }
    g_usleep(CF_BUSY_PAUSE_US);
    return true;
}

int cf_get_clock_guest(const CfKvmOps *ops, int vcpu_fd,
                       struct cf_clock_fn *ret_fn)
{
    CfPvclockRecord record = { 0 };
    uint32_t waited_us = 0;
    int rc;

    do {
        rc = ops->get_clock_guest(vcpu_fd, &record);
    } while (wait_again(rc, &waited_us));
    return rc < 0 ? rc : cf_record_to_fn(&record, ret_fn) ? 0 : -EBADMSG;
}

int cf_set_clock_guest(const CfKvmOps *ops, int vcpu_fd,
                       const struct cf_clock_fn *fn)
{
    const CfPvclockRecord record = cf_record_from_fn(fn);
    uint32_t waited_us = 0;
    int rc;

    do {
        rc = ops->set_clock_guest(vcpu_fd, &record);
    } while (wait_again(rc, &waited_us));
    return rc;
}
