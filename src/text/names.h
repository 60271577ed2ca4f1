/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The names of enumerators, as users and files see them. */
#ifndef CF_NAMES_H
#define CF_NAMES_H

/* Of one enumeration, by value; NULL for a value that means "unknown", which
 * isn't written, and after the last one. */
typedef const char *CfNames[16];

extern const CfNames cf_policy_names;
extern const CfNames cf_verdict_names;
extern const CfNames cf_finding_names;
extern const CfNames cf_rung_names;
extern const CfNames cf_offset_names;
extern const CfNames cf_scaling_names;
extern const CfNames cf_architecture_names;
extern const CfNames cf_counter_offset_names;
extern const CfNames cf_clock_guest_names;
extern const CfNames cf_clock_guest_style_names;
extern const CfNames cf_leap_names;
extern const CfNames cf_freq_origin_names;
extern const CfNames cf_offset_origin_names;
extern const CfNames cf_fn_origin_names;
extern const CfNames cf_tsc_outcome_names;
extern const CfNames cf_elapsed_from_names;

/* The name of a value; "unknown" if it has none. */
const char *cf_name_of(const CfNames *names, unsigned int value);

/* The value of a name, or -1. */
int cf_name_find(const CfNames *names, const char *name);

#endif /* CF_NAMES_H */
