/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The selftest's own view of clocks, and statistics.
 *
 * Shares no code with the restore: a check must not share the bugs of what it
 * checks.
 */
#ifndef CF_MEASURE_H
#define CF_MEASURE_H

#include <clockferry/kvm.h>

/**
 * measure_step - how far a guest's clock stepped, as the guest sees it
 * @source: pvclock record on the source
 * @destination: pvclock record on the destination
 * @guest_ticks: guest TSC at which both are evaluated
 * @ret_step_ns: destination - source
 *
 * Return: false if a record is being written, or begins after @guest_ticks.
 */
bool measure_step(const CfPvclockRecord *source,
                  const CfPvclockRecord *destination, uint64_t guest_ticks,
                  int64_t *ret_step_ns);

/**
 * Distribution - of signed values
 * @min: smallest
 * @median: middle one
 * @max: largest
 * @p99_size: 99 % of the values are no larger than this, regardless of sign
 */
typedef struct Distribution {
    int64_t min;
    int64_t median;
    int64_t max;
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

/**
 * Histogram - of signed values: fine near 0, by powers of ten further out
 * @bins: from the lowest to the highest
 * @first: the first bin that isn't empty
 * @last: the last one
 */
typedef struct Histogram {
    Bin bins[HISTOGRAM_BINS];
    guint first;
    guint last;
} Histogram;

/* Of the int64_t in @values, of which there is at least one. */
Histogram measure_histogram(const GArray *values);

#endif /* CF_MEASURE_H */
