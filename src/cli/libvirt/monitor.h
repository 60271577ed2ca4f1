/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The way to QEMU's monitor through libvirt. */
#ifndef CF_LIBVIRT_MONITOR_H
#define CF_LIBVIRT_MONITOR_H

#include "connection.h"
#include "libvirt.h"

/* Talks to a domain's QEMU, and holds a reference to the domain; to be freed
 * with qmp_close(). With @events qmp_wait_event() will be called. */
Qmp *libvirt_new_monitor(virDomainPtr domain, bool events, GError **error);

/* Fills in what libvirt knows about a running guest on that host. */
gboolean libvirt_get_guest(virDomainPtr domain, const CfHost *host,
                           LibvirtGuest *ret_guest, GError **error);

#endif /* CF_LIBVIRT_MONITOR_H */
