/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * JSON as this project writes and reads it, on top of json-c.
 *
 * json-c coerces: text becomes a number, null becomes 0, a number that is too
 * large becomes the largest. Here a member has the type and range that it must
 * have, or a sentence says what is wrong. 64-bit numbers are decimal strings,
 * because other readers' numbers end at 53 bits.
 */
#ifndef CF_JSON_H
#define CF_JSON_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "names.h"

/* A state with CF_STATE_MAX_VCPUS vCPUs has about half of this. */
#define CF_JSON_MAX_SIZE (2u << 20)

typedef struct json_object CfJson;

CfJson *cf_json_object(void);
CfJson *cf_json_array(void);
void cf_json_free(CfJson *json);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CfJson, cf_json_free)

/* A new object that says which format it is. */
CfJson *cf_json_new_format(const char *format, int version, int min_version);

/* These take over @value. Text that isn't UTF-8 becomes UTF-8. */
void cf_json_add(CfJson *object, const char *name, CfJson *value);
void cf_json_append(CfJson *array, CfJson *value);
void cf_json_append_text(CfJson *array, const char *text);

/* Empty text is left out. */
void cf_json_add_text(CfJson *object, const char *name, const char *text);
void cf_json_add_u64(CfJson *object, const char *name, uint64_t value);
void cf_json_add_s64(CfJson *object, const char *name, int64_t value);
void cf_json_add_int(CfJson *object, const char *name, int64_t value);
void cf_json_add_bool(CfJson *object, const char *name, bool value);

/* Indented text, with a final newline; to be freed with g_free(). */
char *cf_json_print(CfJson *json);

/* The same in one line. */
char *cf_json_print_line(CfJson *json);

/* CfJsonReader - reads members, and keeps the first problem; NULL where
 * nobody wants to know it */
typedef struct CfJsonReader {
    char *problem;  /* NULL, or what is wrong; to be freed with g_free() */
} CfJsonReader;

/* Keeps a problem if it is the first one; returns false. */
bool cf_json_fail(CfJsonReader *reader, const char *format, ...)
    G_GNUC_PRINTF(2, 3);

/* One JSON object from a text of any origin, which need not end in a zero
 * byte; NULL if it isn't one. */
CfJson *cf_json_parse(CfJsonReader *reader, const char *text, size_t size);

/* Does the object have this format, in a version that we can read? */
bool cf_json_check_format(CfJsonReader *reader, const CfJson *object,
                          const char *format, int version);

/* Both: an object of this format, or NULL. */
CfJson *cf_json_read(CfJsonReader *reader, const char *text, size_t size,
                     const char *format, int version);

/* The format that the object names; NULL if it names none. Owned by it. */
const char *cf_json_get_format(const CfJson *object);

/* Is there such a member? */
bool cf_json_has(const CfJson *object, const char *name);

/*
 * One member each. They return true if it is there and right, and write it
 * only then. If it is there but wrong, they keep the problem.
 */
bool cf_json_get_bool(CfJsonReader *reader, const CfJson *object,
                      const char *name, bool *ret_value);
bool cf_json_get_int(CfJsonReader *reader, const CfJson *object,
                     const char *name, int64_t min, int64_t max,
                     int64_t *ret_value);
bool cf_json_get_u64(CfJsonReader *reader, const CfJson *object,
                     const char *name, uint64_t *ret_value);
bool cf_json_get_s64(CfJsonReader *reader, const CfJson *object,
                     const char *name, int64_t *ret_value);
bool cf_json_get_name(CfJsonReader *reader, const CfJson *object,
                      const char *name, const CfNames *names, int *ret_value);

/* Into a buffer of @size bytes, with the final zero; longer text is a problem.
 * So is text that could play tricks on a terminal or a log. */
bool cf_json_get_text(CfJsonReader *reader, const CfJson *object,
                      const char *name, char *ret_text, size_t size);

/* @object owns what these give. */
bool cf_json_get_object(CfJsonReader *reader, const CfJson *object,
                        const char *name, CfJson **ret_value);
bool cf_json_get_array(CfJsonReader *reader, const CfJson *object,
                       const char *name, CfJson **ret_value);

size_t cf_json_length(const CfJson *array);

/* The element, which must be an object; NULL if not. Owned by @array. */
CfJson *cf_json_element(CfJsonReader *reader, const CfJson *array,
                        size_t index);

#endif /* CF_JSON_H */
