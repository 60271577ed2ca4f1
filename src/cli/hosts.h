/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hosts and guests as files describe them. */
#ifndef CF_HOSTS_H
#define CF_HOSTS_H

#include <clockferry/check.h>

/**
 * hosts_read - the facts about a host from a file
 * @path: what clockferry probe --json wrote; "-" is the standard input
 * @ret_host: the facts, written on success
 * @error: why it can't be read, with the file's name
 *
 * Return: true on success.
 */
gboolean hosts_read(const char *path, CfHost *ret_host, GError **error);

/**
 * hosts_read_guest - a guest from a file
 * @path: a host, a running guest or captured clocks; "-" is the standard input
 * @tsc_khz: the guest's tsc-frequency on that host, for a file of a host; 0:
 *           as the file says
 * @ret_guest: the guest, written on success
 * @error: why it can't be read, with the file's name
 *
 * Return: true on success.
 */
gboolean hosts_read_guest(const char *path, uint32_t tsc_khz,
                          CfGuest *ret_guest, GError **error);

/* Captured clocks from a file, to be freed with cf_state_free(); NULL on
 * failure. */
CfState *hosts_read_state(const char *path, GError **error);

/* What this host knows of itself without trying anything on a VM: name and
 * boot, an instant, its clock's error. The rest is unknown. */
void hosts_here(CfHost *ret_host);

#endif /* CF_HOSTS_H */
