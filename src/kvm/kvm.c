/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The real calls that all architectures have, and how one is made. */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "calls.h"
#include "ioctl.h"
#include "kvm-uapi.h"

int cf_call(int fd, unsigned long request, void *argument)
{
    int rc;

    do {
        rc = ioctl(fd, request, argument);
    } while (rc < 0 && errno == EINTR);
    return rc < 0 ? -errno : rc;
}

int cf_call_number(int fd, unsigned long request, unsigned long argument)
{
    return cf_call(fd, request, (void *)argument);
}

int cf_call_for_number(int fd, unsigned long request, unsigned long argument,
                       int *ret_number)
{
    const int rc = cf_call_number(fd, request, argument);

    if (rc >= 0) {
        *ret_number = rc;
    }
    return MIN(rc, 0);
}

int cf_kvm_open(const char *path, int *ret_kvm_fd)
{
    const int fd = open(path, O_RDWR | O_CLOEXEC);
    int version;

    if (fd < 0) {
        return -errno;
    }
    version = cf_call_number(fd, KVM_GET_API_VERSION, 0);
    if (version != KVM_API_VERSION) {
        close(fd);
        return version < 0 ? version : -EPROTO;
    }
    *ret_kvm_fd = fd;
    return 0;
}

void cf_kvm_close(int fd)
{
    close(fd);
}

int cf_kvm_check_extension(int fd, uint32_t capability, uint32_t *ret_value)
{
    return cf_call_for_number(fd, KVM_CHECK_EXTENSION, capability,
                              (int *)ret_value);
}
