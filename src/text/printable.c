/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Text from anywhere, made fit for a terminal or a log. */
#include <string.h>
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

void cf_copy_text(char *ret_text, size_t size, const char *text)
{
    size_t fits = MIN(strlen(text), size - 1);

    while (fits && (text[fits] & 0xc0) == 0x80) {
        fits--;                 /* it is within a character */
    }
    memcpy(ret_text, text, fits);
    ret_text[fits] = '\0';
}
