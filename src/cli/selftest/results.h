/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the selftest found, and how it is printed. */
#ifndef CF_RESULTS_H
#define CF_RESULTS_H

#include <clockferry/vm.h>
#include "measure.h"

/**
 * Results - of all rounds
 * @residuals_ns: as the restore reports them
 * @steps_ns: as the guests' pages show them, the worst vCPU of each round
 * @captures_ns: how long each capture took
 * @restores_ns: how long each restore took
 * @rungs: how often each rung was reached
 * @tsc_step_ticks: the largest change of an offset
 * @tsc: outcome for the TSCs of the last round
 * @tries: number of all tries
 */
typedef struct Results {
    GArray *residuals_ns;
    GArray *steps_ns;
    GArray *captures_ns;
    GArray *restores_ns;
    guint rungs[CF_RUNG_PLAIN + 1];
    uint64_t tsc_step_ticks;
    CfTscOutcome tsc;
    int tries;
} Results;

void results_init(Results *results);
void results_deinit(Results *results);

/**
 * results_goal_met - was the goal met?
 * @results: of all rounds, at least one; their values get sorted
 *
 * Return: true if no TSC stepped, and 99 % of residuals and steps are within
 * 3 ns.
 */
bool results_goal_met(Results *results);

/* For programs and for people; to be freed with g_free(). Sorts the values,
 * too. */
char *results_to_json(Results *results, int rounds, int vcpus);
char *results_to_text(Results *results, int rounds, int vcpus);

#endif /* CF_RESULTS_H */
