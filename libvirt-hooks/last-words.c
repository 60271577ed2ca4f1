/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A sentence even where the hook itself fails. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "last-words.h"

/* Made beforehand: a signal's handler can hardly do more than write. */
static char *too_late;
static char *broken;

static void say(int number)
{
    const char *sentence = number == SIGALRM ? too_late : broken;
    const ssize_t n = write(STDERR_FILENO, sentence, strlen(sentence));

    (void)n;
    _exit(EXIT_FAILURE);
}

/* GLib would say more than a sentence before it gives up. */
static GLogWriterOutput say_nothing(GLogLevelFlags level G_GNUC_UNUSED,
                                    const GLogField *fields G_GNUC_UNUSED,
                                    gsize n_fields G_GNUC_UNUSED,
                                    gpointer data G_GNUC_UNUSED)
{
    return G_LOG_WRITER_HANDLED;
}

/* Without memory GLib calls itself until there is no stack left either. */
static void use_own_stack(void)
{
    static char stack[65536];
    const stack_t own = { .ss_sp = stack, .ss_size = sizeof(stack) };

    sigaltstack(&own, NULL);
}

/* Whoever started the hook may have blocked or ignored these signals. */
static void handle(int number)
{
    const struct sigaction action = {
        .sa_handler = say,
        .sa_flags = SA_ONSTACK,
    };
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, number);
    sigaction(number, &action, NULL);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

void last_words_prepare(const Arrival *arrival, unsigned int time_limit_s)
{
    g_autofree char *why = g_strdup_printf(
        "there was no verdict within %u s (does `clockferry probe` finish on "
        "that host?)",
        time_limit_s);

    too_late = arrival_refusal(arrival, why);
    broken = arrival_refusal(arrival, "the hook ran out of memory, or has a "
                             "bug (check the guest's XML)");
    g_log_set_writer_func(say_nothing, NULL, NULL);
    use_own_stack();
    handle(SIGALRM);
    handle(SIGABRT);
    handle(SIGBUS);
    handle(SIGSEGV);
    handle(SIGTRAP);
    /* A write that fails says as well that nobody reads. */
    signal(SIGPIPE, SIG_IGN);
}
