/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the contract tests need of TAP, KVM and the host: VMs, the clock calls,
 * and their own arithmetic, with long double and 128 bits, written from what
 * pvclock and TSC scaling are and not from any code.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/kvm.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <unistd.h>
#include <x86intrin.h>

static int number, failures;

/* One test. What went wrong is in the values behind the name. */
__attribute__((format(printf, 2, 3)))
static void check(bool good, const char *name, ...)
{
    va_list values;

    printf("%sok %d - ", good ? "" : "not ", ++number);
    va_start(values, name);
    vprintf(name, values);
    va_end(values);
    putchar('\n');
    failures += !good;
}

/* An errno is expected; 0 is success. */
static void check_errno(int got, int want, const char *name)
{
    check(got == want, "%s: errno %d, wanted %d", name, got, want);
}

/* The record of pvclock, and the ABI that released headers don't have. */
struct record {
    uint32_t version;
    uint32_t pad0;
    uint64_t tsc_timestamp;
    uint64_t system_time;
    uint32_t tsc_to_system_mul;
    int8_t tsc_shift;
    uint8_t flags;
    uint8_t pad[2];
};

struct scale {
    uint64_t ratio;
    uint64_t frac_bits;
};

#define SET_CLOCK_GUEST _IOW(KVMIO, 0xd6, struct record)
#define GET_CLOCK_GUEST _IOR(KVMIO, 0xd7, struct record)
#define CAP_CLOCK_GUEST 25200 /* the lab's own number */
#define TSC_OFFSET 0
#define TSC_SCALE 1
#define STABLE 1
#define CLOCK_ALL 0xe /* stable, with realtime, with the host's TSC */
#define UNSCALED (1ULL << 32)
#define MSR_TSC 0x10
#define MSR_SYSTEM_TIME 0x4b564d01

struct vm {
    int kvm, fd, vcpu[2], vcpus;
    uint8_t *memory; /* of the guest, if it has a program */
    struct kvm_run *run;
};

#define MEMORY_SIZE 0x3000
#define CODE_OFFSET 0x1000
#define PAGE_OFFSET 0x2000

/* The errno of a call that returned this, 0 if it succeeded. */
static int fails(int result)
{
    return result < 0 ? errno : 0;
}

static void must(int result, const char *what)
{
    if (result < 0) {
        printf("Bail out! %s: %s\n", what, strerror(errno));
        fflush(stdout);
        if (getpid() == 1) {
            reboot(RB_POWER_OFF);
        }
        exit(1);
    }
}

static struct vm new_vm(int vcpus)
{
    struct vm vm = { .vcpus = vcpus };

    vm.kvm = open("/dev/kvm", O_RDWR);
    must(vm.kvm, "/dev/kvm");
    vm.fd = ioctl(vm.kvm, KVM_CREATE_VM, 0);
    must(vm.fd, "KVM_CREATE_VM");
    for (int i = 0; i < vcpus; i++) {
        vm.vcpu[i] = ioctl(vm.fd, KVM_CREATE_VCPU, i);
        must(vm.vcpu[i], "KVM_CREATE_VCPU");
        /* Offsets that are the same on all vCPUs and known. */
        must(ioctl(vm.vcpu[i], KVM_SET_DEVICE_ATTR, &(struct kvm_device_attr) {
            .addr = (uintptr_t)&(uint64_t) { 0 } }), "TSC_OFFSET");
    }
    return vm;
}

static void end_vm(struct vm *vm)
{
    for (int i = 0; i < vm->vcpus; i++) {
        close(vm->vcpu[i]);
    }
    close(vm->fd);
    close(vm->kvm);
    if (vm->memory) {
        munmap(vm->memory, MEMORY_SIZE);
        munmap(vm->run, 4096);
    }
    memset(vm, 0, sizeof(*vm));
}

static int attr(struct vm *vm, int vcpu, unsigned long call, uint64_t which,
                void *value)
{
    struct kvm_device_attr request = {
        .attr = which, .addr = (uintptr_t)value,
    };

    return fails(ioctl(vm->vcpu[vcpu], call, &request));
}

static int set_offset(struct vm *vm, int vcpu, uint64_t offset)
{
    return attr(vm, vcpu, KVM_SET_DEVICE_ATTR, TSC_OFFSET, &offset);
}

static uint64_t get_offset(struct vm *vm, int vcpu)
{
    uint64_t offset = 0;

    attr(vm, vcpu, KVM_GET_DEVICE_ATTR, TSC_OFFSET, &offset);
    return offset;
}

static int set_khz(struct vm *vm, int vcpu, uint32_t khz)
{
    return fails(ioctl(vm->vcpu[vcpu], KVM_SET_TSC_KHZ, (unsigned long)khz));
}

static uint32_t get_khz(struct vm *vm, int vcpu)
{
    return (uint32_t)ioctl(vm->vcpu[vcpu], KVM_GET_TSC_KHZ, 0);
}

static int get(struct vm *vm, int vcpu, struct record *record)
{
    return fails(ioctl(vm->vcpu[vcpu], GET_CLOCK_GUEST, record));
}

static int set(struct vm *vm, int vcpu, const struct record *record)
{
    return fails(ioctl(vm->vcpu[vcpu], SET_CLOCK_GUEST, record));
}

static void set_clock(struct vm *vm, uint64_t ns)
{
    struct kvm_clock_data clock = { .clock = ns };

    must(ioctl(vm->fd, KVM_SET_CLOCK, &clock), "KVM_SET_CLOCK");
}

static struct kvm_clock_data get_clock(struct vm *vm)
{
    struct kvm_clock_data clock = { 0 };

    must(ioctl(vm->fd, KVM_GET_CLOCK, &clock), "KVM_GET_CLOCK");
    return clock;
}

/* A guest that halts, with a clock page. */
static void add_guest(struct vm *vm)
{
    struct kvm_userspace_memory_region region = { .memory_size = MEMORY_SIZE };
    struct kvm_sregs sregs;
    struct kvm_regs regs = { .rip = CODE_OFFSET, .rflags = 2 };
    struct {
        __u32 nmsrs;
        __u32 pad;
        struct kvm_msr_entry entry;
    } msr = { 1, 0, { .index = MSR_SYSTEM_TIME, .data = PAGE_OFFSET | 1 } };

    vm->memory = mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    vm->run = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED,
                   vm->vcpu[0], 0);
    region.userspace_addr = (uintptr_t)vm->memory;
    memcpy(vm->memory + CODE_OFFSET, "\xf4\xeb\xfd", 3); /* hlt, again */
    must(ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region), "memory");
    must(ioctl(vm->vcpu[0], KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
    sregs.cs.base = sregs.cs.selector = 0;
    must(ioctl(vm->vcpu[0], KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
    must(ioctl(vm->vcpu[0], KVM_SET_REGS, &regs), "KVM_SET_REGS");
    must(ioctl(vm->vcpu[0], KVM_SET_MSRS, &msr) - 1, "KVM_SET_MSRS");
}

/* Until it halts. */
static void run(struct vm *vm, int vcpu)
{
    must(ioctl(vm->vcpu[vcpu], KVM_RUN, 0), "KVM_RUN");
    if (vm->run->exit_reason != KVM_EXIT_HLT) {
        printf("# the guest stops for reason %u\n", vm->run->exit_reason);
    }
}

/* -- Arithmetic -- */

static uint64_t scaled(uint64_t ticks, uint64_t ratio)
{
    return (uint64_t)((unsigned __int128)ticks * ratio >> 32);
}

static uint64_t ratio_of(uint32_t guest_khz, uint32_t host_khz)
{
    return ((uint64_t)guest_khz << 32) / host_khz;
}

/* What KVM says is the guest's TSC lies between two readings of the host's. */
static bool tsc_is(struct vm *vm, int vcpu, uint64_t ratio, uint64_t offset)
{
    struct {
        __u32 nmsrs;
        __u32 pad;
        struct kvm_msr_entry entry;
    } msr = { 1, 0, { .index = MSR_TSC } };
    const uint64_t before = scaled(__rdtsc(), ratio) + offset;
    uint64_t after;

    must(ioctl(vm->vcpu[vcpu], KVM_GET_MSRS, &msr) - 1, "KVM_GET_MSRS");
    after = scaled(__rdtsc(), ratio) + offset;
    return msr.entry.data - before <= after - before;
}

/* Nanoseconds of the clock when the guest's TSC is this, as guests read it. */
static int64_t value(const struct record *record, uint64_t tsc)
{
    unsigned __int128 ticks = tsc - record->tsc_timestamp;

    ticks = record->tsc_shift < 0 ? ticks >> -record->tsc_shift
                                  : ticks << record->tsc_shift;
    return (int64_t)(record->system_time +
                     (uint64_t)(ticks * record->tsc_to_system_mul >> 32));
}

static bool same_slope(const struct record *one, const struct record *other)
{
    return one->tsc_to_system_mul == other->tsc_to_system_mul &&
           one->tsc_shift == other->tsc_shift;
}

static long double ns_per_tick(const struct record *record)
{
    return ldexpl(record->tsc_to_system_mul, record->tsc_shift - 32);
}

/*
 * How many ns the second record's clock is ahead of the first's, at any time
 * if the slopes are the same, with fractions that reading it would hide.
 */
static double apart(const struct record *one, const struct record *other)
{
    const int64_t ticks = (int64_t)(other->tsc_timestamp - one->tsc_timestamp);

    return (double)((int64_t)(other->system_time - one->system_time) -
                    ticks * ns_per_tick(one));
}

/* A new reference loses a fraction of 1 ns, and one tick by a right shift. */
static double rounding(const struct record *record)
{
    return (double)(1 + ns_per_tick(record));
}

static double larger(double one, double other)
{
    return fabs(one) > fabs(other) ? one : other;
}

static bool near(int64_t one, int64_t other, int64_t bound)
{
    return llabs(one - other) <= bound;
}

static double hz_of(const struct record *record)
{
    long double hz = 1e9L * 4294967296.0L / record->tsc_to_system_mul;

    for (int i = 0; i < record->tsc_shift; i++) {
        hz /= 2;
    }
    for (int i = 0; i > record->tsc_shift; i--) {
        hz *= 2;
    }
    return (double)hz;
}

/* A clock of this frequency that reads 1 s at TSC 1. */
static struct record record_for(uint64_t hz)
{
    struct record record = { .tsc_timestamp = 1, .system_time = 1000000000 };
    long double mul = 1e9L * 4294967296.0L / hz;

    while (mul >= 4294967295.5L) {
        mul /= 2;
        record.tsc_shift++;
    }
    while (mul < 2147483648.0L) {
        mul *= 2;
        record.tsc_shift--;
    }
    record.tsc_to_system_mul = (uint32_t)(mul + 0.5L);
    return record;
}

/* -- As the only program of a host -- */

static bool clocksource_is_final(void)
{
    char name[16] = "";
    const int fd = open("/sys/devices/system/clocksource/clocksource0/"
                        "current_clocksource", O_RDONLY);
    const bool read_it = fd >= 0 && read(fd, name, sizeof(name) - 1) > 0;

    close(fd);
    return read_it && strncmp(name, "tsc-early", 9) &&
           strncmp(name, "jiffies", 7);
}

/* KVM's master clock needs the clocksource that the kernel ends with. */
static void start_system(void)
{
    must(mkdir("/dev", 0755) && errno != EEXIST ? -1 : 0, "/dev");
    must(mkdir("/sys", 0755) && errno != EEXIST ? -1 : 0, "/sys");
    must(mount("dev", "/dev", "devtmpfs", 0, NULL), "devtmpfs");
    must(mount("sys", "/sys", "sysfs", 0, NULL), "sysfs");
    for (int i = 0; i < 1000 && !clocksource_is_final(); i++) {
        usleep(10000);
    }
}

static void stop_system(void)
{
    sync();
    reboot(RB_POWER_OFF);
}
