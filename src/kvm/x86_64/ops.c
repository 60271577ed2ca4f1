/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The real calls of x86-64: each function is one ioctl. */
#include "kvm/calls.h"
#include "kvm/ioctl.h"
#include "kvm/kvm-uapi.h"

static int kvm_create_vm(int kvm_fd, int *ret_vm_fd)
{
    return cf_call_for_number(kvm_fd, KVM_CREATE_VM, 0, ret_vm_fd);
}

static int kvm_create_vcpu(int vm_fd, uint32_t id, int *ret_vcpu_fd)
{
    return cf_call_for_number(vm_fd, KVM_CREATE_VCPU, id, ret_vcpu_fd);
}

static int kvm_has_clock_guest(int vm_fd, uint32_t *ret_value)
{
#ifdef KVM_CAP_CLOCK_GUEST
    return cf_kvm_check_extension(vm_fd, KVM_CAP_CLOCK_GUEST, ret_value);
#else
    (void)vm_fd;
    (void)ret_value;
    return -ENOSYS;
#endif
}

static int kvm_get_tsc_khz(int vcpu_fd, uint32_t *ret_khz)
{
    const int rc = cf_call_number(vcpu_fd, KVM_GET_TSC_KHZ, 0);

    if (rc <= 0) {
        return rc < 0 ? rc : -EIO;
    }
    *ret_khz = (uint32_t)rc;
    return 0;
}

static int kvm_set_tsc_khz(int vcpu_fd, uint32_t khz)
{
    return cf_call_number(vcpu_fd, KVM_SET_TSC_KHZ, khz);
}

static int attribute(int vcpu_fd, unsigned long request, uint64_t attr,
                     void *value)
{
    struct kvm_device_attr argument = {
        .group = KVM_VCPU_TSC_CTRL,
        .attr = attr,
        .addr = (uintptr_t)value,
    };

    return cf_call(vcpu_fd, request, &argument);
}

static int kvm_get_tsc_offset(int vcpu_fd, uint64_t *ret_offset_ticks)
{
    return attribute(vcpu_fd, KVM_GET_DEVICE_ATTR, KVM_VCPU_TSC_OFFSET,
                     ret_offset_ticks);
}

static int kvm_set_tsc_offset(int vcpu_fd, uint64_t offset_ticks)
{
    return attribute(vcpu_fd, KVM_SET_DEVICE_ATTR, KVM_VCPU_TSC_OFFSET,
                     &offset_ticks);
}

static int kvm_get_tsc_scale(int vcpu_fd, uint64_t *ret_ratio,
                             uint64_t *ret_frac_bits)
{
    struct cf_uapi_tsc_scale scale;
    const int rc = attribute(vcpu_fd, KVM_GET_DEVICE_ATTR, KVM_VCPU_TSC_SCALE,
                             &scale);

    if (rc < 0) {
        return rc;
    }
    *ret_ratio = scale.ratio;
    *ret_frac_bits = scale.frac_bits;
    return 0;
}

/* struct kvm_msrs ends in an array of no fixed length. */
typedef struct OneMsr {
    struct {
        __u32 nmsrs;
        __u32 pad;
    } head;
    struct kvm_msr_entry entry;
} OneMsr;

_Static_assert(offsetof(OneMsr, entry) == sizeof(struct kvm_msrs),
               "layout of struct kvm_msrs");

static int one_msr(int vcpu_fd, unsigned long request, OneMsr *msr)
{
    const int rc = cf_call(vcpu_fd, request, msr);

    /* The kernel returns how many of the list it did. */
    return rc < 0 ? rc : rc == 1 ? 0 : -EIO;
}

static int kvm_get_msr(int vcpu_fd, uint32_t index, uint64_t *ret_value)
{
    OneMsr msr = { .head.nmsrs = 1, .entry.index = index };
    const int rc = one_msr(vcpu_fd, KVM_GET_MSRS, &msr);

    if (rc == 0) {
        *ret_value = msr.entry.data;
    }
    return rc;
}

static int kvm_set_msr(int vcpu_fd, uint32_t index, uint64_t value)
{
    OneMsr msr = {
        .head.nmsrs = 1,
        .entry.index = index,
        .entry.data = value,
    };

    return one_msr(vcpu_fd, KVM_SET_MSRS, &msr);
}

static int kvm_get_clock(int vm_fd, CfKvmClock *ret_clock)
{
    return cf_call(vm_fd, KVM_GET_CLOCK, ret_clock);
}

static int kvm_set_clock(int vm_fd, const CfKvmClock *clock)
{
    CfKvmClock copy = *clock;

    return cf_call(vm_fd, KVM_SET_CLOCK, &copy);
}

static int kvm_get_clock_guest(int vcpu_fd, CfPvclockRecord *ret_record)
{
    return cf_call(vcpu_fd, KVM_GET_CLOCK_GUEST, ret_record);
}

static int kvm_set_clock_guest(int vcpu_fd, const CfPvclockRecord *record)
{
    CfPvclockRecord copy = *record;

    return cf_call(vcpu_fd, KVM_SET_CLOCK_GUEST, &copy);
}

const CfKvmOps *cf_kvm_ops(void)
{
    static const CfKvmOps ops = {
        .open = cf_kvm_open,
        .close = cf_kvm_close,
        .create_vm = kvm_create_vm,
        .create_vcpu = kvm_create_vcpu,
        .check_extension = cf_kvm_check_extension,
        .has_clock_guest = kvm_has_clock_guest,
        .get_tsc_khz = kvm_get_tsc_khz,
        .set_tsc_khz = kvm_set_tsc_khz,
        .get_tsc_offset = kvm_get_tsc_offset,
        .set_tsc_offset = kvm_set_tsc_offset,
        .get_tsc_scale = kvm_get_tsc_scale,
        .get_msr = kvm_get_msr,
        .set_msr = kvm_set_msr,
        .get_clock = kvm_get_clock,
        .set_clock = kvm_set_clock,
        .get_clock_guest = kvm_get_clock_guest,
        .set_clock_guest = kvm_set_clock_guest,
        .read_tsc = cf_system_read_tsc,
        .read_pair = cf_system_read_pair,
        .get_host_time = cf_system_get_time,
        .get_tolerance = cf_system_get_tolerance,
        .get_host_id = cf_system_get_id,
    };

    return &ops;
}
