/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What pictures share. They follow the page that they are in, dark or light, by
 * these classes: b fills like paper, g is a stroke of that colour; text needs
 * none, l is for text that matters less, d and w for text on light and on dark
 * colours; n fills what has a size and no verdict, r strokes a ruler's lines.
 */
#ifndef CF_SVG_H
#define CF_SVG_H

#include <clockferry/clock-policy.h>
#include <glib.h>

/* The colour of a verdict: distinct, and of different lightness for people who
 * don't see all colours. */
extern const char *const svg_colours[CF_VERDICT_REFUSE + 1];

/* The file up to what is drawn. @title and @description are plain text. */
GString *svg_begin(guint width, guint height, const char *title,
                   const char *description);

/* To be freed with g_free(). */
char *svg_end(GString *out);

/* As markup, without its end if it has more letters than that; to be freed with
 * g_free(). */
char *svg_shortened(const char *text, glong length);

#endif /* CF_SVG_H */
