/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What pictures share. */
#include "svg.h"

/* A browser may have a dark page around it. */
#define STYLE \
    "<style>.b{fill:#fff}.g{stroke:#fff}text{fill:#222}.l{fill:#666}" \
    ".d{fill:#222}.w{fill:#fff}.n{fill:#7f95b5}.r{stroke:#ddd}" \
    "@media(prefers-color-scheme:dark){.b{fill:#1b1b1b}.g{stroke:#1b1b1b}" \
    "text{fill:#eee}.l{fill:#aaa}.r{stroke:#444}}</style>\n"

const char *const svg_colours[CF_VERDICT_REFUSE + 1] = {
    [CF_VERDICT_GO] = "#3fa7a0",
    [CF_VERDICT_REPORT] = "#f2d56b",
    [CF_VERDICT_WARN] = "#e88b4a",
    [CF_VERDICT_REFUSE] = "#8c2f4d",
};

GString *svg_begin(guint width, guint height, const char *title,
                   const char *description)
{
    g_autofree char *head = g_markup_printf_escaped(
        "<title>%s</title>\n<desc>%s</desc>\n", title, description);
    GString *out = g_string_new(NULL);

    g_string_append_printf(
        out, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%u\" "
        "height=\"%u\" font-family=\"sans-serif\" font-size=\"12\">\n"
        "%s" STYLE "<rect width=\"100%%\" height=\"100%%\" class=\"b\"/>\n",
        width, height, head);
    return out;
}

char *svg_end(GString *out)
{
    g_string_append(out, "</svg>\n");
    return g_string_free(out, FALSE);
}

char *svg_shortened(const char *text, glong length)
{
    g_autofree char *start = NULL;

    if (g_utf8_strlen(text, -1) <= length) {
        return g_markup_escape_text(text, -1);
    }
    start = g_utf8_substring(text, 0, length - 1);
    return g_markup_printf_escaped("%s\xe2\x80\xa6", start);
}
