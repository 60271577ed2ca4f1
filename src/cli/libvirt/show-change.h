/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What diff(1) says of two texts. */
#ifndef CF_SHOW_CHANGE_H
#define CF_SHOW_CHANGE_H

#include <glib.h>

/* What diff -u prints of two texts, which describe @name, without anything
 * that could play tricks on a terminal; to be freed with g_free(). */
char *show_change(const char *name, const char *before,
                  const char *after, GError **error);

#endif /* CF_SHOW_CHANGE_H */
