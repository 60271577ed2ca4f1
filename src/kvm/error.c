/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The GError domain, and sentences for failed calls. */
#include "calls.h"

G_DEFINE_QUARK(cf-error-quark, cf_error)

gboolean cf_fail_call(GError **error, const char *call, int rc)
{
    g_set_error(error, CF_ERROR, CF_ERROR_SYSTEM, "%s failed: %s", call,
                g_strerror(-rc));
    return FALSE;
}
