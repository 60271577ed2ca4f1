/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A pool of hosts: who can take whose guests, and which hosts are alike. */
#ifndef CF_POOL_H
#define CF_POOL_H

#include "cli/cli.h"

#define NO_GROUP G_MAXUINT

/* Host - one host of the pool */
typedef struct Host {
    /* its own name, or its file's if its own is unknown or isn't unique */
    char *name;
    CfHost facts;   /* the facts about it */
    CfGuest guest;  /* a guest on it */
    guint kind;     /* index of its kind */
} Host;

/* Kind - hosts that are alike, towards all others and among each other */
typedef struct Kind {
    GArray *members;  /* indices of hosts (guint), at least one */
    /* the verdict among them; CF_VERDICT_GO for a single host */
    enum cf_verdict within;
    guint group;      /* index of its group, or NO_GROUP */
} Kind;

/* Group - two or more hosts that are fully interchangeable */
typedef struct Group {
    GArray *kinds;  /* indices of kinds (guint), the largest first */
    guint n_hosts;  /* how many hosts */
} Group;

/* Pool - all hosts, and what was found out about them */
typedef struct Pool {
    guint n;         /* how many hosts */
    Host *hosts;     /* the hosts, @n of them */
    /* n x n, row by row: of guests of the row's host on the column's */
    guint8 *verdicts;
    GArray *kinds;   /* array of Kind, in the order of their groups */
    GArray *groups;  /* array of Group, the largest first */
    /* how many pairs of two hosts have each verdict */
    guint64 counts[CF_VERDICT_REFUSE + 1];
} Pool;

/* Reads the hosts, at least one, and finds out all about them; to be freed
 * with pool_free(). Errors name the file. */
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

/* The names of a group's hosts, ending with NULL; to be freed with g_free().
 * Owned by the pool. */
char **pool_group_names(const Pool *pool, guint group);

/* pool-kinds.c and pool-groups.c: for pool_read(), in this order. */
void pool_find_kinds(Pool *pool);
void pool_find_groups(Pool *pool);

/* Spoiler - a kind outside the largest group, and why */
typedef struct Spoiler {
    guint kind;            /* index of the kind */
    guint toward;          /* index of a host of the largest group */
    /* the worst move is one to the kind, otherwise it is one from it */
    bool arriving;
    CfCheck check;         /* that move */
    unsigned int finding;  /* the worst finding of that check */
} Spoiler;

/* The spoilers of a pool (array of Spoiler), to be freed with
 * g_array_unref(); none without a group. */
GArray *pool_spoilers(const Pool *pool);

/* CommonFrequency - a frequency that guests could have everywhere */
typedef struct CommonFrequency {
    uint32_t khz;   /* the frequency; 0 if no host's is known */
    guint n_exact;  /* how many hosts run it exactly */
    guint n_close;  /* how many others run it within 1 ppm */
} CommonFrequency;

/* The frequency that most hosts run exactly. Of several it is the one that most
 * others run closely, then the one that most hosts have themselves, then the
 * lowest. @ret_next gets the next best, if as many hosts run it exactly and it
 * isn't all of them; else 0 kHz. */
CommonFrequency pool_common_frequency(const Pool *pool,
                                      CommonFrequency *ret_next);

/* Is there a host with a TSC, whose guests could have such a frequency? */
bool pool_has_tsc(const Pool *pool);

/* Does a guest that is to have this frequency get it on this host? */
bool pool_runs_exactly(const CfHost *host, uint32_t khz);

#endif /* CF_POOL_H */
