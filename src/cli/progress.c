/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A sign of life on a terminal, for what takes long. */
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>
#include "progress.h"

Progress progress_begin(const char *what)
{
    return (Progress) { what, g_get_monotonic_time(), FALSE };
}

void progress_show(Progress *progress, guint64 done, guint64 all)
{
    const gint64 now_us = g_get_monotonic_time();

    if (now_us - progress->last_us >= PROGRESS_US &&
        isatty(STDERR_FILENO)) {
        progress->last_us = now_us;
        progress->shown = TRUE;
        fprintf(stderr, "\r%" PRIu64 " of %" PRIu64 " %s ", done, all,
                progress->what);
        fflush(stderr);
    }
}

void progress_end(const Progress *progress)
{
    if (progress->shown) {
        fprintf(stderr, "\r%60s\r", "");
    }
}
