/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An answer of cf_check() for programs. */
#ifndef CF_CHECK_JSON_H
#define CF_CHECK_JSON_H

#include <clockferry/check.h>
#include "text/codec.h"

/* Adds to an object what was found: verdict, rung and figures; with @texts also
 * each finding in a sentence. */
void check_add_json(CfJson *object, const CfCheck *check, bool texts);

#endif /* CF_CHECK_JSON_H */
