/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writes and reads structures by tables, and tables that formats share. */
#include <string.h>
#include "codec.h"

const CfMember cf_instant_members[] = {
    { "host_ticks", CF_MEMBER_U64, CF_AT(struct cf_instant, host_ticks),
      .needed = true },
    { "realtime_ns", CF_MEMBER_U64, CF_AT(struct cf_instant, realtime_ns),
      .needed = true },
    CF_TAI(struct cf_instant, tai_offset_s),
    { 0 },
};

const CfMember cf_freq_members[] = {
    { "ratio", CF_MEMBER_U64, CF_AT(struct cf_tsc_freq, ratio),
      .needed = true },
    { "frac_bits", CF_MEMBER_INT, CF_AT(struct cf_tsc_freq, frac_bits),
      .needed = true, .max = UINT32_MAX },
    { 0 },
};

#define AT(member) CF_AT(CfGuest, member)

const CfMember cf_guest_host_members[] = {
    { "host", CF_MEMBER_TEXT, AT(host) },
    CF_ARCHITECTURE(CfGuest),
    { "boot_id", CF_MEMBER_TEXT, AT(boot_id) },
    { "machine", CF_MEMBER_U64, AT(machine), .optional = true },
    { "host_khz", CF_MEMBER_INT, AT(host_khz),
      .optional = true, .min = 1, .max = UINT32_MAX },
    CF_COUNTER_HZ(CfGuest),
    { "instant", CF_MEMBER_OBJECT, AT(instant),
      CF_KNOWN(CfGuest, instant_known), .members = cf_instant_members },
    { "max_error_ns", CF_MEMBER_U64, AT(max_error_ns),
      .optional = true, .unknown = UINT64_MAX },
    CF_TAI(CfGuest, tai_offset_s),
    { "leap", CF_MEMBER_WORD, AT(leap), .names = &cf_leap_names },
    { 0 },
};

const CfMember cf_guest_wish_members[] = {
    { "promised", CF_MEMBER_BOOL, AT(promised) },
    { "policy", CF_MEMBER_WORD, AT(policy), .names = &cf_policy_names },
    { "require", CF_MEMBER_WORD, AT(require), .names = &cf_rung_names },
    { 0 },
};

static bool is_left_out(const CfMember *member, const void *from)
{
    const char *bytes = from;

    return (member->known && !bytes[member->known]) ||
           (member->optional &&
            !memcmp(bytes + member->at, &member->unknown, member->size));
}

static void add_answer(CfJson *object, const char *name, CfAnswer answer)
{
    if (answer != CF_ANSWER_UNKNOWN) {
        cf_json_add_bool(object, name, answer == CF_ANSWER_YES);
    }
}

static void add_word(CfJson *object, const CfMember *member,
                     unsigned int value)
{
    if (value < G_N_ELEMENTS(*member->names) && (*member->names)[value]) {
        cf_json_add_text(object, member->name, (*member->names)[value]);
    }
}

static int64_t number_in(const CfMember *member, const void *value)
{
    if (member->size == sizeof(int64_t)) {
        return *(const int64_t *)value;
    }
    return member->min < 0 ? *(const int32_t *)value
                           : (int64_t)*(const uint32_t *)value;
}

static void add_member(CfJson *object, const CfMember *member,
                       const void *value)
{
    const char *name = member->name;

    switch (member->kind) {
    case CF_MEMBER_TEXT:
        cf_json_add_text(object, name, value);
        break;
    case CF_MEMBER_BOOL:
        cf_json_add_bool(object, name, *(const bool *)value);
        break;
    case CF_MEMBER_ANSWER:
        add_answer(object, name, *(const CfAnswer *)value);
        break;
    case CF_MEMBER_WORD:
        add_word(object, member, *(const unsigned int *)value);
        break;
    case CF_MEMBER_INT:
        cf_json_add_int(object, name, number_in(member, value));
        break;
    case CF_MEMBER_U64:
        cf_json_add_u64(object, name, *(const uint64_t *)value);
        break;
    case CF_MEMBER_S64:
        cf_json_add_s64(object, name, *(const int64_t *)value);
        break;
    case CF_MEMBER_OBJECT:
        cf_json_add(object, name, cf_members_to_json(member->members, value));
        break;
    case CF_MEMBER_INLINE:
        cf_members_add(object, member->members, value);
        break;
    }
}

void cf_members_add(CfJson *object, const CfMember *members, const void *from)
{
    for (; members->name; members++) {
        if (!is_left_out(members, from)) {
            add_member(object, members, (const char *)from + members->at);
        }
    }
}

CfJson *cf_members_to_json(const CfMember *members, const void *from)
{
    CfJson *object = cf_json_object();

    cf_members_add(object, members, from);
    return object;
}

/* True if it is there, and right: then @value has it. */
static bool get_member(CfJsonReader *reader, const CfJson *object,
                       const char *what, const CfMember *member, void *value)
{
    const char *name = member->name;
    int64_t number;
    CfJson *inner;
    bool yes;

    switch (member->kind) {
    case CF_MEMBER_TEXT:
        return cf_json_get_text(reader, object, name, value, member->size);
    case CF_MEMBER_BOOL:
        return cf_json_get_bool(reader, object, name, value);
    case CF_MEMBER_ANSWER:
        if (!cf_json_get_bool(reader, object, name, &yes)) {
            return false;
        }
        *(CfAnswer *)value = yes ? CF_ANSWER_YES : CF_ANSWER_NO;
        return true;
    case CF_MEMBER_WORD:
        return cf_json_get_name(reader, object, name, member->names, value);
    case CF_MEMBER_INT:
        if (!cf_json_get_int(reader, object, name, member->min, member->max,
                             &number)) {
            return false;
        }
        memcpy(value, &number, member->size);
        return true;
    case CF_MEMBER_U64:
        return cf_json_get_u64(reader, object, name, value);
    case CF_MEMBER_S64:
        return cf_json_get_s64(reader, object, name, value);
    case CF_MEMBER_OBJECT:
        return cf_json_get_object(reader, object, name, &inner) &&
               cf_members_get(reader, inner, name, member->members, value);
    case CF_MEMBER_INLINE:
        return cf_members_get(reader, object, what, member->members, value);
    }
    return false;
}

bool cf_members_get(CfJsonReader *reader, const CfJson *object,
                    const char *what, const CfMember *members, void *to)
{
    for (; members->name; members++) {
        char *bytes = to;

        if (get_member(reader, object, what, members, bytes + members->at)) {
            if (members->known) {
                bytes[members->known] = true;
            }
        } else if (members->needed) {
            cf_json_fail(reader, "%s has no %s", what, members->name);
        }
    }
    return !reader->problem;
}

/* Its ratio is one to the host's frequency, and only that one is written. */
static bool has_freq(const CfGuest *guest)
{
    return cf_tsc_freq_valid(&guest->freq) &&
           guest->freq.host_khz == guest->host_khz;
}

CfJson *cf_guest_to_object(const CfGuest *guest)
{
    CfJson *object = cf_json_new_format(CF_GUEST_FORMAT, CF_GUEST_VERSION, 1);

    cf_members_add(object, cf_guest_host_members, guest);
    if (has_freq(guest)) {
        cf_members_add(object, cf_freq_members, &guest->freq);
    }
    cf_members_add(object, cf_guest_wish_members, guest);
    return object;
}

gboolean cf_fail_json(GError **error, const char *what, CfJsonReader *reader)
{
    g_set_error(error, CF_ERROR, CF_ERROR_INVALID, "can't read %s: %s", what,
                reader->problem);
    g_clear_pointer(&reader->problem, g_free);
    return FALSE;
}
