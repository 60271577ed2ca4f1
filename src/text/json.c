/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* JSON as this project writes and reads it. The only user of json-c. */
#include <inttypes.h>
#include <json-c/json.h>
#include <string.h>
#include "json.h"
#include "printable.h"

/* Our own formats nest four deep; later versions may add to that. */
#define MAX_DEPTH 16

CfJson *cf_json_object(void)
{
    return json_object_new_object();
}

CfJson *cf_json_array(void)
{
    return json_object_new_array();
}

void cf_json_free(CfJson *json)
{
    json_object_put(json);
}

CfJson *cf_json_new_format(const char *format, int version, int min_version)
{
    CfJson *object = cf_json_object();

    cf_json_add_text(object, "format", format);
    cf_json_add_int(object, "version", version);
    cf_json_add_int(object, "min_version", min_version);
    return object;
}

void cf_json_add(CfJson *object, const char *name, CfJson *value)
{
    json_object_object_add(object, name, value);
}

void cf_json_append(CfJson *array, CfJson *value)
{
    json_object_array_add(array, value);
}

void cf_json_append_text(CfJson *array, const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);

    cf_json_append(array, json_object_new_string(valid));
}

void cf_json_add_text(CfJson *object, const char *name, const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);

    if (*valid) {
        cf_json_add(object, name, json_object_new_string(valid));
    }
}

void cf_json_add_u64(CfJson *object, const char *name, uint64_t value)
{
    char text[24];

    g_snprintf(text, sizeof(text), "%" PRIu64, value);
    cf_json_add(object, name, json_object_new_string(text));
}

void cf_json_add_s64(CfJson *object, const char *name, int64_t value)
{
    char text[24];

    g_snprintf(text, sizeof(text), "%" PRId64, value);
    cf_json_add(object, name, json_object_new_string(text));
}

void cf_json_add_int(CfJson *object, const char *name, int64_t value)
{
    cf_json_add(object, name, json_object_new_int64(value));
}

void cf_json_add_bool(CfJson *object, const char *name, bool value)
{
    cf_json_add(object, name, json_object_new_boolean(value));
}

static char *print(CfJson *json, int flags)
{
    const char *text = json_object_to_json_string_ext(
        json, flags | JSON_C_TO_STRING_NOSLASHESCAPE);

    return g_strconcat(text, "\n", NULL);
}

char *cf_json_print(CfJson *json)
{
    return print(json, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED);
}

char *cf_json_print_line(CfJson *json)
{
    return print(json, JSON_C_TO_STRING_PLAIN);
}

bool cf_json_fail(CfJsonReader *reader, const char *format, ...)
{
    va_list values;

    if (reader && !reader->problem) {
        va_start(values, format);
        reader->problem = g_strdup_vprintf(format, values);
        va_end(values);
    }
    return false;
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(json_tokener, json_tokener_free)

/* json-c 0.18, if it is to be strict, takes all but ASCII for control
 * characters. So it is strict about a copy with letters in their place. */
static CfJson *parse_strictly(json_tokener *tokener, const char *text,
                              size_t size)
{
    g_autofree char *ascii = g_malloc(size);
    g_autoptr(CfJson) json = NULL;
    size_t i;

    for (i = 0; i < size; i++) {
        ascii[i] = text[i] & 0x80 ? 'x' : text[i];
    }
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
    json = json_tokener_parse_ex(tokener, ascii, (int)size);
    if (!json) {
        return NULL;
    }
    json_tokener_set_flags(tokener, 0);
    json_tokener_reset(tokener);
    return json_tokener_parse_ex(tokener, text, (int)size);
}

CfJson *cf_json_parse(CfJsonReader *reader, const char *text, size_t size)
{
    g_autoptr(json_tokener) tokener = json_tokener_new_ex(MAX_DEPTH);
    g_autoptr(CfJson) json = NULL;
    enum json_tokener_error result;

    if (size > CF_JSON_MAX_SIZE) {
        cf_json_fail(reader, "it has more than %u bytes", CF_JSON_MAX_SIZE);
        return NULL;
    }
    if (!g_utf8_validate(text, (gssize)size, NULL)) {
        cf_json_fail(reader, "it isn't UTF-8 text");
        return NULL;
    }
    json = parse_strictly(tokener, text, size);
    result = json_tokener_get_error(tokener);
    if (!json || result != json_tokener_success) {
        cf_json_fail(reader, "it isn't JSON: %s at byte %zu",
                     result == json_tokener_continue
                     ? "it ends too early" : json_tokener_error_desc(result),
                     json_tokener_get_parse_end(tokener));
        return NULL;
    }
    if (!json_object_is_type(json, json_type_object)) {
        cf_json_fail(reader, "it isn't a JSON object");
        return NULL;
    }
    return g_steal_pointer(&json);
}

const char *cf_json_get_format(const CfJson *object)
{
    json_object *member;

    if (!json_object_object_get_ex(object, "format", &member) ||
        !json_object_is_type(member, json_type_string)) {
        return NULL;
    }
    return json_object_get_string(member);
}

bool cf_json_check_format(CfJsonReader *reader, const CfJson *object,
                          const char *format, int version)
{
    const char *is = cf_json_get_format(object);
    int64_t written = 0, needed = 0;

    if (!is || strcmp(is, format) != 0) {
        return cf_json_fail(reader, "its format isn't %s", format);
    }
    if (!cf_json_get_int(reader, object, "version", 1, INT32_MAX, &written) ||
        !cf_json_get_int(reader, object, "min_version", 1, written,
                         &needed)) {
        return cf_json_fail(reader, "it has no version");
    }
    if (needed > version) {
        return cf_json_fail(reader, "it needs a reader of %s version %"
                            PRId64 ", and this one knows %d: update clockferry",
                            format, needed, version);
    }
    return true;
}

CfJson *cf_json_read(CfJsonReader *reader, const char *text, size_t size,
                     const char *format, int version)
{
    g_autoptr(CfJson) object = cf_json_parse(reader, text, size);

    return object && cf_json_check_format(reader, object, format, version)
           ? g_steal_pointer(&object) : NULL;
}

bool cf_json_has(const CfJson *object, const char *name)
{
    return json_object_object_get_ex(object, name, NULL);
}

/* A member of the right type. A wrong type is a problem; so is null. */
static bool get(CfJsonReader *reader, const CfJson *object, const char *name,
                json_type type, json_object **ret_member)
{
    static const char *const type_names[] = {
        [json_type_boolean] = "true or false",
        [json_type_int] = "a whole number",
        [json_type_string] = "a string",
        [json_type_object] = "an object",
        [json_type_array] = "an array",
    };
    json_object *member;

    if (!json_object_object_get_ex(object, name, &member)) {
        return false;
    }
    if (!member || !json_object_is_type(member, type)) {
        return cf_json_fail(reader, "%s must be %s", name, type_names[type]);
    }
    *ret_member = member;
    return true;
}

bool cf_json_get_bool(CfJsonReader *reader, const CfJson *object,
                      const char *name, bool *ret_value)
{
    json_object *member = NULL;

    if (!get(reader, object, name, json_type_boolean, &member)) {
        return false;
    }
    *ret_value = json_object_get_boolean(member);
    return true;
}

bool cf_json_get_int(CfJsonReader *reader, const CfJson *object,
                     const char *name, int64_t min, int64_t max,
                     int64_t *ret_value)
{
    json_object *member = NULL;
    int64_t value;

    if (!get(reader, object, name, json_type_int, &member)) {
        return false;
    }
    /* What doesn't fit is read as the largest or smallest number. */
    value = json_object_get_int64(member);
    if (value < min || value > max || value == INT64_MIN ||
        json_object_get_uint64(member) > INT64_MAX) {
        return cf_json_fail(reader, "%s must be %" PRId64 " to %" PRId64,
                            name, min, max);
    }
    *ret_value = value;
    return true;
}

/* A string without zero bytes in it. */
static bool get_string(CfJsonReader *reader, const CfJson *object,
                       const char *name, const char **ret_text)
{
    json_object *member = NULL;
    const char *text;

    if (!get(reader, object, name, json_type_string, &member)) {
        return false;
    }
    text = json_object_get_string(member);
    if (strlen(text) != (size_t)json_object_get_string_len(member)) {
        return cf_json_fail(reader, "%s has a zero character in it", name);
    }
    *ret_text = text;
    return true;
}

/* One way to write each number: no leading zeros, no plus, no -0. */
static bool is_plain(const char *digits, bool negative)
{
    return g_ascii_isdigit(digits[0]) &&
           (digits[0] != '0' || (!digits[1] && !negative));
}

static bool fail_number(CfJsonReader *reader, const char *name)
{
    return cf_json_fail(reader, "%s must be a decimal number of 64 bits in a "
                        "string", name);
}

bool cf_json_get_u64(CfJsonReader *reader, const CfJson *object,
                     const char *name, uint64_t *ret_value)
{
    const char *text = "";
    guint64 value;

    if (!get_string(reader, object, name, &text)) {
        return false;
    }
    if (!is_plain(text, false) ||
        !g_ascii_string_to_unsigned(text, 10, 0, UINT64_MAX, &value, NULL)) {
        return fail_number(reader, name);
    }
    *ret_value = value;
    return true;
}

bool cf_json_get_s64(CfJsonReader *reader, const CfJson *object,
                     const char *name, int64_t *ret_value)
{
    const char *text = "";
    gint64 value;

    if (!get_string(reader, object, name, &text)) {
        return false;
    }
    if (!is_plain(text + (*text == '-'), *text == '-') ||
        !g_ascii_string_to_signed(text, 10, INT64_MIN, INT64_MAX, &value,
                                  NULL)) {
        return fail_number(reader, name);
    }
    *ret_value = value;
    return true;
}

bool cf_json_get_name(CfJsonReader *reader, const CfJson *object,
                      const char *name, const CfNames *names, int *ret_value)
{
    const char *text = "";
    int value;

    if (!get_string(reader, object, name, &text)) {
        return false;
    }
    value = cf_name_find(names, text);
    if (value < 0) {
        return cf_json_fail(reader, "%s isn't one of its words", name);
    }
    *ret_value = value;
    return true;
}

static bool has_tricks(const char *text)
{
    for (; *text; text += g_utf8_skip[(guchar)*text]) {
        if (cf_is_tricky(g_utf8_get_char(text))) {
            return true;
        }
    }
    return false;
}

bool cf_json_get_text(CfJsonReader *reader, const CfJson *object,
                      const char *name, char *ret_text, size_t size)
{
    const char *text = "";

    if (!get_string(reader, object, name, &text)) {
        return false;
    }
    if (strlen(text) >= size) {
        return cf_json_fail(reader, "%s has more than %zu bytes", name,
                            size - 1);
    }
    if (!*text) {
        return cf_json_fail(reader, "%s must not be empty", name);
    }
    if (has_tricks(text)) {
        return cf_json_fail(reader, "%s has a control character in it, or an "
                            "invisible one", name);
    }
    g_strlcpy(ret_text, text, size);
    return true;
}

bool cf_json_get_object(CfJsonReader *reader, const CfJson *object,
                        const char *name, CfJson **ret_value)
{
    return get(reader, object, name, json_type_object, ret_value);
}

bool cf_json_get_array(CfJsonReader *reader, const CfJson *object,
                       const char *name, CfJson **ret_value)
{
    return get(reader, object, name, json_type_array, ret_value);
}

size_t cf_json_length(const CfJson *array)
{
    return json_object_array_length(array);
}

CfJson *cf_json_element(CfJsonReader *reader, const CfJson *array,
                        size_t index)
{
    json_object *element = json_object_array_get_idx(array, index);

    if (!json_object_is_type(element, json_type_object)) {
        cf_json_fail(reader, "element %zu of an array must be an object",
                     index);
        return NULL;
    }
    return element;
}
