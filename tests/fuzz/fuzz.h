/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the targets share: how they complain, and what a message must be. */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <glib.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* More than any sentence of ours takes, with the names that it may quote. */
#define SENTENCE_MAX_BYTES 4000

/* libFuzzer's entrance. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends this run, and libFuzzer keeps the input, unless it holds. */
#define MUST(condition, ...) \
    do { \
        if (!(condition)) { \
            fprintf(stderr, "%s:%d: must hold: %s\n", __FILE__, __LINE__, \
                    #condition); \
            fprintf(stderr, "  " __VA_ARGS__); \
            fputc('\n', stderr); \
            abort(); \
        } \
    } while (0)

/* One line for a person: it plays no tricks on a terminal or a log. */
static inline void must_be_line(const char *text)
{
    const char *c;

    MUST(text && *text, "a message is empty");
    MUST(strlen(text) <= SENTENCE_MAX_BYTES, "%zu bytes", strlen(text));
    MUST(g_utf8_validate(text, -1, NULL), "not UTF-8: %s", text);
    for (c = text; *c; c += g_utf8_skip[(guchar)*c]) {
        const GUnicodeType type = g_unichar_type(g_utf8_get_char(c));

        MUST(type != G_UNICODE_CONTROL && type != G_UNICODE_FORMAT &&
             type != G_UNICODE_LINE_SEPARATOR &&
             type != G_UNICODE_PARAGRAPH_SEPARATOR,
             "U+%04X in: %s", g_utf8_get_char(c), text);
    }
}

/* What was refused was refused with a sentence. */
static inline void must_be_error(const GError *error)
{
    MUST(error, "refused without an error");
    must_be_line(error->message);
}

static inline void must_be_same(const char *a, const char *b)
{
    MUST(!g_strcmp0(a, b), "they differ:\n%s\n---\n%s", a, b);
}

/* Part - a piece of the input that ends at a zero byte, or with the input */
typedef struct Part {
    const char *text;
    size_t size;
} Part;

/* Takes one off the input, and the zero byte behind it. */
static inline Part take_part(const uint8_t **data, size_t *size)
{
    const uint8_t *end = *size ? memchr(*data, 0, *size) : NULL;
    const Part part = {
        (const char *)*data, end ? (size_t)(end - *data) : *size,
    };

    *data += part.size + (end ? 1 : 0);
    *size -= part.size + (end ? 1 : 0);
    return part;
}

#endif
