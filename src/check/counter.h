/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a check has to say of counters, arm64's, and of other architectures. */
#ifndef CF_CHECK_COUNTER_H
#define CF_CHECK_COUNTER_H

#include <clockferry/check.h>

/* Does the guest come from another architecture than the destination's? */
static inline bool cf_check_foreign(const CfCheck *check)
{
    return check->guest->architecture != check->destination->architecture;
}

/* Is it about a counter, or about another architecture? */
static inline bool cf_check_by_counter(const CfCheck *check)
{
    return check->destination->architecture != CF_ARCHITECTURE_X86_64 ||
           cf_check_foreign(check);
}

/* The sentence of a finding of such a check, and the advice; NULL if they are
 * those of a TSC's. @both: to probe both hosts. */
char *cf_counter_text(const CfCheck *check, const CfFinding *finding);
char *cf_counter_cure(const CfCheck *check, const CfFinding *finding,
                      const char *both);

#endif /* CF_CHECK_COUNTER_H */
