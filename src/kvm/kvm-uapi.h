/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* linux/kvm.h, and what older copies of it lack. */
#ifndef CF_KVM_UAPI_H
#define CF_KVM_UAPI_H

#include <linux/kvm.h>
#include <clockferry/kvm.h>

#ifndef KVM_VCPU_TSC_CTRL
#define KVM_VCPU_TSC_CTRL 0
#endif
#ifndef KVM_VCPU_TSC_OFFSET
#define KVM_VCPU_TSC_OFFSET 0
#endif
#ifndef KVM_VCPU_TSC_SCALE
#define KVM_VCPU_TSC_SCALE 1
#endif
#ifndef KVM_SET_CLOCK_GUEST
#define KVM_SET_CLOCK_GUEST _IOW(KVMIO, 0xd6, CfPvclockRecord)
#define KVM_GET_CLOCK_GUEST _IOR(KVMIO, 0xd7, CfPvclockRecord)
#endif

struct cf_uapi_tsc_scale {
    __u64 ratio;
    __u64 frac_bits;
};

_Static_assert(sizeof(CfKvmClock) == sizeof(struct kvm_clock_data),
               "the size is part of the ioctl's number");
_Static_assert(sizeof(CfPvclockRecord) == 32, "layout of a pvclock record");
_Static_assert(CF_KVM_CAP_ADJUST_CLOCK == KVM_CAP_ADJUST_CLOCK &&
               CF_KVM_CAP_TSC_CONTROL == KVM_CAP_TSC_CONTROL,
               "capability numbers");
#ifdef KVM_CLOCK_REALTIME
_Static_assert(CF_KVM_CLOCK_TSC_STABLE == KVM_CLOCK_TSC_STABLE &&
               CF_KVM_CLOCK_REALTIME == KVM_CLOCK_REALTIME &&
               CF_KVM_CLOCK_HOST_TSC == KVM_CLOCK_HOST_TSC, "clock flags");
#endif

#endif /* CF_KVM_UAPI_H */
