/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the selftest found, and how it is printed. */
#ifndef CF_RESULTS_H
#define CF_RESULTS_H

#include <clockferry/vm.h>

/*
 * measure.c shares no code with the restore: a check must not share the bugs of
 * what it checks.
 */

/* How far a guest's clock stepped, as the guest sees it: destination - source
 * at a guest TSC, by the records of both. False if a record is being written,
 * or begins after that TSC. */
bool measure_step(const CfPvclockRecord *source,
                  const CfPvclockRecord *destination, uint64_t guest_ticks,
                  int64_t *ret_step_ns);

/* Distribution - of signed values */
typedef struct Distribution {
    int64_t min;     /* smallest */
    int64_t median;  /* middle one */
    int64_t max;     /* largest */
    /* 99 % of the values are no larger than this, regardless of sign */
    int64_t p99_size;
} Distribution;

/* Of the int64_t in @values, of which there is at least one; sorts them. */
Distribution measure_distribution(GArray *values);

/* A range of values, including @from and @to. */
typedef struct Bin {
    int64_t from;
    int64_t to;
    guint count;
} Bin;

#define HISTOGRAM_BINS 21

/* Histogram - of signed values: fine near 0, by powers of ten further out */
typedef struct Histogram {
    Bin bins[HISTOGRAM_BINS];  /* from the lowest to the highest */
    guint first;               /* the first bin that isn't empty */
    guint last;                /* the last one */
} Histogram;

/* Of the int64_t in @values, of which there is at least one. */
Histogram measure_histogram(const GArray *values);

/* Results - of all rounds */
typedef struct Results {
    GArray *residuals_ns;     /* as the restore reports them */
    /* as the guests' pages show them, the worst vCPU of each round */
    GArray *steps_ns;
    GArray *captures_ns;      /* how long each capture took */
    GArray *restores_ns;      /* how long each restore took */
    /* how often each rung was reached */
    guint rungs[CF_RUNG_PLAIN + 1];
    uint64_t tsc_step_ticks;  /* the largest change of an offset */
    CfTscOutcome tsc;         /* outcome for the TSCs of the last round */
    int tries;                /* number of all tries */
} Results;

void results_init(Results *results);
void results_deinit(Results *results);

/* True if no TSC stepped, and 99 % of residuals and steps are within 3 ns.
 * There must be one round at least. Sorts the values. */
bool results_goal_met(Results *results);

/* For programs and for people; to be freed with g_free(). Sorts the values,
 * too. */
char *results_to_json(Results *results, int rounds, int vcpus);
char *results_to_text(Results *results, int rounds, int vcpus);

#endif /* CF_RESULTS_H */
