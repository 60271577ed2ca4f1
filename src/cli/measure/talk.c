/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages between two clockferrys, over pipes that ssh or the like connects.
 *
 * Whoever answers begins with the facts about its host, and then sends those
 * about its clocks for each line feed that it gets: all in the format
 * clockferry-probe, which ends with a line of one brace.
 */
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "cli/cli.h"
#include "measure.h"
#include "text/io.h"

#define START_LIMIT_S 60    /* somebody may have to type a password */
#define ANSWER_LIMIT_S 10
#define PER_ROUND 4u
#define MAX_SIZE 65536u
#define END "\n}\n"

/* Far - the other end */
typedef struct Far {
    GPid pid;
    int in;             /* what it reads */
    int out;            /* what it writes */
    GString *text;      /* what it wrote, and nobody read yet */
} Far;

/* -- The end that answers -- */

int measure_answer(const CfHost *here)
{
    const CfKvmOps *ops = cf_kvm_ops();
    CfHost now = *here;
    char byte;

    do {
        g_autofree char *text = cf_host_to_json(&now);

        if (cf_io_write(STDOUT_FILENO, text) != 0 ||
            read(STDIN_FILENO, &byte, 1) != 1) {
            return CF_EXIT_FINE;
        }
        now = (CfHost) {
            .instant_known = ops->read_pair(&now.instant.host_ticks,
                                            &now.instant.realtime_ns) == 0,
            .instant = now.instant,
        };
        now.time_known = ops->get_host_time(&now.time) == 0;
        now.instant.tai_offset_s = now.time.tai_offset_s;
    } while (true);
}

/* -- The end that asks -- */

static gboolean fail(GError **error, const char *what)
{
    g_set_error(error, CF_ERROR, CF_ERROR_SYSTEM, "%s", what);
    return FALSE;
}

/* Whatever comes bit by bit doesn't put off the deadline. */
static gboolean receive_some(Far *far, gint64 deadline_us, GError **error)
{
    const gint64 left_us = deadline_us - g_get_monotonic_time();
    struct pollfd ready = { .fd = far->out, .events = POLLIN };
    char bytes[4096];
    ssize_t n;

    if (left_us <= 0 || poll(&ready, 1, (int)(left_us / 1000) + 1) <= 0) {
        return fail(error, "it doesn't answer");
    }
    n = read(far->out, bytes, sizeof(bytes));
    if (n <= 0) {
        return fail(error, "the connection ended; what it runs there is "
                    "clockferry measure --answer, of this version");
    }
    g_string_append_len(far->text, bytes, n);
    return far->text->len <= MAX_SIZE ||
           fail(error, "these aren't clockferry's answers");
}

/* @ret_ticks: the host's TSC when all of it had arrived */
static gboolean receive(Far *far, int limit_s, CfHost *ret_host,
                        uint64_t *ret_ticks, GError **error)
{
    const gint64 deadline_us = g_get_monotonic_time() +
                               (gint64)limit_s * G_USEC_PER_SEC;
    const char *end;
    gsize size;

    while (!(end = strstr(far->text->str, END))) {
        if (!receive_some(far, deadline_us, error)) {
            return FALSE;
        }
    }
    *ret_ticks = cf_kvm_ops()->read_tsc();
    size = (gsize)(end - far->text->str) + strlen(END);
    if (!cf_host_from_json(far->text->str, size, ret_host, error)) {
        return FALSE;
    }
    g_string_erase(far->text, 0, (gssize)size);
    return TRUE;
}

static gboolean ask(Far *far, Reading *ret, GError **error)
{
    const CfKvmOps *ops = cf_kvm_ops();
    Reading r = { .exchange.answered = true };
    CfHost there;

    ops->get_host_time(&r.here_time);
    r.here.tai_offset_s = r.here_time.tai_offset_s;
    if (ops->read_pair(&r.here.host_ticks, &r.here.realtime_ns) < 0 ||
        cf_io_write(far->in, "\n") != 0) {
        return fail(error, "the connection ended");
    }
    if (!receive(far, ANSWER_LIMIT_S, &there, &r.exchange.back_ticks, error)) {
        return FALSE;
    }
    if (!there.instant_known) {
        return fail(error, "it doesn't tell its TSC and its time");
    }
    r.exchange.sent_ticks = r.here.host_ticks;
    r.exchange.arrived_ticks = there.instant.host_ticks;
    r.there = there.instant;
    r.there_time = there.time;
    *ret = r;
    return TRUE;
}

/* The narrowest of some; who else uses the channel disturbs only others. */
static gboolean ask_round(Far *far, Measured *m, Reading *best, GError **error)
{
    Reading r;
    uint32_t i;

    for (i = 0; i < PER_ROUND; i++, m->n_messages++) {
        if (!ask(far, &r, error)) {
            return FALSE;
        }
        if (i == 0 || r.exchange.back_ticks - r.exchange.sent_ticks <
            best->exchange.back_ticks - best->exchange.sent_ticks) {
            *best = r;
        }
    }
    return TRUE;
}

static gboolean ask_all(Far *far, unsigned int seconds, Measured *m,
                        GError **error)
{
    const gint64 apart_us = seconds * G_USEC_PER_SEC / (MEASURE_ROUNDS - 1);
    uint64_t ticks;
    uint32_t i;

    if (!receive(far, START_LIMIT_S, &m->there, &ticks, error)) {
        return FALSE;
    }
    for (i = 0; i < MEASURE_ROUNDS; i++) {
        if (i) {
            g_usleep((gulong)apart_us);
        }
        if (!ask_round(far, m, &m->readings[i], error)) {
            return FALSE;
        }
    }
    return TRUE;
}

/* One that won't go is made to: it could be stopped, or stuck. */
static void hang_up(const Far *far)
{
    int tries = 10;

    close(far->in);
    close(far->out);
    kill(far->pid, SIGTERM);
    while (waitpid(far->pid, NULL, WNOHANG) == 0) {
        if (tries-- == 0) {
            kill(far->pid, SIGKILL);
        }
        g_usleep(G_USEC_PER_SEC / 10);
    }
}

gboolean measure_talk(char **argv, unsigned int seconds, Measured *m,
                      GError **error)
{
    Far far;
    gboolean done;

    if (!g_spawn_async_with_pipes(NULL, argv, NULL, G_SPAWN_SEARCH_PATH |
                                  G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL,
                                  &far.pid, &far.in, &far.out, NULL, error)) {
        return FALSE;
    }
    signal(SIGPIPE, SIG_IGN);
    far.text = g_string_new(NULL);
    done = ask_all(&far, seconds, m, error);
    hang_up(&far);
    signal(SIGPIPE, SIG_DFL);
    g_string_free(far.text, TRUE);
    return done;
}
