/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The clocks of a host's guests in a file for Prometheus' node exporter. */
#ifndef CF_ANNOTATE_METRICS_H
#define CF_ANNOTATE_METRICS_H

#include "cli/qemu/guest-clocks.h"

/* AnnotateMetrics - what is in the file, or will be */
typedef struct AnnotateMetrics AnnotateMetrics;

/* For a file that is written by annotate_metrics_write(); NULL: none is. To be
 * freed with annotate_metrics_free(). */
AnnotateMetrics *annotate_metrics_new(const char *path);

void annotate_metrics_free(AnnotateMetrics *metrics);

/* A guest, named by its UUID, has these clocks; NULL: it is gone, or its clocks
 * are nobody's business. */
void annotate_metrics_set(AnnotateMetrics *metrics, const char *uuid,
                          const GuestClocks *clocks);

/* Forgets all guests. */
void annotate_metrics_clear(AnnotateMetrics *metrics);

/* Writes the file if anything has changed since the last time. */
gboolean annotate_metrics_write(AnnotateMetrics *metrics, GError **error);

#endif /* CF_ANNOTATE_METRICS_H */
