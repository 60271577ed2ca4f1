/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a user asks of a move: options that check and matrix share. */
#ifndef CF_WISHES_H
#define CF_WISHES_H

#include <clockferry/check.h>

/**
 * Wishes - the options; start with all bytes 0
 * @policy_word: as given, or NULL
 * @require_word: as given, or NULL
 * @khz_word: as given, or NULL
 * @promised: the guest has invtsc or a tsc-frequency
 * @policy: what @policy_word means
 * @require: what @require_word means
 * @tsc_khz: the guest's tsc-frequency; 0: it has its host's
 */
typedef struct Wishes {
    char *policy_word;
    char *require_word;
    char *khz_word;
    gboolean promised;
    int policy;
    int require;
    uint32_t tsc_khz;
} Wishes;

#define WISHES_ENTRIES(wishes) \
    { "policy", 'p', 0, G_OPTION_ARG_STRING, &(wishes).policy_word, \
      "auto (default), strict or lax", "POLICY" }, \
    { "require", 0, 0, G_OPTION_ARG_STRING, &(wishes).require_word, \
      "The worst rung to accept (default: plain)", \
      "RUNG" }, \
    { "promised", 0, 0, G_OPTION_ARG_NONE, &(wishes).promised, \
      "The guest was promised its TSC frequency (invtsc)", NULL }, \
    { "tsc-khz", 0, 0, G_OPTION_ARG_STRING, &(wishes).khz_word, \
      "The guest has this tsc-frequency: a promise, too", "KHZ" }

/* Understands the words. CLI_GO_ON; otherwise the exit status, and the user has
 * been told why. */
int wishes_parse(Wishes *wishes);

/* What the user asks for counts more than what a file says. */
void wishes_apply(const Wishes *wishes, CfGuest *guest);

void wishes_clear(Wishes *wishes);

#endif /* CF_WISHES_H */
