/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What other commands ask of libvirt. In a build without it each of these fails
 * and says so.
 */
#ifndef CF_LIBVIRT_H
#define CF_LIBVIRT_H

#include <clockferry/host.h>
#include "domain/domain.h"
#include "cli/qemu/guest-clocks.h"

/* LibvirtGuest - what libvirt knows about a guest without asking QEMU */
typedef struct LibvirtGuest {
    char name[256];  /* the guest's name, fit to be printed */
    CfHost host;     /* facts about the host that it is on */
    /* what its XML sets */
    CfDomainSettings settings;
    bool has_facts;  /* there are @facts in its metadata */
    bool bad_facts;  /* there are some, but they can't be used */
    CfGuest facts;   /* written when it started or came here, or before */
} LibvirtGuest;

/* LibvirtSource - where a guest's clocks are known from */
typedef enum LibvirtSource {
    LIBVIRT_SOURCE_QEMU,  /* its QEMU */
    LIBVIRT_SOURCE_XML,   /* only the domain's XML */
} LibvirtSource;

/* Talks to a running guest's QEMU through libvirt; to be freed with
 * qmp_close(). @domain is a name or a UUID. With @events qmp_wait_event() will
 * be called. */
Qmp *libvirt_open_monitor(const char *uri, const char *domain, bool events,
                          LibvirtGuest *ret_guest, GError **error);

/* A guest's clocks, as well as they can be known, also of guests whose clocks
 * aren't carried and of hypervisors other than QEMU. */
gboolean libvirt_ask_clocks(Qmp *qmp, const LibvirtGuest *guest,
                            GuestClocks *ret_clocks,
                            LibvirtSource *ret_source, GError **error);

/* What is known about a host that is to get guests: what its libvirt's
 * capabilities say; all there is to know if it is this host. */
gboolean libvirt_ask_destination(const char *uri, CfHost *ret_host,
                                 GError **error);

#endif /* CF_LIBVIRT_H */
