/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The real calls of arm64. */
#include <unistd.h>
#include "kvm/calls.h"
#include "kvm/ioctl.h"
#include "kvm/kvm-uapi.h"

#ifndef KVM_ARM_SET_COUNTER_OFFSET
/* Linux 6.4 */
struct kvm_arm_counter_offset {
    __u64 counter_offset;
    __u64 reserved;
};
#define KVM_ARM_SET_COUNTER_OFFSET \
    _IOW(KVMIO, 0xb5, struct kvm_arm_counter_offset)
#endif

_Static_assert(sizeof(struct kvm_arm_counter_offset) == 16,
               "the size is part of the ioctl's number");

/* Without a wish KVM wants addresses of 40 bits, which not all CPUs have. */
#define USUAL_IPA_BITS 40

static int kvm_create_vm(int kvm_fd, int *ret_vm_fd)
{
    uint32_t bits = 0;

    (void)cf_kvm_check_extension(kvm_fd, KVM_CAP_ARM_VM_IPA_SIZE, &bits);
    return cf_call_for_number(kvm_fd, KVM_CREATE_VM,
                              bits && bits < USUAL_IPA_BITS ? bits : 0,
                              ret_vm_fd);
}

/* A vCPU has no registers before it was told which CPU it is. */
static int kvm_create_vcpu(int vm_fd, uint32_t id, int *ret_vcpu_fd)
{
    struct kvm_vcpu_init init = { 0 };
    int fd;
    int rc = cf_call_for_number(vm_fd, KVM_CREATE_VCPU, id, &fd);

    if (rc < 0) {
        return rc;
    }
    rc = cf_call(vm_fd, KVM_ARM_PREFERRED_TARGET, &init);
    if (rc >= 0) {
        rc = cf_call(fd, KVM_ARM_VCPU_INIT, &init);
    }
    if (rc < 0) {
        close(fd);
        return rc;
    }
    *ret_vcpu_fd = fd;
    return 0;
}

static int one_register(int vcpu_fd, unsigned long request, uint64_t *value)
{
    struct kvm_one_reg reg = {
        .id = KVM_REG_ARM_TIMER_CNT,
        .addr = (uintptr_t)value,
    };

    return cf_call(vcpu_fd, request, &reg);
}

static int kvm_get_counter(int vcpu_fd, uint64_t *ret_ticks)
{
    return one_register(vcpu_fd, KVM_GET_ONE_REG, ret_ticks);
}

static int kvm_set_counter(int vcpu_fd, uint64_t ticks)
{
    return one_register(vcpu_fd, KVM_SET_ONE_REG, &ticks);
}

static int kvm_set_counter_offset(int vm_fd, uint64_t offset_ticks)
{
    struct kvm_arm_counter_offset offset = { .counter_offset = offset_ticks };

    return cf_call(vm_fd, KVM_ARM_SET_COUNTER_OFFSET, &offset);
}

const CfKvmOps *cf_kvm_ops(void)
{
    static const CfKvmOps ops = {
        .open = cf_kvm_open,
        .close = cf_kvm_close,
        .create_vm = kvm_create_vm,
        .create_vcpu = kvm_create_vcpu,
        .check_extension = cf_kvm_check_extension,
        .read_tsc = cf_system_read_tsc,
        .read_pair = cf_system_read_pair,
        .get_host_time = cf_system_get_time,
        .get_host_id = cf_system_get_id,
        .architecture = CF_ARCHITECTURE_ARM64,
        .get_counter_hz = cf_system_get_counter_hz,
        .get_counter = kvm_get_counter,
        .set_counter = kvm_set_counter,
        .set_counter_offset = kvm_set_counter_offset,
    };

    return &ops;
}
