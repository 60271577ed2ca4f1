/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cf_settle_vcpu() on this machine's KVM: what it does, and what it mustn't.
 *
 *     kvm-settle                  TAP
 *     kvm-settle try              is a vCPU settled that runs, is one that
 *                                 sleeps, and does that one sleep on?
 *     kvm-settle sleep SECONDS    kvmclock's step if its guest sleeps so long
 *                                 after a restore, without and with settling;
 *                                 for hosts that keep TSC offsets
 */
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/kvm.h>
#include <clockferry/clockferry.h>

#define RAM_SIZE 0x10000u
#define CODE 0x1000u            /* where the guest begins */
#define PVCLOCK 0x3000u         /* its pvclock page */

/* hlt; and so on for ever */
static const uint8_t code[] = { 0xf4, 0xeb, 0xfd };

typedef struct Vm {
    int kvm;
    int vm;
    int vcpus[2];
    uint8_t *ram;
} Vm;

static volatile sig_atomic_t signals;

static void count_signal(int number)
{
    (void)number;
    signals++;
}

static Vm vm_new(bool irqchip)
{
    Vm v = { .kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC) };
    struct kvm_userspace_memory_region region = { .memory_size = RAM_SIZE };

    v.ram = mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    region.userspace_addr = (uintptr_t)v.ram;
    memcpy(v.ram + CODE, code, sizeof(code));
    v.vm = ioctl(v.kvm, KVM_CREATE_VM, 0);
    g_assert_cmpint(ioctl(v.vm, KVM_SET_TSS_ADDR, 0xfffbd000), ==, 0);
    g_assert_cmpint(ioctl(v.vm, KVM_SET_USER_MEMORY_REGION, &region), ==, 0);
    g_assert_true(!irqchip || ioctl(v.vm, KVM_CREATE_IRQCHIP, 0) == 0);
    for (int i = 0; i < 2; i++) {
        v.vcpus[i] = ioctl(v.vm, KVM_CREATE_VCPU, i);
        g_assert_cmpint(v.vcpus[i], >=, 0);
    }
    return v;
}

static void vm_free(Vm *v)
{
    close(v->vcpus[0]);
    close(v->vcpus[1]);
    close(v->vm);
    close(v->kvm);
    munmap(v->ram, RAM_SIZE);
}

static void set_start(int vcpu)
{
    struct kvm_regs regs = { .rip = CODE, .rflags = 2 };
    struct kvm_sregs sregs;

    g_assert_cmpint(ioctl(vcpu, KVM_GET_SREGS, &sregs), ==, 0);
    sregs.cs.base = sregs.cs.selector = 0;
    g_assert_cmpint(ioctl(vcpu, KVM_SET_SREGS, &sregs), ==, 0);
    g_assert_cmpint(ioctl(vcpu, KVM_SET_REGS, &regs), ==, 0);
}

static uint64_t rip(int vcpu)
{
    struct kvm_regs regs;

    g_assert_cmpint(ioctl(vcpu, KVM_GET_REGS, &regs), ==, 0);
    return regs.rip;
}

static uint32_t mp_state(int vcpu)
{
    struct kvm_mp_state state;

    g_assert_cmpint(ioctl(vcpu, KVM_GET_MP_STATE, &state), ==, 0);
    return state.mp_state;
}

static void assert_no_signal(void)
{
    sigset_t set;

    sigpending(&set);
    g_assert_false(sigismember(&set, SIGRTMAX));
    sigprocmask(SIG_BLOCK, NULL, &set);
    g_assert_false(sigismember(&set, SIGRTMAX));
    g_assert_cmpint(signals, ==, 0);
}

/* The record is written by the time that the guest would run, not before. */
static void test_brink(void)
{
    Vm v = vm_new(false);
    CfPvclockRecord *record = (void *)(v.ram + PVCLOCK);

    set_start(v.vcpus[0]);
    g_assert_cmpint(cf_kvm_ops()->set_msr(v.vcpus[0], CF_MSR_KVM_SYSTEM_TIME,
                                          PVCLOCK | 1), ==, 0);
    g_assert_cmpuint(record->version, ==, 0);
    g_assert_true(cf_settle_vcpu(v.vcpus[0]));
    g_assert_cmpuint(record->version, >, 0);
    g_assert_cmpuint(rip(v.vcpus[0]), ==, CODE);
    assert_no_signal();
    vm_free(&v);
}

/* Who sleeps goes on sleeping; who waits to be started goes on waiting. */
static void test_halted(void)
{
    struct kvm_mp_state halted = { KVM_MP_STATE_HALTED };
    Vm v = vm_new(true);

    set_start(v.vcpus[0]);
    g_assert_cmpint(ioctl(v.vcpus[0], KVM_SET_MP_STATE, &halted), ==, 0);
    g_assert_true(cf_settle_vcpu(v.vcpus[0]));
    g_assert_cmpuint(mp_state(v.vcpus[0]), ==, KVM_MP_STATE_HALTED);
    g_assert_cmpuint(rip(v.vcpus[0]), ==, CODE);
    g_assert_false(cf_settle_vcpu(v.vcpus[1]));
    g_assert_cmpuint(mp_state(v.vcpus[1]), ==, KVM_MP_STATE_UNINITIALIZED);
    assert_no_signal();
    vm_free(&v);
}

/* immediate_exit is how VMMs keep a vCPU from running: it stays set. */
static void test_immediate_exit(void)
{
    Vm v = vm_new(false);
    struct kvm_run *run = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED,
                               v.vcpus[0], 0);

    set_start(v.vcpus[0]);
    run->immediate_exit = 1;
    g_assert_true(cf_settle_vcpu(v.vcpus[0]));
    g_assert_cmpuint(run->immediate_exit, ==, 1);
    munmap(run, 4096);
    g_assert_false(cf_settle_vcpu(v.kvm));
    g_assert_false(cf_settle_vcpu(-1));
    assert_no_signal();
    vm_free(&v);
}

/* What comes of a vCPU: for fake hosts. */
static void try_one(const char *name, uint32_t state)
{
    struct kvm_mp_state before = { state };
    Vm v = vm_new(true);
    bool settled;

    set_start(v.vcpus[0]);
    g_assert_cmpint(ioctl(v.vcpus[0], KVM_SET_MP_STATE, &before), ==, 0);
    settled = cf_settle_vcpu(v.vcpus[0]);
    g_print("%s: %ssettled, %s\n", name, settled ? "" : "not ",
            mp_state(v.vcpus[0]) == KVM_MP_STATE_HALTED ? "sleeps" : "awake");
    vm_free(&v);
}

static bool settle(uint32_t vcpu, void *opaque)
{
    return cf_settle_vcpu(((const Vm *)opaque)->vcpus[vcpu]);
}

static void run_once(Vm *v)
{
    g_assert_cmpint(ioctl(v->vcpus[0], KVM_RUN, 0), ==, 0);
}

static int64_t clock_at(const Vm *v, uint64_t guest_ticks)
{
    CfPvclockRecord record;
    int64_t ns = 0;

    memcpy(&record, v->ram + PVCLOCK, sizeof(record));
    const struct cf_clock_fn fn = {
        .tsc_ticks = record.tsc_timestamp, .system_ns = record.system_time,
        .mul = record.tsc_to_system_mul, .shift = record.tsc_shift,
    };
    g_assert_true(cf_clock_fn_eval(&fn, guest_ticks, &ns));
    return ns;
}

/* From one VM to another, which sleeps before it runs first. */
static void sleep_and_step(unsigned int seconds, CfSettle how)
{
    g_autoptr(CfState) state = NULL;
    Vm from = vm_new(false), to = vm_new(false);
    CfVm vm = { .ops = cf_kvm_ops(), .n_vcpus = 2, .settle = how };
    CfHost host;
    CfReport report;
    uint64_t ticks;

    g_assert_true(cf_host_probe(vm.ops, "/dev/kvm", &host, NULL));
    vm.host = &host;
    for (Vm *v = &from; v; v = v == &from ? &to : NULL) {
        set_start(v->vcpus[0]);
        vm.ops->set_msr(v->vcpus[0], CF_MSR_KVM_SYSTEM_TIME, PVCLOCK | 1);
    }
    run_once(&from);
    vm.vm_fd = from.vm, vm.vcpu_fds = from.vcpus, vm.opaque = &from;
    g_assert_true(cf_capture(&vm, &state, NULL));
    vm.vm_fd = to.vm, vm.vcpu_fds = to.vcpus, vm.opaque = &to;
    g_assert_true(cf_restore(&vm, state, NULL, &report, NULL));
    sleep(seconds);
    run_once(&to);
    g_assert_cmpint(vm.ops->get_msr(to.vcpus[0], CF_MSR_TSC, &ticks), ==, 0);
    g_print("%s: %s, pending %d, step %" PRId64 " ns\n",
            how ? "settled" : "not settled", cf_rung_name(report.rung),
            report.pending_update, clock_at(&to, ticks) -
                                   clock_at(&from, ticks));
    vm_free(&from);
    vm_free(&to);
}

int main(int argc, char **argv)
{
    const struct sigaction action = { .sa_handler = count_signal };

    if (argc == 3 && !strcmp(argv[1], "sleep")) {
        for (int i = 0; i < 4; i++) {
            sleep_and_step((unsigned int)atoi(argv[2]),
                           i % 2 ? settle : NULL);
        }
        return 0;
    }
    if (argc == 2 && !strcmp(argv[1], "try")) {
        try_one("running", KVM_MP_STATE_RUNNABLE);
        try_one("halted", KVM_MP_STATE_HALTED);
        return 0;
    }
    sigaction(SIGRTMAX, &action, NULL);
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/settle/brink", test_brink);
    g_test_add_func("/settle/halted", test_halted);
    g_test_add_func("/settle/immediate-exit", test_immediate_exit);
    return g_test_run();
}
