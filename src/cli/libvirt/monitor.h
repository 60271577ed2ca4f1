/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The way to QEMU's monitor through libvirt. */
#ifndef CF_LIBVIRT_MONITOR_H
#define CF_LIBVIRT_MONITOR_H

#include "connection.h"
#include "libvirt.h"

/**
 * libvirt_new_monitor - talk to a domain's QEMU
 * @domain: the domain; a reference is taken
 * @events: qmp_wait_event() will be called
 * @error: why it can't
 *
 * Return: the conversation, to be freed with qmp_close(); NULL on failure.
 */
Qmp *libvirt_new_monitor(virDomainPtr domain, bool events, GError **error);

/* Fills in what libvirt knows about a running guest on that host. */
gboolean libvirt_get_guest(virDomainPtr domain, const CfHost *host,
                           LibvirtGuest *ret_guest, GError **error);

#endif /* CF_LIBVIRT_MONITOR_H */
