/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A pool as a page: the picture, and all that the text says. */
#include <inttypes.h>
#include "matrix.h"

static void G_GNUC_PRINTF(2, 3) add(GString *out, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list values;

    va_start(values, format);
    text = g_markup_vprintf_escaped(format, values);
    va_end(values);
    g_string_append(out, text);
}

static void add_head(GString *out)
{
    g_string_append(
        out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n"
        "<meta charset=\"utf-8\">\n"
        "<meta name=\"viewport\" content=\"width=device-width\">\n"
        "<title>Which host can take whose guests</title>\n<style>\n"
        "body { font-family: sans-serif; max-width: 90em; margin: 2em auto; "
        "padding: 0 1em; line-height: 1.4; color: #222; background: #fff }\n"
        "figure { margin: 1em 0; overflow-x: auto }\n"
        "@media (prefers-color-scheme: dark) "
        "{ body { color: #eee; background: #1b1b1b } }\n"
        "td, th { text-align: left; vertical-align: top; "
        "padding: .2em 1em .2em 0 }\n"
        "th { white-space: nowrap }\n"
        "</style>\n</head>\n<body>\n"
        "<h1>Which host can take whose guests</h1>\n");
}

static void add_counts(GString *out, const Pool *pool)
{
    guint i;

    add(out, "<p>%u hosts of %u kinds. Moves between two hosts:</p>\n<ul>\n",
        pool->n, pool->kinds->len);
    for (i = 0; i < G_N_ELEMENTS(pool->counts); i++) {
        if (pool->counts[i]) {
            add(out, "<li>%s: %" PRIu64 "</li>\n", matrix_meaning(i),
                pool->counts[i]);
        }
    }
    g_string_append(out, "</ul>\n");
}

static void add_picture(GString *out, const Pool *pool)
{
    g_autofree char *svg = matrix_to_svg(pool);

    g_string_append(out, "<figure>\n");
    g_string_append(out, svg);
    g_string_append(out, "<figcaption>Rows: where a guest is. Columns: where "
                    "it goes.</figcaption>\n</figure>\n");
}

static void add_groups(GString *out, const Pool *pool)
{
    guint i;

    g_string_append(out, "<h2>Fully interchangeable</h2>\n");
    if (!pool->groups->len) {
        g_string_append(out, "<p>No two hosts are.</p>\n");
        return;
    }
    g_string_append(out, "<table>\n");
    for (i = 0; i < pool->groups->len; i++) {
        g_autofree char **names = pool_group_names(pool, i);
        g_autofree char *list = g_strjoinv(", ", names);

        add(out, "<tr><th>%u hosts</th><td>%s</td></tr>\n",
            pool_group(pool, i)->n_hosts, list);
    }
    g_string_append(out, "</table>\n");
}

static void add_spoilers(GString *out, const Pool *pool)
{
    g_autoptr(GArray) spoilers = pool_spoilers(pool);
    guint i;

    if (!spoilers->len) {
        return;
    }
    g_string_append(out, "<h2>Not like the largest group</h2>\n<table>\n"
                    "<tr><th>Hosts</th><th>Why</th><th>Cure</th></tr>\n");
    for (i = 0; i < spoilers->len; i++) {
        const Spoiler *spoiler = &g_array_index(spoilers, Spoiler, i);
        g_autofree char *name = matrix_kind_name(pool, spoiler->kind);
        g_autofree char *text = matrix_spoiler_text(pool, spoiler);
        g_autofree char *cure = cf_check_cure(&spoiler->check,
                                              spoiler->finding);

        add(out, "<tr><td>%s</td><td>%s</td><td>%s</td></tr>\n", name, text,
            cure ? cure : "");
    }
    g_string_append(out, "</table>\n");
}

char *matrix_to_html(const Pool *pool)
{
    GString *out = g_string_new(NULL);
    g_autofree char *frequency = matrix_frequency_text(pool);

    add_head(out);
    add_counts(out, pool);
    add_picture(out, pool);
    add_groups(out, pool);
    add_spoilers(out, pool);
    if (pool_has_tsc(pool)) {
        add(out, "<h2>Best common TSC frequency</h2>\n<p>%s</p>\n",
            frequency ? frequency : "unknown");
    }
    g_string_append(out, "</body>\n</html>\n");
    return g_string_free(out, FALSE);
}
