/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The clocks of running guests, for Prometheus. */
#include <string.h>
#include "cli/prometheus.h"
#include "guest-clocks.h"

/* Metric - a figure of the last restore */
typedef struct Metric {
    const char *name;
    const char *help;
    size_t at;      /* of an int64_t in a LastRestore */
    size_t known;   /* of its bool; 0: it always is */
    double per;     /* so many are one */
} Metric;

#define FIGURE(member) offsetof(LastRestore, member)

static const Metric metrics[] = {
    { "residual_seconds", "kvmclock as read back - as intended.",
      FIGURE(residual_ns), FIGURE(residual_known), 1e9 },
    { "kvmclock_bound_seconds", "How far kvmclock may have stepped against "
      "the TSC.", FIGURE(bound_ns), FIGURE(bound_known), 1e9 },
    { "rate_error_ratio", "How much faster the TSC runs than on the source.",
      FIGURE(rate_error_ppt), FIGURE(rate_known), 1e12 },
    { "skew_ticks", "How far the vCPUs' TSCs moved apart.",
      FIGURE(skew_ticks), FIGURE(skew_known), 1 },
    { "time_bound_seconds", "How far TSC and kvmclock may have stepped.",
      FIGURE(time_bound_ns), FIGURE(time_known), 1e9 },
    { "round_trip_seconds", "Of messages on the migration channel.",
      FIGURE(round_trip_ns), FIGURE(round_trip_known), 1e9 },
    { "clocks_wrong_seconds", "By so much at least the hosts' clocks are "
      "wrong.", FIGURE(clocks_wrong_ns), FIGURE(clocks_wrong), 1e9 },
    { "elapsed_seconds", "How much of the blackout counted.",
      FIGURE(elapsed_ns), 0, 1e9 },
};

/* Lines - of a metric, which begins where its first one does */
typedef struct Lines {
    GString *out;
    const char *name;
    const char *help;
    bool begun;
} Lines;

static void add(Lines *lines, const GuestClocks *clocks, double number,
                const char *from)
{
    g_autofree char *full = g_strconcat("guest_", lines->name, NULL);

    if (!lines->begun) {
        prometheus_metric(lines->out, full, lines->help);
        lines->begun = true;
    }
    g_string_append_printf(lines->out, "clockferry_%s{", full);
    prometheus_label(lines->out, "guest", clocks->name);
    if (from) {
        g_string_append_c(lines->out, ',');
        prometheus_label(lines->out, "from", from);
    }
    g_string_append_printf(lines->out, "} %.15g\n", number);
}

static void add_carried(GString *out, const GuestClocks *const *guests)
{
    Lines carried = { out, "carried", "1 if its clocks are carried.", false };
    Lines lost = { out, "lost", "1 if they weren't the last time.", false };
    size_t i;

    for (i = 0; guests[i]; i++) {
        add(&carried, guests[i], guests[i]->enabled, NULL);
    }
    for (i = 0; guests[i]; i++) {
        add(&lost, guests[i], *guests[i]->not_carried != '\0', NULL);
    }
}

static void add_how(GString *out, const GuestClocks *const *guests)
{
    Lines rung = { out, "rung", "0 exact, 1 reanchored, 2 closed-loop, "
                   "3 realtime, 4 plain.", false };
    Lines from = { out, "elapsed_from", "What told how much time passed; "
                   "always 1.", false };
    size_t i;

    for (i = 0; guests[i]; i++) {
        if (guests[i]->restored) {
            add(&rung, guests[i], guests[i]->restore.rung, NULL);
        }
    }
    for (i = 0; guests[i]; i++) {
        if (guests[i]->restored) {
            add(&from, guests[i], 1, cf_elapsed_from_name(
                (CfElapsedFrom)guests[i]->restore.elapsed_from));
        }
    }
}

static void add_figure(GString *out, const GuestClocks *const *guests,
                       const Metric *metric)
{
    Lines lines = { out, metric->name, metric->help, false };
    size_t i;

    for (i = 0; guests[i]; i++) {
        const char *bytes = (const char *)&guests[i]->restore;
        int64_t number;

        memcpy(&number, bytes + metric->at, sizeof(number));
        if (guests[i]->restored && (!metric->known || bytes[metric->known])) {
            add(&lines, guests[i], (double)number / metric->per, NULL);
        }
    }
}

char *guest_clocks_to_prometheus(const GuestClocks *const *guests)
{
    GString *out = g_string_new(NULL);
    size_t i;

    add_carried(out, guests);
    add_how(out, guests);
    for (i = 0; i < G_N_ELEMENTS(metrics); i++) {
        add_figure(out, guests, &metrics[i]);
    }
    return g_string_free(out, FALSE);
}
