/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the formats have in common. */
#ifndef CF_CODEC_H
#define CF_CODEC_H

#include <clockferry/check.h>
#include <clockferry/state.h>
#include "json.h"

/* Beyond this a TAI offset is nonsense; cf_elapsed_ns() has the same limit. */
#define CF_TAI_LIMIT_S 1000

#define CF_GUEST_FORMAT "clockferry-guest"
#define CF_GUEST_VERSION 1

CfJson *cf_instant_to_json(const struct cf_instant *instant);

/* A guest in the format clockferry-guest, to be freed with cf_json_free(). */
CfJson *cf_guest_to_object(const CfGuest *guest);

/* All members must be there, except the TAI offset. */
bool cf_instant_from_json(CfJsonReader *reader, const CfJson *object,
                          struct cf_instant *ret_instant);

/* Reads the member tai_offset_s, if it is there. */
void cf_json_get_tai(CfJsonReader *reader, const CfJson *object,
                     int32_t *ret_tai_offset_s);

/* Reports the reader's problem, and frees it; returns false. */
gboolean cf_fail_json(GError **error, const char *what, CfJsonReader *reader);

#endif /* CF_CODEC_H */
