/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A KVM that is broken: LD_PRELOAD this, and BROKEN_KVM says how.
 *
 * die: whoever makes a VM dies. hang: it never comes back, and can't be
 * killed by the one who started it. linger: it is long in taking a VM down,
 * at the close and at the process's end. alone: there can't be another process.
 * At other times the kernel answers.
 */
#include <dlfcn.h>
#include <errno.h>
#include <linux/kvm.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Longer than any test waits. */
#define LONG_S 600

#define EXPORT __attribute__((visibility("default")))

EXPORT int ioctl(int fd, unsigned long request, ...);

static int is_broken(const char *by)
{
    const char *how = getenv("BROKEN_KVM");

    return how && !strcmp(how, by);
}

static int is_slow(void)
{
    return is_broken("linger");
}

EXPORT pid_t fork(void)
{
    pid_t (*real)(void);

    if (is_broken("alone")) {
        errno = EAGAIN;
        return -1;
    }
    *(void **)&real = dlsym(RTLD_NEXT, "fork");
    return real();
}

static int is_vm(int fd)
{
    char path[32], target[64];
    ssize_t n;

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    n = readlink(path, target, sizeof(target) - 1);
    target[n < 0 ? 0 : n] = '\0';
    return strstr(target, "kvm-vm") != NULL;
}

EXPORT int close(int fd)
{
    if (is_slow() && is_vm(fd)) {
        sleep(LONG_S);
    }
    return (int)syscall(SYS_close, fd);
}

/* Whatever VMs are open go with the process. */
EXPORT void _exit(int status)
{
    int fd;

    for (fd = 3; is_slow() && fd < 64; fd++) {
        close(fd);
    }
    syscall(SYS_exit_group, status);
    __builtin_unreachable();
}

static void break_down(void)
{
    if (is_broken("die")) {
        abort();
    }
    if (is_broken("hang")) {
        prctl(PR_SET_PDEATHSIG, 0);
        sleep(LONG_S);
        _exit(1);
    }
}

int ioctl(int fd, unsigned long request, ...)
{
    int (*real)(int, unsigned long, void *);
    va_list arguments;
    void *argument;

    if (request == KVM_CREATE_VM) {
        break_down();
    }
    va_start(arguments, request);
    argument = va_arg(arguments, void *);
    va_end(arguments);
    *(void **)&real = dlsym(RTLD_NEXT, "ioctl");
    return real(fd, request, argument);
}
