/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* kvm.c: what the tables of all architectures are made with. */
#ifndef CF_IOCTL_H
#define CF_IOCTL_H

#include <stdint.h>

/* An ioctl, again if a signal came. Returns what the kernel did, or -errno. */
int cf_call(int fd, unsigned long request, void *argument);

/* The same for requests whose argument is a number. */
int cf_call_number(int fd, unsigned long request, unsigned long argument);

/* The same for a request that returns a number of at least 0. Returns 0 or
 * -errno. */
int cf_call_for_number(int fd, unsigned long request, unsigned long argument,
                       int *ret_number);

/* Members of the table, see CfKvmOps. */
int cf_kvm_open(const char *path, int *ret_kvm_fd);
void cf_kvm_close(int fd);
int cf_kvm_check_extension(int fd, uint32_t capability, uint32_t *ret_value);

#endif /* CF_IOCTL_H */
