/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What holds for every JSON format: what is read is written, as it was, and
 * reads the same; what isn't is refused with a sentence. */
#ifndef TESTS_FUZZ_AGAIN_H
#define TESTS_FUZZ_AGAIN_H

#include <clockferry/error.h>
#include <json-c/json.h>
#include "fuzz.h"

/* The target's part: reads a text and writes what it understood; NULL if it
 * refuses it. */
static char *again(const char *text, size_t size, GError **error);

/* No member is something else than it was; versions are the writer's. */
static inline void must_agree(json_object *was, json_object *is)
{
    size_t i;

    if (json_object_is_type(is, json_type_object)) {
        json_object_object_foreach(is, name, value) {
            json_object *former;

            if (json_object_object_get_ex(was, name, &former) &&
                !g_str_has_suffix(name, "version")) {
                must_agree(former, value);
            }
        }
        return;
    }
    if (!json_object_is_type(is, json_type_array)) {
        MUST(json_object_equal(was, is), "%s became %s",
             json_object_to_json_string(was), json_object_to_json_string(is));
        return;
    }
    MUST(json_object_array_length(was) == json_object_array_length(is),
         "%zu elements became %zu", json_object_array_length(was),
         json_object_array_length(is));
    for (i = 0; i < json_object_array_length(is); i++) {
        must_agree(json_object_array_get_idx(was, i),
                   json_object_array_get_idx(is, i));
    }
}

static inline json_object *parse_json(const char *text, size_t size)
{
    json_tokener *tokener = json_tokener_new();
    json_object *json = json_tokener_parse_ex(tokener, text, (int)size);

    json_tokener_free(tokener);
    MUST(json, "JSON that was taken is none");
    return json;
}

/* Of one format; what is read of another one is told differently. */
static inline void must_be_as_it_was(const char *text, size_t size,
                                     const char *wrote)
{
    json_object *was = parse_json(text, size);
    json_object *is = parse_json(wrote, strlen(wrote));

    if (json_object_equal(json_object_object_get(was, "format"),
                          json_object_object_get(is, "format"))) {
        must_agree(was, is);
    }
    json_object_put(was);
    json_object_put(is);
}

/* No text in it plays tricks, nor is one hidden in an escape. */
static inline void must_be_clean(const char *json)
{
    g_auto(GStrv) lines = g_strsplit(json, "\n", -1);
    const char *c;
    char **line;

    for (line = lines; *line; line++) {
        if (**line) {
            must_be_line(*line);
        }
    }
    for (c = strchr(json, '\\'); c; c = strchr(c + 2, '\\')) {
        MUST(strchr("\"\\", c[1]), "an escape in:\n%s", json);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *once = again((const char *)data, size, &error);
    g_autofree char *twice = NULL;

    if (!once) {
        must_be_error(error);
        MUST(g_error_matches(error, CF_ERROR, CF_ERROR_INVALID), "code %d",
             error->code);
        return 0;
    }
    MUST(!error, "taken, and refused: %s", error->message);
    twice = again(once, strlen(once), &error);
    MUST(twice, "%s, in what we wrote:\n%s", error->message, once);
    must_be_same(once, twice);
    must_be_clean(once);
    must_be_as_it_was((const char *)data, size, once);
    return 0;
}

#endif
