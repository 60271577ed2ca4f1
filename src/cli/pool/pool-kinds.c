/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hosts that are alike: a table of thousands of hosts has few kinds.
 *
 * Two hosts are alike if they have the same verdicts towards all others, and
 * the same ones between each other. With that last verdict put on the
 * diagonal their rows are equal and so are their columns; so hosts are looked
 * up by these, once for each verdict that may stand there.
 */
#include "pool.h"

/* A host's row and column, with @within on the diagonal. */
static GBytes *cells_of(const Pool *pool, guint host, enum cf_verdict within)
{
    guint8 *cells = g_malloc(2 * (gsize)pool->n);
    guint i;

    for (i = 0; i < pool->n; i++) {
        cells[i] = (guint8)(i == host ? within : pool_verdict(pool, host, i));
        cells[pool->n + i] =
            (guint8)(i == host ? within : pool_verdict(pool, i, host));
    }
    return g_bytes_new_take(cells, 2 * (gsize)pool->n);
}

static guint add_kind(Pool *pool, enum cf_verdict within)
{
    const Kind kind = {
        .members = g_array_new(FALSE, FALSE, sizeof(guint)),
        .within = within,
        .group = NO_GROUP,
    };

    g_array_append_val(pool->kinds, kind);
    return pool->kinds->len - 1;
}

static void join(Pool *pool, guint host, guint kind)
{
    pool->hosts[host].kind = kind;
    g_array_append_val(pool_kind(pool, kind)->members, host);
}

/* A host joins the one with the same cells, if one was seen. */
static void join_alike(Pool *pool, GHashTable *seen, guint host,
                       enum cf_verdict within)
{
    GBytes *cells = cells_of(pool, host, within);
    gpointer found;
    guint other;

    if (!g_hash_table_lookup_extended(seen, cells, NULL, &found)) {
        g_hash_table_insert(seen, cells, GUINT_TO_POINTER(host));
        return;
    }
    g_bytes_unref(cells);
    other = GPOINTER_TO_UINT(found);
    if (pool->hosts[other].kind == NO_GROUP) {
        join(pool, other, add_kind(pool, within));
    }
    join(pool, host, pool->hosts[other].kind);
}

void pool_find_kinds(Pool *pool)
{
    guint within, i;

    for (i = 0; i < pool->n; i++) {
        pool->hosts[i].kind = NO_GROUP;
    }
    for (within = CF_VERDICT_GO; within <= CF_VERDICT_REFUSE; within++) {
        g_autoptr(GHashTable) seen = g_hash_table_new_full(
            g_bytes_hash, g_bytes_equal, (GDestroyNotify)g_bytes_unref, NULL);

        for (i = 0; i < pool->n; i++) {
            if (pool->hosts[i].kind == NO_GROUP) {
                join_alike(pool, seen, i, within);
            }
        }
    }
    for (i = 0; i < pool->n; i++) {
        if (pool->hosts[i].kind == NO_GROUP) {
            join(pool, i, add_kind(pool, CF_VERDICT_GO));
        }
    }
}

enum cf_verdict pool_kind_verdict(const Pool *pool, guint from, guint to)
{
    return from == to ? pool_kind(pool, from)->within
                      : pool_verdict(pool, kind_host(pool_kind(pool, from)),
                                     kind_host(pool_kind(pool, to)));
}
