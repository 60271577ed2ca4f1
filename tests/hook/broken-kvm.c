/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A KVM that is broken: LD_PRELOAD this, and BROKEN_KVM says how.
 *
 * die: whoever makes a VM dies. hang: it never comes back, and can't be
 * killed by the one who started it. At other times the kernel answers.
 */
#include <dlfcn.h>
#include <linux/kvm.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

__attribute__((visibility("default")))
int ioctl(int fd, unsigned long request, ...);

static void break_down(const char *how)
{
    if (how && !strcmp(how, "die")) {
        abort();
    }
    if (how && !strcmp(how, "hang")) {
        prctl(PR_SET_PDEATHSIG, 0);
        sleep(20);
        _exit(1);
    }
}

int ioctl(int fd, unsigned long request, ...)
{
    int (*real)(int, unsigned long, void *);
    va_list arguments;
    void *argument;

    if (request == KVM_CREATE_VM) {
        break_down(getenv("BROKEN_KVM"));
    }
    va_start(arguments, request);
    argument = va_arg(arguments, void *);
    va_end(arguments);
    *(void **)&real = dlsym(RTLD_NEXT, "ioctl");
    return real(fd, request, argument);
}
