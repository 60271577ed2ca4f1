/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clockferry state, and a monitor that says what it likes, in pieces of any
 * size at any time. After what it says and a zero byte: how it ends, what is
 * asked for, and the pieces' sizes and times. No time passes in truth.
 */
#include <gio/gio.h>
#include "cli/cli.h"
#include "cli/files.h"
#include "cli/hosts.h"
#include "cli/qemu/guest-clocks.h"
#include "fuzz.h"

#define ANSWER_LIMIT_US (5 * G_USEC_PER_SEC)

/* A monitor that never ends is stopped here. */
#define SAID_MAX_BYTES 16384

/* Ending - what comes after the last byte */
typedef enum Ending {
    ENDING_CLOSE,
    ENDING_BREAK,
    ENDING_SILENCE,
    ENDING_REPEAT,
} Ending;

/* Monitor - the other end */
typedef struct Monitor {
    Part says;
    size_t at;           /* in that */
    size_t said;         /* in all */
    Ending ending;
    const uint8_t *pace; /* a size and a time for each piece, over and over */
    size_t n_pace;
    size_t at_pace;
    gint64 now_us;
    gint64 waited_us;    /* for answers */
    unsigned int n_asked;
} Monitor;

static Monitor monitor;
static bool json_wanted;
static bool watched;

gboolean __wrap_g_socket_connect(GSocket *socket, GSocketAddress *address,
                                 GCancellable *cancellable, GError **error);
gssize __wrap_g_socket_send(GSocket *socket, const char *buffer, gsize size,
                            GCancellable *cancellable, GError **error);
gssize __wrap_g_socket_receive(GSocket *socket, char *buffer, gsize size,
                               GCancellable *cancellable, GError **error);
gboolean __wrap_g_socket_condition_timed_wait(GSocket *socket,
                                              GIOCondition condition,
                                              gint64 timeout_us,
                                              GCancellable *cancellable,
                                              GError **error);
gint64 __wrap_g_get_monotonic_time(void);

static uint8_t next_pace(void)
{
    return monitor.n_pace
           ? monitor.pace[monitor.at_pace++ % monitor.n_pace] : 255;
}

gint64 __wrap_g_get_monotonic_time(void)
{
    return monitor.now_us;
}

gboolean __wrap_g_socket_connect(GSocket *socket G_GNUC_UNUSED,
                                 GSocketAddress *address G_GNUC_UNUSED,
                                 GCancellable *cancellable G_GNUC_UNUSED,
                                 GError **error G_GNUC_UNUSED)
{
    return TRUE;
}

gssize __wrap_g_socket_send(GSocket *socket G_GNUC_UNUSED,
                            const char *buffer G_GNUC_UNUSED, gsize size,
                            GCancellable *cancellable G_GNUC_UNUSED,
                            GError **error G_GNUC_UNUSED)
{
    monitor.n_asked++;
    return (gssize)size;
}

static bool has_more(void)
{
    if (monitor.at == monitor.says.size && monitor.ending == ENDING_REPEAT &&
        monitor.said < SAID_MAX_BYTES) {
        monitor.at = 0;
    }
    return monitor.at < monitor.says.size;
}

/* Whatever it does, nobody waits for an answer longer than he may. */
static void pass_time(gint64 us, bool for_answer)
{
    monitor.now_us += us;
    monitor.waited_us += for_answer ? us : 0;
    MUST(monitor.waited_us <= (monitor.n_asked + 1) * ANSWER_LIMIT_US,
         "%" G_GINT64_FORMAT " us for %u answers", monitor.waited_us,
         monitor.n_asked + 1);
}

gboolean __wrap_g_socket_condition_timed_wait(
    GSocket *socket G_GNUC_UNUSED, GIOCondition condition G_GNUC_UNUSED,
    gint64 timeout_us, GCancellable *cancellable G_GNUC_UNUSED, GError **error)
{
    const gint64 pace_us = (gint64)next_pace() * next_pace() * 200 + 100;
    const bool silent = !has_more() && monitor.ending == ENDING_SILENCE;

    if (timeout_us >= 0 && (silent || pace_us >= timeout_us)) {
        pass_time(timeout_us, true);
        g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "late");
        return FALSE;
    }
    pass_time(pace_us, timeout_us >= 0);
    return TRUE;
}

gssize __wrap_g_socket_receive(GSocket *socket G_GNUC_UNUSED, char *buffer,
                               gsize size,
                               GCancellable *cancellable G_GNUC_UNUSED,
                               GError **error)
{
    const size_t piece = (size_t)next_pace() * 8 + 1;
    size_t n;

    if (!has_more()) {
        if (monitor.ending != ENDING_BREAK) {
            return 0;
        }
        g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED,
                            "Connection reset by peer");
        return -1;
    }
    n = MIN(MIN(piece, size), monitor.says.size - monitor.at);
    memcpy(buffer, monitor.says.text + monitor.at, n);
    monitor.at += n;
    monitor.said += n;
    return (gssize)n;
}

void hosts_here(CfHost *ret_host)
{
    *ret_host = (CfHost) {
        .host_khz = 2500000,
        .id = { .name = "here", .boot_id = "3f2a", .frac_bits = 48 },
    };
}

bool files_is_stdout(const char *path G_GNUC_UNUSED)
{
    return false;
}

/* What programs get is read again, and is the same. */
static void check_json(const char *text)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *again = NULL;
    GuestClocks clocks;

    MUST(guest_clocks_from_json(text, strlen(text), &clocks, &error),
         "%s, in what we wrote:\n%s", error->message, text);
    again = watched && !strchr(text, '\n')[1]
            ? guest_clocks_to_line(&clocks) : guest_clocks_to_json(&clocks);
    must_be_same(text, again);
}

gboolean files_write(const char *path G_GNUC_UNUSED, const char *text,
                     GError **error G_GNUC_UNUSED)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    char **line;

    for (line = lines; *line; line++) {
        if (**line) {
            must_be_line(*line);
        }
    }
    if (json_wanted) {
        check_json(text);
    }
    return TRUE;
}

void files_write_error(const char *line)
{
    g_autofree char *text = g_strndup(line, strlen(line) - 1);

    must_be_line(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const formats[] = {
        "--format=text", "--format=json", "--format=prometheus",
        "--format=json",
    };
    const Part says = take_part(&data, &size);
    const uint8_t how = size ? data[0] : 0;
    const unsigned int form = how >> 2 & 3;
    char command[] = "state", socket[] = "--qmp=/run/qmp", watch[] = "--watch";
    g_autofree char *format = g_strdup(formats[form]);
    char *argv[] = { command, socket, format, watch, NULL };
    int status;

    json_wanted = form == 1 || form == 3;
    watched = how & 16 && form != 2;
    monitor = (Monitor) {
        .says = says, .ending = (Ending)(how & 3), .now_us = 1,
        .pace = size ? data + 1 : NULL, .n_pace = size ? size - 1 : 0,
    };
    argv[3] = watched ? watch : NULL;
    status = cli_state(watched ? 4 : 3, argv);
    MUST(status == CF_EXIT_FINE || status == CF_EXIT_FAILURE ||
         status == CF_EXIT_INEXACT, "status %d", status);
    return 0;
}
