/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Figures in Prometheus' exposition format. */
#ifndef CF_PROMETHEUS_H
#define CF_PROMETHEUS_H

#include <glib.h>

/* What a metric is; its lines follow. */
void prometheus_metric(GString *out, const char *name, const char *help);

/* A metric with one line, and no label. */
void prometheus_value(GString *out, const char *name, const char *help,
                      double number);

/* name="text", quoted. */
void prometheus_label(GString *out, const char *name, const char *text);

#endif /* CF_PROMETHEUS_H */
