/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Facts about this host's KVM, found without the library that it checks:
 * host TSC frequency by the clock, and whether a TSC offset sticks.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <time.h>
#include <x86intrin.h>
#include <linux/kvm.h>

#define OFFSET_TICKS 1000000000000ULL

static uint64_t raw_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC_RAW, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* TSC and clock at one instant: of many pairs that which took least. */
static void read_pair(uint64_t *ticks, uint64_t *ns)
{
    uint64_t least_ns = UINT64_MAX;
    int i;

    for (i = 0; i < 100; i++) {
        const uint64_t before_ns = raw_ns();
        const uint64_t now_ticks = __rdtsc();
        const uint64_t took_ns = raw_ns() - before_ns;

        if (took_ns < least_ns) {
            least_ns = took_ns;
            *ticks = now_ticks;
            *ns = before_ns;
        }
    }
}

static uint64_t measure_khz(void)
{
    const struct timespec wait = { .tv_nsec = 200000000 };
    uint64_t start_ticks, start_ns, ticks, ns;

    read_pair(&start_ticks, &start_ns);
    nanosleep(&wait, NULL);
    read_pair(&ticks, &ns);
    return (ticks - start_ticks) * 1000000 / (ns - start_ns);
}

/* By the guest's TSC alone: does it jump by what was written? */
static int offset_sticks(int vcpu_fd)
{
    uint64_t offset = OFFSET_TICKS;
    struct kvm_device_attr attr = {
        .group = KVM_VCPU_TSC_CTRL,
        .attr = KVM_VCPU_TSC_OFFSET,
        .addr = (uintptr_t)&offset,
    };
    /* struct kvm_msrs with one entry */
    struct {
        __u32 nmsrs;
        __u32 pad;
        struct kvm_msr_entry entry;
    } msr = { .nmsrs = 1, .entry.index = 0x10 };

    if (ioctl(vcpu_fd, KVM_SET_DEVICE_ATTR, &attr) < 0 ||
        ioctl(vcpu_fd, KVM_GET_MSRS, &msr) != 1) {
        return 0;
    }
    return msr.entry.data - __rdtsc() - OFFSET_TICKS / 2 < OFFSET_TICKS;
}

int main(int argc, char **argv)
{
    const int kvm_fd = open(argc > 1 ? argv[1] : "/dev/kvm", O_RDWR);
    const int vm_fd = ioctl(kvm_fd, KVM_CREATE_VM, 0);
    const int vcpu_fd = ioctl(vm_fd, KVM_CREATE_VCPU, 0);

    if (vcpu_fd < 0) {
        perror("kvm-facts");
        return 1;
    }
    printf("khz=%" PRIu64 "\nsticks=%d\n", measure_khz(),
           offset_sticks(vcpu_fd));
    return 0;
}
