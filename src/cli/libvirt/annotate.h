/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Facts about running guests in their libvirt metadata. */
#ifndef CF_ANNOTATE_H
#define CF_ANNOTATE_H

#include "connection.h"
#include "cli/qemu/guest-clocks.h"

typedef enum AnnotateOutcome {
    ANNOTATE_WRITTEN,
    ANNOTATE_UNCHANGED,
    ANNOTATE_SKIPPED,   /* its clocks aren't our business */
} AnnotateOutcome;

/* Writes a running guest's facts into its metadata. With @wanted the user
 * named this guest, so it isn't skipped; nothing is known about the clocks of
 * one that is. VIR_ERR_OPERATION_TIMEOUT: libvirt is busy with it. */
gboolean annotate_guest(virDomainPtr domain, const CfHost *host, bool wanted,
                        AnnotateOutcome *ret_outcome, GuestClocks *ret_clocks,
                        GError **error);

/* Annotates guests as they start, arrive and change: those of these names or
 * UUIDs, or (NULL) all that are concerned. Prints a line for each, and
 * reconnects after libvirt was away. Their clocks go into the file @metrics, if
 * it isn't NULL. Ends only if there is no libvirt library, or if it can't
 * print. */
void annotate_follow(const char *uri, char **names, const char *metrics,
                     GError **error);

#endif /* CF_ANNOTATE_H */
