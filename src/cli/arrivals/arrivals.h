/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How a guest's clocks arrived, each time that it was moved. */
#ifndef CF_ARRIVALS_H
#define CF_ARRIVALS_H

#include "cli/qemu/guest-clocks.h"

/* An array of GuestClocks, in the order of their times as far as these are
 * known: each has a restore, or why the clocks weren't carried. */
typedef GArray Arrivals;

/* From files with one or more texts of clockferry state --json each. An arrival
 * that was asked for twice counts once. Fails if there are none, or of two
 * guests. */
Arrivals *arrivals_read(char **files, GError **error);

/* "2026-11-28 10:02:11"; "" if it isn't known. To be freed with g_free(). */
char *arrivals_time(const GuestClocks *arrival);

/* What became of the clocks, in a line; to be freed with g_free(). */
char *arrivals_line(const GuestClocks *arrival);

/* The picture, as an SVG file; to be freed with g_free(). */
char *arrivals_to_svg(const Arrivals *arrivals);

#endif /* CF_ARRIVALS_H */
