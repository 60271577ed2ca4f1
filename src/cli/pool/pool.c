/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A pool of hosts: their files, their names, and all verdicts. */
#include <string.h>
#include "text/printable.h"
#include "cli/cli.h"
#include "cli/hosts.h"
#include "cli/screen.h"
#include "pool.h"

static Pool *pool_alloc(guint n)
{
    Pool *pool = g_new0(Pool, 1);

    pool->n = n;
    pool->hosts = g_new0(Host, n);
    pool->verdicts = g_malloc0((gsize)n * n);
    pool->kinds = g_array_new(FALSE, FALSE, sizeof(Kind));
    pool->groups = g_array_new(FALSE, FALSE, sizeof(Group));
    return pool;
}

void pool_free(Pool *pool)
{
    guint i;

    if (!pool) {
        return;
    }
    for (i = 0; i < pool->kinds->len; i++) {
        g_array_unref(pool_kind(pool, i)->members);
    }
    for (i = 0; i < pool->groups->len; i++) {
        g_array_unref(pool_group(pool, i)->kinds);
    }
    for (i = 0; i < pool->n; i++) {
        g_free(pool->hosts[i].name);
    }
    g_free(pool->hosts);
    g_free(pool->verdicts);
    g_array_unref(pool->kinds);
    g_array_unref(pool->groups);
    g_free(pool);
}

/* "rack1/node7.json" is node7. */
static char *name_of_file(const char *file)
{
    g_autofree char *base = g_path_get_basename(file);
    char *name = cf_printable(base);

    if (g_str_has_suffix(name, ".json") && strlen(name) > 5) {
        name[strlen(name) - 5] = '\0';
    }
    return name;
}

/* How often each name occurs. */
static GHashTable *count_names(const Pool *pool)
{
    GHashTable *counts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                               NULL);
    guint i;

    for (i = 0; i < pool->n; i++) {
        const char *name = pool->hosts[i].name;
        const guint count =
            GPOINTER_TO_UINT(g_hash_table_lookup(counts, name));

        g_hash_table_insert(counts, g_strdup(name),
                            GUINT_TO_POINTER(count + 1));
    }
    return counts;
}

/* Hosts that share a name, or have none, are named after their files. */
static void rename_twins(Pool *pool, char **files,
                         char *(*name_of)(const char *file))
{
    g_autoptr(GHashTable) counts = count_names(pool);
    guint i;

    for (i = 0; i < pool->n; i++) {
        char **name = &pool->hosts[i].name;

        if (!**name ||
            GPOINTER_TO_UINT(g_hash_table_lookup(counts, *name)) > 1) {
            g_free(*name);
            *name = name_of(files[i]);
        }
    }
}

static void name_hosts(Pool *pool, char **files)
{
    guint i;

    for (i = 0; i < pool->n; i++) {
        pool->hosts[i].name = g_strdup(pool->hosts[i].facts.id.name);
    }
    rename_twins(pool, files, name_of_file);
    rename_twins(pool, files, cf_printable);
}

static gboolean read_hosts(Pool *pool, char **files, const Wishes *wishes,
                           GError **error)
{
    guint i;

    for (i = 0; i < pool->n; i++) {
        Host *host = &pool->hosts[i];

        if (!hosts_read(files[i], &host->facts, error)) {
            return FALSE;
        }
        cf_guest_from_host(&host->facts, wishes->tsc_khz, &host->guest);
        wishes_apply(wishes, &host->guest);
    }
    name_hosts(pool, files);
    return TRUE;
}

static void check_all(Pool *pool)
{
    const guint64 moves = (guint64)pool->n * (pool->n - 1);
    Progress progress = progress_begin("moves checked");
    guint from, to;

    for (from = 0; from < pool->n; from++) {
        progress_show(&progress, (guint64)from * (pool->n - 1), moves);
        for (to = 0; to < pool->n; to++) {
            CfCheck check;

            if (from != to) {
                cf_check(&pool->hosts[from].guest, &pool->hosts[to].facts,
                         &check);
                pool->verdicts[(gsize)from * pool->n + to] =
                    (guint8)check.verdict;
                pool->counts[check.verdict]++;
            }
        }
    }
    progress_end(&progress);
}

Pool *pool_read(char **files, const Wishes *wishes, GError **error)
{
    g_autoptr(Pool) pool = pool_alloc(g_strv_length(files));

    if (!read_hosts(pool, files, wishes, error)) {
        return NULL;
    }
    check_all(pool);
    pool_find_kinds(pool);
    pool_find_groups(pool);
    return g_steal_pointer(&pool);
}
