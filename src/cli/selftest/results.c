/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the selftest found, and how it is printed. */
#include "text/json.h"
#include "results.h"

#define GOAL_NS 3
#define BAR_WIDTH 40

void results_init(Results *results)
{
    results->residuals_ns = g_array_new(FALSE, FALSE, sizeof(int64_t));
    results->steps_ns = g_array_new(FALSE, FALSE, sizeof(int64_t));
    results->captures_ns = g_array_new(FALSE, FALSE, sizeof(int64_t));
    results->restores_ns = g_array_new(FALSE, FALSE, sizeof(int64_t));
}

void results_deinit(Results *results)
{
    g_array_unref(results->residuals_ns);
    g_array_unref(results->steps_ns);
    g_array_unref(results->captures_ns);
    g_array_unref(results->restores_ns);
}

bool results_goal_met(Results *results)
{
    return measure_distribution(results->residuals_ns).p99_size <= GOAL_NS &&
           measure_distribution(results->steps_ns).p99_size <= GOAL_NS &&
           !results->tsc_step_ticks;
}

static enum cf_rung worst_rung(const Results *results)
{
    enum cf_rung rung = CF_RUNG_PLAIN;

    while (rung > CF_RUNG_EXACT && !results->rungs[rung]) {
        rung--;
    }
    return rung;
}

static void add_distribution(CfJson *object, const char *name, GArray *values)
{
    const Distribution d = measure_distribution(values);
    CfJson *json = cf_json_object();

    cf_json_add_int(json, "min", d.min);
    cf_json_add_int(json, "median", d.median);
    cf_json_add_int(json, "p99_size", d.p99_size);
    cf_json_add_int(json, "max", d.max);
    cf_json_add(object, name, json);
}

static void add_rungs(CfJson *object, const Results *results)
{
    CfJson *json = cf_json_object();
    guint i;

    for (i = 0; i < G_N_ELEMENTS(results->rungs); i++) {
        if (results->rungs[i]) {
            cf_json_add_int(json, cf_rung_name(i), results->rungs[i]);
        }
    }
    cf_json_add(object, "rungs", json);
}

static void add_histogram(CfJson *object, const Results *results)
{
    const Histogram histogram = measure_histogram(results->steps_ns);
    CfJson *json = cf_json_array();
    guint i;

    for (i = histogram.first; i <= histogram.last; i++) {
        CfJson *bin = cf_json_object();

        cf_json_add_int(bin, "from", histogram.bins[i].from);
        cf_json_add_int(bin, "to", histogram.bins[i].to);
        cf_json_add_int(bin, "rounds", histogram.bins[i].count);
        cf_json_append(json, bin);
    }
    cf_json_add(object, "step_histogram", json);
}

char *results_to_json(Results *results, int rounds, int vcpus)
{
    g_autoptr(CfJson) json = cf_json_new_format("clockferry-selftest", 1, 1);

    cf_json_add_int(json, "rounds", rounds);
    cf_json_add_int(json, "vcpus", vcpus);
    cf_json_add_text(json, "rung", cf_rung_name(worst_rung(results)));
    add_rungs(json, results);
    cf_json_add_int(json, "tries", results->tries);
    cf_json_add_text(json, "tsc", cf_tsc_outcome_name(results->tsc));
    cf_json_add_u64(json, "tsc_step_ticks", results->tsc_step_ticks);
    add_distribution(json, "residual_ns", results->residuals_ns);
    add_distribution(json, "step_ns", results->steps_ns);
    add_histogram(json, results);
    add_distribution(json, "capture_ns", results->captures_ns);
    add_distribution(json, "restore_ns", results->restores_ns);
    cf_json_add_int(json, "goal_ns", GOAL_NS);
    return cf_json_print(json);
}

static void print_rungs(GString *out, const Results *results)
{
    const char *between = "";
    guint i;

    for (i = 0; i < G_N_ELEMENTS(results->rungs); i++) {
        if (results->rungs[i]) {
            g_string_append_printf(out, "%s%s %u", between, cf_rung_name(i),
                                   results->rungs[i]);
            between = ", ";
        }
    }
}

static void print_distribution(GString *out, const char *name, GArray *values)
{
    const Distribution d = measure_distribution(values);

    g_string_append_printf(out, "  %-26s min %" G_GINT64_FORMAT ", median %"
                           G_GINT64_FORMAT ", p99 +-%" G_GINT64_FORMAT
                           ", max %" G_GINT64_FORMAT " ns\n", name, d.min,
                           d.median, d.p99_size, d.max);
}

static void print_cost(GString *out, const char *name, GArray *values)
{
    const Distribution d = measure_distribution(values);

    g_string_append_printf(out, "  %-26s median %.1f, p99 %.1f us\n", name,
                           (double)d.median / 1e3, (double)d.p99_size / 1e3);
}

static void print_bin(GString *out, const Bin *bin, guint most)
{
    g_autofree char *from = g_strdup_printf("%" G_GINT64_FORMAT, bin->from);
    g_autofree char *range =
        bin->from == bin->to ? g_strdup(from)
        : bin->from == INT64_MIN
        ? g_strdup_printf("to %" G_GINT64_FORMAT, bin->to)
        : bin->to == INT64_MAX ? g_strdup_printf("%s on", from)
        : g_strdup_printf("%s to %" G_GINT64_FORMAT, from, bin->to);
    g_autofree char *bar = NULL;
    const guint width = (bin->count * BAR_WIDTH + most - 1) / most;

    bar = g_strnfill(width, '#');
    g_string_append_printf(out, "  %26s %-*s %u\n", range, BAR_WIDTH, bar,
                           bin->count);
}

static void print_histogram(GString *out, const Results *results)
{
    const Histogram histogram = measure_histogram(results->steps_ns);
    guint most = 1;
    guint i;

    for (i = histogram.first; i <= histogram.last; i++) {
        most = MAX(most, histogram.bins[i].count);
    }
    g_string_append_printf(out, "\n  %26s rounds\n", "step, ns");
    for (i = histogram.first; i <= histogram.last; i++) {
        print_bin(out, &histogram.bins[i], most);
    }
}

char *results_to_text(Results *results, int rounds, int vcpus)
{
    GString *out = g_string_new(NULL);

    g_string_append_printf(out, "%d rounds with %d vCPU%s\n  rung%-22s ",
                           rounds, vcpus, vcpus == 1 ? "" : "s", "");
    print_rungs(out, results);
    g_string_append_printf(out, "; %.1f tries each\n  TSC%-23s %s, step %"
                           G_GUINT64_FORMAT " ticks\n",
                           (double)results->tries / rounds, "",
                           cf_tsc_outcome_name(results->tsc),
                           results->tsc_step_ticks);
    print_distribution(out, "residual as reported", results->residuals_ns);
    print_distribution(out, "step as the guest sees it", results->steps_ns);
    print_cost(out, "cost of capture", results->captures_ns);
    print_cost(out, "cost of restore", results->restores_ns);
    print_histogram(out, results);
    return g_string_free(out, FALSE);
}
