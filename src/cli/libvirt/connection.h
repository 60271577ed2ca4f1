/* SPDX-License-Identifier: GPL-2.0-or-later */
/* libvirt with errors as sentences: connections, domains, their XML. */
#ifndef CF_LIBVIRT_CONNECTION_H
#define CF_LIBVIRT_CONNECTION_H

#include <stdbool.h>
#include <clockferry/host.h>
#include "domain/domain.h"
#include "calls.h"

/* The codes are libvirt's own, as VIR_ERR_NO_DOMAIN. */
#define LIBVIRT_ERROR (libvirt_error_quark())

GQuark libvirt_error_quark(void);

/* Sets what libvirt said last, after a beginning such as "can't define x". Any
 * call to libvirt in between, even for a name, makes libvirt forget that. */
void libvirt_set_error(GError **error, const char *format, ...)
    G_GNUC_PRINTF(2, 3);

static inline void libvirt_close(virConnect *connection)
{
    libvirt.virConnectClose(connection);
}

static inline void libvirt_free_domain(virDomain *domain)
{
    libvirt.virDomainFree(domain);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(virConnect, libvirt_close)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(virDomain, libvirt_free_domain)

/* Connects to a libvirt (NULL: libvirt's own default); to be freed with
 * libvirt_close(). One that doesn't answer is given half a minute, also later
 * on. */
virConnectPtr libvirt_open(const char *uri, GError **error);

/* A domain by its name or UUID, to be freed with libvirt_free_domain(). */
virDomainPtr libvirt_find_domain(virConnectPtr connection, const char *name,
                                 GError **error);

/* A domain's XML, parsed; to be freed with cf_domain_free(). The flags are
 * those of virDomainGetXMLDesc(). @ret_xml is NULL or gets the XML, to be
 * freed with g_free(). */
CfDomain *libvirt_read_domain(virDomainPtr domain, unsigned int flags,
                              char **ret_xml, GError **error);

/* What a libvirt's capabilities say about its host, and its name; all that can
 * be found out if it is this host. */
gboolean libvirt_get_host(virConnectPtr connection, CfHost *ret_host,
                          GError **error);

#endif /* CF_LIBVIRT_CONNECTION_H */
