/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The clocks of a host's guests in a file for Prometheus' node exporter. */
#include <string.h>
#include "annotate-metrics.h"
#include "cli/files.h"

struct AnnotateMetrics {
    char *path;          /* NULL: no file is written */
    GHashTable *guests;  /* UUID to GuestClocks */
    char *written;       /* what the file has, or NULL */
};

AnnotateMetrics *annotate_metrics_new(const char *path)
{
    AnnotateMetrics *metrics = g_new0(AnnotateMetrics, 1);

    metrics->path = g_strdup(path);
    metrics->guests = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                            g_free);
    return metrics;
}

void annotate_metrics_free(AnnotateMetrics *metrics)
{
    g_hash_table_unref(metrics->guests);
    g_free(metrics->path);
    g_free(metrics->written);
    g_free(metrics);
}

void annotate_metrics_set(AnnotateMetrics *metrics, const char *uuid,
                          const GuestClocks *clocks)
{
    if (clocks) {
        g_hash_table_replace(metrics->guests, g_strdup(uuid),
                             g_memdup2(clocks, sizeof(*clocks)));
    } else {
        g_hash_table_remove(metrics->guests, uuid);
    }
}

void annotate_metrics_clear(AnnotateMetrics *metrics)
{
    g_hash_table_remove_all(metrics->guests);
}

static int by_name(const void *a, const void *b)
{
    const GuestClocks *const *one = a, *const *other = b;

    return strcmp((*one)->name, (*other)->name);
}

static char *to_text(const AnnotateMetrics *metrics)
{
    g_autoptr(GPtrArray) guests = g_ptr_array_new();
    GHashTableIter iter;
    gpointer clocks;

    g_hash_table_iter_init(&iter, metrics->guests);
    while (g_hash_table_iter_next(&iter, NULL, &clocks)) {
        g_ptr_array_add(guests, clocks);
    }
    g_ptr_array_sort(guests, by_name);
    g_ptr_array_add(guests, NULL);
    return guest_clocks_to_prometheus((const GuestClocks *const *)guests->pdata);
}

gboolean annotate_metrics_write(AnnotateMetrics *metrics, GError **error)
{
    g_autofree char *text = metrics->path ? to_text(metrics) : NULL;

    if (!text || !g_strcmp0(text, metrics->written)) {
        return TRUE;
    }
    /* One that failed is written again, whatever it has now. */
    g_clear_pointer(&metrics->written, g_free);
    if (!files_write(metrics->path, text, error)) {
        return FALSE;
    }
    metrics->written = g_steal_pointer(&text);
    return TRUE;
}
