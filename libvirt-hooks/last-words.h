/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A sentence also where the hook itself comes to grief. */
#ifndef LAST_WORDS_H
#define LAST_WORDS_H

#include "arrival.h"

/**
 * last_words_prepare - from now on the hook ends in a refusal in any case
 * @arrival: the guest that would be refused
 * @time_limit_s: for the sentence that SIGALRM gives
 */
void last_words_prepare(const Arrival *arrival, unsigned int time_limit_s);

#endif /* LAST_WORDS_H */
