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
#include "hw/i386/kvm/clock-fn.h"

/* What KVM writes into a guest's page, and what the new calls take. */
typedef struct cf_record KVMPvclockRecord;

QEMU_BUILD_BUG_ON(sizeof(KVMPvclockRecord) != 32);
QEMU_BUILD_BUG_ON(CF_KVM_CLOCK_TSC_STABLE != KVM_CLOCK_TSC_STABLE ||
                  CF_KVM_CLOCK_REALTIME != KVM_CLOCK_REALTIME ||
                  CF_KVM_CLOCK_HOST_TSC != KVM_CLOCK_HOST_TSC);

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
