/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A conversation with QEMU's monitor, on a unix socket. */
#ifndef CF_QMP_H
#define CF_QMP_H

#include <glib.h>
#include "../json.h"

/**
 * QmpError - codes of the domain QMP_ERROR
 * @QMP_ERROR_CONNECT: there is no monitor, or it doesn't answer
 * @QMP_ERROR_GONE: QEMU closed the conversation
 * @QMP_ERROR_PROTOCOL: what it said isn't QMP
 * @QMP_ERROR_NO_COMMAND: it doesn't know the command
 * @QMP_ERROR_REFUSED: it can't do that
 */
typedef enum QmpError {
    QMP_ERROR_CONNECT,
    QMP_ERROR_GONE,
    QMP_ERROR_PROTOCOL,
    QMP_ERROR_NO_COMMAND,
    QMP_ERROR_REFUSED,
} QmpError;

#define QMP_ERROR (qmp_error_quark())

GQuark qmp_error_quark(void);

typedef struct Qmp Qmp;

/**
 * qmp_open - begin a conversation
 * @path: the socket
 * @error: why not
 *
 * Return: the conversation, to be freed with qmp_close(); NULL on failure.
 */
Qmp *qmp_open(const char *path, GError **error);

void qmp_close(Qmp *qmp);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Qmp, qmp_close)

/**
 * qmp_execute - one command
 * @qmp: the conversation
 * @command: its name
 * @arguments: its arguments, taken over; NULL if it has none
 * @error: why not
 *
 * Return: an object with the member "return", to be freed with
 * cf_json_free(); NULL on failure.
 */
CfJson *qmp_execute(Qmp *qmp, const char *command, CfJson *arguments,
                    GError **error);

/**
 * qmp_wait_event - the next event, however long it takes
 * @qmp: the conversation
 * @error: why there is none
 *
 * Return: the event, to be freed with cf_json_free(); NULL on failure.
 */
CfJson *qmp_wait_event(Qmp *qmp, GError **error);

#endif /* CF_QMP_H */
