/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What other commands ask of libvirt. Where this was built without it, each
 * of these fails and says so.
 */
#ifndef CF_LIBVIRT_H
#define CF_LIBVIRT_H

#include <clockferry/host.h>
#include "domain/domain.h"
#include "cli/qemu/guest-clocks.h"

/**
 * LibvirtGuest - what libvirt tells of a guest without asking QEMU
 * @name: the guest's
 * @host: of the host that it is on
 * @tells: of the guest
 * @has_facts: @facts are in its metadata
 * @facts: written there when it started or came here, or before
 */
typedef struct LibvirtGuest {
    char name[256];
    CfHost host;
    CfDomainTells tells;
    bool has_facts;
    CfGuest facts;
} LibvirtGuest;

/**
 * LibvirtTeller - who told of a guest's clocks
 * @LIBVIRT_TELLER_QEMU: its QEMU
 * @LIBVIRT_TELLER_XML: nobody but the domain's XML
 */
typedef enum LibvirtTeller {
    LIBVIRT_TELLER_QEMU,
    LIBVIRT_TELLER_XML,
} LibvirtTeller;

/**
 * libvirt_open_monitor - talk to a running guest's QEMU through libvirt
 * @uri: which libvirt
 * @domain: the guest's name or UUID
 * @events: qmp_wait_event() will be called
 * @ret_guest: what libvirt itself tells of it
 * @error: why not
 *
 * Return: the conversation, to be freed with qmp_close(); NULL on failure.
 */
Qmp *libvirt_open_monitor(const char *uri, const char *domain, bool events,
                          LibvirtGuest *ret_guest, GError **error);

/**
 * libvirt_ask_clocks - a guest's clocks, as well as they can be known
 * @qmp: its monitor
 * @guest: what libvirt tells of it
 * @ret_clocks: the clocks, written on success
 * @ret_teller: who told
 * @error: why not
 *
 * Return: true on success; also if its clocks aren't carried, or this isn't
 * QEMU.
 */
gboolean libvirt_ask_clocks(Qmp *qmp, const LibvirtGuest *guest,
                            GuestClocks *ret_clocks,
                            LibvirtTeller *ret_teller, GError **error);

/**
 * libvirt_ask_destination - what is known of a host that shall get guests
 * @uri: its libvirt
 * @ret_host: what its capabilities tell; if it is this host, all of it
 * @error: why not
 *
 * Return: true on success.
 */
gboolean libvirt_ask_destination(const char *uri, CfHost *ret_host,
                                 GError **error);

#endif /* CF_LIBVIRT_H */
