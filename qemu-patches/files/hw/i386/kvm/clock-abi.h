/*
 * KVM clock calls that linux-headers/ doesn't have yet
 *
 * From the series "Cleaning up the KVM clock mess" (David Woodhouse, Jack
 * Allister), which is not in a released kernel.  This file goes when the
 * headers are synced with a kernel that has the calls.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_I386_KVM_CLOCK_ABI_H
#define HW_I386_KVM_CLOCK_ABI_H

#include <linux/kvm.h>
#include "hw/i386/kvm/clock-math.h"

/* What KVM writes into a guest's page, and what the new calls take. */
typedef struct KVMPvclockRecord {
    uint32_t version;               /* odd while the record is being written */
    uint32_t pad0;
    uint64_t tsc_timestamp;
    uint64_t system_time;
    uint32_t tsc_to_system_mul;
    int8_t tsc_shift;
    uint8_t flags;
    uint8_t pad[2];
} QEMU_PACKED KVMPvclockRecord;

QEMU_BUILD_BUG_ON(sizeof(KVMPvclockRecord) != 32);

#define KVM_PVCLOCK_TSC_STABLE (1 << 0)

static inline void kvmclock_record_to_fn(const KVMPvclockRecord *record,
                                         struct cf_clock_fn *fn)
{
    fn->tsc_ticks = record->tsc_timestamp;
    fn->system_ns = record->system_time;
    fn->mul = record->tsc_to_system_mul;
    fn->shift = record->tsc_shift;
}

/*
 * vCPU ioctls.  A kernel that doesn't know them says EINVAL, as it does for
 * most failures of the calls themselves.
 */
#ifndef KVM_SET_CLOCK_GUEST
#define KVM_SET_CLOCK_GUEST _IOW(KVMIO, 0xd6, KVMPvclockRecord)
#define KVM_GET_CLOCK_GUEST _IOR(KVMIO, 0xd7, KVMPvclockRecord)
#endif

/* Attribute of the group KVM_VCPU_TSC_CTRL, beside KVM_VCPU_TSC_OFFSET. */
#ifndef KVM_VCPU_TSC_SCALE
#define KVM_VCPU_TSC_SCALE 1
#endif

typedef struct KVMTscScale {
    uint64_t tsc_ratio;
    uint64_t tsc_frac_bits;
} KVMTscScale;

#endif
