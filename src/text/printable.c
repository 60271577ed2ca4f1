/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Text from anywhere, made fit for a terminal or a log. */
#include "printable.h"

bool cf_is_tricky(gunichar character)
{
    switch (g_unichar_type(character)) {
    case G_UNICODE_CONTROL:
    case G_UNICODE_FORMAT:
    case G_UNICODE_LINE_SEPARATOR:
    case G_UNICODE_PARAGRAPH_SEPARATOR:
    case G_UNICODE_SURROGATE:
        return true;
    default:
        return false;
    }
}

char *cf_printable(const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    GString *line = g_string_new(NULL);
    const char *c;

    for (c = valid; *c; c += g_utf8_skip[(guchar)*c]) {
        const gunichar character = g_utf8_get_char(c);

        g_string_append_unichar(line, g_unichar_isprint(character) &&
                                      !cf_is_tricky(character) ? character
                                                               : '?');
    }
    return g_string_free(line, FALSE);
}
