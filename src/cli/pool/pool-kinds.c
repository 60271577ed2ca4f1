/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hosts that are alike: a table of thousands of hosts has few kinds.
 *
 * Two hosts are alike if they have the same verdicts towards all others, and
 * the same ones between each other. With that last verdict put on the
 * diagonal their rows are equal and so are their columns; so hosts are sorted
 * by these, once for each verdict that may stand there.
 */
#include "pool.h"

/* Two different cells give numbers that are unrelated (the finaliser of
 * SplitMix64). */
static guint64 mix(guint64 position, guint64 verdict)
{
    guint64 x = (position << 3 | verdict) * 0x9e3779b97f4a7c15u;

    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

/* Sum of a host's row and column, with @within on the diagonal. */
static guint64 fingerprint(const Pool *pool, guint host,
                           enum cf_verdict within)
{
    guint64 sum = 0;
    guint i;

    for (i = 0; i < pool->n; i++) {
        const bool self = i == host;

        sum += mix(2 * (guint64)i,
                   self ? within : pool_verdict(pool, host, i));
        sum += mix(2 * (guint64)i + 1,
                   self ? within : pool_verdict(pool, i, host));
    }
    return sum;
}

/* Are they really? Two fingerprints may agree by chance, once in 2^64. */
static bool are_alike(const Pool *pool, guint a, guint b)
{
    guint i;

    if (pool_verdict(pool, a, b) != pool_verdict(pool, b, a)) {
        return false;
    }
    for (i = 0; i < pool->n; i++) {
        if (i != a && i != b &&
            (pool_verdict(pool, a, i) != pool_verdict(pool, b, i) ||
             pool_verdict(pool, i, a) != pool_verdict(pool, i, b))) {
            return false;
        }
    }
    return true;
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

/* A host whose fingerprint was seen joins that one's kind. */
static void join_alike(Pool *pool, GHashTable *seen, guint64 *key, guint host,
                       enum cf_verdict within)
{
    gpointer other;

    if (!g_hash_table_lookup_extended(seen, key, NULL, &other)) {
        g_hash_table_insert(seen, key, GUINT_TO_POINTER(host));
        return;
    }
    if (pool_verdict(pool, GPOINTER_TO_UINT(other), host) != within ||
        !are_alike(pool, GPOINTER_TO_UINT(other), host)) {
        return;
    }
    if (pool->hosts[GPOINTER_TO_UINT(other)].kind == NO_GROUP) {
        join(pool, GPOINTER_TO_UINT(other), add_kind(pool, within));
    }
    join(pool, host, pool->hosts[GPOINTER_TO_UINT(other)].kind);
}

void pool_find_kinds(Pool *pool)
{
    g_autofree guint64 *keys = g_new(guint64, pool->n);
    guint within, i;

    for (i = 0; i < pool->n; i++) {
        pool->hosts[i].kind = NO_GROUP;
    }
    for (within = CF_VERDICT_GO; within <= CF_VERDICT_REFUSE; within++) {
        g_autoptr(GHashTable) seen = g_hash_table_new(g_int64_hash,
                                                      g_int64_equal);

        for (i = 0; i < pool->n; i++) {
            if (pool->hosts[i].kind == NO_GROUP) {
                keys[i] = fingerprint(pool, i, within);
                join_alike(pool, seen, &keys[i], i, within);
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
