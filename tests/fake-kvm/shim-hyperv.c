/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hyper-V under the shim: what KVM offers of it, and the guest's page. */
#include <errno.h>
#include <string.h>
#include "shim.h"

/* CPUID leaves, and what of Hyper-V the model has. */
#define LEAF_VENDOR 0x40000000
#define LEAF_INTERFACE 0x40000001
#define LEAF_FEATURES 0x40000003
#define LEAF_LIMITS 0x40000005
#define EAX_REFERENCE_COUNTER (1u << 1)
#define EAX_SYNIC (1u << 2)
#define EAX_TIMERS (1u << 3)
#define EAX_HYPERCALL (1u << 5)
#define EAX_VP_INDEX (1u << 6)
#define EAX_REFERENCE_TSC (1u << 9)
#define EAX_FREQUENCY (1u << 11)
#define EAX_REENLIGHTENMENT (1u << 13)
#define EDX_FREQUENCY (1u << 8)
#define EDX_TIMERS_INTERRUPT (1u << 19)

#define MOST_MSRS 1024

/* The kernel's list, and then the model's. */
int shim_msr_index_list(int fd, struct kvm_msr_list *list)
{
    g_autofree struct kvm_msr_list *all =
        g_malloc0(sizeof(*all) + MOST_MSRS * sizeof(*all->indices));
    const uint32_t room = list->nmsrs;
    const uint32_t *msr = fake_hv_msrs;
    int rc;

    all->nmsrs = MOST_MSRS;
    rc = shim_kernel(fd, KVM_GET_MSR_INDEX_LIST, all);
    if (rc < 0) {
        return rc;
    }
    while (*msr && all->nmsrs < MOST_MSRS) {
        all->indices[all->nmsrs++] = *msr++;
    }
    list->nmsrs = all->nmsrs;
    if (room < all->nmsrs) {
        return -E2BIG;
    }
    memcpy(list->indices, all->indices, all->nmsrs * sizeof(*all->indices));
    return 0;
}

int shim_hyperv_cpuid(struct kvm_cpuid2 *cpuid)
{
    const struct kvm_cpuid_entry2 leaves[] = {
        { .function = LEAF_VENDOR, .eax = LEAF_LIMITS },
        { .function = LEAF_INTERFACE, .eax = 0x31237648 },    /* "Hv#1" */
        { .function = LEAF_FEATURES,
          .eax = EAX_REFERENCE_COUNTER | EAX_SYNIC | EAX_TIMERS |
                 EAX_HYPERCALL | EAX_VP_INDEX | EAX_REFERENCE_TSC |
                 EAX_FREQUENCY | EAX_REENLIGHTENMENT,
          .edx = EDX_FREQUENCY | EDX_TIMERS_INTERRUPT },
        { .function = LEAF_LIMITS },
    };

    if (cpuid->nent < G_N_ELEMENTS(leaves)) {
        return -E2BIG;
    }
    cpuid->nent = G_N_ELEMENTS(leaves);
    memcpy(cpuid->entries, leaves, sizeof(leaves));
    return 0;
}

/* The guest doesn't use the page while its sequence is 0. */
static void write_page(FakeReferencePage *to, const FakeReferencePage *page)
{
    __atomic_store_n(&to->sequence, 0, __ATOMIC_SEQ_CST);
    to->scale = page->scale;
    to->offset = page->offset;
    __atomic_store_n(&to->sequence, page->sequence, __ATOMIC_SEQ_CST);
}

void shim_hyperv_write_page(const ShimHandle *handle)
{
    const uint64_t address = fake_hv_page_due(&handle->vm->model);
    FakeReferencePage *there = shim_guest_memory(handle->vm, address,
                                                 sizeof(*there));
    FakeReferencePage page;
    ShimCall call;
    bool written;

    if (!address || !there) {
        return;
    }
    page = *there;
    written = fake_hv_make_page(handle->vcpu, &page);
    if (written) {
        write_page(there, &page);
    }
    call = shim_call(handle, "REFERENCE_PAGE", NULL);
    shim_done(&call, written, "sequence=%u scale=%" PRIu64 " offset=%" PRId64,
              page.sequence, page.scale, page.offset);
}

void shim_hyperv_run_timers(const ShimHandle *handle)
{
    int i;

    for (i = 0; i < FAKE_HV_TIMERS; i++) {
        FakeHvTimer *timer = &handle->vcpu->hyperv.timers[i];

        if (fake_hv_run_timer(handle->vcpu, timer)) {
            ShimCall call = shim_call(handle, "REFERENCE_TIMER", NULL);

            shim_done(&call, i, "count=%" PRIu64 " expires=%" PRIu64,
                      timer->count, timer->expires_ns);
        }
    }
}
