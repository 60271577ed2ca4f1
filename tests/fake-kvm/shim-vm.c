/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VMs under the shim: the guest's memory, MSRs, and how a vCPU runs. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include "shim.h"

#define ADDRESS_SPACE(slot) ((slot) >> 16)

/* -- Memory -- */

void shim_vm_set_memory(ShimVm *vm,
                        const struct kvm_userspace_memory_region *region)
{
    guint i;

    for (i = 0; i < vm->slots->len; i++) {
        if (g_array_index(vm->slots, struct kvm_userspace_memory_region,
                          i).slot == region->slot) {
            g_array_remove_index_fast(vm->slots, i);
            break;
        }
    }
    /* The second address space is only for system management mode. */
    if (region->memory_size && !ADDRESS_SPACE(region->slot)) {
        g_array_append_val(vm->slots, *region);
    }
}

void *shim_guest_memory(const ShimVm *vm, uint64_t address, size_t size)
{
    guint i;

    for (i = 0; i < vm->slots->len; i++) {
        const struct kvm_userspace_memory_region *slot =
            &g_array_index(vm->slots, struct kvm_userspace_memory_region, i);
        const uint64_t at = address - slot->guest_phys_addr;

        if (at < slot->memory_size && size <= slot->memory_size - at) {
            return (void *)(uintptr_t)(slot->userspace_addr + at);
        }
    }
    return NULL;
}

static void write_record(const ShimHandle *handle, uint64_t address)
{
    CfPvclockRecord *record = shim_guest_memory(handle->vm, address,
                                                sizeof(*record));

    if (!address || !record) {
        return;
    }
    /* The guest may be reading it: the version is odd meanwhile. */
    __atomic_store_n(&record->version, record->version | 1, __ATOMIC_SEQ_CST);
    memcpy(&record->pad0, &handle->vcpu->record.pad0,
           sizeof(*record) - sizeof(record->version));
    __atomic_store_n(&record->version, handle->vcpu->record.version,
                     __ATOMIC_SEQ_CST);
}

/* The guest's clocks move to its memory, those that it has. */
static void write_clocks(const ShimHandle *handle)
{
    const uint64_t msr = handle->vcpu->system_time_msr;

    write_record(handle, msr & 1 ? msr & ~1ULL : 0);
    write_record(handle, handle->xen_records[0]);
    write_record(handle, handle->xen_records[1]);
    shim_hyperv_write_page(handle);
}

/* -- MSRs -- */

/* Hyper-V numbers its MSRs alike. */
static bool msr_is_of_hyperv(uint32_t msr)
{
    return msr >> 16 == 0x4000;
}

static const char *msr_name(uint32_t msr)
{
    switch (msr) {
    case CF_MSR_TSC:
        return "TSC";
    case CF_MSR_TSC_DEADLINE:
        return "TSC_DEADLINE";
    case FAKE_MSR_TSC_ADJUST:
        return "TSC_ADJUST";
    case FAKE_HV_MSR_REFERENCE_TSC:
        return "REFERENCE_TSC";
    case FAKE_HV_MSR_REENLIGHTENMENT:
    case FAKE_HV_MSR_EMULATION_CONTROL:
    case FAKE_HV_MSR_EMULATION_STATUS:
        return "REENLIGHTENMENT";
    default:
        return msr_is_of_hyperv(msr) ? "HYPERV" : "SYSTEM_TIME";
    }
}

/* So many are asked for one by one, as it were. */
#define FEW_MSRS 2

/* One MSR among many has a name of its own: programs don't expect failure. */
static ShimCall msr_call(const ShimHandle *handle, const char *name,
                         uint32_t msr, bool alone)
{
    g_autofree char *part = g_strdup_printf(alone ? "%s" : "...%s...",
                                            msr_name(msr));

    return shim_call(handle, name, part);
}

/* False if the model doesn't have that MSR. */
static bool get_msr(ShimHandle *handle, struct kvm_msr_entry *entry,
                    bool alone, int *ret_rc)
{
    uint64_t value;
    ShimCall call;

    if (!fake_get_msr(handle->vcpu, entry->index, &value)) {
        return false;
    }
    call = msr_call(handle, "KVM_GET_MSRS", entry->index, alone);
    if (!call.fault) {
        entry->data = value;
    }
    *ret_rc = shim_done(&call, call.fault ? -call.fault : 1,
                        "value=%" PRIu64, value);
    return true;
}

static bool set_msr(ShimHandle *handle, const struct kvm_msr_entry *entry,
                    bool alone, int *ret_rc)
{
    uint64_t value;
    ShimCall call;

    if (!fake_get_msr(handle->vcpu, entry->index, &value)) {
        return false;
    }
    call = msr_call(handle, "KVM_SET_MSRS", entry->index, alone);
    if (!call.fault) {
        fake_set_msr(handle->vcpu, entry->index, entry->data);
    }
    *ret_rc = shim_done(&call, call.fault ? -call.fault : 1,
                        "value=%" PRIu64, (uint64_t)entry->data);
    return true;
}

/* The kernel's own MSR. */
static int kernel_msr(const ShimHandle *handle, unsigned long request,
                      struct kvm_msr_entry *entry)
{
    g_autofree struct kvm_msrs *one = g_malloc0(sizeof(*one) + sizeof(*entry));
    int rc;

    one->nmsrs = 1;
    one->entries[0] = *entry;
    rc = shim_kernel(handle->fd, request, one);
    *entry = one->entries[0];
    return rc;
}

/* The kernel is asked for those that the model hasn't. */
int shim_get_msrs(ShimHandle *handle, struct kvm_msrs *list)
{
    uint32_t i;

    for (i = 0; i < list->nmsrs; i++) {
        struct kvm_msr_entry *entry = &list->entries[i];
        int rc;

        if (!get_msr(handle, entry, list->nmsrs <= FEW_MSRS, &rc)) {
            rc = kernel_msr(handle, KVM_GET_MSRS, entry);
        }
        if (rc != 1) {
            return i ? (int)i : rc;
        }
    }
    return (int)list->nmsrs;
}

int shim_set_msrs(ShimHandle *handle, const struct kvm_msrs *list)
{
    uint32_t i;

    for (i = 0; i < list->nmsrs; i++) {
        struct kvm_msr_entry entry = list->entries[i];
        int rc;

        /* The kernel gets those that the model hasn't. */
        if (!set_msr(handle, &entry, list->nmsrs <= FEW_MSRS, &rc)) {
            rc = kernel_msr(handle, KVM_SET_MSRS, &entry);
        }
        if (rc != 1) {
            return i ? (int)i : rc;
        }
    }
    return (int)list->nmsrs;
}

/* -- Runs -- */

/* All that decides what this guest sees of time from now on. */
static void log_run(const ShimHandle *handle, const char *name)
{
    const FakeVcpu *vcpu = handle->vcpu;
    const CfPvclockRecord *record = &vcpu->record;
    ShimCall call = shim_call(handle, name, NULL);

    shim_done(&call, 0, "guest_tsc=%" PRIu64 " offset=%" PRIu64 " ratio=%"
              PRIu64 " deadline=%" PRIu64 " deadline_armed=%" PRIu64
              " system_time_msr=%" PRIu64 " tsc_timestamp=%" PRIu64
              " system_time=%" PRIu64 " mul=%u shift=%d flags=%u",
              fake_guest_ticks(vcpu), vcpu->offset_ticks, vcpu->ratio,
              vcpu->deadline_ticks, vcpu->deadline_armed_ticks,
              vcpu->system_time_msr, record->tsc_timestamp,
              record->system_time, record->tsc_to_system_mul,
              record->tsc_shift, record->flags);
}

/* With a signal pending KVM turns back just before it enters the guest: QEMU's
 * is SIGUSR1, the library's SIGRTMAX. */
static bool turns_back(void)
{
    sigset_t pending;

    return sigpending(&pending) == 0 && (sigismember(&pending, SIGUSR1) ||
                                         sigismember(&pending, SIGRTMAX));
}

void shim_before_run(ShimHandle *handle)
{
    handle->at_brink = turns_back();
    if (fake_vcpu_enter(handle->vcpu)) {
        write_clocks(handle);
        log_run(handle, handle->at_brink ? "KVM_RUN(signal)" : "KVM_RUN");
    }
    shim_hyperv_run_timers(handle);
}

void shim_vm_refresh(const ShimVm *vm)
{
    uint32_t i;

    for (i = 0; i < vm->model.n_vcpus; i++) {
        const ShimHandle *handle = vm->vcpus[i];

        if (handle && fake_vcpu_refresh(handle->vcpu)) {
            write_clocks(handle);
            log_run(handle, "KVM_RUN");
        }
    }
}

/*
 * The guest turned kvmclock on by itself, at the kernel: take the record over,
 * so that from now on it is the model's.
 */
static void take_record(ShimHandle *handle)
{
    struct kvm_msr_entry entry = { .index = CF_MSR_KVM_SYSTEM_TIME };

    if (kernel_msr(handle, KVM_GET_MSRS, &entry) != 1 || !(entry.data & 1)) {
        return;
    }
    handle->vcpu->system_time_msr = entry.data;
    entry.data = 0;
    kernel_msr(handle, KVM_SET_MSRS, &entry);
    write_clocks(handle);
}

/* Only a program that wants something of the vCPU interrupts it. */
void shim_after_run(ShimHandle *handle, int rc)
{
    fake_vcpu_leave(handle->vcpu);
    if (rc == -EINTR) {
        take_record(handle);
    }
}
