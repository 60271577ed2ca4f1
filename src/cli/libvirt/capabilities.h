/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What libvirt's capabilities say about a host's TSC. */
#ifndef CF_LIBVIRT_CAPABILITIES_H
#define CF_LIBVIRT_CAPABILITIES_H

#include <clockferry/host.h>

/**
 * libvirt_read_capabilities - the TSC in the capabilities
 * @xml: the capabilities, from anywhere
 * @host: gets the frequency of the TSC, whether KVM says that it can scale,
 *        and the fraction bits of a ratio, as far as they are there
 * @error: what is wrong with the XML
 *
 * Return: true on success, even if none of this is there.
 */
gboolean libvirt_read_capabilities(const char *xml, CfHost *host,
                                   GError **error);

#endif /* CF_LIBVIRT_CAPABILITIES_H */
