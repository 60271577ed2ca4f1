/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A VM to try things on, and sentences for all that may be in its way. */
#include <string.h>
#include "calls.h"
#include "scratch.h"

/* Not a flag of KVM_SET_CLOCK; nor can any TSC be made as fast. */
#define NO_FLAG (1u << 31)
#define NO_KHZ INT32_MAX

void cf_scratch_close(Scratch *scratch)
{
    if (scratch->vcpu_fd >= 0) {
        scratch->ops->close(scratch->vcpu_fd);
    }
    if (scratch->vm_fd >= 0) {
        scratch->ops->close(scratch->vm_fd);
    }
    if (scratch->kvm_fd >= 0) {
        scratch->ops->close(scratch->kvm_fd);
    }
}

static const char *load_cure(const CfKvmOps *ops)
{
    return ops->architecture == CF_ARCHITECTURE_ARM64
           ? "the kernel has to be started in EL2: see its log about KVM"
           : "load the kernel module kvm_amd or kvm_intel";
}

static gboolean fail_open(const CfKvmOps *ops, const char *device, int rc,
                          GError **error)
{
    const char *cure = rc == -ENOENT && strcmp(device, "/dev/kvm") != 0
                       ? "is its path right?"
                       : rc == -ENOENT || rc == -ENODEV || rc == -ENXIO
                       ? load_cure(ops)
                       : rc == -EACCES
                       ? "add this user to the group that owns it"
                       : rc == -EPERM || rc == -ENOSYS
                       ? "a container or sandbox forbids it: allow it there"
                       : "is it a KVM device?";

    g_set_error(error, CF_ERROR, CF_ERROR_NO_KVM,
                "can't use KVM through %s: %s (%s)", device, g_strerror(-rc),
                cure);
    return FALSE;
}

/* Not KVM's own words for anything that we ask. */
static bool is_forbidden(int rc)
{
    return rc == -EPERM || rc == -EACCES || rc == -ENOSYS;
}

/* KVM is there, but not for this. */
static gboolean fail_create(const char *call, int rc, GError **error)
{
    const char *cure = is_forbidden(rc)
                       ? "a sandbox forbids it: allow KVM's ioctls there"
                       : rc == -EBUSY
                       ? "another hypervisor holds the processor: stop it"
                       : rc == -ENOMEM ? "the host is out of memory"
                       : rc == -EMFILE || rc == -ENFILE
                       ? "too many files are open" : "see the kernel's log";

    g_set_error(error, CF_ERROR, CF_ERROR_NO_KVM,
                "can't try KVM on a scratch VM: %s failed: %s (%s)", call,
                g_strerror(-rc), cure);
    return FALSE;
}

static bool allowed(const char *call, int rc, GError **error)
{
    return !is_forbidden(rc) || fail_create(call, rc, error);
}

/* The calls that facts depend on, such that they change nothing of which the
 * probe thinks. What else they fail with is for that to judge. */
static gboolean check_counter_allowed(const Scratch *scratch, GError **error)
{
    const CfKvmOps *ops = scratch->ops;
    const int vm = scratch->vm_fd, vcpu = scratch->vcpu_fd;
    uint32_t by_ioctl = 0;
    uint64_t ticks = 0;

    return allowed("KVM_CHECK_EXTENSION",
                   ops->check_extension(vm, CF_KVM_CAP_COUNTER_OFFSET,
                                        &by_ioctl), error) &&
           allowed("KVM_GET_ONE_REG", ops->get_counter(vcpu, &ticks),
                   error) &&
           (by_ioctl
            ? allowed("KVM_ARM_SET_COUNTER_OFFSET",
                      ops->set_counter_offset(vm, 0), error)
            : allowed("KVM_SET_ONE_REG", ops->set_counter(vcpu, ticks),
                      error));
}

static gboolean check_tsc_allowed(const Scratch *scratch, GError **error)
{
    const CfKvmOps *ops = scratch->ops;
    const CfKvmClock wrong = { .flags = NO_FLAG };
    const int vm = scratch->vm_fd, vcpu = scratch->vcpu_fd;
    uint64_t offset_ticks = 0, ticks;
    uint32_t control = 0;
    CfKvmClock clock;

    return allowed("KVM_CHECK_EXTENSION",
                   ops->check_extension(vm, CF_KVM_CAP_TSC_CONTROL, &control),
                   error) &&
           allowed("KVM_GET_DEVICE_ATTR",
                   ops->get_tsc_offset(vcpu, &offset_ticks), error) &&
           allowed("KVM_SET_DEVICE_ATTR",
                   ops->set_tsc_offset(vcpu, offset_ticks), error) &&
           allowed("KVM_GET_MSRS", ops->get_msr(vcpu, CF_MSR_TSC, &ticks),
                   error) &&
           allowed("KVM_GET_CLOCK", ops->get_clock(vm, &clock), error) &&
           allowed("KVM_SET_CLOCK", ops->set_clock(vm, &wrong), error) &&
           (!control ||
            allowed("KVM_SET_TSC_KHZ", ops->set_tsc_khz(vcpu, NO_KHZ),
                    error));
}

gboolean cf_scratch_open(Scratch *scratch, const char *device, GError **error)
{
    const CfKvmOps *ops = scratch->ops;
    int rc = ops->open(device, &scratch->kvm_fd);

    if (rc < 0) {
        return fail_open(ops, device, rc, error);
    }
    rc = ops->create_vm(scratch->kvm_fd, &scratch->vm_fd);
    if (rc < 0) {
        return fail_create("KVM_CREATE_VM", rc, error);
    }
    rc = ops->create_vcpu(scratch->vm_fd, 0, &scratch->vcpu_fd);
    if (rc < 0) {
        return fail_create("KVM_CREATE_VCPU", rc, error);
    }
    return ops->architecture == CF_ARCHITECTURE_ARM64
           ? check_counter_allowed(scratch, error)
           : check_tsc_allowed(scratch, error);
}
