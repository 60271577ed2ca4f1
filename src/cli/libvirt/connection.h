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

/**
 * libvirt_open - connect to a libvirt
 * @uri: where; NULL for libvirt's own default
 * @error: why it can't
 *
 * One that doesn't answer is given half a minute, also later on.
 *
 * Return: the connection, to be freed with libvirt_close(); NULL on failure.
 */
virConnectPtr libvirt_open(const char *uri, GError **error);

/**
 * libvirt_is_here - does this libvirt run on this host?
 * @connection: the connection
 *
 * Only if its URI names neither a server nor a socket, which may be forwarded
 * from anywhere.
 */
bool libvirt_is_here(virConnectPtr connection);

/**
 * libvirt_find_domain - a domain by its name or UUID
 * @connection: where
 * @name: the name or UUID
 * @error: why it can't be found
 *
 * Return: the domain, to be freed with libvirt_free_domain(); NULL on failure.
 */
virDomainPtr libvirt_find_domain(virConnectPtr connection, const char *name,
                                 GError **error);

/**
 * libvirt_read_domain - a domain's XML, parsed
 * @domain: the domain
 * @flags: those of virDomainGetXMLDesc()
 * @ret_xml: NULL, or where to put the XML, to be freed with g_free()
 * @error: why it can't be read
 *
 * Return: to be freed with cf_domain_free(); NULL on failure.
 */
CfDomain *libvirt_read_domain(virDomainPtr domain, unsigned int flags,
                              char **ret_xml, GError **error);

/**
 * libvirt_get_host - what is known about a libvirt's host
 * @connection: the connection
 * @ret_host: what its capabilities say, and its name; all that can be found out
 *            if it is this host
 * @error: why libvirt doesn't say
 *
 * Return: true on success.
 */
gboolean libvirt_get_host(virConnectPtr connection, CfHost *ret_host,
                          GError **error);

#endif /* CF_LIBVIRT_CONNECTION_H */
