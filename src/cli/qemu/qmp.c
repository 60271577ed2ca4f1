/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A conversation with QEMU's monitor: what all ways have in common. */
#include <string.h>
#include "qmp.h"

struct Qmp {
    const QmpWay *way;
    void *peer;
};

G_DEFINE_QUARK(qmp-error-quark, qmp_error)

Qmp *qmp_new(const QmpWay *way, void *peer)
{
    Qmp *qmp = g_new(Qmp, 1);

    *qmp = (Qmp) { way, peer };
    return qmp;
}

void qmp_close(Qmp *qmp)
{
    if (qmp) {
        qmp->way->close(qmp->peer);
        g_free(qmp);
    }
}

CfJson *qmp_parse(const char *text, size_t size, GError **error)
{
    CfJsonReader reader = { NULL };
    CfJson *message = cf_json_parse(&reader, text, size);

    if (!message) {
        g_set_error(error, QMP_ERROR, QMP_ERROR_PROTOCOL,
                    "this isn't QEMU's monitor: %s", reader.problem);
        g_free(reader.problem);
    }
    return message;
}

static void fail_command(const CfJson *reply, const char *command,
                         GError **error)
{
    char kind[64] = "", text[512] = "no reason given";
    CfJson *json;

    if (cf_json_get_object(NULL, reply, "error", &json)) {
        cf_json_get_text(NULL, json, "class", kind, sizeof(kind));
        cf_json_get_text(NULL, json, "desc", text, sizeof(text));
    }
    g_set_error(error, QMP_ERROR,
                !strcmp(kind, "CommandNotFound") ? QMP_ERROR_NO_COMMAND
                                                 : QMP_ERROR_REFUSED,
                "QEMU refuses %s: %s", command, text);
}

CfJson *qmp_execute(Qmp *qmp, const char *command, CfJson *arguments,
                    GError **error)
{
    g_autoptr(CfJson) request = cf_json_object();
    g_autoptr(CfJson) reply = NULL;

    cf_json_add_text(request, "execute", command);
    if (arguments) {
        cf_json_add(request, "arguments", arguments);
    }
    reply = qmp->way->ask(qmp->peer, request, error);
    if (!reply || cf_json_has(reply, "return")) {
        return g_steal_pointer(&reply);
    }
    fail_command(reply, command, error);
    return NULL;
}

CfJson *qmp_wait_event(Qmp *qmp, GError **error)
{
    return qmp->way->wait_event(qmp->peer, error);
}
