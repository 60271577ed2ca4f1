/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What libvirt's capabilities say about a host's TSC. */
#ifndef CF_LIBVIRT_CAPABILITIES_H
#define CF_LIBVIRT_CAPABILITIES_H

#include <clockferry/host.h>

/* Writes the frequency of the TSC, whether KVM says that it can scale, and the
 * fraction bits of a ratio, as far as they are there. The XML may come from
 * anywhere. */
gboolean libvirt_read_capabilities(const char *xml, CfHost *host,
                                   GError **error);

#endif /* CF_LIBVIRT_CAPABILITIES_H */
