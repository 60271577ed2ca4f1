/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Facts and quantities as people read them. */
#include <inttypes.h>
#include "units.h"

void units_fact(GString *out, const char *name, const char *format, ...)
{
    va_list values;

    g_string_append_printf(out, "%-16s: ", name);
    va_start(values, format);
    g_string_append_vprintf(out, format, values);
    va_end(values);
    g_string_append_c(out, '\n');
}

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

/* value / 10^digits, exactly, with no more digits than needed. */
static char *decimal(int64_t value, int digits, const char *unit)
{
    const uint64_t size = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    g_autofree char *fraction = NULL;
    uint64_t one = 1;
    int i;

    for (i = 0; i < digits; i++) {
        one *= 10;
    }
    fraction = g_strdup_printf(".%0*" PRIu64, digits, size % one);
    for (i = digits; i >= 0 && (fraction[i] == '0' || i == 0); i--) {
        fraction[i] = '\0';
    }
    return g_strdup_printf("%s%" PRIu64 "%s %s", value < 0 ? "-" : "",
                           size / one, fraction, unit);
}

char *units_ppb(int64_t ppt)
{
    return ppt ? decimal(ppt, 3, "ppb") : g_strdup("0");
}

char *units_ms(int64_t ns)
{
    return ns ? decimal(ns, 6, "ms") : g_strdup("0");
}
