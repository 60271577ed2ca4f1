/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A sentence even where the hook itself fails. */
#ifndef LAST_WORDS_H
#define LAST_WORDS_H

#include "arrival.h"

/**
 * last_words_prepare - from now on the hook always ends in a refusal
 * @arrival: the guest that would be refused
 * @time_limit_s: for the sentence that SIGALRM leads to
 */
void last_words_prepare(const Arrival *arrival, unsigned int time_limit_s);

#endif /* LAST_WORDS_H */
