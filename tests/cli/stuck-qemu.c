/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * In the place of libvirt-qemu.so.0: the QEMUs of guests called "stuck..." never
 * answer, those of guests called "liar..." say that they are the guest "vm"; all
 * others don't have the feature. As in libvirt, a connection with five open
 * questions is read no more. Preloaded, it ends the limit of a
 * question as soon as that is stuck.
 */
#include <dlfcn.h>
#include <glib.h>
#include <libvirt/libvirt-qemu.h>
#include <string.h>
#include <unistd.h>

#define MAX_OPEN 5
#define LOOK_US 10000

static int stuck_calls;

/* Nobody waits for two answers at a time. */
void *g_async_queue_timeout_pop(GAsyncQueue *queue, guint64 timeout_us)
{
    static int given_up;
    void *(*pop)(GAsyncQueue *, guint64);
    void *real = dlsym(RTLD_NEXT, "g_async_queue_timeout_pop");
    void *found = NULL;
    guint64 waited_us;

    memcpy(&pop, &real, sizeof(pop));
    for (waited_us = 0; !found && waited_us < timeout_us;
         waited_us += LOOK_US) {
        found = pop(queue, LOOK_US);
        if (!found && g_atomic_int_get(&stuck_calls) > given_up) {
            given_up++;
            break;
        }
    }
    return found;
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

static const char *answer(const char *name, const char *command)
{
    if (!g_str_has_prefix(name, "liar")) {
        return "{\"error\": {\"class\": \"CommandNotFound\", "
               "\"desc\": \"none\"}}";
    }
    return strstr(command, "query-kvm-clock")
           ? "{\"return\": {\"enabled\": true}}"
           : "{\"return\": {\"name\": \"vm\"}}";
}

int virDomainQemuMonitorCommand(virDomainPtr domain, const char *command,
                                char **result, unsigned int flags)
{
    const char *name = virDomainGetName(domain);
    const int stuck = !strncmp(name, "stuck", strlen("stuck"));

    (void)flags;
    if (count_open(virDomainGetConnect(domain), stuck) >= MAX_OPEN || stuck) {
        g_atomic_int_inc(&stuck_calls);
        pause();
    }
    *result = strdup(answer(name, command));
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
