/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What KVM has of Hyper-V's time, for guests that believe to be on Hyper-V:
 * reference time, which is kvmclock in units of 100 ns, the page by which a
 * guest computes it from its TSC, and timers that expire by it.
 *
 * Part of model.h, which includes this.
 */
#ifndef FAKE_KVM_MODEL_HYPERV_H
#define FAKE_KVM_MODEL_HYPERV_H

#include <stdbool.h>
#include <stdint.h>

#define FAKE_HV_MSR_GUEST_OS_ID 0x40000000
#define FAKE_HV_MSR_HYPERCALL 0x40000001
#define FAKE_HV_MSR_VP_INDEX 0x40000002
#define FAKE_HV_MSR_REFERENCE_TSC 0x40000021
#define FAKE_HV_MSR_TSC_FREQUENCY 0x40000022
#define FAKE_HV_MSR_SYNIC 0x40000080    /* all of the interrupt controller */
#define FAKE_HV_MSR_TIMER 0x400000b0    /* two for each timer */
#define FAKE_HV_MSR_REENLIGHTENMENT 0x40000106
#define FAKE_HV_MSR_EMULATION_CONTROL 0x40000107
#define FAKE_HV_MSR_EMULATION_STATUS 0x40000108

struct FakeVcpu;
struct FakeVm;

/**
 * FakeReferencePage - reference time as a function of the guest TSC:
 *                     (TSC x scale >> 64) + offset
 * @sequence: 0: don't compute, ask an MSR; else another one after each change
 */
typedef struct FakeReferencePage {
    uint32_t sequence;
    uint32_t reserved;
    uint64_t scale;
    int64_t offset;
} FakeReferencePage;

/* The page is made with the next record. Broken is for ever. */
typedef enum FakePageState {
    FAKE_PAGE_OFF,
    FAKE_PAGE_GUEST_CHANGED,    /* the guest has put it elsewhere, or */
    FAKE_PAGE_HOST_CHANGED,     /* who runs the VM has, or the clock is new */
    FAKE_PAGE_MADE,
    FAKE_PAGE_BROKEN,           /* there was no master clock */
} FakePageState;

/* What a VM has of it: MSRs, and the page as KVM knows it. */
typedef struct FakeHyperv {
    uint64_t guest_os_id;
    uint64_t hypercall;
    uint64_t reference_tsc;
    uint64_t reenlightenment;
    uint64_t emulation_control;
    uint64_t emulation_status;
    FakePageState page_state;
    FakeReferencePage page;
} FakeHyperv;

#define FAKE_HV_TIMERS 4
#define FAKE_HV_SYNIC_MSRS 32

/**
 * FakeHvTimer - one that expires when reference time is @count
 * @config: bit 0: it is on
 * @due: KVM starts it when the vCPU runs next
 * @expires_ns: the true time at which it will; 0: it doesn't run
 */
typedef struct FakeHvTimer {
    uint64_t config;
    uint64_t count;
    bool due;
    uint64_t expires_ns;
} FakeHvTimer;

/* What a vCPU has of it. */
typedef struct FakeHvVcpu {
    uint64_t index;
    uint64_t synic[FAKE_HV_SYNIC_MSRS];
    FakeHvTimer timers[FAKE_HV_TIMERS];
} FakeHvVcpu;

/* The MSRs. False: not one of these, or not on this host. */
bool fake_hv_get_msr(const struct FakeVcpu *vcpu, uint32_t msr,
                     uint64_t *ret_value);
bool fake_hv_set_msr(struct FakeVcpu *vcpu, uint32_t msr, uint64_t value);

/* Numbers of those that KVM lists, 0 being the last one. */
extern const uint32_t fake_hv_msrs[];

/* What a guest does by itself when it runs first. */
void fake_hv_begin_guest(struct FakeVcpu *vcpu);

/* The clock has changed, and so does the page. */
void fake_hv_request_page(struct FakeVm *vm);

/* Where the page is to be made; 0: it needn't be. */
uint64_t fake_hv_page_due(const struct FakeVm *vm);

/*
 * Make it from a vCPU's record. @page: what the guest's memory holds there,
 * and should. False: KVM leaves it as it is.
 */
bool fake_hv_make_page(struct FakeVcpu *vcpu, FakeReferencePage *page);

/*
 * What a vCPU that runs does to a timer: one that has expired is off, one that
 * is due starts, and then it is true. When it will expire KVM computes once,
 * by the reference time of this moment.
 */
bool fake_hv_run_timer(struct FakeVcpu *vcpu, FakeHvTimer *timer);

#endif /* FAKE_KVM_MODEL_HYPERV_H */
