/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libvirt's hook for the host that a guest comes to: takes it or refuses it.
 *
 * libvirt calls it as "GUEST OPERATION begin -", with the guest's XML on the
 * standard input. A refusal is an exit status above 0 and a sentence on the
 * standard error, which the user sees; the guest stays where it is. Otherwise
 * what is printed replaces the XML; if nothing is printed, the XML stays.
 *
 * Whatever goes wrong soon ends in a refusal. But any other operation must
 * succeed: libvirt kills running guests when some of them fail.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <syslog.h>
#include <unistd.h>
#include <libxml/xmlmemory.h>
#include "domain/domain.h"
#include "text/io.h"
#include "arrival.h"
#include "last-words.h"

/* A verdict takes some 10 ms; libvirt itself would wait forever. */
#define TIME_LIMIT_S 5

/* Not more than a pipe holds, so that each piece that is taken counts. */
#define PIECE_SIZE 4096

/* The largest XML takes libxml2 some 600 MiB. */
#define MEMORY_LIMIT (1ul << 30)

static void limit_memory(void)
{
    const struct rlimit limit = { MEMORY_LIMIT, MEMORY_LIMIT };

    /* A lower limit of the caller's stays: it can't be raised. */
    (void)setrlimit(RLIMIT_AS, &limit);
    /* Truncated XML must not get out: without memory GLib ends the program,
     * where libxml2 would go on. */
    xmlMemSetup(g_free, g_malloc, g_realloc, g_strdup);
}

/* libvirt shows the standard error of a hook that fails, and of no other. */
static void warn(const Arrival *arrival)
{
    if (arrival->warning) {
        fprintf(stderr, "clockferry: %s\n", arrival->warning);
        openlog("clockferry-libvirt-hook", LOG_PID, LOG_DAEMON);
        syslog(LOG_WARNING, "%s", arrival->warning);
    }
}

static gboolean fail(GError **error, const char *what, int code)
{
    g_set_error(error, CF_ERROR, CF_ERROR_SYSTEM, "can't %s its XML: %s", what,
                code == EFBIG ? "it has more than 16 MiB" : g_strerror(code));
    return FALSE;
}

/* All of it, however slowly it is taken, as long as it is taken at all: a part
 * of an XML is worse than none. */
static int give(const char *xml)
{
    while (*xml) {
        const ssize_t n = write(STDOUT_FILENO, xml, strnlen(xml, PIECE_SIZE));

        if (n < 0 && errno != EINTR) {
            return errno;
        }
        if (n > 0) {
            xml += n;
            alarm(TIME_LIMIT_S);
        }
    }
    return 0;
}

static gboolean receive(Arrival *arrival, GError **error)
{
    g_autofree char *xml = NULL;
    size_t size;
    int code;

    code = cf_io_read(STDIN_FILENO, CF_DOMAIN_MAX_SIZE, &xml, &size);
    if (code) {
        return fail(error, "read", code);
    }
    if (!arrival_judge(arrival, xml, size, error)) {
        return FALSE;
    }
    code = arrival->xml ? give(arrival->xml) : 0;
    return code == 0 || fail(error, "write", code);
}

static int decide(const char *name, bool restored)
{
    g_auto(Arrival) arrival = { 0 };
    g_autoptr(GError) error = NULL;

    arrival_begin(&arrival, name, restored);
    last_words_prepare(&arrival, TIME_LIMIT_S);
    limit_memory();
    alarm(TIME_LIMIT_S);
    if (!receive(&arrival, &error)) {
        g_autofree char *sentence = arrival_refusal(&arrival, error->message);

        fprintf(stderr, "%s", sentence);
        return EXIT_FAILURE;
    }
    warn(&arrival);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    const bool begins = argc >= 4 && !strcmp(argv[3], "begin");

    if (begins && !strcmp(argv[2], "migrate")) {
        return decide(argv[1], false);
    }
    if (begins && !strcmp(argv[2], "restore")) {
        return decide(argv[1], true);
    }
    return EXIT_SUCCESS;
}
