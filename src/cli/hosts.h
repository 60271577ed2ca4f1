/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hosts as files describe them. */
#ifndef CF_HOSTS_H
#define CF_HOSTS_H

#include <clockferry/probe.h>

/**
 * hosts_read - the facts about a host from a file
 * @path: what clockferry probe --json wrote; "-" is the standard input
 * @ret_probe: the facts, written on success
 * @error: why not, with the file's name
 *
 * Return: true on success.
 */
gboolean hosts_read(const char *path, CfProbe *ret_probe, GError **error);

#endif /* CF_HOSTS_H */
