/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Groups of interchangeable hosts, who spoils them, a common frequency. */
#include <stdlib.h>
#include "kvm/calls.h"
#include "pool.h"

/* More frequencies than that are one host's alone, and no good for a pool. */
#define MAX_CANDIDATES 256

static bool fits(const Pool *pool, const Group *group, guint kind)
{
    guint i;

    for (i = 0; i < group->kinds->len; i++) {
        const guint other = g_array_index(group->kinds, guint, i);

        if (pool_kind_verdict(pool, kind, other) != CF_VERDICT_GO ||
            pool_kind_verdict(pool, other, kind) != CF_VERDICT_GO) {
            return false;
        }
    }
    return true;
}

static void join(Pool *pool, guint kind)
{
    const guint size = pool_kind(pool, kind)->members->len;
    Group group = { .n_hosts = size };
    guint i;

    for (i = 0; i < pool->groups->len; i++) {
        if (fits(pool, pool_group(pool, i), kind)) {
            g_array_append_val(pool_group(pool, i)->kinds, kind);
            pool_group(pool, i)->n_hosts += size;
            return;
        }
    }
    group.kinds = g_array_new(FALSE, FALSE, sizeof(guint));
    g_array_append_val(group.kinds, kind);
    g_array_append_val(pool->groups, group);
}

static int by_size(gconstpointer a, gconstpointer b, gpointer opaque)
{
    const Pool *pool = opaque;
    const Kind *left = pool_kind(pool, *(const guint *)a);
    const Kind *right = pool_kind(pool, *(const guint *)b);

    return left->members->len != right->members->len
           ? (left->members->len < right->members->len ? 1 : -1)
           : kind_host(left) < kind_host(right) ? -1 : 1;
}

static int by_hosts(gconstpointer a, gconstpointer b)
{
    const Group *left = a, *right = b;

    return left->n_hosts != right->n_hosts
           ? (left->n_hosts < right->n_hosts ? 1 : -1)
           : g_array_index(left->kinds, guint, 0) <
             g_array_index(right->kinds, guint, 0) ? -1 : 1;
}

/* Large kinds first: each joins the first group where all is well both ways.
 * To find the fewest groups would take for ever, and real pools have few. */
static void build_groups(Pool *pool)
{
    const guint n = pool->kinds->len;
    g_autofree guint *order = g_new(guint, n);
    guint i;

    for (i = 0; i < n; i++) {
        order[i] = i;
    }
    qsort_r(order, n, sizeof(guint), by_size, pool);
    for (i = 0; i < n; i++) {
        if (pool_kind(pool, order[i])->within == CF_VERDICT_GO) {
            join(pool, order[i]);
        }
    }
    g_array_sort(pool->groups, by_hosts);
    /* A single host is no group. */
    while (pool->groups->len &&
           pool_group(pool, pool->groups->len - 1)->n_hosts < 2) {
        g_array_unref(pool_group(pool, pool->groups->len - 1)->kinds);
        g_array_set_size(pool->groups, pool->groups->len - 1);
    }
}

/* The kinds in the order of their groups, so that equals stand together. */
static void sort_kinds(Pool *pool)
{
    const guint n = pool->kinds->len;
    GArray *sorted = g_array_sized_new(FALSE, FALSE, sizeof(Kind), n);
    guint i, j;

    for (i = 0; i < pool->groups->len; i++) {
        GArray *members = pool_group(pool, i)->kinds;

        for (j = 0; j < members->len; j++) {
            guint *kind = &g_array_index(members, guint, j);

            pool_kind(pool, *kind)->group = i;
            g_array_append_val(sorted, *pool_kind(pool, *kind));
            *kind = sorted->len - 1;
        }
    }
    for (i = 0; i < n; i++) {
        if (pool_kind(pool, i)->group == NO_GROUP) {
            g_array_append_val(sorted, *pool_kind(pool, i));
        }
    }
    g_array_unref(pool->kinds);
    pool->kinds = sorted;
}

void pool_find_groups(Pool *pool)
{
    guint i, j;

    build_groups(pool);
    sort_kinds(pool);
    for (i = 0; i < pool->kinds->len; i++) {
        const GArray *members = pool_kind(pool, i)->members;

        for (j = 0; j < members->len; j++) {
            pool->hosts[g_array_index(members, guint, j)].kind = i;
        }
    }
}

char **pool_group_names(const Pool *pool, guint group)
{
    const GArray *kinds = pool_group(pool, group)->kinds;
    char **names = g_new0(char *, pool_group(pool, group)->n_hosts + 1);
    guint n = 0, i, j;

    for (i = 0; i < kinds->len; i++) {
        const GArray *members =
            pool_kind(pool, g_array_index(kinds, guint, i))->members;

        for (j = 0; j < members->len; j++) {
            names[n++] = pool->hosts[g_array_index(members, guint, j)].name;
        }
    }
    return names;
}

static unsigned int worst_finding(const CfCheck *check)
{
    unsigned int worst = 0, i;

    for (i = 1; i < check->n_findings; i++) {
        if (check->findings[i].verdict > check->findings[worst].verdict) {
            worst = i;
        }
    }
    return worst;
}

/* Where a kind doesn't fit into a group: the worst move between it and one of
 * the group's kinds, guests that come being looked at first. */
static Spoiler worst_move(const Pool *pool, const Group *group, guint kind)
{
    Spoiler worst = { .kind = kind, .arriving = true };
    int found = -1;
    guint i;

    for (i = 0; i < group->kinds->len; i++) {
        const guint other = g_array_index(group->kinds, guint, i);
        const int coming = pool_kind_verdict(pool, other, kind);
        const int leaving = pool_kind_verdict(pool, kind, other);

        if (MAX(coming, leaving) > found) {
            found = MAX(coming, leaving);
            worst.toward = kind_host(pool_kind(pool, other));
            worst.arriving = coming >= leaving;
        }
    }
    return worst;
}

static void explain(const Pool *pool, Spoiler *spoiler)
{
    const Host *host = &pool->hosts[kind_host(pool_kind(pool,
                                                        spoiler->kind))];
    const Host *other = &pool->hosts[spoiler->toward];

    if (spoiler->arriving) {
        cf_check(&other->guest, &host->facts, &spoiler->check);
    } else {
        cf_check(&host->guest, &other->facts, &spoiler->check);
    }
    spoiler->finding = worst_finding(&spoiler->check);
}

GArray *pool_spoilers(const Pool *pool)
{
    GArray *spoilers = g_array_new(FALSE, FALSE, sizeof(Spoiler));
    guint i;

    for (i = 0; pool->groups->len && i < pool->kinds->len; i++) {
        if (pool_kind(pool, i)->group != 0) {
            Spoiler spoiler = worst_move(pool, pool_group(pool, 0), i);

            explain(pool, &spoiler);
            g_array_append_val(spoilers, spoiler);
        }
    }
    return spoilers;
}

/* INT64_MAX: unknown. */
static int64_t rate_error_ppt(const CfHost *host, uint32_t khz)
{
    const struct cf_tsc_freq wanted = { khz, 0, 1 };
    struct cf_tsc_freq freq;
    int64_t ppt;

    return cf_tsc_freq_on(host, &wanted, &freq) &&
           cf_tsc_rate_error_ppt(&freq, &wanted, &ppt) ? ppt : INT64_MAX;
}

bool pool_has_tsc(const Pool *pool)
{
    guint i;

    for (i = 0; i < pool->n; i++) {
        if (!cf_host_has_counter(&pool->hosts[i].facts)) {
            return true;
        }
    }
    return false;
}

bool pool_runs_exactly(const CfHost *host, uint32_t khz)
{
    return cf_rate_is_exact(rate_error_ppt(host, khz));
}

typedef struct Candidate {
    uint32_t khz;
    guint n_own;
} Candidate;

static int by_own(gconstpointer a, gconstpointer b)
{
    const Candidate *left = a, *right = b;

    return left->n_own != right->n_own
           ? (left->n_own < right->n_own ? 1 : -1)
           : (left->khz > right->khz) - (left->khz < right->khz);
}

static void add_candidate(GArray *candidates, uint32_t khz, guint n_own)
{
    const Candidate candidate = { khz, n_own };

    if (khz) {
        g_array_append_val(candidates, candidate);
    }
}

/* The hosts' own frequencies, the commonest first; and one that is below the
 * lowest one's tolerance, which all can reach that scale. */
static GArray *candidates_of(const Pool *pool)
{
    GArray *candidates = g_array_new(FALSE, FALSE, sizeof(Candidate));
    g_autoptr(GHashTable) counts = g_hash_table_new(NULL, NULL);
    GHashTableIter iter;
    gpointer khz, count;
    uint32_t lowest = UINT32_MAX;
    guint i;

    for (i = 0; i < pool->n; i++) {
        khz = GUINT_TO_POINTER(pool->hosts[i].facts.host_khz);
        count = g_hash_table_lookup(counts, khz);
        g_hash_table_insert(counts, khz,
                            GUINT_TO_POINTER(GPOINTER_TO_UINT(count) + 1));
    }
    g_hash_table_iter_init(&iter, counts);
    while (g_hash_table_iter_next(&iter, &khz, &count)) {
        add_candidate(candidates, GPOINTER_TO_UINT(khz),
                      GPOINTER_TO_UINT(count));
        if (khz) {
            lowest = MIN(lowest, GPOINTER_TO_UINT(khz));
        }
    }
    g_array_sort(candidates, by_own);
    if (candidates->len > MAX_CANDIDATES) {
        g_array_set_size(candidates, MAX_CANDIDATES);
    }
    if (candidates->len) {
        add_candidate(candidates, lowest - lowest / 1000, 0);
    }
    return candidates;
}

static CommonFrequency count_hosts(const Pool *pool, uint32_t khz)
{
    CommonFrequency common = { .khz = khz };
    guint i;

    for (i = 0; i < pool->n; i++) {
        const int64_t ppt = rate_error_ppt(&pool->hosts[i].facts, khz);

        if (cf_rate_is_exact(ppt)) {
            common.n_exact++;
        } else if (cf_rate_is_within(ppt, CF_RATE_CLOSE_PPT)) {
            common.n_close++;
        }
    }
    return common;
}

static bool is_better(const CommonFrequency *a, const CommonFrequency *b)
{
    return a->n_exact > b->n_exact ||
           (a->n_exact == b->n_exact && a->n_close > b->n_close);
}

CommonFrequency pool_common_frequency(const Pool *pool,
                                      CommonFrequency *ret_next)
{
    g_autoptr(GArray) candidates = candidates_of(pool);
    CommonFrequency best = { 0 }, next = { 0 };
    guint i;

    for (i = 0; i < candidates->len; i++) {
        const CommonFrequency common = count_hosts(
            pool, g_array_index(candidates, Candidate, i).khz);

        if (is_better(&common, &best)) {
            next = best;
            best = common;
        } else if (is_better(&common, &next)) {
            next = common;
        }
    }
    *ret_next = next.n_exact == best.n_exact && best.n_exact < pool->n
                ? next : (CommonFrequency) { 0 };
    return best;
}
