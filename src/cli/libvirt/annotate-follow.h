/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keeps running guests annotated. */
#ifndef CF_ANNOTATE_FOLLOW_H
#define CF_ANNOTATE_FOLLOW_H

#include <glib.h>

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

#endif /* CF_ANNOTATE_FOLLOW_H */
