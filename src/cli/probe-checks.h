/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What of a host's facts is good, what isn't, and what to do about it. */
#ifndef CF_PROBE_CHECKS_H
#define CF_PROBE_CHECKS_H

#include <clockferry/host.h>

/**
 * Level - of one check
 * @LEVEL_PASS: as good as can be
 * @LEVEL_WARN: guests can come, but less exactly, or not from everywhere
 * @LEVEL_FAIL: guests can't come from other hosts
 */
typedef enum Level {
    LEVEL_PASS,
    LEVEL_WARN,
    LEVEL_FAIL,
} Level;

/**
 * Check - one line of the probe
 * @name: one word for programs
 * @what: what was checked: goes on after "Checking"
 * @level: how it came out
 * @cure: what follows from it and what to do about it; not for LEVEL_PASS
 */
typedef struct Check {
    const char *name;
    const char *what;
    Level level;
    const char *cure;
} Check;

#define CHECKS_MAX 16

/* Writes up to CHECKS_MAX of them; returns how many. */
size_t probe_checks(const CfHost *probe, Check *ret_checks);

const char *level_name(Level level);

#endif /* CF_PROBE_CHECKS_H */
