/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A VM without QEMU: memory, and a thread for each vCPU. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include "kvm/kvm-uapi.h"
#include "layout.h"
#include "test-vm.h"

#define RAM_SIZE 0x100000
#define TOP_OF_4G 0x100000000ULL

/* Pages that Intel's real-mode emulation needs, out of the guest's way. */
#define IDENTITY_PAGE 0xfffbc000ULL
#define TSS_PAGES 0xfffbd000UL

#define MAX_CPUID_ENTRIES 256
#define POLL_US 50
#define RUN_LIMIT_US (INT64_C(20) * G_USEC_PER_SEC)
#define KICK_SIGNAL SIGUSR1

typedef struct TestVcpu {
    TestVm *vm;
    struct kvm_run *run;
    pthread_t thread;
} TestVcpu;

struct TestVm {
    int kvm_fd;
    int vm_fd;
    uint32_t n_vcpus;
    int vcpu_fds[TEST_VM_MAX_VCPUS];
    TestVcpu vcpus[TEST_VM_MAX_VCPUS];
    size_t run_size;
    unsigned char *ram;     /* RAM_SIZE, and the ROM's other mapping */
    int stop;               /* atomic */
    int run_errno;          /* atomic: KVM_RUN's, if it failed */
    int bad_exit;           /* atomic: exit reason that ended a vCPU, or 0 */
};

static gboolean fail(GError **error, const char *what)
{
    g_set_error(error, CF_ERROR, CF_ERROR_SYSTEM, "test VM: %s: %s", what,
                g_strerror(errno));
    return FALSE;
}

/* A call that returns 0, and is named if it doesn't. */
#define CALLED(fd, request, argument, error) \
    (ioctl(fd, request, argument) == 0 || fail(error, #request))

static gboolean map_memory(TestVm *vm, uint32_t slot, uint64_t address,
                           uint64_t size, unsigned char *memory,
                           GError **error)
{
    struct kvm_userspace_memory_region region = {
        .slot = slot,
        .guest_phys_addr = address,
        .memory_size = size,
        .userspace_addr = (uintptr_t)memory,
    };

    return CALLED(vm->vm_fd, KVM_SET_USER_MEMORY_REGION, &region, error);
}

static gboolean create_memory(TestVm *vm, const unsigned char *rom,
                              GError **error)
{
    vm->ram = mmap(NULL, RAM_SIZE + CF_ROM_SIZE, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (vm->ram == MAP_FAILED) {
        vm->ram = NULL;
        return fail(error, "mmap");
    }
    memcpy(vm->ram + CF_ROM_BASE, rom, CF_ROM_SIZE);
    memcpy(vm->ram + RAM_SIZE, rom, CF_ROM_SIZE);
    return map_memory(vm, 0, 0, RAM_SIZE, vm->ram, error) &&
           map_memory(vm, 1, TOP_OF_4G - CF_ROM_SIZE, CF_ROM_SIZE,
                      vm->ram + RAM_SIZE, error);
}

static gboolean create_vm(TestVm *vm, const char *device, GError **error)
{
    uint64_t identity_page = IDENTITY_PAGE;
    int size;

    errno = -cf_kvm_ops()->open(device, &vm->kvm_fd);
    if (errno) {
        return fail(error, device);
    }
    errno = -cf_kvm_ops()->create_vm(vm->kvm_fd, &vm->vm_fd);
    if (errno) {
        return fail(error, "KVM_CREATE_VM");
    }
    size = ioctl(vm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
    if (size < (int)sizeof(struct kvm_run)) {
        return fail(error, "KVM_GET_VCPU_MMAP_SIZE");
    }
    vm->run_size = (size_t)size;
    return CALLED(vm->vm_fd, KVM_SET_IDENTITY_MAP_ADDR, &identity_page,
                  error) &&
           CALLED(vm->vm_fd, KVM_SET_TSS_ADDR, TSS_PAGES, error) &&
           CALLED(vm->vm_fd, KVM_CREATE_IRQCHIP, 0, error);
}

/* The guest looks for KVM's signature before it touches kvmclock. */
static gboolean set_cpuid(TestVm *vm, int vcpu_fd, GError **error)
{
    g_autofree struct kvm_cpuid2 *cpuid = g_malloc0(
        sizeof(*cpuid) + MAX_CPUID_ENTRIES * sizeof(cpuid->entries[0]));

    cpuid->nent = MAX_CPUID_ENTRIES;
    return CALLED(vm->kvm_fd, KVM_GET_SUPPORTED_CPUID, cpuid, error) &&
           CALLED(vcpu_fd, KVM_SET_CPUID2, cpuid, error);
}

static gboolean create_vcpu(TestVm *vm, GError **error)
{
    const uint32_t i = vm->n_vcpus;
    void *run;
    int fd;

    if (cf_kvm_ops()->create_vcpu(vm->vm_fd, i, &fd) < 0) {
        return fail(error, "KVM_CREATE_VCPU");
    }
    vm->vcpu_fds[i] = fd;
    vm->vcpus[i].vm = vm;
    vm->n_vcpus++;
    run = mmap(NULL, vm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (run == MAP_FAILED) {
        return fail(error, "mmap of a vCPU");
    }
    vm->vcpus[i].run = run;
    return set_cpuid(vm, fd, error);
}

TestVm *test_vm_new(const char *device, const unsigned char *rom,
                    size_t rom_size, uint32_t n_vcpus, GError **error)
{
    g_autoptr(TestVm) vm = g_new0(TestVm, 1);

    vm->kvm_fd = vm->vm_fd = -1;
    if (rom_size != CF_ROM_SIZE || n_vcpus < 1 ||
        n_vcpus > TEST_VM_MAX_VCPUS) {
        g_set_error(error, CF_ERROR, CF_ERROR_INVALID,
                    "test VM: the ROM must have %d bytes, and 1 to %u vCPUs",
                    CF_ROM_SIZE, TEST_VM_MAX_VCPUS);
        return NULL;
    }
    if (!create_vm(vm, device, error) || !create_memory(vm, rom, error)) {
        return NULL;
    }
    while (vm->n_vcpus < n_vcpus) {
        if (!create_vcpu(vm, error)) {
            return NULL;
        }
    }
    return g_steal_pointer(&vm);
}

void test_vm_free(TestVm *vm)
{
    uint32_t i;

    if (!vm) {
        return;
    }
    for (i = 0; i < vm->n_vcpus; i++) {
        if (vm->vcpus[i].run) {
            munmap(vm->vcpus[i].run, vm->run_size);
        }
        close(vm->vcpu_fds[i]);
    }
    if (vm->vm_fd >= 0) {
        close(vm->vm_fd);
    }
    if (vm->kvm_fd >= 0) {
        close(vm->kvm_fd);
    }
    if (vm->ram) {
        munmap(vm->ram, RAM_SIZE + CF_ROM_SIZE);
    }
    g_free(vm);
}

static void *vcpu_thread(void *opaque)
{
    TestVcpu *vcpu = opaque;
    TestVm *vm = vcpu->vm;
    const int fd = vm->vcpu_fds[vcpu - vm->vcpus];

    while (!g_atomic_int_get(&vm->stop)) {
        if (ioctl(fd, KVM_RUN, 0) < 0) {
            if (errno != EINTR && errno != EAGAIN) {
                g_atomic_int_set(&vm->run_errno, errno);
                break;
            }
        } else if (vcpu->run->exit_reason != KVM_EXIT_INTR) {
            g_atomic_int_set(&vm->bad_exit, (int)vcpu->run->exit_reason);
            break;
        }
    }
    return NULL;
}

static void ignore_signal(int number G_GNUC_UNUSED)
{
}

/* immediate_exit is for the moment before KVM_RUN, the signal for the time in
 * it. */
static void stop_threads(TestVm *vm, uint32_t n_threads)
{
    uint32_t i;

    g_atomic_int_set(&vm->stop, 1);
    for (i = 0; i < n_threads; i++) {
        vm->vcpus[i].run->immediate_exit = 1;
        pthread_kill(vm->vcpus[i].thread, KICK_SIGNAL);
    }
    for (i = 0; i < n_threads; i++) {
        pthread_join(vm->vcpus[i].thread, NULL);
    }
}

static gboolean start_threads(TestVm *vm, GError **error)
{
    uint32_t i;

    g_atomic_int_set(&vm->stop, 0);
    for (i = 0; i < vm->n_vcpus; i++) {
        vm->vcpus[i].run->immediate_exit = 0;
        errno = pthread_create(&vm->vcpus[i].thread, NULL, vcpu_thread,
                               &vm->vcpus[i]);
        if (errno) {
            fail(error, "pthread_create");
            stop_threads(vm, i);
            return FALSE;
        }
    }
    return TRUE;
}

/* What a vCPU publishes. */
static unsigned char *slot(const TestVm *vm, uint32_t vcpu)
{
    return vm->ram + CF_SLOTS + (size_t)vcpu * CF_SLOT_SIZE;
}

static uint64_t heartbeat(const TestVm *vm, uint32_t vcpu)
{
    void *counter = slot(vm, vcpu) + CF_SLOT_HEARTBEAT;

    return __atomic_load_n((uint64_t *)counter, __ATOMIC_ACQUIRE);
}

/* Two heartbeats: the first one may belong to values that were read before. */
static bool all_published(const TestVm *vm, const uint64_t *before)
{
    uint32_t i;

    for (i = 0; i < vm->n_vcpus; i++) {
        if (heartbeat(vm, i) < before[i] + 2) {
            return false;
        }
    }
    return true;
}

static bool has_failed(TestVm *vm)
{
    return g_atomic_int_get(&vm->run_errno) || g_atomic_int_get(&vm->bad_exit);
}

static gboolean fail_run(TestVm *vm, GError **error)
{
    errno = g_atomic_int_get(&vm->run_errno);
    if (errno) {
        return fail(error, "KVM_RUN");
    }
    g_set_error(error, CF_ERROR, CF_ERROR_SYSTEM,
                "test VM: the guest doesn't run (exit %d)",
                g_atomic_int_get(&vm->bad_exit));
    return FALSE;
}

gboolean test_vm_run(TestVm *vm, GError **error)
{
    const struct sigaction action = { .sa_handler = ignore_signal };
    uint64_t before[TEST_VM_MAX_VCPUS] = { 0 };
    gint64 limit_us;
    bool published;
    uint32_t i;

    sigaction(KICK_SIGNAL, &action, NULL);
    for (i = 0; i < vm->n_vcpus; i++) {
        before[i] = heartbeat(vm, i);
    }
    if (!start_threads(vm, error)) {
        return FALSE;
    }
    limit_us = g_get_monotonic_time() + RUN_LIMIT_US;
    do {
        g_usleep(POLL_US);
        published = all_published(vm, before);
    } while (!published && !has_failed(vm) &&
             g_get_monotonic_time() < limit_us);
    stop_threads(vm, vm->n_vcpus);
    return published || fail_run(vm, error);
}

static bool read_guest(uint64_t address, void *buffer, size_t size,
                       void *opaque)
{
    const TestVm *vm = opaque;

    if (size > RAM_SIZE || address > RAM_SIZE - size) {
        return false;
    }
    memcpy(buffer, vm->ram + address, size);
    return true;
}

CfVm test_vm_describe(TestVm *vm, const CfHost *host)
{
    return (CfVm) {
        .ops = cf_kvm_ops(),
        .host = host,
        .vm_fd = vm->vm_fd,
        .vcpu_fds = vm->vcpu_fds,
        .n_vcpus = vm->n_vcpus,
        .read_guest = read_guest,
        .opaque = vm,
    };
}

bool test_vm_record(TestVm *vm, uint32_t vcpu, CfPvclockRecord *ret_record)
{
    uint64_t msr;

    return cf_kvm_ops()->get_msr(vm->vcpu_fds[vcpu], CF_MSR_KVM_SYSTEM_TIME,
                                 &msr) == 0 && msr & 1 &&
           read_guest(msr & ~1ULL, ret_record, sizeof(*ret_record), vm);
}

uint64_t test_vm_published_ticks(TestVm *vm)
{
    uint64_t latest_ticks = 0;
    uint32_t i;

    for (i = 0; i < vm->n_vcpus; i++) {
        uint64_t ticks;

        memcpy(&ticks, slot(vm, i) + CF_SLOT_TSC, sizeof(ticks));
        latest_ticks = MAX(latest_ticks, ticks);
    }
    return latest_ticks;
}
