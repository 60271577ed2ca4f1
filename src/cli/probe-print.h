/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A host's facts as text for people, Prometheus and KubeVirt. */
#ifndef CF_PROBE_PRINT_H
#define CF_PROBE_PRINT_H

#include <clockferry/host.h>

/*
 * Each returns a text, to be freed with g_free().
 *
 * People get the facts, then a line for each check, laid out for @output as of
 * screen_begin(). Prometheus gets what the textfile collector of its node
 * exporter reads; without a host, that it couldn't be probed. KubeVirt gets the labels of a node, one a line, as "kubectl
 * label node" takes them; nothing if the frequency is unknown.
 */
char *probe_to_text(const CfHost *host, const char *output);
char *probe_to_prometheus(const CfHost *host);
char *probe_to_kubevirt(const CfHost *host);

#endif /* CF_PROBE_PRINT_H */
