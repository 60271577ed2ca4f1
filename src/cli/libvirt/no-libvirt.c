/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Replaces the files that need libvirt, where this is built without it. */
#include "libvirt.h"

/* They fail whatever they are given. */
#pragma GCC diagnostic ignored "-Wunused-parameter"

static void set_error(GError **error)
{
    g_set_error_literal(error, CF_ERROR, CF_ERROR_INVALID,
                        "this clockferry was built without libvirt: use "
                        "files and --qmp, or a clockferry built with libvirt");
}

Qmp *libvirt_open_monitor(const char *uri, const char *domain, bool events,
                          LibvirtGuest *ret_guest, GError **error)
{
    set_error(error);
    return NULL;
}

gboolean libvirt_ask_clocks(Qmp *qmp, const LibvirtGuest *guest,
                            GuestClocks *ret_clocks,
                            LibvirtSource *ret_source, GError **error)
{
    set_error(error);
    return FALSE;
}

gboolean libvirt_ask_destination(const char *uri, CfHost *ret_host,
                                 GError **error)
{
    set_error(error);
    return FALSE;
}
