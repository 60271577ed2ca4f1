/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * In the place of libvirt-qemu.so.0: the QEMUs of guests called "stuck..." never
 * answer; all others don't have the feature. As in libvirt, a connection with
 * five open questions is read no more. Preloaded, it ends limits ten times as
 * early.
 */
#include <dlfcn.h>
#include <glib.h>
#include <libvirt/libvirt-qemu.h>
#include <string.h>
#include <unistd.h>

#define MAX_OPEN 5
#define SOONER 10

void *g_async_queue_timeout_pop(GAsyncQueue *queue, guint64 timeout_us)
{
    void *(*pop)(GAsyncQueue *, guint64);
    void *real = dlsym(RTLD_NEXT, "g_async_queue_timeout_pop");

    memcpy(&pop, &real, sizeof(pop));
    return pop(queue, timeout_us / SOONER);
}

/* The open questions on a connection. Those stay open for ever. */
static int count_open(virConnectPtr connection, int more)
{
    static GMutex lock;
    static GHashTable *counts;
    int n;

    g_mutex_lock(&lock);
    if (!counts) {
        counts = g_hash_table_new(NULL, NULL);
    }
    n = GPOINTER_TO_INT(g_hash_table_lookup(counts, connection)) + more;
    g_hash_table_insert(counts, connection, GINT_TO_POINTER(n));
    g_mutex_unlock(&lock);
    return n;
}

int virDomainQemuMonitorCommand(virDomainPtr domain, const char *command,
                                char **result, unsigned int flags)
{
    const char *name = virDomainGetName(domain);
    const int stuck = !strncmp(name, "stuck", strlen("stuck"));

    (void)command;
    (void)flags;
    if (count_open(virDomainGetConnect(domain), stuck) >= MAX_OPEN || stuck) {
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
