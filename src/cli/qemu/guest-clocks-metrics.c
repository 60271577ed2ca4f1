/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The clocks of a running guest, for Prometheus. */
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

static void add(GString *out, const GuestClocks *clocks, const char *name,
                const char *help, double number, const char *from)
{
    g_autofree char *full = g_strconcat("guest_", name, NULL);

    prometheus_metric(out, full, help);
    g_string_append_printf(out, "clockferry_%s{", full);
    prometheus_label(out, "guest", clocks->name);
    if (from) {
        g_string_append_c(out, ',');
        prometheus_label(out, "from", from);
    }
    g_string_append_printf(out, "} %.15g\n", number);
}

static void add_restore(GString *out, const GuestClocks *clocks)
{
    const LastRestore *restore = &clocks->restore;
    const char *bytes = (const char *)restore;
    size_t i;

    add(out, clocks, "rung", "0 exact, 1 reanchored, 2 closed-loop, "
        "3 realtime, 4 plain.", restore->rung, NULL);
    add(out, clocks, "elapsed_from", "What told how much time passed; "
        "always 1.", 1, cf_elapsed_from_name(
            (CfElapsedFrom)restore->elapsed_from));
    for (i = 0; i < G_N_ELEMENTS(metrics); i++) {
        const Metric *m = &metrics[i];
        int64_t number;

        memcpy(&number, bytes + m->at, sizeof(number));
        if (!m->known || bytes[m->known]) {
            add(out, clocks, m->name, m->help, (double)number / m->per, NULL);
        }
    }
}

char *guest_clocks_to_prometheus(const GuestClocks *clocks)
{
    GString *out = g_string_new(NULL);

    add(out, clocks, "carried", "1 if its clocks are carried.",
        clocks->enabled, NULL);
    add(out, clocks, "lost", "1 if they weren't the last time.",
        *clocks->not_carried != '\0', NULL);
    if (clocks->restored) {
        add_restore(out, clocks);
    }
    return g_string_free(out, FALSE);
}
