/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The clocks of running guests, for Prometheus. */
#include <string.h>
#include "cli/prometheus.h"
#include "guest-clocks.h"

/* Metric - a figure of a guest */
typedef struct Metric {
    const char *name;
    const char *help;
    /* false: it has none */
    bool (*read)(const struct Metric *metric, const GuestClocks *clocks,
                 double *ret_number);
    size_t at;         /* of an int64_t in a LastRestore */
    size_t known;      /* of its bool; 0: it always is */
    double per;        /* so many are one */
    bool says_source;  /* with a label for what told the time */
} Metric;

static bool read_carried(const Metric *metric G_GNUC_UNUSED,
                         const GuestClocks *clocks, double *ret_number)
{
    *ret_number = clocks->enabled;
    return true;
}

static bool read_lost(const Metric *metric G_GNUC_UNUSED,
                      const GuestClocks *clocks, double *ret_number)
{
    *ret_number = *clocks->not_carried != '\0';
    return true;
}

static bool read_rung(const Metric *metric G_GNUC_UNUSED,
                      const GuestClocks *clocks, double *ret_number)
{
    *ret_number = clocks->restore.rung;
    return clocks->restored;
}

static bool read_one(const Metric *metric G_GNUC_UNUSED,
                     const GuestClocks *clocks, double *ret_number)
{
    *ret_number = 1;
    return clocks->restored;
}

static bool read_figure(const Metric *metric, const GuestClocks *clocks,
                        double *ret_number)
{
    const char *bytes = (const char *)&clocks->restore;
    int64_t number;

    memcpy(&number, bytes + metric->at, sizeof(number));
    *ret_number = (double)number / metric->per;
    return clocks->restored && (!metric->known || bytes[metric->known]);
}

#define FIGURE(member, known, per) \
    read_figure, offsetof(LastRestore, member), known, per, false
#define KNOWN(member) offsetof(LastRestore, member)

static const Metric metrics[] = {
    { .name = "carried", .help = "1 if its clocks are carried.",
      .read = read_carried },
    { .name = "lost", .help = "1 if they weren't the last time.",
      .read = read_lost },
    { .name = "rung", .help = "0 exact, 1 reanchored, 2 closed-loop, "
      "3 realtime, 4 plain.", .read = read_rung },
    { .name = "elapsed_from", .help = "What told how much time passed; always "
      "1.", .read = read_one, .says_source = true },
    { "residual_seconds", "kvmclock as read back - as intended.",
      FIGURE(residual_ns, KNOWN(residual_known), 1e9) },
    { "kvmclock_bound_seconds", "How far kvmclock may have stepped against "
      "the TSC.", FIGURE(bound_ns, KNOWN(bound_known), 1e9) },
    { "rate_error_ratio", "How much faster the TSC runs than on the source.",
      FIGURE(rate_error_ppt, KNOWN(rate_known), 1e12) },
    { "skew_ticks", "How far the vCPUs' TSCs moved apart.",
      FIGURE(skew_ticks, KNOWN(skew_known), 1) },
    { "time_bound_seconds", "How far TSC and kvmclock may have stepped.",
      FIGURE(time_bound_ns, KNOWN(time_known), 1e9) },
    { "round_trip_seconds", "Of messages on the migration channel.",
      FIGURE(round_trip_ns, KNOWN(round_trip_known), 1e9) },
    { "clocks_wrong_seconds", "By so much at least the hosts' clocks are "
      "wrong.", FIGURE(clocks_wrong_ns, KNOWN(clocks_wrong), 1e9) },
    { "elapsed_seconds", "How much of the blackout counted.",
      FIGURE(elapsed_ns, 0, 1e9) },
};

static void add_line(GString *out, const char *name, const Metric *metric,
                     const GuestClocks *clocks, double number)
{
    g_string_append_printf(out, "clockferry_%s{", name);
    prometheus_label(out, "guest", clocks->name);
    if (metric->says_source) {
        g_string_append_c(out, ',');
        prometheus_label(out, "from", cf_elapsed_from_name(
            (CfElapsedFrom)clocks->restore.elapsed_from));
    }
    g_string_append_printf(out, "} %.15g\n", number);
}

/* It begins where its first line does. */
static void add(GString *out, const Metric *metric,
                const GuestClocks *const *guests)
{
    g_autofree char *name = g_strconcat("guest_", metric->name, NULL);
    bool begun = false;
    double number;

    for (; *guests; guests++) {
        if (!metric->read(metric, *guests, &number)) {
            continue;
        }
        if (!begun) {
            prometheus_metric(out, name, metric->help);
            begun = true;
        }
        add_line(out, name, metric, *guests, number);
    }
}

char *guest_clocks_to_prometheus(const GuestClocks *const *guests)
{
    GString *out = g_string_new(NULL);
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(metrics); i++) {
        add(out, &metrics[i], guests);
    }
    return g_string_free(out, FALSE);
}
