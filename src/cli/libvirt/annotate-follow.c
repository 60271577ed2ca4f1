/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keeps running guests annotated. Events say when to look at a guest, and now
 * and then all of them are looked at. libvirt must not be called from the
 * callbacks of its events, so these only note what there is to do.
 */
#include <gio/gio.h>
#include <gio/gunixsocketaddress.h>
#include <string.h>
#include "text/printable.h"
#include "annotate.h"
#include "annotate-metrics.h"
#include "cli/cli.h"
#include "cli/files.h"

/* Some changes come without an event, such as a leap second or a clock that was
 * synchronised: they wait for the next look. Busy guests are tried again. */
#define LOOK_INTERVAL_MS (10 * 60 * 1000)
#define RETRY_INTERVAL_MS (5 * 1000)
#define HOST_RETRY_MS (60 * 1000)
#define NEVER (-1)

/* WatchdogSec= in the unit is three times this. */
#define SIGN_OF_LIFE_MS (60 * 1000)

#define RECONNECT_MIN_S 1
#define RECONNECT_MAX_S 60

/* Follower - what is going on */
typedef struct Follower {
    char **names;              /* of the guests, or NULL */
    virConnectPtr connection;  /* to libvirt, while there is one */
    int life_id;               /* the callback for guests' lives */
    /* the callback for QEMU's events; negative if there is none */
    int monitor_id;
    int look_timer;            /* goes off for the next look at all guests */
    int retry_timer;           /* goes off for the guests that are @busy */
    bool look_at_all;          /* a look at all guests is due */
    GHashTable *due;           /* UUIDs of single guests to look at */
    GHashTable *busy;          /* UUIDs of guests that couldn't be written to */
    GHashTable *restored;      /* UUIDs of guests whose clocks arrived here */
    AnnotateMetrics *metrics;  /* the guests' clocks as they were last seen */
    bool told_of_metrics;      /* that they can't be written */
    bool told_of_break;        /* that there is no connection */
    GError *failure;           /* why nothing can be printed any more */
} Follower;

/* systemd starts the service again if it hears nothing of it for long:
 * libvirt's calls have no limit of their own. */
static void give_sign_of_life(void)
{
    const char *path = g_getenv("NOTIFY_SOCKET");
    g_autoptr(GSocketAddress) systemd = NULL;
    g_autoptr(GSocket) socket = NULL;

    if (!path) {
        return;
    }
    systemd = *path == '@'
              ? g_unix_socket_address_new_with_type(
                    path + 1, -1, G_UNIX_SOCKET_ADDRESS_ABSTRACT)
              : g_unix_socket_address_new(path);
    socket = g_socket_new(G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_DATAGRAM,
                          G_SOCKET_PROTOCOL_DEFAULT, NULL);
    if (socket) {
        g_socket_send_to(socket, systemd, "WATCHDOG=1", strlen("WATCHDOG=1"),
                         NULL, NULL);
    }
}

static void note(GHashTable *set, virDomainPtr domain)
{
    char uuid[VIR_UUID_STRING_BUFLEN];

    if (libvirt.virDomainGetUUIDString(domain, uuid) == 0) {
        g_hash_table_add(set, g_strdup(uuid));
    }
}

static int on_life_event(virConnectPtr connection, virDomainPtr domain,
                         int event, int detail, void *opaque)
{
    Follower *follower = opaque;

    (void)connection;
    (void)detail;
    if (event == VIR_DOMAIN_EVENT_STARTED ||
        event == VIR_DOMAIN_EVENT_RESUMED ||
        event == VIR_DOMAIN_EVENT_STOPPED) {
        note(follower->due, domain);
    }
    return 0;
}

static void on_restored(virConnectPtr connection, virDomainPtr domain,
                        const char *event, long long seconds,
                        unsigned int micros, const char *details,
                        void *opaque)
{
    Follower *follower = opaque;

    (void)connection;
    (void)event;
    (void)seconds;
    (void)micros;
    (void)details;
    note(follower->due, domain);
    note(follower->restored, domain);
}

static GHashTable *new_set(void)
{
    return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
}

static void on_look(int timer, void *opaque)
{
    Follower *follower = opaque;

    (void)timer;
    follower->look_at_all = true;
}

/* Only to have the loop turn round. */
static void on_sign_of_life(int timer, void *opaque)
{
    (void)timer;
    (void)opaque;
}

static void on_retry(int timer, void *opaque)
{
    Follower *follower = opaque;
    GHashTableIter iter;
    gpointer uuid;

    libvirt.virEventUpdateTimeout(timer, NEVER);
    g_hash_table_iter_init(&iter, follower->busy);
    while (g_hash_table_iter_next(&iter, &uuid, NULL)) {
        g_hash_table_iter_steal(&iter);
        g_hash_table_add(follower->due, uuid);
    }
}

/* QEMU's event, which other hypervisors don't have, is welcome but not needed:
 * the events of guests' lives will do. */
static gboolean listen_to_events(Follower *follower, GError **error)
{
    follower->life_id = libvirt.virConnectDomainEventRegisterAny(
        follower->connection, NULL, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
        LIBVIRT_CALLBACK(on_life_event), follower, NULL);
    if (follower->life_id < 0) {
        libvirt_set_error(error, "can't listen to libvirt's events");
        return FALSE;
    }
    follower->monitor_id = libvirt.virConnectDomainQemuMonitorEventRegister(
        follower->connection, NULL, "KVM_CLOCK_RESTORED", on_restored,
        follower, NULL, 0);
    return TRUE;
}

/* Callbacks hold references to the connection, even to a dead one. */
static void disconnect(Follower *follower)
{
    if (follower->monitor_id >= 0) {
        libvirt.virConnectDomainQemuMonitorEventDeregister(
            follower->connection, follower->monitor_id);
    }
    if (follower->life_id >= 0) {
        libvirt.virConnectDomainEventDeregisterAny(follower->connection,
                                                   follower->life_id);
    }
    g_clear_pointer(&follower->connection, libvirt_close);
}

static bool is_wanted(const Follower *follower, virDomainPtr domain,
                      const char *uuid)
{
    const char *const *names = (const char *const *)follower->names;

    return names && (g_strv_contains(names, uuid) ||
                     g_strv_contains(names, libvirt.virDomainGetName(domain)));
}

static void print_line(Follower *follower, const char *line)
{
    if (!follower->failure) {
        files_write(NULL, line, &follower->failure);
    }
}

static void print_written(Follower *follower, virDomainPtr domain)
{
    g_autofree char *name = cf_printable(libvirt.virDomainGetName(domain));
    g_autofree char *line = g_strdup_printf("facts written: %s\n", name);

    print_line(follower, line);
}

static void took_note(Follower *follower, virDomainPtr domain,
                      const char *uuid, AnnotateOutcome outcome,
                      GuestClocks *clocks)
{
    /* Two guests' names may look alike, but no two are the same. */
    guest_clocks_name(clocks, libvirt.virDomainGetName(domain));
    annotate_metrics_set(follower->metrics, uuid,
                         outcome == ANNOTATE_SKIPPED ? NULL : clocks);
    if (outcome == ANNOTATE_WRITTEN) {
        print_written(follower, domain);
    }
}

/* It doesn't run here any more. */
static void forget(Follower *follower, const char *uuid)
{
    annotate_metrics_set(follower->metrics, uuid, NULL);
    g_hash_table_remove(follower->restored, uuid);
}

/* Guests may vanish at any time; that is no failure. Busy ones wait. */
static void look_at(Follower *follower, virDomainPtr domain,
                    const CfHost *host)
{
    char uuid[VIR_UUID_STRING_BUFLEN] = "";
    g_autoptr(GError) error = NULL;
    AnnotateOutcome outcome;
    GuestClocks clocks;
    bool wanted;

    give_sign_of_life();
    libvirt.virDomainGetUUIDString(domain, uuid);
    wanted = is_wanted(follower, domain, uuid);
    if (follower->names && !wanted) {
        return;
    }
    /* Whatever its XML says: somebody may have turned it on as it ran. */
    wanted = wanted || g_hash_table_contains(follower->restored, uuid);
    if (annotate_guest(domain, host, wanted, &outcome, &clocks, &error)) {
        took_note(follower, domain, uuid, outcome, &clocks);
    } else if (g_error_matches(error, LIBVIRT_ERROR,
                               VIR_ERR_OPERATION_TIMEOUT)) {
        note(follower->busy, domain);
        libvirt.virEventUpdateTimeout(follower->retry_timer,
                                      RETRY_INTERVAL_MS);
    } else if (libvirt.virDomainIsActive(domain) == 1) {
        cli_fail(error);
    } else {
        forget(follower, uuid);
    }
}

static void look_at_all(Follower *follower, const CfHost *host)
{
    virDomainPtr *domains;
    const int n = libvirt.virConnectListAllDomains(
        follower->connection, &domains, VIR_CONNECT_LIST_DOMAINS_ACTIVE);
    int i;

    for (i = 0; i < n; i++) {
        look_at(follower, domains[i], host);
        libvirt_free_domain(domains[i]);
    }
    if (n >= 0) {
        free(domains);
    }
}

static void look_at_due(Follower *follower, GHashTable *due,
                        const CfHost *host)
{
    GHashTableIter iter;
    gpointer uuid;

    g_hash_table_iter_init(&iter, due);
    while (g_hash_table_iter_next(&iter, &uuid, NULL)) {
        g_autoptr(virDomain) domain = libvirt.virDomainLookupByUUIDString(
            follower->connection, uuid);

        if (domain) {
            look_at(follower, domain, host);
        } else {
            forget(follower, uuid);
        }
    }
}

/* That they can't be written is told once, until they can. */
static void write_metrics(Follower *follower)
{
    g_autoptr(GError) error = NULL;
    const bool failed = !annotate_metrics_write(follower->metrics, &error);

    if (failed && !follower->told_of_metrics) {
        cli_fail(error);
    }
    follower->told_of_metrics = failed;
}

static void do_what_is_due(Follower *follower)
{
    g_autoptr(GHashTable) due = g_steal_pointer(&follower->due);
    const bool all = follower->look_at_all;
    g_autoptr(GError) error = NULL;
    CfHost host;

    follower->due = new_set();
    follower->look_at_all = false;
    if (!libvirt_get_host(follower->connection, &host, &error)) {
        cli_fail(error);
        libvirt.virEventUpdateTimeout(follower->look_timer, HOST_RETRY_MS);
        return;
    }
    if (all) {
        libvirt.virEventUpdateTimeout(follower->look_timer,
                                      LOOK_INTERVAL_MS);
        look_at_all(follower, &host);
    } else {
        look_at_due(follower, due, &host);
    }
    write_metrics(follower);
}

/* Until the connection breaks. */
static void serve(Follower *follower)
{
    follower->look_at_all = true;
    /* Some may have gone meanwhile. */
    annotate_metrics_clear(follower->metrics);
    while (!follower->failure &&
           libvirt.virConnectIsAlive(follower->connection) == 1) {
        give_sign_of_life();
        if (follower->look_at_all || g_hash_table_size(follower->due)) {
            do_what_is_due(follower);
        } else if (libvirt.virEventRunDefaultImpl() < 0) {
            return;
        }
    }
}

/* One connection, from beginning to end; true if it could be made. */
static gboolean follow_once(Follower *follower, const char *uri,
                            GError **error)
{
    gboolean listening;

    follower->life_id = follower->monitor_id = -1;
    follower->connection = libvirt_open(uri, error);
    if (!follower->connection) {
        return FALSE;
    }
    listening = listen_to_events(follower, error);
    if (listening) {
        if (follower->told_of_break) {
            follower->told_of_break = false;
            print_line(follower, "connected to libvirt\n");
        }
        serve(follower);
    }
    disconnect(follower);
    return listening;
}

static void wait_for_next(Follower *follower, guint seconds,
                          const GError *why)
{
    g_autoptr(GError) error = g_error_new(
        LIBVIRT_ERROR, VIR_ERR_OPERATION_FAILED, "%s; next try in %u s",
        why ? why->message : "the connection to libvirt broke", seconds);

    cli_fail(error);
    follower->told_of_break = true;
    g_usleep((gulong)seconds * G_USEC_PER_SEC);
}

static void follow(Follower *follower, const char *uri)
{
    guint delay_s = RECONNECT_MIN_S;

    while (!follower->failure) {
        const gint64 start_us = g_get_monotonic_time();
        g_autoptr(GError) error = NULL;

        give_sign_of_life();
        if (follow_once(follower, uri, &error) &&
            g_get_monotonic_time() - start_us >
                RECONNECT_MAX_S * G_USEC_PER_SEC) {
            delay_s = RECONNECT_MIN_S;
        }
        if (!follower->failure) {
            wait_for_next(follower, delay_s, error);
            delay_s = MIN(2 * delay_s, RECONNECT_MAX_S);
        }
    }
}

void annotate_follow(const char *uri, char **names, const char *metrics,
                     GError **error)
{
    Follower follower = { .names = names };

    if (!libvirt_load(error)) {
        return;
    }
    follower.due = new_set();
    follower.busy = new_set();
    follower.restored = new_set();
    follower.metrics = annotate_metrics_new(metrics);
    follower.look_timer = libvirt.virEventAddTimeout(
        LOOK_INTERVAL_MS, on_look, &follower, NULL);
    follower.retry_timer = libvirt.virEventAddTimeout(NEVER, on_retry,
                                                      &follower, NULL);
    libvirt.virEventAddTimeout(SIGN_OF_LIFE_MS, on_sign_of_life, NULL, NULL);
    follow(&follower, uri);
    g_hash_table_unref(follower.due);
    g_hash_table_unref(follower.busy);
    g_hash_table_unref(follower.restored);
    annotate_metrics_free(follower.metrics);
    g_propagate_error(error, follower.failure);
}
