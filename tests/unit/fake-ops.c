/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of calls on top of the model. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "fake-model.h"

static int fake_open(const char *path, int *ret_kvm_fd)
{
    const int host = atoi(path);

    if (model_fails(&fake_hosts[host])) {
        return -EACCES;
    }
    *ret_kvm_fd = host;
    return 0;
}

static void fake_close(int fd)
{
    if (fd >= MODEL_VM_FD && fd < MODEL_VCPU_FD) {
        fake_vm(fd)->open = false;
    }
}

static int fake_create_vm(int kvm_fd, int *ret_vm_fd)
{
    FakeVm *vm = model_vms;

    if (model_fails(&fake_hosts[kvm_fd])) {
        return -ENOMEM;
    }
    while (vm->open) {
        g_assert_true(++vm < model_vms + MODEL_MAX_VMS);
    }
    memset(vm, 0, sizeof(*vm));
    vm->open = true;
    vm->host = &fake_hosts[kvm_fd];
    vm->ref_ticks = fake_host_ticks(vm->host);
    *ret_vm_fd = fake_vm_fd(vm);
    return 0;
}

static int fake_create_vcpu(int vm_fd, uint32_t id, int *ret_vcpu_fd)
{
    FakeVm *vm = fake_vm(vm_fd);
    FakeVcpu *vcpu = &vm->vcpus[id];

    if (model_fails(vm->host)) {
        return -ENOMEM;
    }
    vcpu->virtual_khz = vm->host->khz;
    vcpu->ratio = 1ULL << vm->host->frac_bits;
    vm->n_vcpus++;
    *ret_vcpu_fd = fake_vcpu_fd(vm, id);
    return 0;
}

static int fake_check_extension(int fd, uint32_t capability,
                                uint32_t *ret_value)
{
    FakeVm *vm = fake_vm(fd);

    if (model_fails(vm->host)) {
        return -EINVAL;
    }
    *ret_value = capability == CF_KVM_CAP_ADJUST_CLOCK
                 ? vm->host->adjust_clock
                 : capability == CF_KVM_CAP_TSC_CONTROL
                 ? vm->host->tsc_control : 0;
    return 0;
}

static int fake_has_clock_guest(int vm_fd, uint32_t *ret_value)
{
    const FakeHost *host = fake_vm(vm_fd)->host;

    if (!host->capability_known) {
        return -ENOSYS;
    }
    *ret_value = host->clock_guest == FAKE_CLOCK_GUEST_NEWEST;
    return 0;
}

static int fake_get_tsc_khz(int vcpu_fd, uint32_t *ret_khz)
{
    if (model_fails(model_vcpu_vm(vcpu_fd)->host)) {
        return -EIO;
    }
    *ret_khz = model_vcpu_of(vcpu_fd)->virtual_khz;
    return 0;
}

static int fake_set_tsc_khz(int vcpu_fd, uint32_t khz)
{
    FakeHost *host = model_vcpu_vm(vcpu_fd)->host;
    FakeVcpu *vcpu = model_vcpu_of(vcpu_fd);
    const uint64_t apart = khz > host->khz ? khz - host->khz
                                           : host->khz - khz;

    host->khz_writes++;
    if (model_fails(host)) {
        return -EINVAL;
    }
    vcpu->virtual_khz = khz;
    vcpu->ratio = 1ULL << host->frac_bits;
    if (!host->scaling_fails &&
        apart * 1000000 > (uint64_t)host->khz * host->tolerance_ppm &&
        !cf_tsc_ratio_from_khz(khz, host->khz, host->frac_bits,
                               &vcpu->ratio)) {
        return -EINVAL;
    }
    return 0;
}

static int fake_get_tsc_offset(int vcpu_fd, uint64_t *ret_offset_ticks)
{
    FakeHost *host = model_vcpu_vm(vcpu_fd)->host;

    if (model_fails(host)) {
        return -EFAULT;
    }
    if (!host->has_offset) {
        return -ENXIO;
    }
    *ret_offset_ticks = model_vcpu_of(vcpu_fd)->offset_ticks;
    /* An unstable TSC is rewound while it is read; running, it catches up. */
    if (host->offset == CF_OFFSET_REWINDS) {
        *ret_offset_ticks -= 1000000 + model_next_random() % 1000;
    }
    return 0;
}

static void store_offset(int vcpu_fd, uint64_t offset_ticks)
{
    FakeVm *vm = model_vcpu_vm(vcpu_fd);

    if (vm->host->offset == CF_OFFSET_IGNORED) {
        return;
    }
    model_vcpu_of(vcpu_fd)->offset_ticks = offset_ticks;
    vm->pending = true;
}

static int fake_set_tsc_offset(int vcpu_fd, uint64_t offset_ticks)
{
    FakeHost *host = model_vcpu_vm(vcpu_fd)->host;

    host->offset_writes++;
    if (model_fails(host)) {
        return -EFAULT;
    }
    if (!host->has_offset) {
        return -ENXIO;
    }
    store_offset(vcpu_fd, offset_ticks);
    return 0;
}

static int fake_get_tsc_scale(int vcpu_fd, uint64_t *ret_ratio,
                              uint64_t *ret_frac_bits)
{
    FakeHost *host = model_vcpu_vm(vcpu_fd)->host;

    if (model_fails(host) || !host->has_scale || !host->tsc_control) {
        return -ENXIO;
    }
    *ret_ratio = model_vcpu_of(vcpu_fd)->ratio;
    *ret_frac_bits = host->frac_bits;
    return 0;
}

static int fake_get_msr(int vcpu_fd, uint32_t msr, uint64_t *ret_value)
{
    FakeVm *vm = model_vcpu_vm(vcpu_fd);
    FakeVcpu *vcpu = model_vcpu_of(vcpu_fd);

    if (model_fails(vm->host)) {
        return -EIO;
    }
    *ret_value = msr == CF_MSR_TSC
                 ? model_guest_at(vm, vcpu, fake_host_ticks(vm->host))
                 : msr == CF_MSR_TSC_DEADLINE ? vcpu->deadline_ticks
                 : vcpu->system_time_msr;
    model_true_ns += MODEL_CALL_NS;
    return 0;
}

static int fake_set_msr(int vcpu_fd, uint32_t msr, uint64_t value)
{
    FakeVm *vm = model_vcpu_vm(vcpu_fd);
    FakeVcpu *vcpu = model_vcpu_of(vcpu_fd);

    if (model_fails(vm->host)) {
        return -EIO;
    }
    if (msr == CF_MSR_TSC) {
        /* The kernel keeps vCPUs in step: writes of one second are one. */
        const uint64_t offset_ticks = value -
            (model_guest_at(vm, vcpu, fake_host_ticks(vm->host)) -
             vcpu->offset_ticks);
        const uint64_t apart = vm->written_ticks - offset_ticks;

        if (MIN(apart, 0 - apart) >= vm->host->khz * 1000ULL) {
            vm->written_ticks = offset_ticks;
        }
        store_offset(vcpu_fd, vm->written_ticks);
    } else if (msr == CF_MSR_TSC_DEADLINE) {
        vm->host->deadline_writes++;
        vcpu->deadline_ticks = value;
    }
    return 0;
}

static int fake_get_clock(int vm_fd, CfKvmClock *ret_clock)
{
    FakeVm *vm = fake_vm(vm_fd);

    if (model_fails(vm->host)) {
        return -EFAULT;
    }
    *ret_clock = (CfKvmClock) { .clock_ns = model_kernel_clock(vm) };
    if (vm->master) {
        ret_clock->flags = vm->host->adjust_clock & CF_KVM_CLOCK_EXACT;
        ret_clock->host_ticks = fake_host_ticks(vm->host);
        ret_clock->realtime_ns = model_realtime_ns(vm->host);
    }
    return 0;
}

static int fake_set_clock(int vm_fd, const CfKvmClock *clock)
{
    FakeVm *vm = fake_vm(vm_fd);
    FakeHost *host = vm->host;
    uint64_t ns = clock->clock_ns;

    if (model_fails(host) || clock->flags & ~host->adjust_clock) {
        return -EINVAL;
    }
    if (clock->flags & CF_KVM_CLOCK_REALTIME) {
        g_assert_cmpuint(clock->realtime_ns, >, 0);
        if (model_realtime_ns(host) > clock->realtime_ns) {
            ns += model_realtime_ns(host) - clock->realtime_ns;
        }
    }
    ns += host->bias_ns;
    if (host->cold_sets > 0) {
        host->cold_sets--;
        ns += host->cold_ns;
    }
    if (host->noise_ns) {
        ns += model_next_random() % host->noise_ns;
    }
    model_set_reference(vm, ns);
    model_update_master(vm);
    return 0;
}

/* 0, or how this revision says that it can't just now. */
static int clock_guest_state(FakeVm *vm)
{
    FakeHost *host = vm->host;
    const bool v6 = host->clock_guest == FAKE_CLOCK_GUEST_V6;

    if (model_fails(host) || host->clock_guest == FAKE_CLOCK_GUEST_ABSENT) {
        return -EINVAL;
    }
    if (host->busy > 0) {
        host->busy--;
        return v6 ? -EINVAL : -EBUSY;
    }
    if (!host->master_clock_late) {
        model_update_master(vm);
    }
    return vm->master ? 0 : v6 ? -EINVAL : -ENODATA;
}

static int fake_get_clock_guest(int vcpu_fd, CfPvclockRecord *ret_record)
{
    FakeVm *vm = model_vcpu_vm(vcpu_fd);
    const int rc = clock_guest_state(vm);

    if (rc < 0) {
        return rc;
    }
    if (vm->pending) {
        model_set_reference(vm, model_kernel_clock(vm));
    }
    *ret_record = model_record_of(vm, model_vcpu_of(vcpu_fd));
    return 0;
}

static int fake_set_clock_guest(int vcpu_fd, const CfPvclockRecord *record)
{
    FakeVm *vm = model_vcpu_vm(vcpu_fd);
    const FakeVcpu *vcpu = model_vcpu_of(vcpu_fd);
    const struct cf_clock_fn fn = {
        .tsc_ticks = record->tsc_timestamp,
        .system_ns = record->system_time,
        .mul = record->tsc_to_system_mul,
        .shift = record->tsc_shift,
    };
    const int rc = clock_guest_state(vm);
    uint64_t guest_ticks, hz;
    uint32_t khz, vcpu_khz;
    int64_t ns = 0;

    if (rc < 0) {
        return rc;
    }
    guest_ticks = model_guest_at(vm, vcpu, fake_host_ticks(vm->host));
    if (guest_ticks < fn.tsc_ticks || !cf_clock_fn_hz(&fn, &hz) ||
        !cf_clock_fn_eval(&fn, guest_ticks, &ns)) {
        return -EINVAL;
    }
    khz = (uint32_t)(hz / 1000);
    vcpu_khz = model_record_khz(vm, vcpu);
    if (MAX(khz, vcpu_khz) - MIN(khz, vcpu_khz) > 1) {
        return -ERANGE;
    }
    model_set_reference(vm, (uint64_t)ns);
    return 0;
}

/* Which host runs a piece of code, in the real world: the last one used. */
static FakeHost *current_host = &fake_hosts[1];

static uint64_t fake_read_tsc(void)
{
    model_true_ns += 10;
    return fake_host_ticks(current_host);
}

static int fake_read_pair(uint64_t *ret_host_ticks, uint64_t *ret_realtime_ns)
{
    if (model_fails(current_host)) {
        return -EINVAL;
    }
    *ret_host_ticks = fake_host_ticks(current_host);
    *ret_realtime_ns = model_realtime_ns(current_host);
    return 0;
}

static int fake_get_host_time(CfHostTime *ret_time)
{
    if (model_fails(current_host)) {
        return -EPERM;
    }
    *ret_time = current_host->time;
    return 0;
}

static int fake_get_tolerance(uint32_t *ret_ppm)
{
    *ret_ppm = current_host->tolerance_ppm;
    return 0;
}

static void fake_get_host_id(CfHostId *ret_id)
{
    *ret_id = current_host->id;
}

void fake_enter(FakeHost *host)
{
    current_host = host;
}

const CfKvmOps fake_ops = {
    .open = fake_open,
    .close = fake_close,
    .drop_vm = fake_close,
    .create_vm = fake_create_vm,
    .create_vcpu = fake_create_vcpu,
    .check_extension = fake_check_extension,
    .has_clock_guest = fake_has_clock_guest,
    .get_tsc_khz = fake_get_tsc_khz,
    .set_tsc_khz = fake_set_tsc_khz,
    .get_tsc_offset = fake_get_tsc_offset,
    .set_tsc_offset = fake_set_tsc_offset,
    .get_tsc_scale = fake_get_tsc_scale,
    .get_msr = fake_get_msr,
    .set_msr = fake_set_msr,
    .get_clock = fake_get_clock,
    .set_clock = fake_set_clock,
    .get_clock_guest = fake_get_clock_guest,
    .set_clock_guest = fake_set_clock_guest,
    .read_tsc = fake_read_tsc,
    .read_pair = fake_read_pair,
    .get_host_time = fake_get_host_time,
    .get_tolerance = fake_get_tolerance,
    .get_host_id = fake_get_host_id,
};
