/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Quantities as people read them. */
#include <glib.h>
#include <inttypes.h>
#include <clockferry/clock-math.h>
#include "units.h"

#define SECOND_NS UINT64_C(1000000000)
#define MINUTE_NS (60 * SECOND_NS)
#define HOUR_NS (60 * MINUTE_NS)
#define DAY_NS (24 * HOUR_NS)

/* From this many days on, hours don't matter. */
#define MANY_DAYS 100

/* Unit - one size of a quantity */
typedef struct Unit {
    double from;       /* values from here on are shown in this unit */
    double size;       /* how much one of it is */
    const char *name;  /* what it is called */
} Unit;

static const Unit times[] = {
    { 1e9, 1e9, "s" }, { 1e6, 1e6, "ms" }, { 1e3, 1e3, "us" }, { 0, 1, "ns" },
};

static const Unit rates[] = {
    { 1e9, 1e10, "%" }, { 1e6, 1e6, "ppm" }, { 0, 1e3, "ppb" },
};

/* Rounded first, so that 999.96 us become 1 ms and not 1000 us. */
static double three_digits(uint64_t value)
{
    char text[G_ASCII_DTOSTR_BUF_SIZE];

    return g_ascii_strtod(g_ascii_formatd(text, sizeof(text), "%.2e",
                                          (double)value), NULL);
}

/* @units ends with the smallest one, which is from 0 on. */
static char *in_units(uint64_t value, const Unit *units)
{
    const double rounded = three_digits(value);
    char text[G_ASCII_DTOSTR_BUF_SIZE];

    while (rounded < units->from) {
        units++;
    }
    g_ascii_formatd(text, sizeof(text), "%.15g", rounded / units->size);
    return g_strdup_printf("%s %s", text, units->name);
}

/* "3 h 19 min", or "3 h" if the second part is 0. */
static char *in_two(uint64_t ns, uint64_t part_ns, unsigned int per_unit,
                    const char *unit, const char *part)
{
    const uint64_t parts = ns / part_ns + (ns % part_ns >= part_ns / 2);
    const uint64_t units = parts / per_unit, rest = parts % per_unit;

    return rest ? g_strdup_printf("%" PRIu64 " %s %" PRIu64 " %s", units, unit,
                                  rest, part)
                : g_strdup_printf("%" PRIu64 " %s", units, unit);
}

char *cf_time_text(uint64_t ns)
{
    if (ns >= MANY_DAYS * DAY_NS) {
        return g_strdup_printf("%" PRIu64 " days", ns / DAY_NS);
    }
    if (ns >= DAY_NS) {
        return in_two(ns, HOUR_NS, 24,
                      ns < 2 * DAY_NS - HOUR_NS / 2 ? "day" : "days", "h");
    }
    if (ns >= HOUR_NS) {
        return in_two(ns, MINUTE_NS, 60, "h", "min");
    }
    if (ns >= MINUTE_NS) {
        return in_two(ns, SECOND_NS, 60, "min", "s");
    }
    return in_units(ns, times);
}

char *cf_signed_time_text(int64_t ns)
{
    g_autofree char *size = cf_time_text(cf_magnitude(ns));

    return g_strconcat(ns < 0 ? "-" : "", size, NULL);
}

char *cf_rate_text(int64_t ppt)
{
    g_autofree char *size = in_units(cf_magnitude(ppt), rates);

    return ppt ? g_strconcat(ppt < 0 ? "-" : "", size, NULL) : g_strdup("0");
}

char *cf_rate_words(int64_t ppt)
{
    g_autofree char *size = in_units(cf_magnitude(ppt), rates);

    return g_strconcat(size, ppt < 0 ? " slower" : " faster", NULL);
}
