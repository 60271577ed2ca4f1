/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * JSON as this project writes and reads it, on top of json-c.
 *
 * json-c coerces: text becomes a number, null becomes 0, what is too large
 * becomes the largest. Here a member has the type and range that it must
 * have, or there is a sentence that says what is wrong. 64-bit numbers are
 * decimal strings, for other readers' numbers end at 53 bits.
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

/* These take over @value. Text that isn't UTF-8 is made so. */
void cf_json_add(CfJson *object, const char *name, CfJson *value);
void cf_json_append(CfJson *array, CfJson *value);
void cf_json_append_text(CfJson *array, const char *text);

/* Empty text stays away. */
void cf_json_add_text(CfJson *object, const char *name, const char *text);
void cf_json_add_u64(CfJson *object, const char *name, uint64_t value);
void cf_json_add_s64(CfJson *object, const char *name, int64_t value);
void cf_json_add_int(CfJson *object, const char *name, int64_t value);
void cf_json_add_bool(CfJson *object, const char *name, bool value);

/* The name of the value; one without a name stays away. */
void cf_json_add_name(CfJson *object, const char *name, const CfNames *names,
                      unsigned int value);

/* Indented text, with a final newline; to be freed with g_free(). */
char *cf_json_print(CfJson *json);

/**
 * CfJsonReader - reads members, and keeps what was wrong first
 * @problem: NULL, or what is wrong; to be freed with g_free()
 */
typedef struct CfJsonReader {
    char *problem;
} CfJsonReader;

/* Keeps a problem, if it is the first one; returns false. */
bool cf_json_fail(CfJsonReader *reader, const char *format, ...)
    G_GNUC_PRINTF(2, 3);

/**
 * cf_json_parse - one JSON object from a text of any origin
 * @reader: for what is wrong
 * @text: need not end in a zero byte
 * @size: in bytes
 *
 * Return: the object, or NULL.
 */
CfJson *cf_json_parse(CfJsonReader *reader, const char *text, size_t size);

/* Does the object say that it has this format, in a version we can read? */
bool cf_json_check_format(CfJsonReader *reader, const CfJson *object,
                          const char *format, int version);

/* The object's word for its format; NULL if it has none. Owned by it. */
const char *cf_json_get_format(const CfJson *object);

/* Is there such a member? */
bool cf_json_has(const CfJson *object, const char *name);

/*
 * One member each. They return true if it is there and right, and write it
 * only then. If it is there and wrong they keep the problem.
 */
bool cf_json_get_bool(CfJsonReader *reader, const CfJson *object,
                      const char *name, bool *ret_value);
bool cf_json_get_int(CfJsonReader *reader, const CfJson *object,
                     const char *name, int64_t min, int64_t max,
                     int64_t *ret_value);
bool cf_json_get_u32(CfJsonReader *reader, const CfJson *object,
                     const char *name, uint32_t *ret_value);
bool cf_json_get_s32(CfJsonReader *reader, const CfJson *object,
                     const char *name, int32_t *ret_value);
bool cf_json_get_u64(CfJsonReader *reader, const CfJson *object,
                     const char *name, uint64_t *ret_value);
bool cf_json_get_s64(CfJsonReader *reader, const CfJson *object,
                     const char *name, int64_t *ret_value);
bool cf_json_get_name(CfJsonReader *reader, const CfJson *object,
                      const char *name, const CfNames *names, int *ret_value);

/* Into a buffer of @size bytes with the final zero, else it is too long. Text
 * that could play tricks on a terminal or a log is refused. */
bool cf_json_get_text(CfJsonReader *reader, const CfJson *object,
                      const char *name, char *ret_text, size_t size);

/* What these give is owned by @object. */
bool cf_json_get_object(CfJsonReader *reader, const CfJson *object,
                        const char *name, CfJson **ret_value);
bool cf_json_get_array(CfJsonReader *reader, const CfJson *object,
                       const char *name, CfJson **ret_value);

size_t cf_json_length(const CfJson *array);

/* The element, which must be an object; NULL if not. Owned by @array. */
CfJson *cf_json_element(CfJsonReader *reader, const CfJson *array,
                        size_t index);

#endif /* CF_JSON_H */
