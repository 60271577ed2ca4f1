/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Text from anywhere, made fit for a terminal or a log. */
#ifndef CF_PRINTABLE_H
#define CF_PRINTABLE_H

/* Replaces what isn't UTF-8, or could play tricks on a terminal. To be freed
 * with g_free(). */
char *cf_printable(const char *text);

#endif /* CF_PRINTABLE_H */
