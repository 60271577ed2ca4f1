/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The forms in which a pool is shown. */
#ifndef CF_MATRIX_H
#define CF_MATRIX_H

#include "pool.h"

/* Pairs are listed one by one only for so many hosts. */
#define MATRIX_MAX_PAIRS_HOSTS 300u

/*
 * Each returns a text, to be freed with g_free().
 *
 * The text has a table, if there are few enough kinds of hosts for @output, as
 * of screen_begin().
 * The picture is an SVG file; the page is an HTML file with that picture in it.
 * JSON can also list every pair.
 */
char *matrix_to_text(const Pool *pool, const char *output);
char *matrix_to_svg(const Pool *pool);
char *matrix_to_html(const Pool *pool);
char *matrix_to_json(const Pool *pool, bool pairs);

/* "host-a", or "host-a and 11 like it". */
char *matrix_kind_name(const Pool *pool, guint kind);

/* What spoils it, in a sentence. */
char *matrix_spoiler_text(const Pool *pool, const Spoiler *spoiler);

/* "2500000 kHz, exact on 12 of 14 hosts"; NULL if none is known. */
char *matrix_frequency_text(const Pool *pool);

/* The sign of a verdict in tables, and what it means. */
char matrix_sign(enum cf_verdict verdict);
const char *matrix_meaning(enum cf_verdict verdict);

#endif /* CF_MATRIX_H */
