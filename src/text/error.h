/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How the library reports that a call failed. */
#ifndef CF_TEXT_ERROR_H
#define CF_TEXT_ERROR_H

#include <clockferry/error.h>

/**
 * cf_fail_call - report a failed call of the table
 * @error: may be NULL
 * @call: name of the ioctl
 * @rc: what it returned, -errno
 *
 * Return: false, so that callers can return it.
 */
gboolean cf_fail_call(GError **error, const char *call, int rc);

#endif /* CF_TEXT_ERROR_H */
