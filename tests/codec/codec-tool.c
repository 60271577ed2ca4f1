/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads texts as one of the formats and writes again what it understood.
 * Usage: codec-tool probe|state|guest
 */
#include <clockferry/check.h>
#include "../harness/dialogue.h"

static char *probe_again(const char *text, size_t size, void *opaque,
                         GError **error)
{
    CfHost probe;

    (void)opaque;
    return cf_host_from_json(text, size, &probe, error)
           ? cf_host_to_json(&probe) : NULL;
}

static char *state_again(const char *text, size_t size, void *opaque,
                         GError **error)
{
    g_autoptr(CfState) state = NULL;

    (void)opaque;
    return cf_state_from_json(text, size, &state, error)
           ? cf_state_to_json(state) : NULL;
}

static char *guest_again(const char *text, size_t size, void *opaque,
                         GError **error)
{
    CfGuest guest;

    (void)opaque;
    return cf_guest_from_json(text, size, &guest, error)
           ? cf_guest_to_json(&guest) : NULL;
}

int main(int argc, char **argv)
{
    const char *kind = argc > 1 ? argv[1] : "";

    return dialogue(!strcmp(kind, "state") ? state_again
                    : !strcmp(kind, "guest") ? guest_again : probe_again,
                    NULL);
}
