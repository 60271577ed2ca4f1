/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Figures in Prometheus' exposition format. */
#include "prometheus.h"

void prometheus_metric(GString *out, const char *name, const char *help)
{
    g_string_append_printf(out, "# HELP clockferry_%s %s\n"
                           "# TYPE clockferry_%s gauge\n", name, help, name);
}

void prometheus_value(GString *out, const char *name, const char *help,
                      double number)
{
    prometheus_metric(out, name, help);
    g_string_append_printf(out, "clockferry_%s %.15g\n", name, number);
}

/* As the exposition format has it: backslash, quote and newline escaped. */
void prometheus_label(GString *out, const char *name, const char *text)
{
    g_string_append_printf(out, "%s=\"", name);
    for (; *text; text++) {
        if (*text == '\n') {
            g_string_append(out, "\\n");
            continue;
        }
        if (*text == '\\' || *text == '"') {
            g_string_append_c(out, '\\');
        }
        g_string_append_c(out, *text);
    }
    g_string_append_c(out, '"');
}
