/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A pool for programs. */
#include "cli/check-print.h"
#include "matrix.h"

static CfJson *hosts_to_json(const Pool *pool)
{
    CfJson *array = cf_json_array();
    guint i;

    for (i = 0; i < pool->n; i++) {
        const Host *host = &pool->hosts[i];
        CfJson *json = cf_json_object();

        cf_json_add_text(json, "name", host->name);
        cf_json_add_int(json, "kind", host->kind);
        if (pool_kind(pool, host->kind)->group != NO_GROUP) {
            cf_json_add_int(json, "group", pool_kind(pool, host->kind)->group);
        }
        cf_json_append(array, json);
    }
    return array;
}

/* A string for each source, with a sign for each destination. */
static CfJson *rows_to_json(const Pool *pool)
{
    g_autofree char *row = g_malloc0(pool->n + 1);
    CfJson *array = cf_json_array();
    guint from, to;

    for (from = 0; from < pool->n; from++) {
        for (to = 0; to < pool->n; to++) {
            row[to] = from == to ? '.'
                                 : matrix_sign(pool_verdict(pool, from, to));
        }
        cf_json_append_text(array, row);
    }
    return array;
}

static CfJson *counts_to_json(const Pool *pool)
{
    CfJson *json = cf_json_object();
    guint i;

    for (i = 0; i < G_N_ELEMENTS(pool->counts); i++) {
        cf_json_add_int(json, cf_verdict_name(i), (int64_t)pool->counts[i]);
    }
    return json;
}

static CfJson *groups_to_json(const Pool *pool)
{
    CfJson *array = cf_json_array();
    guint i, j;

    for (i = 0; i < pool->groups->len; i++) {
        g_autofree char **names = pool_group_names(pool, i);
        CfJson *json = cf_json_array();

        for (j = 0; names[j]; j++) {
            cf_json_append_text(json, names[j]);
        }
        cf_json_append(array, json);
    }
    return array;
}

static CfJson *spoilers_to_json(const Pool *pool)
{
    g_autoptr(GArray) spoilers = pool_spoilers(pool);
    CfJson *array = cf_json_array();
    guint i;

    for (i = 0; i < spoilers->len; i++) {
        const Spoiler *spoiler = &g_array_index(spoilers, Spoiler, i);
        g_autofree char *text = matrix_spoiler_text(pool, spoiler);
        g_autofree char *cure = cf_check_cure(&spoiler->check,
                                              spoiler->finding);
        CfJson *json = cf_json_object();

        cf_json_add_int(json, "kind", spoiler->kind);
        cf_json_add_text(json, "verdict",
                         cf_verdict_name(spoiler->check.verdict));
        cf_json_add_text(json, "text", text);
        if (cure) {
            cf_json_add_text(json, "cure", cure);
        }
        cf_json_append(array, json);
    }
    return array;
}

static CfJson *count_to_json(const CommonFrequency *common)
{
    CfJson *json = cf_json_object();

    cf_json_add_int(json, "khz", common->khz);
    cf_json_add_int(json, "exact_hosts", common->n_exact);
    cf_json_add_int(json, "close_hosts", common->n_close);
    return json;
}

/* NULL if no frequency is known. */
static CfJson *frequency_to_json(const Pool *pool)
{
    CommonFrequency next;
    const CommonFrequency common = pool_common_frequency(pool, &next);
    CfJson *others, *json;
    guint i;

    if (!common.khz) {
        return NULL;
    }
    json = count_to_json(&common);
    others = cf_json_array();
    for (i = 0; i < pool->n; i++) {
        if (!pool_runs_exactly(&pool->hosts[i].facts, common.khz)) {
            cf_json_append_text(others, pool->hosts[i].name);
        }
    }
    cf_json_add(json, "other_hosts", others);
    if (next.khz) {
        cf_json_add(json, "next_best", count_to_json(&next));
    }
    return json;
}

static CfJson *pairs_to_json(const Pool *pool)
{
    CfJson *array = cf_json_array();
    guint from, to;

    for (from = 0; from < pool->n; from++) {
        for (to = 0; to < pool->n; to++) {
            CfJson *json = cf_json_object();
            CfCheck check;

            cf_check(&pool->hosts[from].guest, &pool->hosts[to].facts,
                     &check);
            cf_json_add_int(json, "from", from);
            cf_json_add_int(json, "to", to);
            check_add_json(json, &check, false);
            cf_json_append(array, json);
        }
    }
    return array;
}

char *matrix_to_json(const Pool *pool, bool pairs)
{
    g_autoptr(CfJson) json = cf_json_new_format("clockferry-matrix", 1, 1);
    const CfGuest *guest = &pool->hosts[0].guest;
    CfJson *frequency = frequency_to_json(pool);

    cf_json_add_text(json, "policy", cf_policy_name(guest->policy));
    cf_json_add_text(json, "require", cf_rung_name(guest->require));
    cf_json_add_bool(json, "promised", guest->promised);
    cf_json_add(json, "hosts", hosts_to_json(pool));
    cf_json_add(json, "rows", rows_to_json(pool));
    cf_json_add(json, "counts", counts_to_json(pool));
    cf_json_add(json, "groups", groups_to_json(pool));
    cf_json_add(json, "spoilers", spoilers_to_json(pool));
    if (frequency) {
        cf_json_add(json, "common_frequency", frequency);
    }
    if (pairs) {
        cf_json_add(json, "pairs", pairs_to_json(pool));
    }
    return cf_json_print(json);
}
