/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The way to QEMU's monitor by a unix socket. */
#include <gio/gio.h>
#include <gio/gunixsocketaddress.h>
#include <string.h>
#include <sys/un.h>
#include "qmp.h"

/* QEMU answers at once, unless somebody else is connected to its monitor. */
#define ANSWER_LIMIT_S 5

/* Nobody waits for older ones; a guest can cause as many as it likes. */
#define MAX_EVENTS 64

/* Peer - the other end */
typedef struct Peer {
    GSocket *socket;     /* connected */
    GByteArray *buffer;  /* what was received and isn't a whole line yet */
    GQueue *events;      /* events that came before an answer, the last few */
    gint64 deadline_us;  /* when it must have answered; 0: it need not */
    /* how many there were; the last one's id */
    unsigned int n_requests;
} Peer;

static void close_peer(void *opaque)
{
    Peer *peer = opaque;

    g_object_unref(peer->socket);
    g_byte_array_unref(peer->buffer);
    g_queue_free_full(peer->events, (GDestroyNotify)cf_json_free);
    g_free(peer);
}

static gboolean fail_receive(gssize n, GError *why, GError **error)
{
    if (n == 0) {
        g_set_error_literal(error, QMP_ERROR, QMP_ERROR_GONE,
                            "QEMU is gone");
    } else if (g_error_matches(why, G_IO_ERROR, G_IO_ERROR_TIMED_OUT)) {
        g_set_error_literal(error, QMP_ERROR, QMP_ERROR_CONNECT,
                            "QEMU's monitor doesn't answer: if something "
                            "else is connected to it, give QEMU another -qmp");
    } else {
        g_set_error(error, QMP_ERROR, QMP_ERROR_GONE,
                    "the connection to QEMU broke: %s", why->message);
    }
    g_clear_error(&why);
    return FALSE;
}

/* Whatever comes in the meantime, bit by bit or in floods, doesn't put off the
 * deadline. */
static gboolean wait_for_some(Peer *peer, GError **error)
{
    gint64 left_us = -1;

    if (peer->deadline_us) {
        left_us = peer->deadline_us - g_get_monotonic_time();
        if (left_us <= 0) {
            g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "");
            return FALSE;
        }
    }
    return g_socket_condition_timed_wait(peer->socket, G_IO_IN, left_us, NULL,
                                         error);
}

static gboolean receive_some(Peer *peer, GError **error)
{
    guint8 bytes[16384];
    GError *why = NULL;
    const gssize n = !wait_for_some(peer, &why) ? -1
                     : g_socket_receive(peer->socket, (char *)bytes,
                                        sizeof(bytes), NULL, &why);

    if (n <= 0) {
        return fail_receive(n, why, error);
    }
    if (peer->buffer->len > CF_JSON_MAX_SIZE) {
        g_set_error_literal(error, QMP_ERROR, QMP_ERROR_PROTOCOL,
                            "this isn't QEMU's monitor: a line without end");
        return FALSE;
    }
    g_byte_array_append(peer->buffer, bytes, (guint)n);
    return TRUE;
}

/* Each message is a line. */
static CfJson *receive_message(Peer *peer, GError **error)
{
    const guint8 *end;
    CfJson *message;
    guint size;

    while (!(end = peer->buffer->len
                   ? memchr(peer->buffer->data, '\n', peer->buffer->len)
                   : NULL)) {
        if (!receive_some(peer, error)) {
            return NULL;
        }
    }
    size = (guint)(end - peer->buffer->data);
    message = qmp_parse((const char *)peer->buffer->data, size, error);
    g_byte_array_remove_range(peer->buffer, 0, size + 1);
    return message;
}

/* An answer without an id is to what wasn't understood. */
static bool is_reply(const CfJson *message, const char *id)
{
    char text[16] = "";

    return cf_json_get_text(NULL, message, "id", text, sizeof(text))
           ? !strcmp(text, id) : cf_json_has(message, "error");
}

static void keep_event(Peer *peer, CfJson *event)
{
    g_queue_push_tail(peer->events, event);
    if (peer->events->length > MAX_EVENTS) {
        cf_json_free(g_queue_pop_head(peer->events));
    }
}

/* Not the answer to an earlier request, which came too late. */
static CfJson *receive_reply(Peer *peer, const char *id, GError **error)
{
    for (;;) {
        CfJson *message = receive_message(peer, error);

        if (!message || is_reply(message, id)) {
            return message;
        }
        if (cf_json_has(message, "event")) {
            keep_event(peer, message);
        } else {
            cf_json_free(message);
        }
    }
}

static gboolean send_text(Peer *peer, const char *text, GError **error)
{
    size_t left = strlen(text);
    GError *why = NULL;

    while (left) {
        const gssize n = g_socket_send(peer->socket, text, left, NULL, &why);

        if (n < 0) {
            return fail_receive(n, why, error);
        }
        text += n;
        left -= (size_t)n;
    }
    return TRUE;
}

static void begin_to_wait(Peer *peer)
{
    peer->deadline_us = g_get_monotonic_time() +
                        ANSWER_LIMIT_S * G_USEC_PER_SEC;
}

static CfJson *ask(void *opaque, CfJson *request, GError **error)
{
    Peer *peer = opaque;
    g_autofree char *id = g_strdup_printf("%u", ++peer->n_requests);
    g_autofree char *text = NULL;

    cf_json_add_text(request, "id", id);
    text = cf_json_print(request);
    begin_to_wait(peer);
    return send_text(peer, text, error) ? receive_reply(peer, id, error)
                                        : NULL;
}

static CfJson *wait_event(void *opaque, GError **error)
{
    Peer *peer = opaque;
    CfJson *event = g_queue_pop_head(peer->events);

    g_socket_set_timeout(peer->socket, 0);
    peer->deadline_us = 0;
    while (!event) {
        event = receive_message(peer, error);
        if (!event) {
            break;
        }
        if (!cf_json_has(event, "event")) {
            g_clear_pointer(&event, cf_json_free);
        }
    }
    g_socket_set_timeout(peer->socket, ANSWER_LIMIT_S);
    return event;
}

static const QmpWay socket_way = {
    .ask = ask,
    .wait_event = wait_event,
    .close = close_peer,
};

static gboolean is_greeted(Peer *peer, GError **error)
{
    g_autoptr(CfJson) greeting = NULL;

    begin_to_wait(peer);
    greeting = receive_message(peer, error);
    if (!greeting) {
        return FALSE;
    }
    if (!cf_json_has(greeting, "QMP")) {
        g_set_error_literal(error, QMP_ERROR, QMP_ERROR_PROTOCOL,
                            "this isn't QEMU's monitor: it sent no QMP "
                            "greeting");
        return FALSE;
    }
    return TRUE;
}

static GSocket *connect_to(const char *path, GError **error)
{
    g_autoptr(GSocketAddress) address = g_unix_socket_address_new(path);
    g_autoptr(GError) why = NULL;
    g_autoptr(GSocket) socket = NULL;

    /* GLib would silently truncate the address. */
    if (strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path)) {
        g_set_error(error, QMP_ERROR, QMP_ERROR_CONNECT,
                    "can't connect to %s: the path is too long", path);
        return NULL;
    }
    socket = g_socket_new(G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_STREAM,
                          G_SOCKET_PROTOCOL_DEFAULT, &why);
    if (socket) {
        g_socket_set_timeout(socket, ANSWER_LIMIT_S);
        if (g_socket_connect(socket, address, NULL, &why)) {
            return g_steal_pointer(&socket);
        }
    }
    g_set_error(error, QMP_ERROR, QMP_ERROR_CONNECT, "can't connect to %s: %s",
                path, why->message);
    return NULL;
}

/* QEMU greets, and obeys other commands after this one. */
Qmp *qmp_open_socket(const char *path, GError **error)
{
    GSocket *socket = connect_to(path, error);
    g_autoptr(Qmp) qmp = NULL;
    g_autoptr(CfJson) reply = NULL;
    Peer *peer;

    if (!socket) {
        return NULL;
    }
    peer = g_new(Peer, 1);
    *peer = (Peer) {
        .socket = socket,
        .buffer = g_byte_array_new(),
        .events = g_queue_new(),
    };
    qmp = qmp_new(&socket_way, peer);
    if (!is_greeted(peer, error)) {
        return NULL;
    }
    reply = qmp_execute(qmp, "qmp_capabilities", NULL, error);
    return reply ? g_steal_pointer(&qmp) : NULL;
}
