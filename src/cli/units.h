/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Quantities as people read them. */
#ifndef CF_UNITS_H
#define CF_UNITS_H

#include <glib.h>
#include <stdint.h>

/* "0 ns", "54 ns", "1.204 ms", "16 s"; to be freed with g_free(). */
char *units_time(uint64_t ns);

/* "0", "0.8 ppm", "-1.5 ppb"; to be freed with g_free(). */
char *units_rate(int64_t ppt);

/* "0", "69.12 ms", with its sign: what that rate adds up to in a day. */
char *units_drift(int64_t ppt);

#endif /* CF_UNITS_H */
