/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A host's facts: which are good, and how they are printed. */
#ifndef CF_PROBE_H
#define CF_PROBE_H

#include <clockferry/host.h>
#include "screen.h"

/* Check - of one thing */
typedef struct Check {
    const char *name;  /* one word for programs */
    Level level;       /* LEVEL_PASS, or how bad it is */
    const char *text;  /* what was found */
    /* what to do about it; NULL for LEVEL_PASS, or if nothing helps */
    const char *cure;
} Check;

#define CHECKS_MAX 16

/* Writes up to CHECKS_MAX of them; returns how many. */
size_t probe_checks(const CfHost *host, Check *ret_checks);

/*
 * Each returns a text, to be freed with g_free().
 *
 * People get the facts, then a line for each check, laid out for @output as of
 * screen_begin(). Prometheus gets what the textfile collector of its node
 * exporter reads; without a host, that it couldn't be probed. KubeVirt gets the
 * labels of a node, one a line, as "kubectl label node" takes them; nothing if
 * the frequency is unknown. Node Feature Discovery gets a feature file; without
 * a host, one that takes no guests.
 */
char *probe_to_text(const CfHost *host, const char *output);
char *probe_to_prometheus(const CfHost *host);
char *probe_to_kubevirt(const CfHost *host);
char *probe_to_nfd(const CfHost *host);

#endif /* CF_PROBE_H */
