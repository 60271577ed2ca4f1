/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The selftest's own view of clocks, and statistics. */
#include <stdlib.h>
#include "results.h"

/* As the guest's own code in tests/guest/guest.S does it: 32-bit halves. */
static bool clock_at(const CfPvclockRecord *record, uint64_t guest_ticks,
                     uint64_t *ret_ns)
{
    uint64_t delta = guest_ticks - record->tsc_timestamp;

    if (record->version & 1 || guest_ticks < record->tsc_timestamp ||
        record->tsc_shift < -31 || record->tsc_shift > 31) {
        return false;
    }
    if (record->tsc_shift < 0) {
        delta >>= -record->tsc_shift;
    } else {
        delta <<= record->tsc_shift;
    }
    *ret_ns = record->system_time +
              ((delta & 0xffffffff) * record->tsc_to_system_mul >> 32) +
              (delta >> 32) * record->tsc_to_system_mul;
    return true;
}

bool measure_step(const CfPvclockRecord *source,
                  const CfPvclockRecord *destination, uint64_t guest_ticks,
                  int64_t *ret_step_ns)
{
    uint64_t source_ns, destination_ns;

    if (!clock_at(source, guest_ticks, &source_ns) ||
        !clock_at(destination, guest_ticks, &destination_ns)) {
        return false;
    }
    *ret_step_ns = (int64_t)(destination_ns - source_ns);
    return true;
}

static int compare(const void *a, const void *b)
{
    const int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;

    return (left > right) - (left < right);
}

/* The largest sizes are at the two ends of the sorted values: leave out 1 %. */
static int64_t p99_size(const int64_t *value, guint n)
{
    guint low = 0, high = n - 1;
    guint i;

    for (i = 0; i < n / 100; i++) {
        if (-value[low] > value[high]) {
            low++;
        } else {
            high--;
        }
    }
    return MAX(-value[low], value[high]);
}

Distribution measure_distribution(GArray *values)
{
    const int64_t *value = (const int64_t *)(const void *)values->data;
    const guint n = values->len;

    qsort(values->data, n, sizeof(int64_t), compare);
    return (Distribution) {
        .min = value[0],
        .median = value[n / 2],
        .max = value[n - 1],
        .p99_size = p99_size(value, n),
    };
}

/* The first value of each bin, except the lowest: 5 decades, 11 single values
 * around 0, 5 decades. */
static const int64_t edges[HISTOGRAM_BINS - 1] = {
    -9999, -999, -99, -9, -5, -4, -3, -2, -1, 0,
    1, 2, 3, 4, 5, 6, 10, 100, 1000, 10000,
};

Histogram measure_histogram(const GArray *values)
{
    const int64_t *value = (const int64_t *)(const void *)values->data;
    Histogram histogram = { .first = HISTOGRAM_BINS };
    guint i, bin;

    for (i = 0; i < HISTOGRAM_BINS; i++) {
        histogram.bins[i].from = i ? edges[i - 1] : INT64_MIN;
        histogram.bins[i].to = i < HISTOGRAM_BINS - 1 ? edges[i] - 1
                                                      : INT64_MAX;
    }
    for (i = 0; i < values->len; i++) {
        for (bin = 0; value[i] > histogram.bins[bin].to; bin++) {
            continue;
        }
        histogram.bins[bin].count++;
        histogram.first = MIN(histogram.first, bin);
        histogram.last = MAX(histogram.last, bin);
    }
    return histogram;
}
