/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A pool of hosts: who can take whose guests, and who is like whom. */
#ifndef CF_POOL_H
#define CF_POOL_H

#include <clockferry/check.h>
#include "cli/wishes.h"

#define NO_GROUP G_MAXUINT

/**
 * Host - one of the pool
 * @name: its own, or its file's where that isn't known or not unique
 * @facts: about it
 * @guest: one that is on it
 * @kind: index of its kind
 */
typedef struct Host {
    char *name;
    CfHost facts;
    CfGuest guest;
    guint kind;
} Host;

/**
 * Kind - hosts that are alike: towards all others, and among each other
 * @members: indices of hosts (guint), at least one
 * @within: the verdict among them; CF_VERDICT_GO for a single one
 * @group: index of its group, or NO_GROUP
 */
typedef struct Kind {
    GArray *members;
    enum cf_verdict within;
    guint group;
} Kind;

/**
 * Group - hosts that are fully interchangeable, two or more
 * @kinds: indices of kinds (guint), the largest first
 * @n_hosts: how many hosts
 */
typedef struct Group {
    GArray *kinds;
    guint n_hosts;
} Group;

/**
 * Pool - all of them
 * @n: how many hosts
 * @hosts: they
 * @verdicts: n x n, row by row: for guests of a row's host on a column's
 * @kinds: array of Kind, in the order of their groups
 * @groups: array of Group, the largest first
 * @counts: how many pairs of two hosts have each verdict
 */
typedef struct Pool {
    guint n;
    Host *hosts;
    guint8 *verdicts;
    GArray *kinds;
    GArray *groups;
    guint64 counts[CF_VERDICT_REFUSE + 1];
} Pool;

/**
 * pool_read - read the hosts and find out all about them
 * @files: their files, at least one
 * @wishes: what is asked of each move
 * @error: why not, with the file's name
 *
 * Return: the pool, to be freed with pool_free(); NULL on failure.
 */
Pool *pool_read(char **files, const Wishes *wishes, GError **error);

void pool_free(Pool *pool);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Pool, pool_free)

static inline enum cf_verdict pool_verdict(const Pool *pool, guint from,
                                           guint to)
{
    return (enum cf_verdict)pool->verdicts[(gsize)from * pool->n + to];
}

static inline Kind *pool_kind(const Pool *pool, guint i)
{
    return &g_array_index(pool->kinds, Kind, i);
}

static inline Group *pool_group(const Pool *pool, guint i)
{
    return &g_array_index(pool->groups, Group, i);
}

/* A host that stands for its kind. */
static inline guint kind_host(const Kind *kind)
{
    return g_array_index(kind->members, guint, 0);
}

/* The verdict from one kind to another, or within one. */
enum cf_verdict pool_kind_verdict(const Pool *pool, guint from, guint to);

/* pool-kinds.c, pool-groups.c: in this order, once @verdicts are there. */
void pool_find_kinds(Pool *pool);
void pool_find_groups(Pool *pool);

/**
 * Spoiler - a kind outside the largest group, and why
 * @kind: index of the kind
 * @toward: index of a host of the largest group
 * @arriving: what is worst are guests that come to the kind, else those that
 *            leave it
 * @check: that move
 * @finding: the worst finding of that check
 */
typedef struct Spoiler {
    guint kind;
    guint toward;
    bool arriving;
    CfCheck check;
    unsigned int finding;
} Spoiler;

/* The spoilers of a pool (array of Spoiler), to be freed with
 * g_array_unref(); none without a group. */
GArray *pool_spoilers(const Pool *pool);

/**
 * CommonFrequency - one that guests could have everywhere
 * @khz: the frequency; 0 if no host's is known
 * @n_exact: how many hosts run it exactly
 */
typedef struct CommonFrequency {
    uint32_t khz;
    guint n_exact;
} CommonFrequency;

/* The frequency that most hosts run exactly; of several the one that most of
 * them have themselves, then the lowest. */
CommonFrequency pool_common_frequency(const Pool *pool);

/* Does a guest that is told this frequency have it on this host? */
bool pool_runs_exactly(const CfHost *host, uint32_t khz);

#endif /* CF_POOL_H */
