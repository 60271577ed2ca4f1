/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Facts and quantities as people read them. */
#ifndef CF_UNITS_H
#define CF_UNITS_H

#include <glib.h>
#include <stdint.h>

/* Adds a line: the fact's name, a colon, and what it is. */
void units_fact(GString *out, const char *name, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

/* "0 ns", "54 ns", "1.204 ms", "16 s"; to be freed with g_free(). */
char *units_time(uint64_t ns);

/* "0", "800 ppb", "-0.123 ppb": exact; to be freed with g_free(). */
char *units_ppb(int64_t ppt);

/* "0", "69.12 ms", "-0.000087 ms": exact; to be freed with g_free(). */
char *units_ms(int64_t ns);

#endif /* CF_UNITS_H */
