/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two hosts of the model, and the table of calls on top of them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "fake-kvm.h"

#define MAX_VMS 8
#define VM_FD 1000
#define VCPU_FD 2000

FakeHost fake_hosts[FAKE_HOSTS];

static FakeVm vms[MAX_VMS];
static uint64_t true_ns;
static uint32_t random_state;

uint64_t fake_true_ns(void)
{
    return true_ns;
}

void fake_wait(uint64_t ns)
{
    true_ns += ns;
}

void fake_reset(void)
{
    static const FakeHost host = {
        .khz = 2500000,
        .time = { .tai_offset_s = 37, .max_error_ns = 1000,
                  .synchronised = true },
        .tsc_control = true,
        .has_offset = true,
        .has_scale = true,
        .frac_bits = CF_FRAC_BITS_INTEL,
        .tolerance_ppm = 250,
        .offset = CF_OFFSET_STICKS,
        .clock_guest = FAKE_CLOCK_GUEST_NEWEST,
        .master_clock = FAKE_MASTER_CLOCK_LATE,
        .unequal_offsets_allowed = true,
        .adjust_clock = CF_KVM_CLOCK_EXACT,
        .bias_ns = 40,
        .call_ns = 200,
        .realtime_base_ns = 1800000000ULL * CF_NS_PER_SEC,
    };
    int i;

    memset(vms, 0, sizeof(vms));
    true_ns = 1000 * CF_NS_PER_SEC;
    random_state = 1;
    for (i = 0; i < FAKE_HOSTS; i++) {
        fake_hosts[i] = host;
        fake_hosts[i].tsc_base_ticks = (uint64_t)i << 50;
        fake_hosts[i].id.frac_bits = CF_FRAC_BITS_INTEL;
        memset(fake_hosts[i].id.boot_id, 'a' + i, CF_BOOT_ID_SIZE - 1);
        g_strlcpy(fake_hosts[i].id.clocksource, "tsc", CF_CLOCKSOURCE_SIZE);
    }
}

void fake_one_host(void)
{
    fake_reset();
    fake_hosts[1] = fake_hosts[0];
}

/* -- File descriptors -- */

FakeVm *fake_vm(int vm_fd)
{
    g_assert_true(vm_fd >= VM_FD && vm_fd < VM_FD + MAX_VMS);
    g_assert_nonnull(vms[vm_fd - VM_FD].host);
    return &vms[vm_fd - VM_FD];
}

int fake_vm_fd(const FakeVm *vm)
{
    return VM_FD + (int)(vm - vms);
}

int fake_open_vms(void)
{
    int open = 0, i;

    for (i = 0; i < MAX_VMS; i++) {
        open += vms[i].host != NULL;
    }
    return open;
}

int fake_vcpu_fd(const FakeVm *vm, uint32_t vcpu)
{
    return VCPU_FD + (int)(vm - vms) * FAKE_MAX_VCPUS + (int)vcpu;
}

static FakeVcpu *vcpu_of(int fd)
{
    FakeVm *vm = fake_vm(VM_FD + (fd - VCPU_FD) / FAKE_MAX_VCPUS);

    return &vm->vcpus[(fd - VCPU_FD) % FAKE_MAX_VCPUS];
}

/* -- The guest -- */

int64_t fake_clock_at(const FakeVm *vm, uint32_t vcpu, uint64_t guest_ticks)
{
    const CfPvclockRecord record = fake_record(&vm->vcpus[vcpu]);
    const struct cf_clock_fn fn = {
        .tsc_ticks = record.tsc_timestamp,
        .system_ns = record.system_time,
        .mul = record.tsc_to_system_mul,
        .shift = record.tsc_shift,
    };
    int64_t ns = 0;

    g_assert_true(cf_clock_fn_eval(&fn, guest_ticks, &ns));
    return ns;
}

int64_t fake_guest_clock(const FakeVm *vm, uint32_t vcpu)
{
    return fake_clock_at(vm, vcpu, fake_guest_ticks(&vm->vcpus[vcpu]));
}

void fake_run(FakeVm *vm)
{
    uint32_t i;

    for (i = 0; i < vm->n_vcpus; i++) {
        fake_vcpu_enter(&vm->vcpus[i]);
        fake_vcpu_leave(&vm->vcpus[i]);
    }
}

bool fake_read_guest(uint64_t address, void *buffer, size_t size, void *opaque)
{
    const FakeVm *vm = opaque;

    if (address != FAKE_PAGE || size != sizeof(vm->vcpus[0].record)) {
        return false;
    }
    memcpy(buffer, &vm->vcpus[0].record, size);
    return true;
}

/* -- The table of calls -- */

/* Every call takes time, and the chosen one fails, or finds that the host's TSC
 * has become unstable. */
static bool fails(FakeHost *host)
{
    random_state = random_state * 1664525 + 1013904223;
    true_ns += host->call_ns + (random_state >> 8) % 50;
    host->calls++;
    if (host->calls == host->unstable_call) {
        host->offset = CF_OFFSET_REWINDS;
    }
    return host->calls == host->fail_call;
}

/* The vCPU of a call, or NULL if it fails. */
static FakeVcpu *called(int vcpu_fd)
{
    FakeVcpu *vcpu = vcpu_of(vcpu_fd);

    if (fails(vcpu->vm->host)) {
        return NULL;
    }
    fake_vcpu_load(vcpu);
    return vcpu;
}

static int ops_open(const char *path, int *ret_kvm_fd)
{
    const int host = atoi(path);

    if (fails(&fake_hosts[host])) {
        return -EACCES;
    }
    *ret_kvm_fd = host;
    return 0;
}

static void ops_close(int fd)
{
    if (fd >= VM_FD && fd < VCPU_FD) {
        fake_vm(fd)->host = NULL;
    }
}

static int ops_create_vm(int kvm_fd, int *ret_vm_fd)
{
    FakeVm *vm = vms;

    if (fails(&fake_hosts[kvm_fd])) {
        return -ENOMEM;
    }
    while (vm->host) {
        g_assert_true(++vm < vms + MAX_VMS);
    }
    fake_vm_create(vm, &fake_hosts[kvm_fd]);
    *ret_vm_fd = fake_vm_fd(vm);
    return 0;
}

static int ops_create_vcpu(int vm_fd, uint32_t id, int *ret_vcpu_fd)
{
    FakeVm *vm = fake_vm(vm_fd);

    if (fails(vm->host)) {
        return -ENOMEM;
    }
    g_assert_cmpuint(id, ==, vm->n_vcpus);
    fake_vcpu_create(vm);
    *ret_vcpu_fd = fake_vcpu_fd(vm, id);
    return 0;
}

static int ops_check_extension(int fd, uint32_t capability,
                               uint32_t *ret_value)
{
    FakeVm *vm = fake_vm(fd);
    int value = 0;

    if (fails(vm->host)) {
        return -EINVAL;
    }
    fake_check_extension(vm->host, capability, &value);
    *ret_value = (uint32_t)value;
    return 0;
}

static int ops_has_clock_guest(int vm_fd, uint32_t *ret_value)
{
    const FakeHost *host = fake_vm(vm_fd)->host;
    int value = 0;

    if (!host->capability_known) {
        return -ENOSYS;
    }
    fake_check_extension(host, FAKE_CAP_CLOCK_GUEST, &value);
    *ret_value = (uint32_t)value;
    return 0;
}

static int ops_get_tsc_khz(int vcpu_fd, uint32_t *ret_khz)
{
    const FakeVcpu *vcpu = called(vcpu_fd);

    if (!vcpu) {
        return -EIO;
    }
    *ret_khz = vcpu->virtual_khz;
    return 0;
}

static int ops_set_tsc_khz(int vcpu_fd, uint32_t khz)
{
    FakeVcpu *vcpu = called(vcpu_fd);

    return vcpu ? fake_set_khz(vcpu, khz) : -EINVAL;
}

static int ops_get_tsc_offset(int vcpu_fd, uint64_t *ret_offset_ticks)
{
    const FakeVcpu *vcpu = called(vcpu_fd);

    return vcpu ? fake_get_offset(vcpu, ret_offset_ticks) : -EFAULT;
}

static int ops_set_tsc_offset(int vcpu_fd, uint64_t offset_ticks)
{
    FakeVcpu *vcpu = called(vcpu_fd);

    /* Also one that fails is one that was tried. */
    if (!vcpu) {
        vcpu_of(vcpu_fd)->vm->host->offset_writes++;
        return -EFAULT;
    }
    return fake_set_offset(vcpu, offset_ticks);
}

static int ops_get_tsc_scale(int vcpu_fd, uint64_t *ret_ratio,
                             uint64_t *ret_frac_bits)
{
    const FakeVcpu *vcpu = called(vcpu_fd);

    return vcpu ? fake_get_scale(vcpu, ret_ratio, ret_frac_bits) : -ENXIO;
}

static int ops_get_msr(int vcpu_fd, uint32_t msr, uint64_t *ret_value)
{
    FakeVcpu *vcpu = called(vcpu_fd);

    if (!vcpu || !fake_get_msr(vcpu, msr, ret_value)) {
        return -EIO;
    }
    true_ns += vcpu->vm->host->call_ns;
    return 0;
}

static int ops_set_msr(int vcpu_fd, uint32_t msr, uint64_t value)
{
    FakeVcpu *vcpu = called(vcpu_fd);

    return vcpu && fake_set_msr(vcpu, msr, value) ? 0 : -EIO;
}

static int ops_get_clock(int vm_fd, CfKvmClock *ret_clock)
{
    const FakeVm *vm = fake_vm(vm_fd);

    return fails(vm->host) ? -EFAULT : fake_get_clock(vm, ret_clock);
}

static int ops_set_clock(int vm_fd, const CfKvmClock *clock)
{
    FakeVm *vm = fake_vm(vm_fd);

    return fails(vm->host) ? -EINVAL : fake_set_clock(vm, clock);
}

static int ops_get_clock_guest(int vcpu_fd, CfPvclockRecord *ret_record)
{
    FakeVcpu *vcpu = called(vcpu_fd);

    return vcpu ? fake_get_clock_guest(vcpu, ret_record) : -EINVAL;
}

static int ops_set_clock_guest(int vcpu_fd, const CfPvclockRecord *record)
{
    FakeVcpu *vcpu = called(vcpu_fd);

    return vcpu ? fake_set_clock_guest(vcpu, record) : -EINVAL;
}

/* Which host runs a piece of code, in the real world: the last one used. */
static FakeHost *current_host = &fake_hosts[1];

void fake_enter(FakeHost *host)
{
    current_host = host;
}

static uint64_t ops_read_tsc(void)
{
    true_ns += 10;
    return fake_host_ticks(current_host);
}

static int ops_read_pair(uint64_t *ret_host_ticks, uint64_t *ret_realtime_ns)
{
    if (fails(current_host)) {
        return -EINVAL;
    }
    *ret_host_ticks = fake_host_ticks(current_host);
    *ret_realtime_ns = fake_realtime_ns(current_host);
    return 0;
}

static int ops_get_host_time(CfHostTime *ret_time)
{
    if (fails(current_host)) {
        return -EPERM;
    }
    *ret_time = current_host->time;
    return 0;
}

static int ops_get_tolerance(uint32_t *ret_ppm)
{
    *ret_ppm = current_host->tolerance_ppm;
    return 0;
}

static void ops_get_host_id(CfHostId *ret_id)
{
    *ret_id = current_host->id;
}

const CfKvmOps fake_ops = {
    .open = ops_open,
    .close = ops_close,
    .create_vm = ops_create_vm,
    .create_vcpu = ops_create_vcpu,
    .check_extension = ops_check_extension,
    .has_clock_guest = ops_has_clock_guest,
    .get_tsc_khz = ops_get_tsc_khz,
    .set_tsc_khz = ops_set_tsc_khz,
    .get_tsc_offset = ops_get_tsc_offset,
    .set_tsc_offset = ops_set_tsc_offset,
    .get_tsc_scale = ops_get_tsc_scale,
    .get_msr = ops_get_msr,
    .set_msr = ops_set_msr,
    .get_clock = ops_get_clock,
    .set_clock = ops_set_clock,
    .get_clock_guest = ops_get_clock_guest,
    .set_clock_guest = ops_set_clock_guest,
    .read_tsc = ops_read_tsc,
    .read_pair = ops_read_pair,
    .get_host_time = ops_get_host_time,
    .get_tolerance = ops_get_tolerance,
    .get_host_id = ops_get_host_id,
};
