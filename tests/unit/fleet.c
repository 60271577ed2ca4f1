/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Draws how far from true guests arrive in a fleet: 20,000 simulated
 * migrations for each kind of path and of hosts' clocks, between TSCs up to 50
 * ppm off what is printed, by the arithmetic that QEMU and library use. The picture is that of docs/accuracy.rst, the
 * same on every machine. Fails if an arrival is off by more than its bound.
 */
#include <math.h>
#include <stdio.h>
#include <glib.h>

#include <clockferry/clock-rate.h>

#include "sim-channel.h"

#define MIGRATIONS 20000
#define PPM 1000000LL
#define EXCHANGES 8
#define COLUMNS_PER_DECADE 6
#define DECADES 10              /* from 1 ns to 10 s */

/* A round trip's length, and how much it varies. */
static const struct {
    const char *name;
    int64_t least_ns;
    int64_t greatest_ns;
} paths[] = {
    { "one rack or hall, 50 to 200 µs", 50 * US, 200 * US },
    { "one town, 2 ms", 1800 * US, 2200 * US },
    { "one continent, 40 ms", 36 * MS, 44 * MS },
};

/* How far apart hosts' clocks are, and what both together believe. */
static const struct {
    const char *name;
    int64_t least_ns;
    int64_t greatest_ns;
    uint64_t believed_ns;
} clocks[] = {
    { "PTP", 0, 200, 2000 },
    { "NTP", 0, MS, 20 * MS },
    { "wrong", 100 * MS, 10 * S, 20 * MS },
};

static int64_t between(uint64_t *r, int64_t least, int64_t greatest)
{
    return least + (int64_t)cases_below(r, (uint64_t)(greatest - least) + 1);
}

static int64_t fleet_apart_ns(uint64_t *r, size_t kind)
{
    const int64_t ns = between(r, clocks[kind].least_ns,
                               clocks[kind].greatest_ns);

    return cases_below(r, 2) ? ns : -ns;
}

/* One way: up to a tenth shorter or longer than the other, with jitter. */
static Way fleet_way(uint64_t *r, int64_t half_ns)
{
    return (Way) {
        .least_ns = half_ns + between(r, -half_ns / 20, half_ns / 20),
        .jitter_ns = half_ns / 10, .burst_ns = 2 * half_ns,
        .moves_ns = INT64_MAX,
    };
}

static Migration fleet_migration(uint64_t *r, size_t path)
{
    const int64_t trip_ns = between(r, paths[path].least_ns,
                                    paths[path].greatest_ns);
    Migration m = { .n = EXCHANGES, .apart_ns = 4 * trip_ns, .busy_ns = 20000 };

    m.src = host_new(r, CF_RATE_DOUBT_PPT / 20, CF_RATE_WANDER_PPT / 2);
    m.dst = host_new(r, CF_RATE_DOUBT_PPT / 20, CF_RATE_WANDER_PPT / 2);
    m.there = fleet_way(r, trip_ns / 2);
    m.back = fleet_way(r, trip_ns / 2);
    m.precopy_ns = between(r, S, 60 * S);
    m.stop_ns = m.precopy_ns + EXCHANGES * (m.apart_ns + MS);
    m.now_ns = m.stop_ns + between(r, 20 * MS, 300 * MS);
    return m;
}

/* What the source knows of its TSC's rate, after a day: to 1 ppm. */
static struct cf_host_rate fleet_rate(uint64_t *r, const Host *src)
{
    const int64_t mhz = src->khz * 1000000LL;
    const int64_t ppt = (int64_t)((cf_s128)((int64_t)src->rate_mhz - mhz) *
                                  CF_PPT / mhz);

    return (struct cf_host_rate) {
        ppt + between(r, -PPM, PPM), PPM + CF_TSC_WARMTH_PPT,
    };
}

static int64_t fleet_truth_ns(const Migration *m)
{
    uint64_t ns;

    if (!cf_ticks_to_ns(host_ticks(&m->src, m->now_ns) -
                        host_ticks(&m->src, m->stop_ns), m->src.khz, &ns)) {
        g_error("a blackout is too long");
    }
    return (int64_t)ns;
}

typedef struct {
    uint64_t alone_ns[MIGRATIONS];
    uint64_t off_ns[MIGRATIONS];
    uint64_t bound_ns[MIGRATIONS];
} Fleet;

static void migrate(Fleet *fleet, uint32_t i, uint64_t *r, size_t path,
                    size_t kind)
{
    const Migration m = fleet_migration(r, path);
    const int64_t apart_ns = fleet_apart_ns(r, kind);
    const int64_t truth_ns = fleet_truth_ns(&m);
    const struct cf_host_rate rate = fleet_rate(r, &m.src);
    struct cf_exchange exchanges[CF_EXCHANGES_MAX];
    const struct cf_channel channel = {
        .exchanges = exchanges, .n = simulate(&m, r, exchanges),
        .src_khz = m.src.khz, .dst_khz = m.dst.khz,
        .doubt_ppt = CF_RATE_DOUBT_PPT, .wander_ppt = CF_RATE_WANDER_PPT,
    };
    struct cf_channel_says says;
    struct cf_span ns, usual_ns;
    uint64_t bound_ns;
    int64_t clocks_ns;
    struct cf_time time;

    if (!cf_tsc_time(m.now_ns - m.stop_ns + apart_ns,
                     clocks[kind].believed_ns, &rate, &clocks_ns, &bound_ns) ||
        !cf_channel_evaluate(&channel, host_ticks(&m.src, m.stop_ns),
                             host_ticks(&m.dst, m.now_ns), &says) ||
        !cf_span_ticks_to_ns(&says.passed_ticks, m.src.khz, &ns) ||
        !cf_span_ticks_to_ns(&says.usual_ticks, m.src.khz, &usual_ns)) {
        g_error("migration %u says nothing", i);
    }
    time = cf_time_merge(clocks_ns, bound_ns, &ns, &usual_ns);
    fleet->alone_ns[i] = (uint64_t)llabs(clocks_ns - truth_ns);
    fleet->off_ns[i] = (uint64_t)llabs(time.passed_ns - truth_ns);
    fleet->bound_ns[i] = time.bound_ns;
}

static int by_size(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static size_t column(uint64_t ns)
{
    const double decades = ns ? log10((double)ns) : 0;
    const size_t last = DECADES * COLUMNS_PER_DECADE - 1;

    return MIN((size_t)(decades * COLUMNS_PER_DECADE), last);
}

/* From the best of 100 to the worst of all: -, the middle half: =, half: O. */
static void draw(const char *name, uint64_t *ns)
{
    static const uint32_t from[] = { 1, 25, 50 }, to[] = { 100, 75, 50 };
    static const char marks[] = "-=O";
    char line[DECADES * COLUMNS_PER_DECADE + 1];
    size_t i, k;

    qsort(ns, MIGRATIONS, sizeof(*ns), by_size);
    memset(line, ' ', sizeof(line) - 1);
    line[sizeof(line) - 1] = '\0';
    for (k = 0; k < 3; k++) {
        const size_t last = MIN(MIGRATIONS / 100 * to[k], MIGRATIONS - 1);

        for (i = column(ns[MIGRATIONS / 100 * from[k]]); i <= column(ns[last]);
             i++) {
            line[i] = marks[k];
        }
    }
    printf("   %-9s%s\n", name, g_strchomp(line));
}

static void draw_axis(void)
{
    static const char *const names[DECADES] = {
        "1ns", "10ns", "100ns", "1µs", "10µs", "100µs", "1ms", "10ms", "100ms",
        "1s",
    };
    size_t i;

    printf("            ");
    for (i = 0; i < DECADES; i++) {
        const size_t width = (size_t)g_utf8_strlen(names[i], -1);

        printf("%s%*s", names[i], i + 1 < DECADES
               ? (int)(COLUMNS_PER_DECADE - width) : 0, "");
    }
    printf("\n");
}

static bool fleet_run(Fleet *fleet, size_t path, size_t kind)
{
    uint64_t r = 1 + path * 16 + kind;
    bool held = true;
    uint32_t i;

    for (i = 0; i < MIGRATIONS; i++) {
        migrate(fleet, i, &r, path, kind);
        held &= fleet->off_ns[i] <= fleet->bound_ns[i];
    }
    printf("   %s, hosts' clocks: %s\n", paths[path].name, clocks[kind].name);
    draw("clocks", fleet->alone_ns);
    draw("guest", fleet->off_ns);
    draw("bound", fleet->bound_ns);
    return held;
}

int main(void)
{
    static Fleet fleet;
    bool held = true;
    size_t path, kind;

    draw_axis();
    for (path = 0; path < G_N_ELEMENTS(paths); path++) {
        for (kind = 0; kind < G_N_ELEMENTS(clocks); kind++) {
            held &= fleet_run(&fleet, path, kind);
        }
    }
    return held ? 0 : 1;
}
