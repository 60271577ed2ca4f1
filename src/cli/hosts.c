/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hosts and guests as files describe them. */
#include "kvm/calls.h"
#include "files.h"
#include "hosts.h"

/* Which file something is wrong with. */
static gboolean name_file(gboolean done, const char *path, GError **error)
{
    if (!done) {
        g_prefix_error(error, "%s: ", path);
    }
    return done;
}

gboolean hosts_read(const char *path, CfHost *ret_host, GError **error)
{
    g_autofree char *text = NULL;
    gsize size;

    return files_read(path, &text, &size, error) &&
           name_file(cf_host_from_json(text, size, ret_host, error), path,
                     error);
}

CfState *hosts_read_state(const char *path, GError **error)
{
    g_autofree char *text = NULL;
    CfState *state = NULL;
    gsize size;

    if (files_read(path, &text, &size, error)) {
        name_file(cf_state_from_json(text, size, &state, error), path, error);
    }
    return state;
}

gboolean hosts_read_guest(const char *path, uint32_t tsc_khz,
                          CfGuest *ret_guest, GError **error)
{
    g_autofree char *text = NULL;
    gsize size;
    CfHost host;

    if (!tsc_khz) {
        return files_read(path, &text, &size, error) &&
               name_file(cf_guest_from_json(text, size, ret_guest, error),
                         path, error);
    }
    if (!hosts_read(path, &host, error)) {
        return FALSE;
    }
    cf_guest_from_host(&host, tsc_khz, ret_guest);
    return TRUE;
}

void hosts_here(CfHost *ret_host)
{
    *ret_host = (CfHost) { 0 };
    cf_identify_host(cf_kvm_ops(), ret_host);
}
