/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What diff(1) says of two texts. */
#ifndef CF_SHOW_CHANGE_H
#define CF_SHOW_CHANGE_H

#include <glib.h>

/**
 * show_change - the unified difference of two texts
 * @name: what they describe
 * @before: one text
 * @after: the other text
 * @error: why it can't be shown
 *
 * Return: what diff -u prints, without anything that could play tricks on a
 * terminal; to be freed with g_free(). NULL on failure.
 */
char *show_change(const char *name, const char *before,
                  const char *after, GError **error);

#endif /* CF_SHOW_CHANGE_H */
