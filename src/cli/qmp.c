/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A conversation with QEMU's monitor, on a unix socket. */
#include <gio/gio.h>
#include <gio/gunixsocketaddress.h>
#include <string.h>
#include <sys/un.h>
#include "qmp.h"

/* QEMU answers at once, unless somebody else is in its monitor. */
#define ANSWER_LIMIT_S 5

/**
 * Qmp - a conversation
 * @socket: connected
 * @buffer: what was received and isn't a whole line yet
 * @events: that came while something else was waited for
 */
struct Qmp {
    GSocket *socket;
    GByteArray *buffer;
    GQueue *events;
};

GQuark qmp_error_quark(void)
{
    return g_quark_from_static_string("qmp-error-quark");
}

void qmp_close(Qmp *qmp)
{
    if (qmp) {
        g_object_unref(qmp->socket);
        g_byte_array_unref(qmp->buffer);
        g_queue_free_full(qmp->events, (GDestroyNotify)cf_json_free);
        g_free(qmp);
    }
}

static gboolean fail_receive(gssize n, GError *why, GError **error)
{
    if (n == 0) {
        g_set_error_literal(error, QMP_ERROR, QMP_ERROR_GONE,
                            "QEMU is gone");
    } else if (g_error_matches(why, G_IO_ERROR, G_IO_ERROR_TIMED_OUT)) {
        g_set_error_literal(error, QMP_ERROR, QMP_ERROR_CONNECT,
                            "QEMU's monitor doesn't answer; if something "
                            "else is connected to it, give QEMU another -qmp");
    } else {
        g_set_error(error, QMP_ERROR, QMP_ERROR_GONE,
                    "the conversation with QEMU broke off: %s", why->message);
    }
    g_clear_error(&why);
    return FALSE;
}

static gboolean receive_some(Qmp *qmp, GError **error)
{
    guint8 bytes[16384];
    GError *why = NULL;
    const gssize n = g_socket_receive(qmp->socket, (char *)bytes,
                                      sizeof(bytes), NULL, &why);

    if (n <= 0) {
        return fail_receive(n, why, error);
    }
    if (qmp->buffer->len > CF_JSON_MAX_SIZE) {
        g_set_error_literal(error, QMP_ERROR, QMP_ERROR_PROTOCOL,
                            "this isn't QEMU's monitor: a line without end");
        return FALSE;
    }
    g_byte_array_append(qmp->buffer, bytes, (guint)n);
    return TRUE;
}

/* Each message is a line. */
static CfJson *receive_message(Qmp *qmp, GError **error)
{
    CfJsonReader reader = { NULL };
    const guint8 *end;
    CfJson *message;
    guint size;

    while (!(end = qmp->buffer->len
                   ? memchr(qmp->buffer->data, '\n', qmp->buffer->len)
                   : NULL)) {
        if (!receive_some(qmp, error)) {
            return NULL;
        }
    }
    size = (guint)(end - qmp->buffer->data);
    message = cf_json_parse(&reader, (const char *)qmp->buffer->data, size);
    g_byte_array_remove_range(qmp->buffer, 0, size + 1);
    if (!message) {
        g_set_error(error, QMP_ERROR, QMP_ERROR_PROTOCOL,
                    "this isn't QEMU's monitor: %s", reader.problem);
        g_free(reader.problem);
    }
    return message;
}

static CfJson *fail_command(CfJson *reply, const char *command,
                            GError **error)
{
    CfJsonReader reader = { NULL };
    char kind[64] = "", text[512] = "no reason given";
    CfJson *json;

    if (cf_json_get_object(&reader, reply, "error", &json)) {
        cf_json_get_text(&reader, json, "class", kind, sizeof(kind));
        cf_json_get_text(&reader, json, "desc", text, sizeof(text));
    }
    g_free(reader.problem);
    g_set_error(error, QMP_ERROR,
                !strcmp(kind, "CommandNotFound") ? QMP_ERROR_NO_COMMAND
                                                 : QMP_ERROR_REFUSED,
                "QEMU refuses %s: %s", command, text);
    cf_json_free(reply);
    return NULL;
}

/* The answer to a command; events on the way are kept. */
static CfJson *receive_reply(Qmp *qmp, const char *command, GError **error)
{
    for (;;) {
        CfJson *message = receive_message(qmp, error);

        if (!message || cf_json_has(message, "return")) {
            return message;
        }
        if (cf_json_has(message, "error")) {
            return fail_command(message, command, error);
        }
        g_queue_push_tail(qmp->events, message);
    }
}

static gboolean send_text(Qmp *qmp, const char *text, GError **error)
{
    size_t left = strlen(text);
    GError *why = NULL;

    while (left) {
        const gssize n = g_socket_send(qmp->socket, text, left, NULL, &why);

        if (n < 0) {
            return fail_receive(n, why, error);
        }
        text += n;
        left -= (size_t)n;
    }
    return TRUE;
}

CfJson *qmp_execute(Qmp *qmp, const char *command, CfJson *arguments,
                    GError **error)
{
    g_autoptr(CfJson) request = cf_json_object();
    g_autofree char *text = NULL;

    cf_json_add_text(request, "execute", command);
    if (arguments) {
        cf_json_add(request, "arguments", arguments);
    }
    text = cf_json_print(request);
    return send_text(qmp, text, error) ? receive_reply(qmp, command, error)
                                       : NULL;
}

CfJson *qmp_wait_event(Qmp *qmp, GError **error)
{
    CfJson *event = g_queue_pop_head(qmp->events);

    g_socket_set_timeout(qmp->socket, 0);
    while (!event) {
        event = receive_message(qmp, error);
        if (!event) {
            break;
        }
        if (!cf_json_has(event, "event")) {
            g_clear_pointer(&event, cf_json_free);
        }
    }
    g_socket_set_timeout(qmp->socket, ANSWER_LIMIT_S);
    return event;
}

/* QEMU greets; with this command it listens to others. */
static gboolean greet(Qmp *qmp, GError **error)
{
    g_autoptr(CfJson) greeting = receive_message(qmp, error);
    g_autoptr(CfJson) reply = NULL;

    if (!greeting) {
        return FALSE;
    }
    if (!cf_json_has(greeting, "QMP")) {
        g_set_error_literal(error, QMP_ERROR, QMP_ERROR_PROTOCOL,
                            "this isn't QEMU's monitor: it doesn't greet");
        return FALSE;
    }
    reply = qmp_execute(qmp, "qmp_capabilities", NULL, error);
    return reply != NULL;
}

static GSocket *connect_to(const char *path, GError **error)
{
    g_autoptr(GSocketAddress) address = g_unix_socket_address_new(path);
    g_autoptr(GError) why = NULL;
    g_autoptr(GSocket) socket = NULL;

    /* The address would be cut off without a word. */
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

Qmp *qmp_open(const char *path, GError **error)
{
    GSocket *socket = connect_to(path, error);
    g_autoptr(Qmp) qmp = NULL;

    if (!socket) {
        return NULL;
    }
    qmp = g_new0(Qmp, 1);
    qmp->socket = socket;
    qmp->buffer = g_byte_array_new();
    qmp->events = g_queue_new();
    return greet(qmp, error) ? g_steal_pointer(&qmp) : NULL;
}
