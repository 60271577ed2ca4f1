/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Quantities as people read them. */
#include "units.h"

typedef struct Unit {
    double size;
    const char *name;
} Unit;

/* Four digits or more in the largest unit that leaves one before the point. */
static char *in_units(double value, const Unit *units)
{
    const double size = value < 0 ? -value : value;

    while (units->size > size && (units + 1)->name) {
        units++;
    }
    return g_strdup_printf(size / units->size < 1e4 ? "%.4g %s" : "%.0f %s",
                           value / units->size, units->name);
}

static const Unit times[] = {
    { 1e9, "s" }, { 1e6, "ms" }, { 1e3, "us" }, { 1, "ns" }, { 0, NULL },
};

char *units_time(uint64_t ns)
{
    return in_units((double)ns, times);
}

char *units_rate(int64_t ppt)
{
    static const Unit rates[] = {
        { 1e10, "%" }, { 1e6, "ppm" }, { 1e3, "ppb" }, { 1, "ppt" }, { 0, NULL },
    };

    return ppt ? in_units((double)ppt, rates) : g_strdup("0");
}

char *units_drift(int64_t ppt)
{
    return ppt ? in_units((double)ppt * 86.4, times) : g_strdup("0");
}
