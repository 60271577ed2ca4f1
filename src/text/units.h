/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Quantities as people read them: three digits, in a unit of the right size.
 * Programs get exact numbers instead, in JSON.
 */
#ifndef CF_UNITS_H
#define CF_UNITS_H

#include <stdint.h>

/* All of these are to be freed with g_free(). */

/* "0 ns", "54 ns", "1.2 ms", "16 s", "3 h 19 min", "2 days 3 h" */
char *cf_time_text(uint64_t ns);

/* The same with a sign: "-1.1 ms", "3 ns" */
char *cf_signed_time_text(int64_t ns);

/* A rate error in 10^-12: "0", "800 ppb", "-100 ppm", "13.8 %" */
char *cf_rate_text(int64_t ppt);

/* The same in words: "800 ppb faster", "13.8 % slower" */
char *cf_rate_words(int64_t ppt);

#endif /* CF_UNITS_H */
