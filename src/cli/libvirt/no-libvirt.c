/* SPDX-License-Identifier: GPL-2.0-or-later */
/* In place of the files that need libvirt, where this is built without it. */
#include "libvirt.h"

static void set_error(GError **error)
{
    g_set_error_literal(error, CF_ERROR, CF_ERROR_INVALID,
                        "this clockferry was built without libvirt; take "
                        "files and --qmp, or one that was built with it");
}

Qmp *libvirt_open_monitor(const char *uri, const char *domain, bool events,
                          LibvirtGuest *ret_guest, GError **error)
{
    (void)uri;
    (void)domain;
    (void)events;
    (void)ret_guest;
    set_error(error);
    return NULL;
}

gboolean libvirt_ask_clocks(Qmp *qmp, const LibvirtGuest *guest,
                            GuestClocks *ret_clocks,
                            LibvirtTeller *ret_teller, GError **error)
{
    (void)qmp;
    (void)guest;
    (void)ret_clocks;
    (void)ret_teller;
    set_error(error);
    return FALSE;
}

gboolean libvirt_ask_destination(const char *uri, CfHost *ret_host,
                                 GError **error)
{
    (void)uri;
    (void)ret_host;
    set_error(error);
    return FALSE;
}
