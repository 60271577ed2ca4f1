/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the selftest found, and how it is printed. */
#include <stdio.h>
#include "results.h"

#define GOAL_NS 3

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

static void print_json_distribution(const char *name, Distribution d)
{
    printf("  \"%s\": { \"min\": %" G_GINT64_FORMAT ", \"median\": %"
           G_GINT64_FORMAT ", \"p99_size\": %" G_GINT64_FORMAT
           ", \"max\": %" G_GINT64_FORMAT " },\n",
           name, d.min, d.median, d.p99_size, d.max);
}

static void print_text_distribution(const char *name, Distribution d)
{
    printf("  %-26s min %" G_GINT64_FORMAT ", median %" G_GINT64_FORMAT
           ", p99 +-%" G_GINT64_FORMAT ", max %" G_GINT64_FORMAT
           " ns\n", name, d.min, d.median, d.p99_size, d.max);
}

static void print_text_cost(const char *name, Distribution d)
{
    printf("  %-26s median %.1f, p99 %.1f us\n", name, (double)d.median / 1e3,
           (double)d.p99_size / 1e3);
}

static void print_rungs(const Results *results, const char *before_count,
                        const char *quote)
{
    const char *between = "";
    guint i;

    for (i = 0; i < G_N_ELEMENTS(results->rungs); i++) {
        if (results->rungs[i]) {
            printf("%s%s%s%s%s%u", between, quote, cf_rung_name(i), quote,
                   before_count, results->rungs[i]);
            between = ", ";
        }
    }
}

static enum cf_rung worst_rung(const Results *results)
{
    enum cf_rung rung = CF_RUNG_PLAIN;

    while (rung > CF_RUNG_EXACT && !results->rungs[rung]) {
        rung--;
    }
    return rung;
}

/* Plain numbers and names of ours: nothing here needs escaping. */
static void print_json(const Results *results, int rounds, int vcpus,
                       Distribution residual, Distribution step)
{
    printf("{\n  \"format\": \"clockferry-selftest\",\n  \"version\": 1,\n"
           "  \"min_version\": 1,\n  \"rounds\": %d,\n  \"vcpus\": %d,\n"
           "  \"rung\": \"%s\",\n  \"rungs\": { ",
           rounds, vcpus,
           cf_rung_name(worst_rung(results)));
    print_rungs(results, ": ", "\"");
    printf(" },\n  \"tries\": %d,\n  \"tsc\": \"%s\",\n"
           "  \"tsc_step_ticks\": \"%" G_GUINT64_FORMAT "\",\n",
           results->tries, cf_tsc_outcome_name(results->tsc),
           results->tsc_step_ticks);
    print_json_distribution("residual_ns", residual);
    print_json_distribution("step_ns", step);
    print_json_distribution("capture_ns",
                            measure_distribution(results->captures_ns));
    print_json_distribution("restore_ns",
                            measure_distribution(results->restores_ns));
    printf("  \"goal_ns\": %d\n}\n", GOAL_NS);
}

static void print_text(const Results *results, int rounds, int vcpus,
                       Distribution residual, Distribution step)
{
    printf("%d rounds with %d vCPU%s\n  rung%-22s ", rounds,
           vcpus, vcpus == 1 ? "" : "s", "");
    print_rungs(results, " ", "");
    printf("; %.1f tries each\n  TSC%-23s %s, step %" G_GUINT64_FORMAT
           " ticks\n", (double)results->tries / rounds, "",
           cf_tsc_outcome_name(results->tsc), results->tsc_step_ticks);
    print_text_distribution("residual as reported", residual);
    print_text_distribution("step as the guest sees it", step);
    print_text_cost("cost of capture",
                    measure_distribution(results->captures_ns));
    print_text_cost("cost of restore",
                    measure_distribution(results->restores_ns));
}

bool results_print(Results *results, int rounds, int vcpus, bool json)
{
    const Distribution residual =
        measure_distribution(results->residuals_ns);
    const Distribution step = measure_distribution(results->steps_ns);

    if (json) {
        print_json(results, rounds, vcpus, residual, step);
    } else {
        print_text(results, rounds, vcpus, residual, step);
    }
    return residual.p99_size <= GOAL_NS && step.p99_size <= GOAL_NS &&
           !results->tsc_step_ticks;
}
