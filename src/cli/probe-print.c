/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A probe as text for people, for Prometheus and for KubeVirt. */
#include <inttypes.h>
#include <clockferry/state.h>
#include "text/names.h"
#include "probe-checks.h"
#include "probe-print.h"
#include "units.h"

static const char *or_unknown(const char *text)
{
    return *text ? text : "unknown";
}

static const char *on_or_off(CfAnswer answer)
{
    return answer == CF_ANSWER_YES ? "on"
           : answer == CF_ANSWER_NO ? "off" : "unknown";
}

static void add_scaling(GString *out, const CfHost *probe)
{
    GString *text = g_string_new(cf_scaling_name(probe->scaling));

    if (probe->scaling == CF_SCALING_WORKS && probe->frac_bits) {
        g_string_append_printf(text, ", %u fraction bits", probe->frac_bits);
    }
    if (probe->scaling == CF_SCALING_WORKS && probe->tolerance_ppm) {
        g_string_append_printf(text, ", but not within %u ppm of the host's "
                               "frequency", probe->tolerance_ppm);
    }
    units_fact(out, "TSC scaling", "%s", text->str);
    g_string_free(text, TRUE);
}

static void add_tsc(GString *out, const CfHost *probe)
{
    if (probe->host_khz) {
        units_fact(out, "TSC frequency", "%u kHz", probe->host_khz);
    } else {
        units_fact(out, "TSC frequency", "unknown");
    }
    add_scaling(out, probe);
    units_fact(out, "TSC offset", "%s",
               probe->offset_known ? cf_offset_name(probe->offset)
                                   : "unknown");
}

static const char *style(const CfHost *probe)
{
    switch (probe->clock_guest_style) {
    case CF_CLOCK_GUEST_STYLE_V6:
        return ", as in version 6 of the series";
    case CF_CLOCK_GUEST_STYLE_CAPABILITY:
        return ", with a capability";
    default:
        return "";
    }
}

static void add_time(GString *out, const CfHost *probe)
{
    const CfHostTime *time = &probe->time;
    g_autofree char *error = units_time(time->max_error_ns);

    if (!probe->time_known) {
        units_fact(out, "Real time", "unknown");
        return;
    }
    units_fact(out, "Real time", "%s, error up to %s",
               time->synchronised ? "synchronised" : "not synchronised",
               error);
    if (time->tai_offset_s) {
        units_fact(out, "TAI - UTC", "%d s", time->tai_offset_s);
    } else {
        units_fact(out, "TAI - UTC", "unknown");
    }
}

static void add_facts(GString *out, const CfHost *probe)
{
    units_fact(out, "Host", "%s, Linux %s", or_unknown(probe->id.name),
               or_unknown(probe->id.kernel));
    add_tsc(out, probe);
    units_fact(out, "Clocksource", "%s", or_unknown(probe->id.clocksource));
    units_fact(out, "Master clock", "%s", on_or_off(probe->master_clock));
    units_fact(out, "CLOCK_GUEST", "%s%s",
               cf_name_of(&cf_clock_guest_names, probe->clock_guest),
               style(probe));
    add_time(out, probe);
    units_fact(out, "Best rung", "%s",
               probe->rung_known ? cf_rung_name(probe->best_rung)
                                 : "unknown");
}

static void add_check(GString *out, const Check *check, bool colour)
{
    static const char *const colours[] = {
        [LEVEL_PASS] = "\033[32m",
        [LEVEL_WARN] = "\033[33m",
        [LEVEL_FAIL] = "\033[31m",
    };

    g_string_append_printf(out, "  Checking %-49s: %s%s%s", check->what,
                           colour ? colours[check->level] : "",
                           level_name(check->level), colour ? "\033[0m" : "");
    if (check->cure) {
        g_string_append_printf(out, " (%s)", check->cure);
    }
    g_string_append_c(out, '\n');
}

char *probe_to_text(const CfHost *probe, bool colour)
{
    GString *out = g_string_new(NULL);
    Check checks[CHECKS_MAX];
    const size_t n = probe_checks(probe, checks);
    size_t i;

    add_facts(out, probe);
    g_string_append_c(out, '\n');
    for (i = 0; i < n; i++) {
        add_check(out, &checks[i], colour);
    }
    return g_string_free(out, FALSE);
}

static void metric(GString *out, const char *name, const char *help)
{
    g_string_append_printf(out, "# HELP clockferry_%s %s\n"
                           "# TYPE clockferry_%s gauge\n", name, help, name);
}

static void value(GString *out, const char *name, const char *help,
                  double number)
{
    metric(out, name, help);
    g_string_append_printf(out, "clockferry_%s %.15g\n", name, number);
}

/* As the exposition format has it: backslash, quote and newline escaped. */
static void label(GString *out, const char *name, const char *text)
{
    g_string_append_printf(out, "%s=\"", name);
    for (; *text; text++) {
        if (*text == '\n') {
            g_string_append(out, "\\n");
            continue;
        }
        if (*text == '\\' || *text == '"') {
            g_string_append_c(out, '\\');
        }
        g_string_append_c(out, *text);
    }
    g_string_append_c(out, '"');
}

static void add_info(GString *out, const CfHost *probe)
{
    metric(out, "host_info", "What this host is; always 1.");
    g_string_append(out, "clockferry_host_info{");
    label(out, "kernel", probe->id.kernel);
    g_string_append_c(out, ',');
    label(out, "clocksource", probe->id.clocksource);
    g_string_append_c(out, ',');
    label(out, "scaling", cf_scaling_name(probe->scaling));
    g_string_append_c(out, ',');
    label(out, "offset", probe->offset_known ? cf_offset_name(probe->offset)
                                             : "unknown");
    g_string_append_c(out, ',');
    label(out, "clock_guest",
          cf_name_of(&cf_clock_guest_names, probe->clock_guest));
    g_string_append_c(out, ',');
    label(out, "best_rung", probe->rung_known
                            ? cf_rung_name(probe->best_rung) : "unknown");
    g_string_append(out, "} 1\n");
}

static void add_time_metrics(GString *out, const CfHost *probe)
{
    if (!probe->time_known) {
        return;
    }
    value(out, "time_synchronised",
          "1 if a time daemon steers the host's clock.",
          probe->time.synchronised);
    value(out, "time_max_error_seconds",
          "The kernel's bound of the error of the host's clock.",
          (double)probe->time.max_error_ns / 1e9);
    if (probe->time.tai_offset_s) {
        value(out, "tai_offset_seconds", "TAI - UTC.",
              probe->time.tai_offset_s);
    }
}

static void add_levels(GString *out, const CfHost *probe)
{
    Check checks[CHECKS_MAX];
    const size_t n = probe_checks(probe, checks);
    size_t i;

    metric(out, "check_level", "0 passed, 1 warning, 2 failed.");
    for (i = 0; i < n; i++) {
        g_string_append(out, "clockferry_check_level{");
        label(out, "check", checks[i].name);
        g_string_append_printf(out, "} %d\n", checks[i].level);
    }
}

char *probe_to_prometheus(const CfHost *probe)
{
    GString *out = g_string_new(NULL);

    add_info(out, probe);
    if (probe->host_khz) {
        value(out, "tsc_hertz", "Frequency of the host's TSC as KVM knows it.",
              probe->host_khz * 1e3);
    }
    if (probe->tolerance_known) {
        value(out, "tsc_tolerance_ratio",
              "kvm.tsc_tolerance_ppm: within it guests' TSCs aren't scaled.",
              probe->tolerance_ppm / 1e6);
    }
    if (probe->rung_known) {
        value(out, "best_rung", "0 exact, 1 reanchored, 2 closed-loop, "
              "3 realtime, 4 plain.", probe->best_rung);
    }
    add_time_metrics(out, probe);
    add_levels(out, probe);
    if (probe->duration_ns) {
        value(out, "probe_duration_seconds", "How long the probe took.",
              (double)probe->duration_ns / 1e9);
    }
    return g_string_free(out, FALSE);
}

char *probe_to_kubevirt(const CfHost *probe)
{
    const uint64_t hz = (uint64_t)probe->host_khz * 1000;

    if (!hz) {
        return g_strdup("");
    }
    return g_strdup_printf(
        "cpu-timer.node.kubevirt.io/tsc-frequency=%" PRIu64 "\n"
        "cpu-timer.node.kubevirt.io/tsc-scalable=%s\n"
        "scheduling.node.kubevirt.io/tsc-frequency-%" PRIu64 "=true\n",
        hz, probe->scaling == CF_SCALING_WORKS ? "true" : "false", hz);
}
