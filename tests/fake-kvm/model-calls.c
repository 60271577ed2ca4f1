/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the calls do to the model, and what they answer. */
#include <errno.h>
#include "model.h"

#define MSR_KVM_SYSTEM_TIME_OLD 0x12

#define CAP_XEN_HVM 38
#define CAP_HYPERV 44
#define CAP_GET_TSC_KHZ 61
#define CAP_HYPERV_TIME 96
#define CAP_VCPU_ATTRIBUTES 127
#define CAP_HYPERV_SYNIC2 148
#define CAP_HYPERV_VP_INDEX 149
#define CAP_HYPERV_CPUID 167
#define CAP_SYS_HYPERV_CPUID 191
#define CAP_VM_TSC_CONTROL 214

/* Of Xen all that Linux has had since 5.19. */
#define XEN_ALL 0x3f

bool fake_check_extension(const FakeHost *host, uint32_t capability,
                          int *ret_value)
{
    switch (capability) {
    case CF_KVM_CAP_ADJUST_CLOCK:
        *ret_value = (int)host->adjust_clock;
        return true;
    case CF_KVM_CAP_TSC_CONTROL:
    case CAP_VM_TSC_CONTROL:
        *ret_value = host->tsc_control;
        return true;
    case CAP_GET_TSC_KHZ:
        *ret_value = 1;
        return true;
    case CAP_VCPU_ATTRIBUTES:
        *ret_value = host->has_offset;
        return true;
    case FAKE_CAP_CLOCK_GUEST:
        *ret_value = host->clock_guest == FAKE_CLOCK_GUEST_NEWEST;
        return true;
    case CAP_XEN_HVM:
        *ret_value = host->xen ? XEN_ALL : 0;
        return true;
    case CAP_HYPERV:
    case CAP_HYPERV_TIME:
    case CAP_HYPERV_SYNIC2:
    case CAP_HYPERV_VP_INDEX:
    case CAP_HYPERV_CPUID:
    case CAP_SYS_HYPERV_CPUID:
        *ret_value = host->hyperv;
        return true;
    default:
        return false;
    }
}

/* -- Frequency -- */

static bool within_tolerance(const FakeHost *host, uint32_t khz)
{
    const uint64_t million = 1000000;

    return khz >= host->khz * (million - host->tolerance_ppm) / million &&
           khz <= host->khz * (million + host->tolerance_ppm) / million;
}

/* What was asked for is kept, even if it is refused then. */
int fake_take_khz(FakeVcpu *vcpu, uint32_t khz)
{
    const FakeHost *host = vcpu->vm->host;

    vcpu->virtual_khz = khz;
    if (within_tolerance(host, khz) || host->scaling_fails) {
        vcpu->ratio = 1ULL << host->frac_bits;
        return 0;
    }
    if (!host->tsc_control) {
        vcpu->catches_up |= khz > host->khz;
        return khz > host->khz ? 0 : -EINVAL;
    }
    return cf_tsc_ratio_from_khz(khz, host->khz, host->frac_bits,
                                 &vcpu->ratio) ? 0 : -EINVAL;
}

/* The fastest TSC that the hardware can make of the host's. */
static uint64_t limit_khz(const FakeHost *host)
{
    const uint64_t most = host->frac_bits == CF_FRAC_BITS_AMD ? 256 : 65536;

    return MIN(most * host->khz, INT32_MAX);
}

static bool too_fast(const FakeHost *host, uint32_t khz)
{
    return host->tsc_control && khz >= limit_khz(host);
}

int fake_set_khz(FakeVcpu *vcpu, uint32_t khz)
{
    FakeHost *host = vcpu->vm->host;
    int rc;

    host->khz_writes++;
    if (too_fast(host, khz)) {
        return -EINVAL;
    }
    rc = fake_take_khz(vcpu, khz ? khz : host->khz);
    if (host->clock_guest == FAKE_CLOCK_GUEST_NEWEST) {
        vcpu->update_pending = true;
    }
    return rc;
}

int fake_vm_set_khz(FakeVm *vm, uint32_t khz)
{
    if (vm->n_vcpus || too_fast(vm->host, khz)) {
        return -EINVAL;
    }
    vm->default_khz = khz ? khz : vm->host->khz;
    return 0;
}

/* -- Attributes -- */

/* Before 5.16 vCPUs had no attributes on x86: an unknown ioctl. */
int fake_has_offset(const FakeVcpu *vcpu)
{
    return vcpu->vm->host->has_offset ? 0 : -EINVAL;
}

int fake_get_offset(const FakeVcpu *vcpu, uint64_t *ret_offset_ticks)
{
    const int rc = fake_has_offset(vcpu);

    if (rc == 0) {
        *ret_offset_ticks = vcpu->offset_ticks;
    }
    return rc;
}

int fake_set_offset(FakeVcpu *vcpu, uint64_t offset_ticks)
{
    const int rc = fake_has_offset(vcpu);

    vcpu->vm->host->offset_writes++;
    if (rc == 0) {
        fake_write_offset(vcpu, offset_ticks);
    }
    return rc;
}

static int has_scale(const FakeHost *host)
{
    return !host->has_offset ? -EINVAL
           : host->has_scale && host->tsc_control ? 0 : -ENXIO;
}

int fake_get_scale(const FakeVcpu *vcpu, uint64_t *ret_ratio,
                   uint64_t *ret_frac_bits)
{
    const FakeHost *host = vcpu->vm->host;
    const int rc = has_scale(host);

    if (rc == 0) {
        *ret_ratio = vcpu->ratio;
        *ret_frac_bits = host->frac_bits;
    }
    return rc;
}

/* It is there for reading only. */
int fake_set_scale(const FakeVcpu *vcpu)
{
    const int rc = has_scale(vcpu->vm->host);

    return rc ? rc : -EINVAL;
}

/* -- MSRs, by the host -- */

bool fake_get_msr(const FakeVcpu *vcpu, uint32_t msr, uint64_t *ret_value)
{
    switch (msr) {
    case CF_MSR_TSC:
        *ret_value = fake_guest_ticks(vcpu);
        return true;
    case FAKE_MSR_TSC_ADJUST:
        *ret_value = vcpu->tsc_adjust;
        return true;
    case CF_MSR_TSC_DEADLINE:
        *ret_value = vcpu->deadline_ticks;
        return true;
    case CF_MSR_KVM_SYSTEM_TIME:
    case MSR_KVM_SYSTEM_TIME_OLD:
        *ret_value = vcpu->system_time_msr;
        return true;
    default:
        return fake_hv_get_msr(vcpu, msr, ret_value);
    }
}

/* TSC_ADJUST is plain data: only the guest's own writes move its TSC. */
bool fake_set_msr(FakeVcpu *vcpu, uint32_t msr, uint64_t value)
{
    switch (msr) {
    case CF_MSR_TSC:
        fake_write_tsc(vcpu, value);
        return true;
    case FAKE_MSR_TSC_ADJUST:
        vcpu->tsc_adjust = value;
        return true;
    case CF_MSR_TSC_DEADLINE:
        vcpu->vm->host->deadline_writes++;
        fake_arm_deadline(vcpu, value);
        return true;
    case CF_MSR_KVM_SYSTEM_TIME:
    case MSR_KVM_SYSTEM_TIME_OLD:
        vcpu->system_time_msr = value;
        vcpu->record_pending = true;
        return true;
    default:
        return fake_hv_set_msr(vcpu, msr, value);
    }
}

/* -- KVM_GET_CLOCK and KVM_SET_CLOCK -- */

/* Before 5.16 KVM_SET_CLOCK took no flags, and the real time is younger. */
static uint32_t settable_flags(const FakeHost *host)
{
    return host->adjust_clock & CF_KVM_CLOCK_REALTIME ? host->adjust_clock : 0;
}

int fake_get_clock(const FakeVm *vm, CfKvmClock *ret_clock)
{
    const uint64_t now_ns = fake_true_ns();
    const FakeHost *host = vm->host;

    *ret_clock = (CfKvmClock) { .clock_ns = fake_clock_ns_at(vm, now_ns) };
    if (!vm->master) {
        return 0;
    }
    ret_clock->flags = host->adjust_clock & CF_KVM_CLOCK_EXACT;
    if (ret_clock->flags & CF_KVM_CLOCK_REALTIME) {
        ret_clock->realtime_ns = host->realtime_base_ns + now_ns;
    }
    if (ret_clock->flags & CF_KVM_CLOCK_HOST_TSC) {
        ret_clock->host_ticks = fake_host_ticks_at(host, now_ns);
    }
    return 0;
}

/* The kernel reads real time later than the reference: hence the bias. */
static uint64_t lateness_ns(FakeHost *host)
{
    uint64_t ns = host->bias_ns;

    if (host->cold_sets > 0) {
        host->cold_sets--;
        ns += host->cold_ns;
    }
    if (host->noise_ns) {
        host->random_state = host->random_state * 1664525 + 1013904223;
        ns += (host->random_state >> 8) % host->noise_ns;
    }
    return ns;
}

int fake_set_clock(FakeVm *vm, const CfKvmClock *clock)
{
    FakeHost *host = vm->host;
    uint64_t ns = clock->clock_ns;
    uint64_t realtime_ns;

    if (clock->flags & ~settable_flags(host)) {
        return -EINVAL;
    }
    fake_take_reference(vm);
    realtime_ns = host->realtime_base_ns + vm->ref_true_ns;
    if (clock->flags & CF_KVM_CLOCK_REALTIME &&
        realtime_ns > clock->realtime_ns) {
        ns += realtime_ns - clock->realtime_ns;
    }
    vm->clock_offset_ns = ns + lateness_ns(host) - vm->ref_ns;
    fake_request_records(vm);
    return 0;
}

/* -- KVM_GET_CLOCK_GUEST and KVM_SET_CLOCK_GUEST -- */

/* What these calls say of all that may pass. */
static int transient(const FakeHost *host, int newest_rc)
{
    return host->clock_guest == FAKE_CLOCK_GUEST_NEWEST ? newest_rc : -EINVAL;
}

static int khz_known(FakeHost *host)
{
    if (host->clock_guest == FAKE_CLOCK_GUEST_ABSENT) {
        return -EINVAL;
    }
    if (host->busy > 0) {
        host->busy--;
        return transient(host, -EBUSY);
    }
    return 0;
}

int fake_get_clock_guest(FakeVcpu *vcpu, CfPvclockRecord *ret_record)
{
    FakeVm *vm = vcpu->vm;
    const int rc = khz_known(vm->host);

    if (rc < 0) {
        return rc;
    }
    if (!vm->host->clock_guest_waits) {
        fake_consume_update(vcpu);
    }
    if (!vm->master) {
        return transient(vm->host, -ENODATA);
    }
    *ret_record = fake_record(vcpu);
    return 0;
}

static struct cf_clock_fn function_of(const CfPvclockRecord *record)
{
    return (struct cf_clock_fn) {
        .tsc_ticks = record->tsc_timestamp,
        .system_ns = record->system_time,
        .mul = record->tsc_to_system_mul,
        .shift = record->tsc_shift,
    };
}

/* Within 1 kHz of the vCPU's TSC? */
static bool rate_fits(const FakeVcpu *vcpu, const struct cf_clock_fn *fn)
{
    const FakeHost *host = vcpu->vm->host;
    const uint64_t vcpu_hz = (uint64_t)(((cf_u128)host->khz * 1000 *
                                         vcpu->ratio) >> host->frac_bits);
    uint64_t hz;

    return cf_clock_fn_hz(fn, &hz) &&
           MAX(hz, vcpu_hz) - MIN(hz, vcpu_hz) <= 1000;
}

int fake_set_clock_guest(FakeVcpu *vcpu, const CfPvclockRecord *record)
{
    FakeVm *vm = vcpu->vm;
    const struct cf_clock_fn fn = function_of(record);
    const bool sound = cf_clock_fn_valid(&fn) && !record->pad0 &&
                       !record->pad[0] && !record->pad[1];
    int rc = khz_known(vm->host);
    uint64_t guest_ticks;
    int64_t ns;

    if (rc < 0 || !sound) {
        return rc < 0 ? rc : -EINVAL;
    }
    if (!rate_fits(vcpu, &fn)) {
        return -ERANGE;
    }
    fake_take_reference(vm);
    fake_request_records(vm);
    if (!vm->master) {
        return transient(vm->host, -ENODATA);
    }
    guest_ticks = fake_guest_ticks_at(vcpu, vm->ref_ticks);
    if (guest_ticks < fn.tsc_ticks ||
        !cf_clock_fn_eval(&fn, guest_ticks, &ns)) {
        return -EINVAL;
    }
    vm->clock_offset_ns = (uint64_t)ns - vm->ref_ns;
    return 0;
}

/* Only a guest that has a record can be told that it was paused. */
int fake_kvmclock_ctrl(FakeVcpu *vcpu)
{
    if (!(vcpu->system_time_msr & 1)) {
        return -EINVAL;
    }
    vcpu->paused = true;
    vcpu->record_pending = true;
    return 0;
}
