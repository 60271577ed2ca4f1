/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hosts as files describe them. */
#include "files.h"
#include "hosts.h"

gboolean hosts_read(const char *path, CfProbe *ret_probe, GError **error)
{
    g_autofree char *text = NULL;
    gsize size;

    if (!files_read(path, &text, &size, error)) {
        return FALSE;
    }
    if (!cf_probe_from_json(text, size, ret_probe, error)) {
        g_prefix_error(error, "%s: ", path);
        return FALSE;
    }
    return TRUE;
}
