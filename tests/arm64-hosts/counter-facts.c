/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tells what a guest's counter really does on this arm64 host, without the
 * library: a guest reads it, and its frequency, and stores both where KVM has
 * to ask. Usage: counter-facts ioctl|register|none
 *
 * Gives the counter an offset in that way, or none. Each line is three decimal
 * numbers: the host's counter before the guest ran, the guest's, the host's
 * after. Before them "written LEAST MOST", the limits of host - guest, and
 * "hz GUEST".
 */
#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/kvm.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define CODE 0x10000ULL
#define ASK 0x80000000ULL   /* there is no memory */
#define PAGE 4096
#define FAR_TICKS (1ULL << 41)
#define READINGS 5

/* Linux 6.4 */
#define SET_COUNTER_OFFSET _IOW(KVMIO, 0xb5, uint64_t[2])

static const uint32_t code[] = {
    0xd53be002,     /* mrs x2, cntfrq_el0 */
    0xf9000022,     /* str x2, [x1] */
    0xd5033fdf,     /* isb */
    0xd53be040,     /* mrs x0, cntvct_el0 */
    0xf9000020,     /* str x0, [x1] */
    0x17fffffd,     /* b to the isb */
};

static int vm, vcpu;
static struct kvm_run *run;

static int must(int rc, const char *what)
{
    if (rc < 0) {
        err(1, "%s", what);
    }
    return rc;
}

static uint64_t host_ticks(void)
{
    uint64_t ticks;

    __asm__ volatile("isb\n\tmrs %0, cntvct_el0\n\tisb" : "=r"(ticks)
                     : : "memory");
    return ticks;
}

static void set_register(uint64_t id, uint64_t value)
{
    struct kvm_one_reg reg = { id, (uintptr_t)&value };

    must(ioctl(vcpu, KVM_SET_ONE_REG, &reg), "KVM_SET_ONE_REG");
}

static void make_guest(void)
{
    const int kvm = must(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");
    struct kvm_vcpu_init init = { 0 };
    struct kvm_userspace_memory_region region = {
        .guest_phys_addr = CODE, .memory_size = PAGE,
    };
    void *memory = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    vm = must(ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
    memcpy(memory, code, sizeof(code));
    region.userspace_addr = (uintptr_t)memory;
    must(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region), "memory");
    vcpu = must(ioctl(vm, KVM_CREATE_VCPU, 0), "KVM_CREATE_VCPU");
    must(ioctl(vm, KVM_ARM_PREFERRED_TARGET, &init), "preferred target");
    must(ioctl(vcpu, KVM_ARM_VCPU_INIT, &init), "KVM_ARM_VCPU_INIT");
    run = mmap(NULL, (size_t)must(ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0),
                                  "size of kvm_run"),
               PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
    set_register(KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE |
                 KVM_REG_ARM_CORE_REG(regs.pc), CODE);
    set_register(KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE |
                 KVM_REG_ARM_CORE_REG(regs.regs[1]), ASK);
}

/* What the guest stores next. */
static uint64_t ask_guest(void)
{
    uint64_t value;

    must(ioctl(vcpu, KVM_RUN, 0), "KVM_RUN");
    if (run->exit_reason != KVM_EXIT_MMIO || run->mmio.phys_addr != ASK ||
        run->mmio.len != sizeof(value) || !run->mmio.is_write) {
        errx(1, "the guest did something else: exit %u", run->exit_reason);
    }
    memcpy(&value, run->mmio.data, sizeof(value));
    return value;
}

/* The guest shall be far ahead of its host. */
static void write_offset(const char *how)
{
    uint64_t least = -FAR_TICKS, most = least;

    if (!strcmp(how, "ioctl")) {
        uint64_t offset[2] = { least, 0 };

        must(ioctl(vm, SET_COUNTER_OFFSET, offset), "SET_COUNTER_OFFSET");
    } else if (!strcmp(how, "register")) {
        const uint64_t before = host_ticks(), value = before + FAR_TICKS;

        set_register(KVM_REG_ARM_TIMER_CNT, value);
        most = host_ticks() - value;
        least = before - value;
    } else {
        return;
    }
    printf("written %" PRIu64 " %" PRIu64 "\n", least, most);
}

int main(int argc, char **argv)
{
    int i;

    make_guest();
    write_offset(argc > 1 ? argv[1] : "none");
    printf("hz %" PRIu64 "\n", ask_guest());
    for (i = 0; i < READINGS; i++) {
        const uint64_t before = host_ticks(), guest = ask_guest();

        printf("%" PRIu64 " %" PRIu64 " %" PRIu64 "\n", before, guest,
               host_ticks());
    }
    return 0;
}
