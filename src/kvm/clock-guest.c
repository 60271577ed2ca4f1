/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* KVM_GET_CLOCK_GUEST and KVM_SET_CLOCK_GUEST, and pvclock records. */
#include "calls.h"

#define BUSY_TRIES 20
#define BUSY_WAIT_US 50

/* EBUSY: the kernel doesn't know this CPU's frequency yet; that passes. */
static bool wait_again(int *tries)
{
    if (++*tries == BUSY_TRIES) {
        return false;
    }
    g_usleep(BUSY_WAIT_US);
    return true;
}

bool cf_record_to_fn(const CfPvclockRecord *record, struct cf_clock_fn *ret_fn)
{
    const struct cf_clock_fn fn = {
        .tsc_ticks = GUINT64_FROM_LE(record->tsc_timestamp),
        .system_ns = GUINT64_FROM_LE(record->system_time),
        .mul = GUINT32_FROM_LE(record->tsc_to_system_mul),
        .shift = record->tsc_shift,
    };

    if (GUINT32_FROM_LE(record->version) & 1 || !cf_clock_fn_valid(&fn)) {
        return false;
    }
    *ret_fn = fn;
    return true;
}

int cf_get_clock_guest(const CfKvmOps *ops, int vcpu_fd,
                       struct cf_clock_fn *ret_fn)
{
    CfPvclockRecord record = { 0 };
    int tries = 0;
    int rc;

    do {
        rc = ops->get_clock_guest(vcpu_fd, &record);
    } while (rc == -EBUSY && wait_again(&tries));
    if (rc < 0) {
        return rc;
    }
    return cf_record_to_fn(&record, ret_fn) ? 0 : -EBADMSG;
}

int cf_set_clock_guest(const CfKvmOps *ops, int vcpu_fd,
                       const struct cf_clock_fn *fn)
{
    const CfPvclockRecord record = {
        .tsc_timestamp = GUINT64_TO_LE(fn->tsc_ticks),
        .system_time = GUINT64_TO_LE(fn->system_ns),
        .tsc_to_system_mul = GUINT32_TO_LE(fn->mul),
        .tsc_shift = (int8_t)fn->shift,
    };
    int tries = 0;
    int rc;

    do {
        rc = ops->set_clock_guest(vcpu_fd, &record);
    } while (rc == -EBUSY && wait_again(&tries));
    return rc;
}
