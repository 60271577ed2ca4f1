/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which of a host's facts are good, which aren't, and what to do about it. */
#ifndef CF_PROBE_CHECKS_H
#define CF_PROBE_CHECKS_H

#include <clockferry/host.h>
#include "screen.h"

/**
 * Check - of one thing
 * @name: one word for programs
 * @level: LEVEL_PASS, or how bad it is
 * @text: what was found
 * @cure: what to do about it; NULL for LEVEL_PASS, or if nothing helps
 */
typedef struct Check {
    const char *name;
    Level level;
    const char *text;
    const char *cure;
} Check;

#define CHECKS_MAX 16

/* Writes up to CHECKS_MAX of them; returns how many. */
size_t probe_checks(const CfHost *host, Check *ret_checks);

#endif /* CF_PROBE_CHECKS_H */
