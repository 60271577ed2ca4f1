/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests Hyper-V's time as the kernel emulates it, as the only program of an
 * emulated host. Usage: contract-hyperv [no-master-clock]; it writes TAP.
 * What is asked here is what tests/fake-kvm has a model of.
 */
#include <signal.h>
#include "contract-kvm.h"

#define MSR_REFERENCE_TSC 0x40000021
#define MSR_TSC_FREQUENCY 0x40000022
#define MSR_EMULATION_CONTROL 0x40000107
#define MSR_TIMER_CONFIG 0x400000b0
#define MSR_TIMER_COUNT 0x400000b1
#define TIMER_ONCE 0x1ed1 /* direct, vector 0xed, enabled */

#define RECORD_OFFSET 0x800 /* of page 0; PAGE_OFFSET has the other page */
#define UNIT_NS 100
#define SECOND_NS 1000000000ULL
#define CPUID_FEATURES 0x40000003
#define REFERENCE_TIME ((1 << 1) | (1 << 9)) /* counter and page */
#define MOST 1024

struct page {
    uint32_t sequence;
    uint32_t reserved;
    uint64_t scale;
    int64_t offset;
};

static bool master_clock = true;

/* -- A guest that stops at once whenever it runs -- */

static uint64_t msr_call(struct vm *vm, unsigned long call, uint32_t index,
                         uint64_t data)
{
    struct {
        __u32 nmsrs;
        __u32 pad;
        struct kvm_msr_entry entry;
    } msr = { 1, 0, { .index = index, .data = data } };

    must(ioctl(vm->vcpu[0], call, &msr) - 1, "MSR");
    return msr.entry.data;
}

static void set_msr(struct vm *vm, uint32_t index, uint64_t data)
{
    msr_call(vm, KVM_SET_MSRS, index, data);
}

static uint64_t get_msr(struct vm *vm, uint32_t index)
{
    return msr_call(vm, KVM_GET_MSRS, index, 0);
}

static void run_once(struct vm *vm)
{
    must(ioctl(vm->vcpu[0], KVM_RUN, 0), "KVM_RUN");
    if (vm->run->exit_reason != KVM_EXIT_IO) {
        printf("# the guest stops for reason %u\n", vm->run->exit_reason);
    }
}

/* KVM does all that is pending, and turns back before the guest runs. */
static int run_to_the_brink(struct vm *vm)
{
    struct {
        uint32_t len;
        uint8_t open[8]; /* the kernel's sigset_t */
    } mask = { .len = 8 };
    sigset_t signals;
    int error;

    sigemptyset(&signals);
    sigaddset(&signals, SIGUSR1);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    kill(getpid(), SIGUSR1);
    must(ioctl(vm->vcpu[0], KVM_SET_SIGNAL_MASK, &mask), "signal mask");
    error = fails(ioctl(vm->vcpu[0], KVM_RUN, 0));
    must(ioctl(vm->vcpu[0], KVM_SET_SIGNAL_MASK, NULL), "signal mask");
    sigwaitinfo(&signals, NULL);
    return error;
}

static struct vm guest_vm(int vcpus)
{
    struct vm vm = new_vm(vcpus);

    add_guest(&vm);
    memcpy(vm.memory + CODE_OFFSET, "\xe6\x10\xeb\xfc", 4); /* out, again */
    set_msr(&vm, MSR_SYSTEM_TIME, RECORD_OFFSET | 1);
    return vm;
}

static struct page page_of(const struct vm *vm)
{
    struct page page;

    memcpy(&page, vm->memory + PAGE_OFFSET, sizeof(page));
    return page;
}

static struct record record_of(const struct vm *vm)
{
    struct record record;

    memcpy(&record, vm->memory + RECORD_OFFSET, sizeof(record));
    return record;
}

static void put_page(struct vm *vm)
{
    set_msr(vm, MSR_REFERENCE_TSC, PAGE_OFFSET | 1);
}

static int64_t page_ns(const struct page *page, uint64_t tsc)
{
    return ((int64_t)((unsigned __int128)tsc * page->scale >> 64) +
            page->offset) * UNIT_NS;
}

/* KVM rounds twice, by 100 ns at most and in either direction. */
static bool agree(const struct vm *vm)
{
    const struct page page = page_of(vm);
    const struct record record = record_of(vm);
    const uint64_t tsc = record.tsc_timestamp;

    return page.sequence && near(page_ns(&page, tsc), value(&record, tsc),
                                 2 * UNIT_NS);
}

static void check_page(const struct vm *vm, uint32_t sequence,
                       const char *name)
{
    const struct page page = page_of(vm);

    check(page.sequence == sequence && (!sequence || agree(vm)),
          "%s: sequence %u, wanted %u, %s", name, page.sequence, sequence,
          agree(vm) ? "as the record" : "not as the record");
}

/* -- What KVM offers -- */

static bool lists(struct vm *vm, uint32_t index)
{
    static struct {
        __u32 nmsrs;
        __u32 indices[MOST];
    } list = { .nmsrs = MOST };

    must(ioctl(vm->kvm, KVM_GET_MSR_INDEX_LIST, &list), "list of MSRs");
    for (uint32_t i = 0; i < list.nmsrs; i++) {
        if (list.indices[i] == index) {
            return true;
        }
    }
    return false;
}

static uint32_t features(struct vm *vm)
{
    static struct {
        __u32 nent;
        __u32 padding;
        struct kvm_cpuid_entry2 entries[32];
    } cpuid;

    cpuid.nent = 32;
    must(ioctl(vm->kvm, KVM_GET_SUPPORTED_HV_CPUID, &cpuid), "CPUID");
    for (uint32_t i = 0; i < cpuid.nent; i++) {
        if (cpuid.entries[i].function == CPUID_FEATURES) {
            return cpuid.entries[i].eax;
        }
    }
    return 0;
}

static void test_presence(void)
{
    struct vm vm = guest_vm(1);
    struct kvm_cpuid2 none = { 0 };
    struct kvm_msr_list empty = { 0 };

    check(ioctl(vm.kvm, KVM_CHECK_EXTENSION, KVM_CAP_HYPERV) == 1 &&
          ioctl(vm.kvm, KVM_CHECK_EXTENSION, KVM_CAP_HYPERV_TIME) == 1 &&
          ioctl(vm.kvm, KVM_CHECK_EXTENSION, KVM_CAP_SYS_HYPERV_CPUID) == 1,
          "capabilities");
    check((features(&vm) & REFERENCE_TIME) == REFERENCE_TIME,
          "CPUID has reference time");
    check(fails(ioctl(vm.kvm, KVM_GET_SUPPORTED_HV_CPUID, &none)) == E2BIG,
          "CPUID into no room");
    check(lists(&vm, MSR_REFERENCE_TSC) && lists(&vm, MSR_TSC_FREQUENCY) &&
          lists(&vm, MSR_TIMER_CONFIG), "the MSRs are listed");
    check(fails(ioctl(vm.kvm, KVM_GET_MSR_INDEX_LIST, &empty)) == E2BIG &&
          empty.nmsrs > 0, "a list of them into no room");
    check(get_msr(&vm, MSR_TSC_FREQUENCY) == get_khz(&vm, 0) * 1000ULL,
          "the frequency");
    end_vm(&vm);
}

/* -- The page -- */

static void test_page(void)
{
    struct vm vm = guest_vm(1);

    set_clock(&vm, SECOND_NS);
    put_page(&vm);
    check(get_msr(&vm, MSR_REFERENCE_TSC) == (PAGE_OFFSET | 1),
          "the MSR reads back");
    check_page(&vm, 0, "before the first run");
    run_once(&vm);
    check_page(&vm, 1, "first run");
    run_once(&vm);
    check_page(&vm, 1, "nothing has changed");
    set_clock(&vm, 1000 * SECOND_NS);
    check(page_of(&vm).sequence == 1 && agree(&vm), "the clock is set");
    run_once(&vm);
    check_page(&vm, 2, "and the vCPU runs");
    check(near(page_ns(&(struct page) { 0 }, 0), 0, 0) &&
          record_of(&vm).system_time > 999 * SECOND_NS, "it is a new clock");
    set_msr(&vm, MSR_REFERENCE_TSC, 0);
    set_clock(&vm, SECOND_NS);
    run_once(&vm);
    check(page_of(&vm).sequence == 2 && !agree(&vm), "turned off");
    end_vm(&vm);
}

/* As a destination does it: the page is in memory before KVM knows of it. */
static void test_arrival(void)
{
    struct vm vm = guest_vm(1);
    const struct page sent = { .sequence = 7, .scale = 3, .offset = 5 };

    memcpy(vm.memory + PAGE_OFFSET, &sent, sizeof(sent));
    put_page(&vm);
    set_clock(&vm, SECOND_NS);
    run_once(&vm);
    check_page(&vm, 8, "a page that arrives");
    end_vm(&vm);
}

/* A new reference of the clock comes with it, as if a TSC was written. */
static void test_pending(void)
{
    struct vm vm = guest_vm(1);
    struct record before;

    set_clock(&vm, SECOND_NS);
    run_once(&vm);
    before = record_of(&vm);
    run_once(&vm);
    check(record_of(&vm).tsc_timestamp == before.tsc_timestamp,
          "a run alone leaves the record");
    put_page(&vm);
    run_once(&vm);
    check(record_of(&vm).tsc_timestamp > before.tsc_timestamp,
          "writing the MSR leaves an update of the master clock pending");
    end_vm(&vm);
}

static void test_reenlightened(void)
{
    struct vm vm = guest_vm(1);
    const struct page sent = { .sequence = 7, .scale = 3, .offset = 5 };
    struct page page;

    set_msr(&vm, MSR_EMULATION_CONTROL, 1);
    put_page(&vm);
    memcpy(vm.memory + PAGE_OFFSET, &sent, sizeof(sent));
    set_clock(&vm, SECOND_NS);
    run_once(&vm);
    page = page_of(&vm);
    check(!memcmp(&page, &sent, sizeof(sent)),
          "re-enlightened: the page stays as it arrived");
    set_clock(&vm, 1000 * SECOND_NS);
    run_once(&vm);
    page = page_of(&vm);
    check(!memcmp(&page, &sent, sizeof(sent)) &&
          record_of(&vm).system_time > 999 * SECOND_NS,
          "and when the clock is set");
    end_vm(&vm);

    vm = guest_vm(1);
    set_msr(&vm, MSR_EMULATION_CONTROL, 1);
    put_page(&vm);
    set_clock(&vm, SECOND_NS);
    run_once(&vm);
    check_page(&vm, 1, "re-enlightened, no page: it is made");
    set_clock(&vm, 1000 * SECOND_NS);
    run_once(&vm);
    check(page_of(&vm).sequence == 1 && !agree(&vm), "once");
    end_vm(&vm);
}

/* Without a master clock there is no page; and with one again there is none
 * either, until somebody puts it there anew. */
static void test_broken(void)
{
    struct vm vm = guest_vm(2);

    if (master_clock) {
        set_khz(&vm, 1, get_khz(&vm, 0) * 2);
        set_offset(&vm, 1, 1000);
    }
    set_clock(&vm, SECOND_NS);
    put_page(&vm);
    run_once(&vm);
    check_page(&vm, 0, "without a master clock");
    if (master_clock) {
        set_khz(&vm, 1, get_khz(&vm, 0));
        set_offset(&vm, 0, 2000);
        set_offset(&vm, 1, 2000);
        set_clock(&vm, SECOND_NS);
        run_once(&vm);
        check(get_clock(&vm).flags == CLOCK_ALL, "it is there again");
        check_page(&vm, 0, "what was broken stays broken");
        put_page(&vm);
        run_once(&vm);
        check_page(&vm, 1, "until the MSR is written");
    }
    end_vm(&vm);
}

/* -- Timers -- */

/* They need KVM's APIC, which is there before the vCPUs. */
static struct vm timer_vm(void)
{
    struct vm vm = { .vcpus = 1 };
    struct kvm_enable_cap synic = { .cap = KVM_CAP_HYPERV_SYNIC2 };
    struct kvm_lapic_state lapic;

    vm.kvm = open("/dev/kvm", O_RDWR);
    must(vm.kvm, "/dev/kvm");
    vm.fd = ioctl(vm.kvm, KVM_CREATE_VM, 0);
    must(vm.fd, "KVM_CREATE_VM");
    must(ioctl(vm.fd, KVM_CREATE_IRQCHIP, 0), "KVM_CREATE_IRQCHIP");
    vm.vcpu[0] = ioctl(vm.fd, KVM_CREATE_VCPU, 0);
    must(vm.vcpu[0], "KVM_CREATE_VCPU");
    add_guest(&vm);
    memcpy(vm.memory + CODE_OFFSET, "\xe6\x10\xeb\xfc", 4);
    must(ioctl(vm.vcpu[0], KVM_ENABLE_CAP, &synic), "SynIC");
    must(ioctl(vm.vcpu[0], KVM_GET_LAPIC, &lapic), "KVM_GET_LAPIC");
    lapic.regs[0xf1] |= 1; /* software enable */
    must(ioctl(vm.vcpu[0], KVM_SET_LAPIC, &lapic), "KVM_SET_LAPIC");
    return vm;
}

static void start_timer(struct vm *vm, uint64_t clock_ns)
{
    set_msr(vm, MSR_TIMER_CONFIG, TIMER_ONCE);
    set_msr(vm, MSR_TIMER_COUNT, clock_ns / UNIT_NS);
}

/* Is it off when some time has passed, and the vCPU ran? */
static bool has_expired(struct vm *vm)
{
    usleep(100000);
    run_once(vm);
    run_once(vm);
    return !(get_msr(vm, MSR_TIMER_CONFIG) & 1);
}

static void test_timers(void)
{
    const uint64_t due_ns = 1000 * SECOND_NS + SECOND_NS / 20;
    struct vm vm = timer_vm();
    bool on;

    set_clock(&vm, 1000 * SECOND_NS);
    start_timer(&vm, due_ns);
    run_once(&vm);
    on = get_msr(&vm, MSR_TIMER_CONFIG) & 1;
    check(on || get_clock(&vm).clock >= due_ns, "a timer is on until its time");
    check(has_expired(&vm), "it expires");
    end_vm(&vm);

    vm = timer_vm();
    set_clock(&vm, SECOND_NS);
    start_timer(&vm, 1000 * SECOND_NS);
    set_clock(&vm, 1000 * SECOND_NS);
    run_once(&vm);
    check(has_expired(&vm), "a timer starts when the vCPU runs, not before");
    end_vm(&vm);

    vm = timer_vm();
    set_clock(&vm, SECOND_NS);
    start_timer(&vm, 1000 * SECOND_NS);
    run_once(&vm);
    set_clock(&vm, 1000 * SECOND_NS);
    check(!has_expired(&vm), "and not again when the clock is set later");
    end_vm(&vm);

    vm = timer_vm();
    set_clock(&vm, SECOND_NS);
    start_timer(&vm, 1000 * SECOND_NS);
    check_errno(run_to_the_brink(&vm), EINTR, "KVM turns back for a signal");
    set_clock(&vm, 1000 * SECOND_NS);
    check(!has_expired(&vm), "and has started a timer all the same");
    end_vm(&vm);
}

int main(int argc, char **argv)
{
    const bool alone = getpid() == 1;

    if (alone) {
        start_system();
    }
    for (int i = 1; i < argc; i++) {
        master_clock &= strcmp(argv[i], "no-master-clock") != 0;
    }
    test_presence();
    if (master_clock) {
        test_page();
        test_arrival();
        test_pending();
        test_reenlightened();
    }
    test_broken();
    test_timers();
    printf("1..%d\n", number);
    fflush(stdout);
    if (alone) {
        stop_system();
    }
    return failures != 0;
}
