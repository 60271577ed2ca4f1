/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Text from anywhere, made fit for a terminal or a log. */
#include <glib.h>
#include "printable.h"

char *cf_printable(const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    GString *line = g_string_new(NULL);
    const char *c;

    for (c = valid; *c; c += g_utf8_skip[(guchar)*c]) {
        const gunichar character = g_utf8_get_char(c);

        g_string_append_unichar(line, g_unichar_isprint(character) ? character
                                                                   : '?');
    }
    return g_string_free(line, FALSE);
}
