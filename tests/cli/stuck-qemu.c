/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * In the place of libvirt-qemu.so.0: the QEMUs of guests called "stuck..." never
 * answer; all others don't have the feature.
 */
#include <libvirt/libvirt-qemu.h>
#include <string.h>
#include <unistd.h>

int virDomainQemuMonitorCommand(virDomainPtr domain, const char *command,
                                char **result, unsigned int flags)
{
    (void)command;
    (void)flags;
    if (!strncmp(virDomainGetName(domain), "stuck", strlen("stuck"))) {
        pause();
    }
    *result = strdup("{\"error\": {\"class\": \"CommandNotFound\", "
                     "\"desc\": \"none\"}}");
    return 0;
}

int virConnectDomainQemuMonitorEventRegister(
    virConnectPtr connection, virDomainPtr domain, const char *event,
    virConnectDomainQemuMonitorEventCallback callback, void *opaque,
    virFreeCallback free_opaque, unsigned int flags)
{
    (void)connection;
    (void)domain;
    (void)event;
    (void)callback;
    (void)opaque;
    (void)free_opaque;
    (void)flags;
    return -1;
}

int virConnectDomainQemuMonitorEventDeregister(virConnectPtr connection,
                                               int callback)
{
    (void)connection;
    (void)callback;
    return 0;
}
