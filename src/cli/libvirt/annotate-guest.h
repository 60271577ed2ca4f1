/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Facts about a running guest in its libvirt metadata. */
#ifndef CF_ANNOTATE_GUEST_H
#define CF_ANNOTATE_GUEST_H

#include "connection.h"

typedef enum AnnotateOutcome {
    ANNOTATE_WRITTEN,
    ANNOTATE_UNCHANGED,
    ANNOTATE_SKIPPED,   /* its clocks aren't our business */
} AnnotateOutcome;

/**
 * annotate_guest - write a running guest's facts into its metadata
 * @domain: the guest
 * @host: what is known about its host
 * @wanted: the user named this guest, so it isn't skipped
 * @ret_outcome: what became of it, written on success
 * @error: why it can't; VIR_ERR_OPERATION_TIMEOUT: libvirt is busy with it
 *
 * Return: true on success.
 */
gboolean annotate_guest(virDomainPtr domain, const CfHost *host, bool wanted,
                        AnnotateOutcome *ret_outcome, GError **error);

#endif /* CF_ANNOTATE_GUEST_H */
