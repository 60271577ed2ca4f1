/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A guest's captured clocks, as JSON from anywhere. */
#include <clockferry/check.h>
#include "again.h"

static char *again(const char *text, size_t size, GError **error)
{
    g_autoptr(CfState) state = NULL;
    g_autofree char *guest_text = NULL;
    CfGuest guest;

    if (!cf_state_from_json(text, size, &state, error)) {
        MUST(!state, "written on failure");
        return NULL;
    }
    MUST(cf_state_validate(state, NULL), "taken, and not valid");
    cf_guest_from_state(state, &guest);
    guest_text = cf_guest_to_json(&guest);
    MUST(cf_guest_from_json(guest_text, strlen(guest_text), &guest, NULL),
         "the guest of a state isn't one:\n%s", guest_text);
    return cf_state_to_json(state);
}
