/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the series' files are answered, by the model of tests/fake-kvm. */
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>
#include "kvm/kvm-uapi.h"
#include "hosts.h"
#include "model.h"
#include "answers.h"
#include "modelled.h"

#define CALL_NS 60
#define VM_FD 100000
#define SCRATCH_FD 200000

#define MSR_SYSTEM_TIME_OLD 0x12

/* Those of the file "hosts" that differ in how they answer. */
static const char *const names[] = {
    "newest", "newest-amd", "v6", "released", "old", "fast", "fast-released",
    "slow", "2-khz", "2-khz-released", "100-ppm", "unscaled",
    "unscaled-100-ppm", "unscaled-fast", "unscaled-slow", "ignoring",
    "unstable", "unstable-newest", "hpet", "hpet-v6", "hpet-newest", "noisy",
    "busy", "busy-longer", "clone", "behind", "leap", "timer", "skewed",
};

/* Model - a host, and the guest on it */
typedef struct Model {
    FakeHost host;
    FakeVm vm;
} Model;

static FakeHost hosts[G_N_ELEMENTS(names)];
static Model models[2];
static Model *here = &models[0], *before = &models[1];
static FakeVm scratch;
static uint64_t true_ns;
static const void *page;

uint64_t fake_true_ns(void)
{
    return true_ns;
}

void model_wait_ns(uint64_t ns)
{
    true_ns += ns;
}

uint64_t model_now_ns(void)
{
    return true_ns;
}

void model_set_now_ns(uint64_t ns)
{
    true_ns = ns;
}

unsigned int model_begin(const char *file)
{
    const char *const files[] = { file, NULL };
    unsigned int i;

    for (i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autoptr(GError) error = NULL;
        GArray *faults = NULL;

        if (!fake_host_read(names[i], files, &hosts[i], &faults, &error)) {
            g_error("%s", error->message);
        }
        g_array_free(faults, TRUE);
    }
    return G_N_ELEMENTS(names);
}

void model_become(unsigned int host, unsigned int n_vcpus, uint32_t guest_khz)
{
    Model *left = here;

    here = before;
    before = left;
    here->host = hosts[host];
    fake_vm_create(&here->vm, &here->host);
    while (n_vcpus--) {
        FakeVcpu *vcpu = fake_vcpu_create(&here->vm);

        if (guest_khz) {
            fake_set_khz(vcpu, guest_khz);
        }
    }
    page = NULL;
}

void model_run(void)
{
    uint32_t i;

    for (i = 0; i < here->vm.n_vcpus; i++) {
        FakeVcpu *vcpu = &here->vm.vcpus[i];

        vcpu->system_time_msr = (MODEL_PAGE + i * 64) | 1;
        vcpu->record_pending = true;
        fake_vcpu_load(vcpu);
        fake_vcpu_enter(vcpu);
    }
}

void model_stop(void)
{
    uint32_t i;

    for (i = 0; i < here->vm.n_vcpus; i++) {
        fake_vcpu_leave(&here->vm.vcpus[i]);
    }
}

void model_set_page(const void *record)
{
    page = record;
}

ModelClocks model_clocks(bool is_here, uint64_t at_ns)
{
    Model *model = is_here ? here : before;
    const uint64_t now_ns = true_ns;
    ModelClocks clocks = { 0 };
    struct cf_clock_fn fn;
    CfPvclockRecord record;
    uint32_t i;

    true_ns = at_ns;
    for (i = 0; i < model->vm.n_vcpus; i++) {
        clocks.tsc_ticks[i] = fake_guest_ticks(&model->vm.vcpus[i]);
    }
    record = fake_record(&model->vm.vcpus[0]);
    true_ns = now_ns;
    fn = (struct cf_clock_fn) {
        record.tsc_timestamp, record.system_time, record.tsc_to_system_mul,
        record.tsc_shift,
    };
    clocks.known = cf_clock_fn_eval(&fn, clocks.tsc_ticks[0],
                                    &clocks.clock_ns);
    clocks.tsc_hz = (double)model->vm.vcpus[0].ratio * model->host.khz * 1000 /
                    (double)(1ULL << model->host.frac_bits);
    return clocks;
}

uint64_t model_ticks(uint64_t at_ns)
{
    return fake_host_ticks_at(&here->host, at_ns);
}

int model_vm_fd(void)
{
    return VM_FD;
}

int model_vcpu_fd(unsigned int vcpu)
{
    return VM_FD + 1 + (int)vcpu;
}

/* -- What sections/host.h names, but for KVM -- */

uint64_t host_ticks(void)
{
    true_ns += CALL_NS;
    return fake_host_ticks(&here->host);
}

int64_t host_monotonic_ns(void)
{
    return (int64_t)true_ns;
}

int host_clock_gettime(clockid_t id, struct timespec *ret_now)
{
    const uint64_t ns = id == CLOCK_REALTIME ? fake_realtime_ns(&here->host)
                                             : true_ns;

    true_ns += CALL_NS;
    ret_now->tv_sec = (time_t)(ns / CF_NS_PER_SEC);
    ret_now->tv_nsec = (long)(ns % CF_NS_PER_SEC);
    return 0;
}

void host_sleep_us(unsigned long us)
{
    true_ns += us * 1000;
}

int host_adjtimex(struct timex *ret_time)
{
    const CfHostTime *time = &here->host.time;

    *ret_time = (struct timex) {
        .tai = time->tai_offset_s,
        .maxerror = (long)(time->max_error_ns / 1000),
        .offset = (long)here->host.pending_ns,
        .status = STA_NANO,
        .freq = (long)(time->adjustment_ppt * 65536 / 1000000),
        .tick = 1000000 / sysconf(_SC_CLK_TCK),
    };
    return time->synchronised ? TIME_OK : TIME_ERROR;
}

gboolean host_file(const char *path, char **ret_text)
{
    if (g_str_has_suffix(path, "/boot_id")) {
        *ret_text = g_strdup(here->host.id.boot_id);
    } else if (g_str_has_suffix(path, "/product_uuid")) {
        *ret_text = g_strdup("1b4e28ba-2fa1-11d2-883f-0016d3cca427");
    } else if (g_str_has_suffix(path, "/tsc_tolerance_ppm")) {
        *ret_text = g_strdup_printf("%u", here->host.tolerance_ppm);
    } else {
        return FALSE;
    }
    return TRUE;
}

/* SVM has 32 fraction bits. */
void host_cpuid_of_model(uint32_t function, uint32_t *ret_ecx)
{
    *ret_ecx = function == 0x80000001 &&
               here->host.frac_bits == CF_FRAC_BITS_AMD ? 1 << 2 : 0;
}

bool host_read_guest(uint64_t address, void *buffer, size_t size)
{
    if (address != MODEL_PAGE || size != sizeof(CfPvclockRecord)) {
        return false;
    }
    memcpy(buffer, page ? page : &here->vm.vcpus[0].record, size);
    return true;
}

/* -- KVM's calls -- */

int host_extension(unsigned int capability)
{
    int value;

    if (fake_check_extension(&here->host, capability, &value)) {
        return value;
    }
    return capability == KVM_CAP_IMMEDIATE_EXIT ||
           capability == KVM_CAP_KVMCLOCK_CTRL;
}

static int msrs(FakeVcpu *vcpu, bool set, struct kvm_msrs *all)
{
    struct kvm_msr_entry *entry = all->entries;
    uint64_t value = entry->data;
    bool known;

    if (entry->index == MSR_SYSTEM_TIME_OLD && !set) {
        value = vcpu->system_time_msr;
        known = true;
    } else {
        known = set ? fake_set_msr(vcpu, entry->index, value)
                    : fake_get_msr(vcpu, entry->index, &value);
    }
    entry->data = value;
    return known ? 1 : 0;
}

static int attribute(FakeVcpu *vcpu, unsigned long request,
                     const struct kvm_device_attr *attr)
{
    uint64_t *value = (uint64_t *)(uintptr_t)attr->addr;
    uint64_t unused[2];

    if (attr->attr == KVM_VCPU_TSC_OFFSET) {
        return request == KVM_HAS_DEVICE_ATTR ? fake_has_offset(vcpu)
               : request == KVM_GET_DEVICE_ATTR ? fake_get_offset(vcpu, value)
                                                : fake_set_offset(vcpu, *value);
    }
    value = value ? value : unused;
    return request == KVM_SET_DEVICE_ATTR
           ? fake_set_scale(vcpu)
           : fake_get_scale(vcpu, &value[0], &value[1]);
}

/* It turns back at once: a signal is pending. */
static int run(FakeVcpu *vcpu)
{
    fake_vcpu_enter(vcpu);
    fake_vcpu_leave(vcpu);
    return -EINTR;
}

static int events(void *argument)
{
    memset(argument, 0, sizeof(struct kvm_vcpu_events));
    return 0;
}

static int registers(void *argument)
{
    memset(argument, 0, sizeof(struct kvm_regs));
    return 0;
}

static int vcpu_call(FakeVcpu *vcpu, unsigned long request, void *argument)
{
    fake_vcpu_load(vcpu);
    switch (request) {
    case KVM_GET_TSC_KHZ:
        return (int)vcpu->virtual_khz;
    case KVM_SET_TSC_KHZ:
        return fake_set_khz(vcpu, (uint32_t)(uintptr_t)argument);
    case KVM_HAS_DEVICE_ATTR:
    case KVM_GET_DEVICE_ATTR:
    case KVM_SET_DEVICE_ATTR:
        return attribute(vcpu, request, argument);
    case KVM_GET_MSRS:
    case KVM_SET_MSRS:
        return msrs(vcpu, request == KVM_SET_MSRS, argument);
    case KVM_GET_CLOCK_GUEST:
        return fake_get_clock_guest(vcpu, argument);
    case KVM_SET_CLOCK_GUEST:
        return fake_set_clock_guest(vcpu, argument);
    case KVM_KVMCLOCK_CTRL:
        return fake_kvmclock_ctrl(vcpu);
    case KVM_RUN:
        return run(vcpu);
    case KVM_GET_VCPU_EVENTS:
        return events(argument);
    case KVM_GET_REGS:
        return registers(argument);
    case KVM_SET_SIGNAL_MASK:
    case KVM_SET_MP_STATE:
        return 0;
    default:
        return -ENOTTY;
    }
}

static int vm_call(FakeVm *vm, unsigned long request, void *argument)
{
    switch (request) {
    case KVM_CREATE_VM:
        fake_vm_create(&scratch, &here->host);
        return SCRATCH_FD;
    case KVM_CREATE_VCPU:
        fake_vcpu_create(vm);
        return SCRATCH_FD + 1;
    case KVM_GET_CLOCK:
        return fake_get_clock(vm, argument);
    case KVM_SET_CLOCK:
        return fake_set_clock(vm, argument);
    default:
        return -ENOTTY;
    }
}

int host_call(int fd, unsigned long request, ...)
{
    FakeVm *vm = fd >= SCRATCH_FD ? &scratch : &here->vm;
    const int vcpu = fd - (fd >= SCRATCH_FD ? SCRATCH_FD : VM_FD) - 1;
    va_list values;
    void *argument;

    true_ns += CALL_NS;
    va_start(values, request);
    argument = va_arg(values, void *);
    va_end(values);
    return vcpu >= 0 ? vcpu_call(&vm->vcpus[vcpu], request, argument)
                     : vm_call(vm, request, argument);
}
