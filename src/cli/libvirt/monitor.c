/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The way to QEMU's monitor through libvirt. */
#include <string.h>
#include "monitor.h"

#define NO_CALLBACK (-1)

/**
 * Peer - the other end
 * @domain: whose monitor it is
 * @events: events that weren't fetched yet
 * @gone: the domain has stopped
 * @monitor_id: the callback for QEMU's events, or NO_CALLBACK
 * @life_id: the callback for the domain's life, or NO_CALLBACK
 */
typedef struct Peer {
    virDomainPtr domain;
    GQueue *events;
    bool gone;
    int monitor_id;
    int life_id;
} Peer;

static void close_peer(void *opaque)
{
    Peer *peer = opaque;
    virConnectPtr connection = libvirt.virDomainGetConnect(peer->domain);

    if (peer->monitor_id != NO_CALLBACK) {
        libvirt.virConnectDomainQemuMonitorEventDeregister(connection,
                                                           peer->monitor_id);
    }
    if (peer->life_id != NO_CALLBACK) {
        libvirt.virConnectDomainEventDeregisterAny(connection,
                                                   peer->life_id);
    }
    libvirt_free_domain(peer->domain);
    g_queue_free_full(peer->events, (GDestroyNotify)cf_json_free);
    g_free(peer);
}

static CfJson *ask(void *opaque, CfJson *request, GError **error)
{
    Peer *peer = opaque;
    g_autofree char *text = cf_json_print(request);
    g_autofree char *answer = NULL;
    const char *name = libvirt.virDomainGetName(peer->domain);
    g_autoptr(GError) why = NULL;

    if (libvirt.virDomainQemuMonitorCommand(peer->domain, text, &answer, 0) == 0) {
        return qmp_parse(answer, strlen(answer), error);
    }
    libvirt_set_error(&why, "can't ask the QEMU of %s through libvirt",
                      name);
    g_set_error_literal(error, QMP_ERROR,
                        g_error_matches(why, LIBVIRT_ERROR,
                                        VIR_ERR_NO_SUPPORT)
                        ? QMP_ERROR_NO_MONITOR : QMP_ERROR_CONNECT,
                        why->message);
    return NULL;
}

/* As QEMU would have sent it. */
static void on_monitor_event(virConnectPtr connection, virDomainPtr domain,
                             const char *name, long long seconds,
                             unsigned int micros, const char *details,
                             void *opaque)
{
    CfJson *event = cf_json_object(), *time = cf_json_object();
    CfJson *data = details ? qmp_parse(details, strlen(details), NULL) : NULL;
    Peer *peer = opaque;

    (void)connection;
    (void)domain;
    cf_json_add_text(event, "event", name);
    cf_json_add_int(time, "seconds", seconds);
    cf_json_add_int(time, "microseconds", micros);
    cf_json_add(event, "timestamp", time);
    if (data) {
        cf_json_add(event, "data", data);
    }
    g_queue_push_tail(peer->events, event);
}

static int on_life_event(virConnectPtr connection, virDomainPtr domain,
                         int event, int detail, void *opaque)
{
    Peer *peer = opaque;

    (void)connection;
    (void)domain;
    (void)detail;
    if (event == VIR_DOMAIN_EVENT_STOPPED) {
        peer->gone = true;
    }
    return 0;
}

/* Events come while the loop runs; those before the end count. */
static CfJson *wait_event(void *opaque, GError **error)
{
    Peer *peer = opaque;
    virConnectPtr connection = libvirt.virDomainGetConnect(peer->domain);

    while (g_queue_is_empty(peer->events) && !peer->gone) {
        if (libvirt.virEventRunDefaultImpl() < 0 ||
            libvirt.virConnectIsAlive(connection) != 1) {
            g_set_error_literal(error, QMP_ERROR, QMP_ERROR_CONNECT,
                                "the connection to libvirt broke");
            return NULL;
        }
    }
    if (g_queue_is_empty(peer->events)) {
        g_set_error_literal(error, QMP_ERROR, QMP_ERROR_GONE, "QEMU is gone");
    }
    return g_queue_pop_head(peer->events);
}

static const QmpWay libvirt_way = {
    .ask = ask,
    .wait_event = wait_event,
    .close = close_peer,
};

static gboolean register_events(Peer *peer, GError **error)
{
    virConnectPtr connection = libvirt.virDomainGetConnect(peer->domain);
    const char *name = libvirt.virDomainGetName(peer->domain);

    peer->life_id = libvirt.virConnectDomainEventRegisterAny(
        connection, peer->domain, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
        VIR_DOMAIN_EVENT_CALLBACK(on_life_event), peer, NULL);
    if (peer->life_id >= 0) {
        peer->monitor_id = libvirt.virConnectDomainQemuMonitorEventRegister(
            connection, peer->domain, NULL, on_monitor_event, peer, NULL, 0);
    }
    if (peer->life_id < 0 || peer->monitor_id < 0) {
        libvirt_set_error(error, "can't listen to the events of %s",
                          name);
        return FALSE;
    }
    libvirt_keep_alive(connection);
    return TRUE;
}

Qmp *libvirt_new_monitor(virDomainPtr domain, bool events, GError **error)
{
    Peer *peer = g_new(Peer, 1);
    g_autoptr(Qmp) qmp = qmp_new(&libvirt_way, peer);

    libvirt.virDomainRef(domain);
    *peer = (Peer) {
        .domain = domain,
        .events = g_queue_new(),
        .monitor_id = NO_CALLBACK,
        .life_id = NO_CALLBACK,
    };
    return !events || register_events(peer, error) ? g_steal_pointer(&qmp)
                                                   : NULL;
}
