/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QEMU's kvmclock settings in a domain's <qemu:commandline>. */
#ifndef CF_DOMAIN_COMMANDLINE_H
#define CF_DOMAIN_COMMANDLINE_H

#include "domain.h"

/* The value of -global kvmclock.NAME=VALUE, or NULL. Of several the last one
 * counts, as in QEMU. To be freed with g_free(). */
char *cf_commandline_get(const CfDomain *domain, const char *name);

#endif /* CF_DOMAIN_COMMANDLINE_H */
