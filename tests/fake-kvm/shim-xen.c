/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen under the shim: where KVM writes a vCPU's record for a guest of Xen's,
 * and the guest's hypercalls that say so.
 *
 * This machine's KVM may know no hypercalls of Xen's, so the shim says that a
 * vCPU made one, which didn't run at all.
 */
#include <string.h>
#include <sys/mman.h>
#include "shim.h"

#define RECORD_IN_VCPU_INFO 32
#define PAGE_BITS 12

/* A hypercall about vCPUs, and where the guest has what it needs. */
#define VCPU_OP 24
#define REGISTER_VCPU_INFO 10
#define REGISTER_TIME 13
#define TIME_AT 0x100
#define ARGUMENT_AT 0x200

static uint64_t address(uint64_t gpa, uint64_t offset)
{
    return gpa == UINT64_MAX ? 0 : gpa + offset;
}

/* Of the other attributes nothing is modelled. */
int shim_xen_set_attr(ShimHandle *handle, const struct kvm_xen_vcpu_attr *attr)
{
    switch (attr->type) {
    case KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO:
        handle->xen_records[0] = address(attr->u.gpa, RECORD_IN_VCPU_INFO);
        break;
    case KVM_XEN_VCPU_ATTR_TYPE_VCPU_TIME_INFO:
        handle->xen_records[1] = address(attr->u.gpa, 0);
        break;
    default:
        return 0;
    }
    handle->vcpu->record_pending = true;
    return 0;
}

/* Says so in what KVM and the program share; false: it won't do now. */
static bool make_exit(const ShimHandle *handle, uint64_t operation,
                      uint64_t argument)
{
    struct kvm_run *run = mmap(NULL, sizeof(*run), PROT_READ | PROT_WRITE,
                               MAP_SHARED, handle->fd, 0);
    bool made;

    if (run == MAP_FAILED) {
        return false;
    }
    made = !run->immediate_exit;
    if (made) {
        run->exit_reason = KVM_EXIT_XEN;
        run->xen = (struct kvm_xen_exit) {
            .type = KVM_EXIT_XEN_HCALL,
            .u.hcall.input = VCPU_OP,
            .u.hcall.params = { operation, 0, argument },
        };
    }
    munmap(run, sizeof(*run));
    return made;
}

/* The boot vCPU's, when its guest hasn't told where its records are. */
bool shim_xen_hypercall(const ShimHandle *handle)
{
    const uint64_t at = shim_host.xen_guest;
    const bool first = !handle->xen_records[0];
    const uint64_t place[2] = { at >> PAGE_BITS, at & ((1 << PAGE_BITS) - 1) };
    const uint64_t time[2] = { at + TIME_AT, 0 };
    void *argument = shim_guest_memory(handle->vm, at + ARGUMENT_AT,
                                       sizeof(place));

    if (!at || handle->id || handle->xen_records[1] || !argument) {
        return false;
    }
    memcpy(argument, first ? place : time, sizeof(place));
    return make_exit(handle, first ? REGISTER_VCPU_INFO : REGISTER_TIME,
                     at + ARGUMENT_AT);
}
