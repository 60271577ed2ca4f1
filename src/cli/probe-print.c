/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A host's facts as text for people, Prometheus, KubeVirt and NFD. */
#include <inttypes.h>
#include <clockferry/state.h>
#include "kvm/calls.h"
#include "text/names.h"
#include "text/units.h"
#include "probe.h"
#include "prometheus.h"
#include "screen.h"

static const char *or_unknown(const char *text)
{
    return *text ? text : "unknown";
}

static const char *on_or_off(CfAnswer answer)
{
    return answer == CF_ANSWER_YES ? "on"
           : answer == CF_ANSWER_NO ? "off" : "unknown";
}

static void add_scaling(Screen *screen, const CfHost *host)
{
    GString *text = g_string_new(cf_scaling_name(host->scaling));

    if (host->scaling == CF_SCALING_WORKS && host->frac_bits) {
        g_string_append_printf(text, ", %u fraction bits", host->frac_bits);
    }
    if (host->scaling == CF_SCALING_WORKS && host->tolerance_ppm) {
        g_string_append_printf(text, ", but not within %u ppm of the host's "
                               "frequency", host->tolerance_ppm);
    }
    screen_fact(screen, "TSC scaling", "%s", text->str);
    g_string_free(text, TRUE);
}

static void add_tsc(Screen *screen, const CfHost *host)
{
    screen_known(screen, "TSC frequency", host->host_khz, "%u kHz",
                 host->host_khz);
    add_scaling(screen, host);
    screen_known(screen, "TSC offset", host->offset_known, "%s",
                 cf_offset_name(host->offset));
}

static const char *const styles[] = {
    [CF_CLOCK_GUEST_STYLE_UNKNOWN] = "",
    [CF_CLOCK_GUEST_STYLE_V6] = ", as in version 6 of the series",
    [CF_CLOCK_GUEST_STYLE_CAPABILITY] = ", with a capability",
};

static void add_time(Screen *screen, const CfHost *host)
{
    const CfHostTime *time = &host->time;
    g_autofree char *error = cf_time_text(time->max_error_ns);

    screen_known(screen, "Real time", host->time_known,
                 "%s, error up to %s",
                 time->synchronised ? "synchronised" : "not synchronised",
                 error);
    if (host->time_known) {
        screen_known(screen, "TAI - UTC", time->tai_offset_s, "%d s",
                     time->tai_offset_s);
    }
}

static const char *const counter_offsets[] = {
    [CF_COUNTER_OFFSET_UNKNOWN] = "",
    [CF_COUNTER_OFFSET_NONE] = ", can't be set",
    [CF_COUNTER_OFFSET_IOCTL] = ", by KVM_ARM_SET_COUNTER_OFFSET",
    [CF_COUNTER_OFFSET_REGISTER] = ", by setting the counter itself",
};

/* All that there is to tell of a host without TSC and kvmclock. */
static void add_counter(Screen *screen, const CfHost *host)
{
    screen_fact(screen, "Architecture", "%s",
                cf_name_of(&cf_architecture_names, host->architecture));
    screen_known(screen, "Counter", host->counter_hz, "%u Hz",
                 host->counter_hz);
    screen_known(screen, "Counter offset", host->offset_known, "%s%s",
                 cf_offset_name(host->offset),
                 counter_offsets[host->counter_offset]);
    screen_fact(screen, "Clocksource", "%s", or_unknown(host->id.clocksource));
    add_time(screen, host);
}

static void add_facts(Screen *screen, const CfHost *host)
{
    screen_fact(screen, "Host", "%s, Linux %s", or_unknown(host->id.name),
                or_unknown(host->id.kernel));
    if (cf_host_has_counter(host)) {
        add_counter(screen, host);
        return;
    }
    add_tsc(screen, host);
    screen_fact(screen, "Clocksource", "%s", or_unknown(host->id.clocksource));
    screen_fact(screen, "Master clock", "%s", on_or_off(host->master_clock));
    screen_fact(screen, "CLOCK_GUEST", "%s%s",
                cf_name_of(&cf_clock_guest_names, host->clock_guest),
                styles[host->clock_guest_style]);
    add_time(screen, host);
    screen_known(screen, "Best rung", host->rung_known, "%s",
                 cf_rung_name(host->best_rung));
}

char *probe_to_text(const CfHost *host, const char *output)
{
    Screen screen = screen_begin(output);
    Check checks[CHECKS_MAX];
    const size_t n = probe_checks(host, checks);
    size_t i;

    add_facts(&screen, host);
    screen_add(&screen, "\n");
    for (i = 0; i < n; i++) {
        screen_finding(&screen, checks[i].level, checks[i].text,
                       checks[i].cure);
    }
    return screen_end(&screen);
}

static void add_labels(GString *out, const char *const (*labels)[2], size_t n)
{
    size_t i;

    g_string_append(out, "clockferry_host_info");
    for (i = 0; i < n; i++) {
        g_string_append_c(out, i ? ',' : '{');
        prometheus_label(out, labels[i][0], labels[i][1]);
    }
    g_string_append(out, "} 1\n");
}

static void add_counter_info(GString *out, const CfHost *host)
{
    const char *const labels[][2] = {
        { "kernel", host->id.kernel },
        { "clocksource", host->id.clocksource },
        { "architecture", cf_name_of(&cf_architecture_names,
                                     host->architecture) },
        { "offset", host->offset_known ? cf_offset_name(host->offset)
                                       : "unknown" },
        { "counter_offset", cf_name_of(&cf_counter_offset_names,
                                       host->counter_offset) },
    };

    add_labels(out, labels, G_N_ELEMENTS(labels));
}

static void add_tsc_info(GString *out, const CfHost *host)
{
    const char *const labels[][2] = {
        { "kernel", host->id.kernel },
        { "clocksource", host->id.clocksource },
        { "scaling", cf_scaling_name(host->scaling) },
        { "offset", host->offset_known ? cf_offset_name(host->offset)
                                       : "unknown" },
        { "clock_guest", cf_name_of(&cf_clock_guest_names,
                                    host->clock_guest) },
        { "best_rung", host->rung_known ? cf_rung_name(host->best_rung)
                                        : "unknown" },
    };

    add_labels(out, labels, G_N_ELEMENTS(labels));
}

static void add_time_metrics(GString *out, const CfHost *host)
{
    if (!host->time_known) {
        return;
    }
    prometheus_value(out, "time_synchronised",
                     "1 if a time daemon steers the host's clock.",
                     host->time.synchronised);
    prometheus_value(out, "time_max_error_seconds",
                     "The kernel's bound of the error of the host's clock.",
                     (double)host->time.max_error_ns / 1e9);
    if (host->time.tai_offset_s) {
        prometheus_value(out, "tai_offset_seconds", "TAI - UTC.",
                         host->time.tai_offset_s);
    }
}

static void add_levels(GString *out, const CfHost *host)
{
    Check checks[CHECKS_MAX];
    const size_t n = probe_checks(host, checks);
    size_t i;

    prometheus_metric(out, "check_level", "0 passed, 1 warning, 2 failed.");
    for (i = 0; i < n; i++) {
        g_string_append(out, "clockferry_check_level{");
        prometheus_label(out, "check", checks[i].name);
        g_string_append_printf(out, "} %d\n", checks[i].level);
    }
}

static void add_probe(GString *out, bool success, double time_s)
{
    prometheus_value(out, "probe_success", "1 if the host could be probed.",
                     success);
    if (time_s > 0) {
        prometheus_value(out, "probe_time_seconds",
                         "When that was, since the epoch.", time_s);
    }
}

char *probe_to_prometheus(const CfHost *host)
{
    GString *out = g_string_new(NULL);

    if (!host) {
        add_probe(out, false, (double)g_get_real_time() / G_USEC_PER_SEC);
        return g_string_free(out, FALSE);
    }
    add_probe(out, true, host->instant_known
                         ? (double)host->instant.realtime_ns / 1e9 : 0);
    prometheus_metric(out, "host_info", "What this host is; always 1.");
    if (cf_host_has_counter(host)) {
        add_counter_info(out, host);
    } else {
        add_tsc_info(out, host);
    }
    if (host->host_khz) {
        prometheus_value(out, "tsc_hertz",
                         "Frequency of the host's TSC as KVM knows it.",
                         host->host_khz * 1e3);
    }
    if (host->counter_hz) {
        prometheus_value(out, "counter_hertz",
                         "Frequency of the host's counter.", host->counter_hz);
    }
    if (host->tolerance_known) {
        prometheus_value(out, "tsc_tolerance_ratio",
                         "kvm.tsc_tolerance_ppm: within it guests' TSCs aren't "
                         "scaled.", host->tolerance_ppm / 1e6);
    }
    if (host->rung_known) {
        prometheus_value(out, "best_rung", "0 exact, 1 reanchored, "
                         "2 closed-loop, 3 realtime, 4 plain.",
                         host->best_rung);
    }
    add_time_metrics(out, host);
    add_levels(out, host);
    if (host->duration_ns) {
        prometheus_value(out, "probe_duration_seconds",
                         "How long the probe took.",
                         (double)host->duration_ns / 1e9);
    }
    return g_string_free(out, FALSE);
}

char *probe_to_kubevirt(const CfHost *host)
{
    const uint64_t hz = (uint64_t)host->host_khz * 1000;

    if (!hz) {
        return g_strdup("");
    }
    return g_strdup_printf(
        "cpu-timer.node.kubevirt.io/tsc-frequency=%" PRIu64 "\n"
        "cpu-timer.node.kubevirt.io/tsc-scalable=%s\n"
        "scheduling.node.kubevirt.io/tsc-frequency-%" PRIu64 "=true\n",
        hz, host->scaling == CF_SCALING_WORKS ? "true" : "false", hz);
}

/* What isn't known has no line, and so no label. */
static void add_feature(GString *out, const char *name, bool known,
                        const char *value)
{
    if (known) {
        g_string_append_printf(out, "clockferry.%s=%s\n", name, value);
    }
}

static bool can_take_guests(const CfHost *host)
{
    Check checks[CHECKS_MAX];
    const size_t n = probe_checks(host, checks);
    size_t i;

    for (i = 0; i < n; i++) {
        if (checks[i].level == LEVEL_FAIL) {
            return false;
        }
    }
    return true;
}

static void add_counter_features(GString *out, const CfHost *host)
{
    g_autofree char *hz = g_strdup_printf("%u", host->counter_hz);

    add_feature(out, "counter-hz", host->counter_hz, hz);
    add_feature(out, "counter-offset", host->offset_known,
                cf_offset_name(host->offset));
}

static void add_tsc_features(GString *out, const CfHost *host)
{
    g_autofree char *khz = g_strdup_printf("%u", host->host_khz);

    add_feature(out, "tsc-khz", host->host_khz, khz);
    add_feature(out, "tsc-scaling", true, cf_scaling_name(host->scaling));
    add_feature(out, "tsc-offset", host->offset_known,
                cf_offset_name(host->offset));
    add_feature(out, "best-rung", host->rung_known,
                cf_rung_name(host->best_rung));
}

char *probe_to_nfd(const CfHost *host)
{
    GString *out = g_string_new(NULL);

    if (!host) {
        add_feature(out, "takes-guests", true, "false");
        return g_string_free(out, FALSE);
    }
    if (cf_host_has_counter(host)) {
        add_counter_features(out, host);
    } else {
        add_tsc_features(out, host);
    }
    add_feature(out, "time-synchronised", host->time_known,
                host->time.synchronised ? "true" : "false");
    add_feature(out, "takes-guests", true,
                can_take_guests(host) ? "true" : "false");
    return g_string_free(out, FALSE);
}
