/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How the clocks of this host and another one lie to each other. */
#ifndef CF_MEASURE_H
#define CF_MEASURE_H

#include <clockferry/vm.h>

#define MEASURE_ROUNDS 20u

/* Reading - a message to the other host, and what both had then */
typedef struct Reading {
    CfExchange exchange;
    struct cf_instant here;     /* when it was sent */
    struct cf_instant there;    /* when it had arrived */
    CfHostTime here_time;
    CfHostTime there_time;
    uint64_t after_ns;          /* so long after the first one */
    uint64_t round_trip_ns;
    struct cf_span clocks_ns;   /* there - here, by this message alone */
} Reading;

/**
 * Measured - what the messages said, there - here
 * @n_messages: how many there were; the narrowest of each round are kept
 * @clocks_ns: the clocks, at the end
 * @clocks_bound_ns: what both kernels believe; UINT64_MAX: one doesn't know
 * @contradicted: they are farther apart than that
 * @rate_ppt: how much faster that TSC runs than both kernels' kHz say
 * @here_least_ticks: when the TSC there was @there_ticks, that here was not
 *                    less, and
 * @here_greatest_ticks: not more
 * @move: a guest that leaves here and arrives there in no time, at the end
 */
typedef struct Measured {
    CfHost here;
    CfHost there;
    uint32_t n_messages;
    Reading readings[MEASURE_ROUNDS];
    struct cf_span clocks_ns;
    uint64_t clocks_bound_ns;
    bool contradicted;
    struct cf_span rate_ppt;
    uint64_t there_ticks;
    uint64_t here_least_ticks;
    uint64_t here_greatest_ticks;
    struct cf_move move;
} Measured;

/* talk.c: sends messages for so many seconds to what a command line starts on
 * the other host; that is the other end. Errors: CF_ERROR, GLib's. */
gboolean measure_talk(char **argv, unsigned int seconds, Measured *m,
                      GError **error);
int measure_answer(const CfHost *here);

/* measure.c: fills in what follows from the readings. */
gboolean measure_evaluate(Measured *m, GError **error);

/* measure-print.c; to be freed with g_free(). */
char *measure_to_text(const Measured *m, const char *output);
char *measure_to_json(const Measured *m);

#endif /* CF_MEASURE_H */
