/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Text from anywhere, made fit for a terminal or a log. */
#ifndef CF_PRINTABLE_H
#define CF_PRINTABLE_H

#include <glib.h>
#include <stdbool.h>

/* Could it play tricks on a terminal, a log, or who reads it? Control
 * characters, invisible ones, those that turn the direction of writing, and
 * those that end a line. */
bool cf_is_tricky(gunichar character);

/* Replaces what isn't UTF-8, isn't known to be printable, or plays tricks. To
 * be freed with g_free(). */
char *cf_printable(const char *text);

/* Copies as many whole characters of UTF-8 as fit. */
void cf_copy_text(char *ret_text, size_t size, const char *text);

#endif /* CF_PRINTABLE_H */
