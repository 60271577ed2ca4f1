/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a user wishes of a move: options that check and matrix share. */
#ifndef CF_WISHES_H
#define CF_WISHES_H

#include <clockferry/check.h>

/**
 * Wishes - the options; start with all bytes 0
 * @policy_word: as given, or NULL
 * @require_word: as given, or NULL
 * @tsc_khz: the guest's tsc-frequency, 0 for its host's
 * @promised: it has invtsc or a tsc-frequency
 * @policy: what @policy_word means
 * @require: what @require_word means
 */
typedef struct Wishes {
    char *policy_word;
    char *require_word;
    int tsc_khz;
    gboolean promised;
    int policy;
    int require;
} Wishes;

#define WISHES_ENTRIES(wishes) \
    { "policy", 'p', 0, G_OPTION_ARG_STRING, &(wishes).policy_word, \
      "auto (default), strict or lax", "POLICY" }, \
    { "require", 0, 0, G_OPTION_ARG_STRING, &(wishes).require_word, \
      "The worst rung to accept, for example closed-loop (default: plain)", \
      "RUNG" }, \
    { "promised", 0, 0, G_OPTION_ARG_NONE, &(wishes).promised, \
      "The guest was promised its TSC frequency: it has invtsc", NULL }, \
    { "tsc-khz", 0, 0, G_OPTION_ARG_INT, &(wishes).tsc_khz, \
      "The guest has this tsc-frequency: a promise, too", \
      "KHZ" }

/* Understands the words; CLI_GO_ON or the exit status, and it has said why. */
int wishes_parse(Wishes *wishes);

/* What the user said goes before what a file says. */
void wishes_apply(const Wishes *wishes, CfGuest *guest);

void wishes_clear(Wishes *wishes);

#endif /* CF_WISHES_H */
