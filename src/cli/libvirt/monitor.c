/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The way to QEMU's monitor through libvirt. */
#include <string.h>
#include "deadline.h"
#include "monitor.h"

/* libvirt waits for QEMU without a limit: one that is stuck never answers. */
#define ANSWER_LIMIT_S 10

#define NO_CALLBACK (-1)

/* Peer - the other end */
typedef struct Peer {
    /* whose monitor it is */
    virDomainPtr domain;
    GQueue *events;  /* events that weren't fetched yet */
    bool gone;       /* the domain has stopped */
    int monitor_id;  /* the callback for QEMU's events, or NO_CALLBACK */
    int life_id;     /* the callback for the domain's life, or NO_CALLBACK */
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

/* Question - to a domain's QEMU, and the answer */
typedef struct Question {
    virDomainPtr domain;
    char *request;
    char *answer;
    GError *error;
} Question;

static void ask_question(void *opaque, void *unused)
{
    Question *question = opaque;
    const char *name = libvirt.virDomainGetName(question->domain);

    (void)unused;
    if (libvirt.virDomainQemuMonitorCommand(question->domain,
                                            question->request,
                                            &question->answer, 0) < 0) {
        libvirt_set_error(&question->error, "can't ask the QEMU of %s through "
                          "libvirt", name);
    }
}

static void free_question(void *opaque)
{
    Question *question = opaque;

    libvirt_free_domain(question->domain);
    g_clear_error(&question->error);
    g_free(question->request);
    g_free(question->answer);
    g_free(question);
}

static CfJson *read_answer(const Question *question, GError **error)
{
    if (!question->error) {
        return qmp_parse(question->answer, strlen(question->answer), error);
    }
    g_set_error_literal(error, QMP_ERROR,
                        g_error_matches(question->error, LIBVIRT_ERROR,
                                        VIR_ERR_NO_SUPPORT)
                        ? QMP_ERROR_NO_MONITOR : QMP_ERROR_CONNECT,
                        question->error->message);
    return NULL;
}

/*
 * libvirt works on five calls of a connection at a time, and reads no more of
 * it meanwhile. One where a question has got stuck is left to that question:
 * the next one gets a connection of its own.
 */
static virConnectPtr line;
static bool line_is_stuck;

static gboolean renew_line(virDomainPtr domain, GError **error)
{
    g_autofree char *uri = libvirt.virConnectGetURI(
        libvirt.virDomainGetConnect(domain));

    g_clear_pointer(&line, libvirt_close);
    line = libvirt_open(uri, error);
    line_is_stuck = !line;
    return !line_is_stuck;
}

/* The same domain, where nothing is stuck. One that has just ended isn't found
 * there, and isn't going to get stuck any more. */
static virDomainPtr find_on_line(virDomainPtr domain, const char *uuid,
                                 GError **error)
{
    virDomainPtr found = NULL;

    if ((line_is_stuck || (line && libvirt.virConnectIsAlive(line) != 1)) &&
        !renew_line(domain, error)) {
        return NULL;
    }
    if (line) {
        found = libvirt.virDomainLookupByUUIDString(line, uuid);
    }
    if (!found) {
        libvirt.virDomainRef(domain);
        found = domain;
    }
    return found;
}

static CfJson *ask(void *opaque, CfJson *request, GError **error)
{
    Peer *peer = opaque;
    const char *name = libvirt.virDomainGetName(peer->domain);
    char uuid[VIR_UUID_STRING_BUFLEN] = "";
    DeadlineOutcome outcome;
    Question *question;
    virDomainPtr domain;
    CfJson *answer;

    libvirt.virDomainGetUUIDString(peer->domain, uuid);
    domain = find_on_line(peer->domain, uuid, error);
    if (!domain) {
        g_prefix_error(error, "the QEMU of %s wasn't asked: ", name);
        return NULL;
    }
    question = g_new0(Question, 1);
    question->domain = domain;
    question->request = cf_json_print(request);
    outcome = deadline_run(uuid, ANSWER_LIMIT_S, ask_question, question,
                           free_question);
    if (outcome != DEADLINE_DONE) {
        line_is_stuck = line_is_stuck || outcome == DEADLINE_LATE;
        g_set_error(error, QMP_ERROR, QMP_ERROR_CONNECT,
                    outcome == DEADLINE_NOT_TRIED
                    ? "the QEMU of %s wasn't asked: " DEADLINE_TOO_MANY
                    : "the QEMU of %s doesn't answer libvirt (is its storage "
                      "stuck?)", name);
        return NULL;
    }
    answer = read_answer(question, error);
    free_question(question);
    return answer;
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
        LIBVIRT_CALLBACK(on_life_event), peer, NULL);
    if (peer->life_id >= 0) {
        peer->monitor_id = libvirt.virConnectDomainQemuMonitorEventRegister(
            connection, peer->domain, NULL, on_monitor_event, peer, NULL, 0);
    }
    if (peer->life_id < 0 || peer->monitor_id < 0) {
        libvirt_set_error(error, "can't listen to the events of %s",
                          name);
        return FALSE;
    }
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
