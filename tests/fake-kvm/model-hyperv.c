/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hyper-V's time as KVM emulates it: MSRs, the reference TSC page, timers. */
#include "model.h"

#define UNIT_NS 100     /* of reference time */
#define ENABLED 1
#define ADDRESS(msr) ((msr) & ~0xfffULL)

/* What a guest writes that wants to know when its TSC's frequency changes. */
#define REENLIGHTENMENT_ENABLED ((1ULL << 16) | 0xee)

/* A timer that expires once, as an interrupt and not as a message. */
#define TIMER_ONCE ((1ULL << 12) | (0xed << 4) | ENABLED)

const uint32_t fake_hv_msrs[] = {
    FAKE_HV_MSR_GUEST_OS_ID, FAKE_HV_MSR_HYPERCALL, FAKE_HV_MSR_VP_INDEX,
    FAKE_HV_MSR_REFERENCE_TSC, FAKE_HV_MSR_TSC_FREQUENCY, FAKE_HV_MSR_SYNIC,
    FAKE_HV_MSR_TIMER, FAKE_HV_MSR_REENLIGHTENMENT,
    FAKE_HV_MSR_EMULATION_CONTROL, FAKE_HV_MSR_EMULATION_STATUS, 0
};

/* -- MSRs -- */

static uint64_t *timer_msr(FakeHvVcpu *hyperv, uint32_t number)
{
    FakeHvTimer *timer = &hyperv->timers[number / 2];

    return number % 2 ? &timer->count : &timer->config;
}

/* Those that are plain data: the vCPU's, and the VM's, whoever is asked. */
static uint64_t *plain_msr(const FakeVcpu *vcpu, uint32_t msr)
{
    FakeVm *vm = vcpu->vm;
    FakeHyperv *hyperv = &vm->hyperv;
    FakeHvVcpu *own = &vm->vcpus[vcpu - vm->vcpus].hyperv;

    if (msr - FAKE_HV_MSR_SYNIC < FAKE_HV_SYNIC_MSRS) {
        return &own->synic[msr - FAKE_HV_MSR_SYNIC];
    }
    if (msr - FAKE_HV_MSR_TIMER < 2 * FAKE_HV_TIMERS) {
        return timer_msr(own, msr - FAKE_HV_MSR_TIMER);
    }
    switch (msr) {
    case FAKE_HV_MSR_VP_INDEX:
        return &own->index;
    case FAKE_HV_MSR_GUEST_OS_ID:
        return &hyperv->guest_os_id;
    case FAKE_HV_MSR_HYPERCALL:
        return &hyperv->hypercall;
    case FAKE_HV_MSR_REFERENCE_TSC:
        return &hyperv->reference_tsc;
    case FAKE_HV_MSR_REENLIGHTENMENT:
        return &hyperv->reenlightenment;
    case FAKE_HV_MSR_EMULATION_CONTROL:
        return &hyperv->emulation_control;
    case FAKE_HV_MSR_EMULATION_STATUS:
        return &hyperv->emulation_status;
    default:
        return NULL;
    }
}

bool fake_hv_get_msr(const FakeVcpu *vcpu, uint32_t msr, uint64_t *ret_value)
{
    const uint64_t *plain = plain_msr(vcpu, msr);

    if (!vcpu->vm->host->hyperv) {
        return false;
    }
    if (msr == FAKE_HV_MSR_TSC_FREQUENCY) {
        *ret_value = vcpu->virtual_khz * 1000ULL;
        return true;
    }
    if (plain) {
        *ret_value = *plain;
    }
    return plain;
}

/* KVM wants a new reference of the clock for a page that is put somewhere. */
static void put_page(FakeVcpu *vcpu, uint64_t value, FakePageState changed)
{
    FakeHyperv *hyperv = &vcpu->vm->hyperv;

    hyperv->reference_tsc = value;
    hyperv->page_state = value & ENABLED ? changed : FAKE_PAGE_OFF;
    vcpu->update_pending |= value & ENABLED;
}

/* What KVM says of reference time, in units of 100 ns. */
static uint64_t reference_time_at(const FakeVm *vm, uint64_t true_ns)
{
    const FakeReferencePage *page = &vm->hyperv.page;
    cf_u128 ticks;

    if (vm->hyperv.page_state != FAKE_PAGE_MADE) {
        return fake_clock_ns_at(vm, true_ns) / UNIT_NS;
    }
    ticks = fake_guest_ticks_at(&vm->vcpus[0],
                                fake_host_ticks_at(vm->host, true_ns));
    return (uint64_t)((ticks * page->scale) >> 64) + (uint64_t)page->offset;
}

/* The frequency can't be written, which KVM doesn't mind. */
bool fake_hv_set_msr(FakeVcpu *vcpu, uint32_t msr, uint64_t value)
{
    uint64_t *plain = plain_msr(vcpu, msr);

    if (!vcpu->vm->host->hyperv) {
        return false;
    }
    if (msr == FAKE_HV_MSR_REFERENCE_TSC) {
        put_page(vcpu, value, FAKE_PAGE_HOST_CHANGED);
    } else if (plain) {
        *plain = value;
    }
    if (msr - FAKE_HV_MSR_TIMER < 2 * FAKE_HV_TIMERS) {
        vcpu->hyperv.timers[(msr - FAKE_HV_MSR_TIMER) / 2].due = true;
    }
    return plain || msr == FAKE_HV_MSR_TSC_FREQUENCY;
}

/* -- What guests do -- */

static void begin_timer(FakeVcpu *vcpu, uint64_t units)
{
    FakeHvTimer *timer = &vcpu->hyperv.timers[0];

    if (units && !timer->config) {
        timer->config = TIMER_ONCE;
        timer->count = reference_time_at(vcpu->vm, fake_true_ns()) + units;
        timer->due = true;
    }
}

void fake_hv_begin_guest(FakeVcpu *vcpu)
{
    const FakeHost *host = vcpu->vm->host;
    FakeHyperv *hyperv = &vcpu->vm->hyperv;

    begin_timer(vcpu, host->reference_timer);
    if (!host->reference_page || hyperv->reference_tsc) {
        return;
    }
    if (host->reenlightened) {
        hyperv->reenlightenment = REENLIGHTENMENT_ENABLED;
        hyperv->emulation_control = ENABLED;
    }
    put_page(vcpu, host->reference_page | ENABLED, FAKE_PAGE_GUEST_CHANGED);
    fake_consume_update(vcpu);
}

/* -- The page -- */

/*
 * A guest that wants its old TSC's frequency emulated counts on a page that
 * doesn't change meanwhile; and KVM can't emulate, so meanwhile is for ever.
 */
static bool must_stay(const FakeHyperv *hyperv)
{
    return hyperv->emulation_control &&
           hyperv->page_state != FAKE_PAGE_GUEST_CHANGED;
}

void fake_hv_request_page(FakeVm *vm)
{
    FakeHyperv *hyperv = &vm->hyperv;

    if (hyperv->page_state == FAKE_PAGE_MADE && !must_stay(hyperv)) {
        hyperv->page_state = FAKE_PAGE_HOST_CHANGED;
    }
}

uint64_t fake_hv_page_due(const FakeVm *vm)
{
    const FakePageState state = vm->hyperv.page_state;

    return state == FAKE_PAGE_GUEST_CHANGED || state == FAKE_PAGE_HOST_CHANGED
           ? ADDRESS(vm->hyperv.reference_tsc) : 0;
}

/* The record's function, in units of 100 ns. False: it can't be had. */
static bool function_of(const CfPvclockRecord *record, FakeReferencePage *page)
{
    const cf_u128 scale = ((cf_u128)record->tsc_to_system_mul <<
                           (32 + record->tsc_shift)) / UNIT_NS;

    if (!(record->flags & CF_PVCLOCK_TSC_STABLE) || scale > UINT64_MAX) {
        return false;
    }
    page->scale = (uint64_t)scale;
    page->offset = (int64_t)(record->system_time / UNIT_NS -
                             (uint64_t)((record->tsc_timestamp * scale) >>
                                        64));
    return true;
}

bool fake_hv_make_page(FakeVcpu *vcpu, FakeReferencePage *page)
{
    FakeHyperv *hyperv = &vcpu->vm->hyperv;
    const bool stays = page->sequence && must_stay(hyperv);

    if (!stays && function_of(&vcpu->record, page)) {
        page->sequence = page->sequence < UINT32_MAX - 1 ? page->sequence + 1
                                                         : 1;
    } else if (!stays) {
        page->sequence = 0;
    }
    hyperv->page = *page;
    hyperv->page_state = page->sequence ? FAKE_PAGE_MADE : FAKE_PAGE_BROKEN;
    return !stays;
}

/* -- Timers -- */

bool fake_hv_run_timer(FakeVcpu *vcpu, FakeHvTimer *timer)
{
    const uint64_t now_ns = fake_true_ns();
    const uint64_t now = reference_time_at(vcpu->vm, now_ns);

    if (timer->expires_ns && timer->expires_ns <= now_ns) {
        timer->config &= ~(uint64_t)ENABLED;
        timer->expires_ns = 0;
    }
    if (!timer->due) {
        return false;
    }
    timer->due = false;
    if (!(timer->config & ENABLED) || !timer->count) {
        timer->expires_ns = 0;
        return false;
    }
    /* One whose time has passed expires at once. */
    timer->expires_ns = now_ns +
        (timer->count > now ? timer->count - now : 0) * UNIT_NS;
    return true;
}
