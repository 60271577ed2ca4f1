/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Preloaded into a QEMU: gives the vCPUs TSCs that differ, as some firmware
 * and some guests do. Before vCPU n runs for the first time its TSC offset is
 * raised by n x CLOCKFERRY_SKEW ticks. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <linux/kvm.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#define MAX_FD  256

#ifndef KVM_VCPU_TSC_CTRL
#define KVM_VCPU_TSC_CTRL       0
#define KVM_VCPU_TSC_OFFSET     0
#endif

typedef int ioctl_fn(int fd, unsigned long request, ...);

/* Which vCPU a descriptor is, plus 1; 0 once it has been dealt with. */
static int vcpu_of[MAX_FD];

static void skew(ioctl_fn *real, int fd, int vcpu)
{
    const char *wanted = getenv("CLOCKFERRY_SKEW");
    uint64_t offset;
    struct kvm_device_attr attr = {
        .group = KVM_VCPU_TSC_CTRL,
        .attr = KVM_VCPU_TSC_OFFSET,
        .addr = (uintptr_t)&offset,
    };

    if (wanted && vcpu && !real(fd, KVM_GET_DEVICE_ATTR, &attr)) {
        offset += vcpu * strtoull(wanted, NULL, 0);
        real(fd, KVM_SET_DEVICE_ATTR, &attr);
    }
}

int ioctl(int fd, unsigned long request, ...)
{
    static ioctl_fn *real;
    va_list args;
    void *arg;
    int ret;

    va_start(args, request);
    arg = va_arg(args, void *);
    va_end(args);
    if (!real) {
        real = (ioctl_fn *)dlsym(RTLD_NEXT, "ioctl");
    }
    if (request == KVM_RUN && fd < MAX_FD && vcpu_of[fd]) {
        int vcpu = vcpu_of[fd] - 1;

        vcpu_of[fd] = 0;
        skew(real, fd, vcpu);
    }
    ret = real(fd, request, arg);
    if (request == KVM_CREATE_VCPU && ret >= 0 && ret < MAX_FD) {
        vcpu_of[ret] = 1 + (int)(uintptr_t)arg;
    }
    return ret;
}
