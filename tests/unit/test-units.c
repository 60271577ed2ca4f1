/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Quantities as people read them, at the borders between their units. */
#include <glib.h>
#include "text/units.h"

#define S UINT64_C(1000000000)
#define HOUR (3600 * S)

static void test_time(void)
{
    static const struct {
        uint64_t ns;
        const char *text;
    } cases[] = {
        { 0, "0 ns" }, { 1, "1 ns" }, { 999, "999 ns" }, { 1000, "1 us" },
        { 1234, "1.23 us" }, { 99949, "99.9 us" }, { 999499, "999 us" },
        { 999500, "1 ms" }, { 2000001, "2 ms" }, { 1204000, "1.2 ms" },
        { 999500000, "1 s" }, { 16 * S, "16 s" }, { 8640000000, "8.64 s" },
        { 59 * S + S / 2, "59.5 s" }, { 60 * S, "1 min" },
        { 86400000000, "1 min 26 s" }, { 61 * S, "1 min 1 s" },
        { HOUR - 1, "60 min" }, { HOUR, "1 h" }, { HOUR + 29 * S, "1 h" },
        { 11917 * S, "3 h 19 min" }, { 24 * HOUR - 1, "24 h" },
        { 24 * HOUR, "1 day" }, { 25 * HOUR, "1 day 1 h" },
        { 48 * HOUR - 1, "2 days" }, { 51 * HOUR, "2 days 3 h" },
        { 100 * 24 * HOUR - 1, "100 days" }, { 100 * 24 * HOUR, "100 days" },
        { UINT64_MAX, "213503 days" },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = cf_time_text(cases[i].ns);

        g_assert_cmpstr(text, ==, cases[i].text);
    }
}

static void test_signed_time(void)
{
    g_autofree char *ahead = cf_signed_time_text(69120000);
    g_autofree char *behind = cf_signed_time_text(-11917241379310);
    g_autofree char *least = cf_signed_time_text(INT64_MIN);
    g_autofree char *none = cf_signed_time_text(0);

    g_assert_cmpstr(ahead, ==, "69.1 ms");
    g_assert_cmpstr(behind, ==, "-3 h 19 min");
    g_assert_cmpstr(least, ==, "-106751 days");
    g_assert_cmpstr(none, ==, "0 ns");
}

static void test_rate(void)
{
    static const struct {
        int64_t ppt;
        const char *text;
        const char *words;
    } cases[] = {
        { 1, "0.001 ppb", "0.001 ppb faster" },
        { -123, "-0.123 ppb", "0.123 ppb slower" },
        { 800000, "800 ppb", "800 ppb faster" },
        { 999499, "999 ppb", "999 ppb faster" },
        { -999500, "-1 ppm", "1 ppm slower" },
        { 100149454, "100 ppm", "100 ppm faster" },
        { 999953778, "0.1 %", "0.1 % faster" },
        { -137931034483, "-13.8 %", "13.8 % slower" },
        { 155570620773, "15.6 %", "15.6 % faster" },
        { INT64_MAX, "922000000 %", "922000000 % faster" },
        { INT64_MIN, "-922000000 %", "922000000 % slower" },
    };
    g_autofree char *none = cf_rate_text(0);
    size_t i;

    g_assert_cmpstr(none, ==, "0");
    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = cf_rate_text(cases[i].ppt);
        g_autofree char *words = cf_rate_words(cases[i].ppt);

        g_assert_cmpstr(text, ==, cases[i].text);
        g_assert_cmpstr(words, ==, cases[i].words);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/units/time", test_time);
    g_test_add_func("/units/signed-time", test_signed_time);
    g_test_add_func("/units/rate", test_rate);
    return g_test_run();
}
