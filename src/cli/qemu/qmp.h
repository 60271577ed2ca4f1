/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A conversation with QEMU's monitor, whatever way leads there: our own socket,
 * or libvirt, which owns another one.
 */
#ifndef CF_QMP_H
#define CF_QMP_H

#include <glib.h>
#include "text/json.h"

/* QmpError - codes of the domain QMP_ERROR */
typedef enum QmpError {
    QMP_ERROR_CONNECT,     /* there is no monitor, or it doesn't answer */
    QMP_ERROR_GONE,        /* QEMU closed the conversation */
    QMP_ERROR_PROTOCOL,    /* what it said isn't QMP */
    QMP_ERROR_NO_COMMAND,  /* it doesn't know the command */
    QMP_ERROR_REFUSED,     /* it can't do that */
    QMP_ERROR_NO_MONITOR,  /* there can't be one: this isn't QEMU */
} QmpError;

#define QMP_ERROR (qmp_error_quark())

GQuark qmp_error_quark(void);

/**
 * QmpWay - a way to a monitor
 * @ask: send a request, to which it may add members, and return the answer: an
 *       object with the member "return" or "error"; NULL if there is none
 * @wait_event: return the next event; NULL if there won't be one
 * @close: free everything
 *
 * Each gets the peer that qmp_new() was given.
 */
typedef struct QmpWay {
    CfJson *(*ask)(void *peer, CfJson *request, GError **error);
    CfJson *(*wait_event)(void *peer, GError **error);
    void (*close)(void *peer);
} QmpWay;

typedef struct Qmp Qmp;

/* A conversation on that way; takes over @peer. */
Qmp *qmp_new(const QmpWay *way, void *peer);

/* Begins a conversation on a unix socket, to be freed with qmp_close(). */
Qmp *qmp_open_socket(const char *path, GError **error);

void qmp_close(Qmp *qmp);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Qmp, qmp_close)

/* One command; takes over its arguments (NULL: it has none). Returns an object
 * with the member "return", to be freed with cf_json_free(). */
CfJson *qmp_execute(Qmp *qmp, const char *command, CfJson *arguments,
                    GError **error);

/* The next event, however long it takes; to be freed with cf_json_free(). */
CfJson *qmp_wait_event(Qmp *qmp, GError **error);

/* Parses one message from QEMU, for implementations of QmpWay; NULL if it isn't
 * one. */
CfJson *qmp_parse(const char *text, size_t size, GError **error);

#endif /* CF_QMP_H */
