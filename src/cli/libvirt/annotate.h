/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Facts about running guests in their libvirt metadata. */
#ifndef CF_ANNOTATE_H
#define CF_ANNOTATE_H

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

/**
 * annotate_follow - annotate guests as they start, arrive and change
 * @uri: which libvirt; NULL for libvirt's own default
 * @names: names or UUIDs of the guests; NULL for all that are concerned
 * @error: why it can't go on
 *
 * Prints a line for each guest that it annotates, and reconnects after libvirt
 * was away. Ends only if there is no libvirt library, or if it can't print.
 */
void annotate_follow(const char *uri, char **names, GError **error);

#endif /* CF_ANNOTATE_H */
