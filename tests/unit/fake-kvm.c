/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A model of KVM hosts: capabilities, TSCs, kvmclock, and their faults. */
#include <string.h>
#include "fake-model.h"


FakeHost fake_hosts[FAKE_HOSTS];

FakeVm model_vms[MODEL_MAX_VMS];
uint64_t model_true_ns;

static uint32_t random_state;

uint32_t model_next_random(void)
{
    random_state = random_state * 1664525 + 1013904223;
    return random_state >> 8;
}

void fake_wait(uint64_t ns)
{
    model_true_ns += ns;
}

uint64_t fake_now_ns(void)
{
    return model_true_ns;
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
        .master_clock = true,
        .unequal_offsets_allowed = true,
        .adjust_clock = CF_KVM_CLOCK_EXACT,
        .bias_ns = 40,
        .realtime_base_ns = 1800000000ULL * CF_NS_PER_SEC,
    };
    int i;

    memset(model_vms, 0, sizeof(model_vms));
    model_true_ns = 1000 * CF_NS_PER_SEC;
    random_state = 1;
    for (i = 0; i < FAKE_HOSTS; i++) {
        fake_hosts[i] = host;
        fake_hosts[i].tsc_base_ticks = (uint64_t)i << 50;
        fake_hosts[i].id.frac_bits = CF_FRAC_BITS_INTEL;
        memset(fake_hosts[i].id.boot_id, 'a' + i, CF_BOOT_ID_SIZE - 1);
        g_strlcpy(fake_hosts[i].id.clocksource, "tsc", CF_CLOCKSOURCE_SIZE);
    }
}

uint64_t fake_host_ticks(const FakeHost *host)
{
    return host->tsc_base_ticks +
           (uint64_t)((cf_u128)model_true_ns * host->khz / 1000000);
}

uint64_t model_realtime_ns(const FakeHost *host)
{
    return host->realtime_base_ns + model_true_ns;
}

FakeVm *fake_vm(int vm_fd)
{
    g_assert_true(vm_fd >= MODEL_VM_FD && vm_fd < MODEL_VM_FD + MODEL_MAX_VMS);
    g_assert_true(model_vms[vm_fd - MODEL_VM_FD].open);
    return &model_vms[vm_fd - MODEL_VM_FD];
}

int fake_open_vms(void)
{
    int open = 0, i;

    for (i = 0; i < MODEL_MAX_VMS; i++) {
        open += model_vms[i].open;
    }
    return open;
}

int fake_vm_fd(const FakeVm *vm)
{
    return MODEL_VM_FD + (int)(vm - model_vms);
}

int fake_vcpu_fd(const FakeVm *vm, uint32_t vcpu)
{
    return MODEL_VCPU_FD + (int)(vm - model_vms) * FAKE_MAX_VCPUS + (int)vcpu;
}

FakeVm *model_vcpu_vm(int fd)
{
    return fake_vm(MODEL_VM_FD + (fd - MODEL_VCPU_FD) / FAKE_MAX_VCPUS);
}

FakeVcpu *model_vcpu_of(int fd)
{
    return &model_vcpu_vm(fd)->vcpus[(fd - MODEL_VCPU_FD) % FAKE_MAX_VCPUS];
}

/* Every call takes time, and the chosen one fails. */
bool model_fails(FakeHost *host)
{
    model_true_ns += MODEL_CALL_NS + model_next_random() % 50;
    return ++host->calls == host->fail_call;
}

static struct cf_tsc_freq freq_of(const FakeVm *vm, const FakeVcpu *vcpu)
{
    return (struct cf_tsc_freq) { vm->host->khz, vm->host->frac_bits,
                                  vcpu->ratio };
}

uint64_t model_guest_at(const FakeVm *vm, const FakeVcpu *vcpu,
                         uint64_t host_ticks)
{
    const struct cf_tsc_freq freq = freq_of(vm, vcpu);
    uint64_t ticks = 0;

    g_assert_true(cf_tsc_host_to_guest(host_ticks, &freq, vcpu->offset_ticks,
                                       &ticks));
    return ticks;
}

uint64_t fake_guest_ticks(const FakeVm *vm, uint32_t vcpu)
{
    return model_guest_at(vm, &vm->vcpus[vcpu], fake_host_ticks(vm->host));
}

/* The kernel scales its kHz and drops the fraction. */
uint32_t model_record_khz(const FakeVm *vm, const FakeVcpu *vcpu)
{
    return (uint32_t)(((cf_u128)vm->host->khz * vcpu->ratio) >>
                      vm->host->frac_bits);
}

static struct cf_clock_fn function_of(const FakeVm *vm, const FakeVcpu *vcpu)
{
    struct cf_clock_fn fn = {
        .tsc_ticks = model_guest_at(vm, vcpu, vm->ref_ticks),
        .system_ns = vm->ref_ns,
    };

    g_assert_true(cf_clock_fn_set_hz(&fn,
                                     model_record_khz(vm, vcpu) * 1000ULL));
    return fn;
}

int64_t fake_guest_clock(const FakeVm *vm, uint32_t vcpu)
{
    const struct cf_clock_fn fn = function_of(vm, &vm->vcpus[vcpu]);
    int64_t ns = 0;

    g_assert_true(cf_clock_fn_eval(&fn, fake_guest_ticks(vm, vcpu), &ns));
    return ns;
}

/* KVM_GET_CLOCK's arithmetic: host kHz, whatever the guest's scale. */
uint64_t model_kernel_clock(const FakeVm *vm)
{
    uint64_t ns = 0;

    g_assert_true(cf_ticks_to_ns(fake_host_ticks(vm->host) - vm->ref_ticks,
                                 vm->host->khz, &ns));
    return vm->ref_ns + ns;
}

void model_set_reference(FakeVm *vm, uint64_t ns)
{
    vm->ref_ns = ns;
    vm->ref_ticks = fake_host_ticks(vm->host);
    vm->pending = false;
}

void model_update_master(FakeVm *vm)
{
    uint32_t i;

    vm->master = vm->host->master_clock;
    for (i = 1; i < vm->n_vcpus; i++) {
        if (vm->vcpus[i].ratio != vm->vcpus[0].ratio ||
            (vm->vcpus[i].offset_ticks != vm->vcpus[0].offset_ticks &&
             !vm->host->unequal_offsets_allowed)) {
            vm->master = false;
        }
    }
}

CfPvclockRecord model_record_of(const FakeVm *vm, const FakeVcpu *vcpu)
{
    const struct cf_clock_fn fn = function_of(vm, vcpu);

    return (CfPvclockRecord) {
        .version = 2,
        .tsc_timestamp = fn.tsc_ticks,
        .system_time = fn.system_ns,
        .tsc_to_system_mul = fn.mul,
        .tsc_shift = (int8_t)fn.shift,
        .flags = vm->master ? CF_PVCLOCK_TSC_STABLE : 0,
    };
}

void fake_run(FakeVm *vm)
{
    if (vm->pending) {
        model_set_reference(vm, model_kernel_clock(vm));
    }
    model_update_master(vm);
    vm->page = model_record_of(vm, &vm->vcpus[0]);
}

bool fake_read_guest(uint64_t address, void *buffer, size_t size, void *opaque)
{
    const FakeVm *vm = opaque;

    if (address != FAKE_PAGE || size != sizeof(vm->page)) {
        return false;
    }
    memcpy(buffer, &vm->page, size);
    return true;
}
