/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The formats' members as tables, by which structures are written and read. */
#ifndef CF_CODEC_H
#define CF_CODEC_H

#include <clockferry/check.h>
#include "json.h"

/* CfMemberKind - what a member is in JSON, and in a structure */
typedef enum CfMemberKind {
    CF_MEMBER_TEXT,    /* text; an array of characters, empty when unknown */
    CF_MEMBER_BOOL,    /* true or false; bool */
    CF_MEMBER_ANSWER,  /* true or false; CfAnswer */
    CF_MEMBER_WORD,    /* a word; an enumeration, unknown if it has no name */
    /* a number; int64_t or uint32_t, or int32_t if it may be negative */
    CF_MEMBER_INT,
    CF_MEMBER_U64,     /* a number in a string; uint64_t */
    CF_MEMBER_S64,     /* a number in a string; int64_t */
    CF_MEMBER_OBJECT,  /* an object; a structure */
    CF_MEMBER_INLINE,  /* members of the same object; a structure */
} CfMemberKind;

/* CfMember - one member of an object; tables of them end with { 0 } */
typedef struct CfMember {
    const char *name;      /* its name in JSON */
    CfMemberKind kind;     /* what it is */
    size_t at;             /* its offset in the structure */
    size_t size;           /* its size there */
    /* offset of the bool that says whether it is known; 0: there is none */
    size_t known;
    bool needed;           /* an object without it is refused */
    bool optional;         /* it is left out if its value is @unknown */
    uint64_t unknown;      /* that value, 0 or all ones */
    const CfNames *names;  /* of a word */
    int64_t min;           /* the smallest number */
    int64_t max;           /* the largest number */
    /* of an object */
    const struct CfMember *members;
} CfMember;

/* The place of a member of a structure; whether it is known. */
#define CF_AT(type, member) \
    .at = offsetof(type, member), .size = sizeof(((type *)0)->member)
#define CF_KNOWN(type, member) .known = offsetof(type, member)

/* What nothing is said of is x86-64, as it was before there was this member. */
#define CF_ARCHITECTURE(type) \
    { "architecture", CF_MEMBER_WORD, CF_AT(type, architecture), \
      .optional = true, .names = &cf_architecture_names }
/* Of an arm64 host; the register has 32 bits. */
#define CF_COUNTER_HZ(type) \
    { "counter_hz", CF_MEMBER_INT, CF_AT(type, counter_hz), \
      .optional = true, .min = 1, .max = UINT32_MAX }

/* Beyond this a TAI offset is nonsense; cf_elapsed_ns() has the same limit. */
#define CF_TAI(type, member) \
    { "tai_offset_s", CF_MEMBER_INT, CF_AT(type, member), \
      .optional = true, .min = -1000, .max = 1000 }

extern const CfMember cf_instant_members[];
extern const CfMember cf_freq_members[];

/* Of a CfGuest: its host, and what may become of it. In between there is its
 * frequency, if it is known. */
extern const CfMember cf_guest_host_members[];
extern const CfMember cf_guest_wish_members[];

#define CF_GUEST_FORMAT "clockferry-guest"
#define CF_GUEST_VERSION 1

/* Writes the members of the structure @from. */
void cf_members_add(CfJson *object, const CfMember *members, const void *from);

/* The same into a new object. */
CfJson *cf_members_to_json(const CfMember *members, const void *from);

/* Reads those members that are there into the structure @to. Whatever is wrong,
 * the reader keeps; @what is the object's name there. Returns false if it has
 * a problem. */
bool cf_members_get(CfJsonReader *reader, const CfJson *object,
                    const char *what, const CfMember *members, void *to);

/* A guest in the format clockferry-guest, to be freed with cf_json_free(). */
CfJson *cf_guest_to_object(const CfGuest *guest);

/* Reports the reader's problem, and frees it; returns false. */
gboolean cf_fail_json(GError **error, const char *what, CfJsonReader *reader);

#endif /* CF_CODEC_H */
