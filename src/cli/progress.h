/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A sign of life on a terminal, for what takes long. */
#ifndef CF_PROGRESS_H
#define CF_PROGRESS_H

#include <glib.h>

/* Whatever takes less time than this is over before anybody wonders. */
#define PROGRESS_US (G_USEC_PER_SEC / 2)

/**
 * Progress - how far it is
 * @what: what is counted, such as "rounds"
 * @last_us: when that was shown last
 * @shown: it was shown at all
 */
typedef struct Progress {
    const char *what;
    gint64 last_us;
    gboolean shown;
} Progress;

Progress progress_begin(const char *what);

/* "5 of 200 rounds" on the standard error, now and then, if that is a
 * terminal. */
void progress_show(Progress *progress, guint64 done, guint64 all);

/* Wipes it away. */
void progress_end(const Progress *progress);

#endif /* CF_PROGRESS_H */
