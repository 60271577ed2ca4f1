/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest's arrivals as a picture: side by side in their order, above each
 * other what is known of each. Lengths of time are on logarithmic scales that
 * have a zero below their least power of ten.
 */
#include <math.h>
#include "cli/svg.h"
#include "text/units.h"
#include "arrivals.h"

#define LEFT 74u
#define TOP 58u
#define PANEL_HEIGHT 120u
#define PANEL_GAP 34u
#define LABELS_HEIGHT 190u
#define LEAST_WIDTH 660u
#define MARGIN 16u

/* Older ones are left out. */
#define MAX_SHOWN 400u
#define ALL_WIDTH 900u
#define LEAST_STEP 3u
#define MOST_STEP 60u
/* Texts need so much. */
#define LINE 14u

/* A figure in ns; false if the arrival has none. */
typedef bool Figure(const LastRestore *restore, int64_t *ret_ns);

typedef struct Panel {
    const char *title;
    Figure *figure;    /* a bar */
    Figure *measured;  /* a dot, or NULL */
} Panel;

/* Scale - a panel's, from 0 at the bottom */
typedef struct Scale {
    guint bottom;  /* in the picture */
    int least;     /* the lowest line above 0 is 10^this ns */
    guint powers;  /* how many lines there are above 0 */
} Scale;

/* Chart - what is shown, and where */
typedef struct Chart {
    const Arrivals *arrivals;
    guint first;  /* the ones before it are left out */
    guint shown;
    guint step;   /* from one to the next */
    guint width;
} Chart;

static bool bound_of(const LastRestore *restore, int64_t *ret_ns)
{
    *ret_ns = restore->bound_ns;
    return restore->bound_known;
}

static bool residual_of(const LastRestore *restore, int64_t *ret_ns)
{
    *ret_ns = restore->residual_ns;
    return restore->residual_known;
}

static bool time_bound_of(const LastRestore *restore, int64_t *ret_ns)
{
    *ret_ns = restore->time_bound_ns;
    return restore->time_known;
}

static bool blackout_of(const LastRestore *restore, int64_t *ret_ns)
{
    *ret_ns = restore->frozen ? 0 : restore->elapsed_ns;
    return true;
}

static const Panel panels[] = {
    { "kvmclock against the TSC: stepped by at most (bar), residual (dot)",
      bound_of, residual_of },
    { "TSC and kvmclock against true time: stepped by at most", time_bound_of,
      NULL },
    { "Blackout that the guest's clocks counted", blackout_of, NULL },
};

#define BOTTOM \
    (TOP + (guint)G_N_ELEMENTS(panels) * (PANEL_HEIGHT + PANEL_GAP))

static const GuestClocks *arrival_at(const Chart *chart, guint i)
{
    return &g_array_index(chart->arrivals, GuestClocks, chart->first + i);
}

static Chart chart_of(const Arrivals *arrivals)
{
    const guint shown = MIN(arrivals->len, MAX_SHOWN);
    const guint step = CLAMP(ALL_WIDTH / shown, LEAST_STEP, MOST_STEP);

    return (Chart) {
        .arrivals = arrivals,
        .first = arrivals->len - shown,
        .shown = shown,
        .step = step,
        .width = MAX(LEFT + shown * step + MARGIN, LEAST_WIDTH),
    };
}

static enum cf_verdict verdict_of(const GuestClocks *arrival)
{
    return *arrival->not_carried ? CF_VERDICT_REFUSE
           : guest_clocks_exact(arrival) ? CF_VERDICT_GO : CF_VERDICT_WARN;
}

static const char *meaning_of(enum cf_verdict verdict)
{
    return verdict == CF_VERDICT_GO ? "exactly"
           : verdict == CF_VERDICT_WARN ? "not exactly" : "not carried";
}

/* The figure of an arrival without its sign; 0 if it has none. */
static uint64_t magnitude(const GuestClocks *arrival, Figure *figure)
{
    int64_t ns;

    return figure && !*arrival->not_carried &&
           figure(&arrival->restore, &ns) ? cf_magnitude(ns) : 0;
}

static void stretch(uint64_t ns, double *least, double *most)
{
    if (ns) {
        *least = MIN(*least, (double)ns);
        *most = MAX(*most, (double)ns);
    }
}

/* Lines at powers of ten, so that all lies between 0 and the last one. */
static Scale scale_of(const Chart *chart, guint number)
{
    const Panel *panel = &panels[number];
    double least = INFINITY, most = 1;
    Scale scale = {
        .bottom = TOP + number * (PANEL_HEIGHT + PANEL_GAP) + PANEL_HEIGHT,
    };
    guint i;

    for (i = 0; i < chart->shown; i++) {
        const GuestClocks *arrival = arrival_at(chart, i);

        stretch(magnitude(arrival, panel->figure), &least, &most);
        stretch(magnitude(arrival, panel->measured), &least, &most);
    }
    scale.least = (int)floor(log10(MIN(least, most)));
    scale.powers = (guint)MAX((int)ceil(log10(most)) - scale.least, 1) + 1;
    return scale;
}

static double height_of(const Scale *scale, uint64_t ns)
{
    const double unit = pow(10, scale->least);
    const double lines = (double)ns < unit
                         ? (double)ns / unit
                         : 1 + log10((double)ns) - scale->least;

    return lines * PANEL_HEIGHT / scale->powers;
}

static guint middle_of(const Chart *chart, guint i)
{
    return LEFT + i * chart->step + chart->step / 2;
}

static void add_line(GString *out, const Chart *chart, double y,
                     const char *label)
{
    g_string_append_printf(
        out, "<path d=\"M%u %.1fH%u\" class=\"r\"/>\n"
        "<text x=\"%u\" y=\"%.1f\" text-anchor=\"end\" class=\"l\" "
        "font-size=\"10\">%s</text>\n", LEFT, y, chart->width - MARGIN,
        LEFT - 6, y + 3, label);
}

static void add_scale(GString *out, const Chart *chart, const Scale *scale)
{
    const guint every = scale->powers * LINE > PANEL_HEIGHT ? 3 : 1;
    guint i;

    add_line(out, chart, scale->bottom, "0");
    for (i = 1; i <= scale->powers; i++) {
        const uint64_t ns = (uint64_t)(pow(10, scale->least + (int)i - 1) + .5);
        g_autofree char *label = cf_time_text(ns);

        if ((scale->least + (int)i - 1) % (int)every == 0) {
            add_line(out, chart, scale->bottom - height_of(scale, ns), label);
        }
    }
}

static void add_bar(GString *out, const Chart *chart, guint i, guint bottom,
                    double height)
{
    const guint width = MAX(chart->step * 6 / 10, 2);

    g_string_append_printf(
        out, "<rect x=\"%u\" y=\"%.1f\" width=\"%u\" height=\"%.1f\" "
        "fill=\"%s\"/>\n", middle_of(chart, i) - width / 2,
        bottom - height, width, height,
        svg_colours[verdict_of(arrival_at(chart, i))]);
}

/* Where there is nothing to be drawn. */
static void add_sign(GString *out, const Chart *chart, guint i, guint bottom,
                     const char *sign)
{
    if (chart->step >= LINE / 2) {
        g_string_append_printf(
            out, "<text x=\"%u\" y=\"%u\" text-anchor=\"middle\" "
            "class=\"l\">%s</text>\n", middle_of(chart, i), bottom - 4, sign);
    }
}

static void add_dot(GString *out, const Chart *chart, guint i, guint bottom,
                    double height)
{
    g_string_append_printf(
        out, "<circle cx=\"%u\" cy=\"%.1f\" r=\"%.1f\" class=\"w\" "
        "stroke=\"#222\"/>\n", middle_of(chart, i),
        bottom - height, CLAMP(chart->step / 6., 1.5, 4));
}

static void add_figures(GString *out, const Chart *chart, const Panel *panel,
                        const Scale *scale, guint i)
{
    const GuestClocks *arrival = arrival_at(chart, i);
    int64_t ns;

    if (*arrival->not_carried) {
        add_bar(out, chart, i, scale->bottom,
                panel->measured ? PANEL_HEIGHT : 0);
        return;
    }
    if (!panel->figure(&arrival->restore, &ns)) {
        add_sign(out, chart, i, scale->bottom, "?");
        return;
    }
    add_bar(out, chart, i, scale->bottom,
            height_of(scale, magnitude(arrival, panel->figure)));
    if (panel->measured && panel->measured(&arrival->restore, &ns)) {
        add_dot(out, chart, i, scale->bottom,
                height_of(scale, magnitude(arrival, panel->measured)));
    }
}

static void add_panel(GString *out, const Chart *chart, guint number)
{
    const Scale scale = scale_of(chart, number);
    guint i;

    g_string_append_printf(
        out, "<text x=\"%u\" y=\"%u\">%s</text>\n", LEFT,
        scale.bottom - PANEL_HEIGHT - 8, panels[number].title);
    add_scale(out, chart, &scale);
    for (i = 0; i < chart->shown; i++) {
        add_figures(out, chart, &panels[number], &scale, i);
    }
}

/* When and where; and over the whole column all that is known. */
static void add_arrival(GString *out, const Chart *chart, guint i)
{
    const GuestClocks *arrival = arrival_at(chart, i);
    const guint every = (LINE + chart->step - 1) / chart->step;
    g_autofree char *time = arrivals_time(arrival);
    g_autofree char *line = arrivals_line(arrival);
    g_autofree char *whole = g_strdup_printf("%s %s", time,
                                             arrival->guest.host);
    g_autofree char *label = svg_shortened(g_strstrip(whole), 34);
    g_autofree char *all = g_markup_printf_escaped(
        "<title>%s %s: %s</title>", time, arrival->guest.host, line);

    if ((chart->shown - 1 - i) % every == 0) {
        g_string_append_printf(
            out, "<text transform=\"translate(%u %u) rotate(-90)\" "
            "text-anchor=\"end\" class=\"l\" font-size=\"10\">%s</text>\n",
            middle_of(chart, i) + 3, BOTTOM - PANEL_GAP + 10, label);
    }
    g_string_append_printf(
        out, "<rect x=\"%u\" y=\"%u\" width=\"%u\" height=\"%u\" "
        "fill-opacity=\"0\">%s</rect>\n", LEFT + i * chart->step, TOP,
        chart->step, BOTTOM - TOP, all);
}

static guint count(const Chart *chart, enum cf_verdict verdict)
{
    guint n = 0, i;

    for (i = 0; i < chart->shown; i++) {
        n += verdict_of(arrival_at(chart, i)) == verdict;
    }
    return n;
}

static void add_legend(GString *out, const Chart *chart)
{
    static const enum cf_verdict verdicts[] = {
        CF_VERDICT_GO, CF_VERDICT_WARN, CF_VERDICT_REFUSE,
    };
    guint i;

    for (i = 0; i < G_N_ELEMENTS(verdicts); i++) {
        const guint x = chart->width - 330 + i * 110;

        g_string_append_printf(
            out, "<rect x=\"%u\" y=\"10\" width=\"12\" height=\"12\" "
            "fill=\"%s\"/>\n<text x=\"%u\" y=\"21\">%u %s</text>\n", x,
            svg_colours[verdicts[i]], x + 18, count(chart, verdicts[i]),
            meaning_of(verdicts[i]));
    }
}

static char *heading(const Chart *chart)
{
    const char *name = arrival_at(chart, 0)->name;

    return chart->first
           ? g_strdup_printf("%s: the last %u of %u arrivals",
                             *name ? name : "a guest", chart->shown,
                             chart->arrivals->len)
           : g_strdup_printf("%s: %u arrival%s", *name ? name : "a guest",
                             chart->shown, chart->shown == 1 ? "" : "s");
}

char *arrivals_to_svg(const Arrivals *arrivals)
{
    const Chart chart = chart_of(arrivals);
    g_autofree char *title = heading(&chart);
    g_autofree char *shown = svg_shortened(title, 40);
    GString *out = svg_begin(
        chart.width, BOTTOM - PANEL_GAP + LABELS_HEIGHT, title,
        "How the guest's clocks arrived each time that it was moved.");
    guint i;

    g_string_append_printf(
        out, "<text x=\"%u\" y=\"21\" font-size=\"14\">%s</text>\n", MARGIN,
        shown);
    add_legend(out, &chart);
    for (i = 0; i < G_N_ELEMENTS(panels); i++) {
        add_panel(out, &chart, i);
    }
    for (i = 0; i < chart.shown; i++) {
        add_arrival(out, &chart, i);
    }
    return svg_end(out);
}
