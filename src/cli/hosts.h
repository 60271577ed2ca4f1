/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hosts and guests as files describe them. */
#ifndef CF_HOSTS_H
#define CF_HOSTS_H

#include <clockferry/check.h>

/* The facts about a host from what clockferry probe --json wrote; "-" is the
 * standard input. Errors name the file. */
gboolean hosts_read(const char *path, CfHost *ret_host, GError **error);

/* A guest from a file of a host, a running guest or captured clocks. With
 * @tsc_khz it is the file of a host, on which the guest has that
 * tsc-frequency; 0: as the file says. */
gboolean hosts_read_guest(const char *path, uint32_t tsc_khz,
                          CfGuest *ret_guest, GError **error);

/* Captured clocks from a file, to be freed with cf_state_free(); NULL on
 * failure. */
CfState *hosts_read_state(const char *path, GError **error);

/* What this host knows of itself without trying anything on a VM: name and
 * boot, an instant, its clock's error. The rest is unknown. */
void hosts_here(CfHost *ret_host);

#endif /* CF_HOSTS_H */
