/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A pool as a picture: a square for each pair of kinds; beside each row what
 * kind it is, how many hosts are of it, and what spoils it.
 */
#include <string.h>
#include "cli/svg.h"
#include "kvm/calls.h"
#include "text/names.h"
#include "matrix.h"

/* More kinds than this are drawn in blocks, each as its worst verdict. */
#define MAX_CELLS 400u

/* Up to this many have names, and squares with a sign in them. */
#define MAX_NAMED 60u

#define NAMED_SIZE 30u
#define NAME_WIDTH 240u
#define NAME_HEIGHT 190u
#define MARGIN 10u
/* Right of the squares: a bar for the number of hosts, and a sentence. */
#define BAR_WIDTH 100u
#define SIDE_WIDTH 640u
#define LEGEND_HEIGHT 44u
/* Without names the squares fill this, if they are few enough. */
#define UNNAMED_SIDE 800u

#define BLANK "#e0e0e0"

/* Plan - how a picture is laid out */
typedef struct Plan {
    guint kinds;    /* how many kinds of hosts */
    bool named;     /* there is room for names */
    guint cells;    /* how many squares in a row */
    guint size;     /* of a square */
    guint left;     /* where they begin, */
    guint top;
    guint right;    /* and end */
    guint bottom;
} Plan;

static Plan plan_of(const Pool *pool)
{
    const guint kinds = pool->kinds->len;
    const guint cells = MIN(kinds, MAX_CELLS);
    const bool named = kinds <= MAX_NAMED;
    Plan plan = {
        .kinds = kinds,
        .named = named,
        .cells = cells,
        .size = named ? NAMED_SIZE : UNNAMED_SIDE / cells,
        .left = named ? NAME_WIDTH : 2 * MARGIN + 10,
        .top = named ? NAME_HEIGHT : 2 * MARGIN + 10,
    };

    plan.right = plan.left + cells * plan.size;
    plan.bottom = plan.top + cells * plan.size;
    return plan;
}

/* The kinds that a square stands for: from @first up to, not with, @end. */
static void kinds_of_cell(const Plan *plan, guint cell, guint *first,
                          guint *end)
{
    *first = (guint)((guint64)cell * plan->kinds / plan->cells);
    *end = (guint)((guint64)(cell + 1) * plan->kinds / plan->cells);
}

/* The worst verdict of a square; blank for a single host with itself. */
static const char *colour_of(const Pool *pool, const Plan *plan, guint row,
                             guint column)
{
    guint from, from_end, to, to_end, i, j;
    enum cf_verdict worst = CF_VERDICT_GO;
    bool blank = true;

    kinds_of_cell(plan, row, &from, &from_end);
    kinds_of_cell(plan, column, &to, &to_end);
    for (i = from; i < from_end; i++) {
        for (j = to; j < to_end; j++) {
            if (i != j || pool_kind(pool, i)->members->len > 1) {
                worst = MAX(worst, pool_kind_verdict(pool, i, j));
                blank = false;
            }
        }
    }
    return blank ? BLANK : svg_colours[worst];
}

/* Equal squares side by side become one rectangle. */
static void add_row(GString *out, const Pool *pool, const Plan *plan,
                    guint row)
{
    guint start = 0, column;

    for (column = 1; column <= plan->cells; column++) {
        const char *colour = colour_of(pool, plan, row, start);

        if (column < plan->cells &&
            !strcmp(colour, colour_of(pool, plan, row, column))) {
            continue;
        }
        g_string_append_printf(
            out, "<rect x=\"%u\" y=\"%u\" width=\"%u\" height=\"%u\" "
            "fill=\"%s\"/>\n", plan->left + start * plan->size,
            plan->top + row * plan->size, (column - start) * plan->size,
            plan->size, colour);
        start = column;
    }
}

static const char *offset_text(const CfHost *host)
{
    return !host->offset_known || host->offset == CF_OFFSET_STICKS ? ""
           : host->offset == CF_OFFSET_IGNORED ? ", ignores offsets"
           : ", unstable";
}

/* Hosts of one kind that scale may well have several. */
static char *khz_text(const Pool *pool, const Kind *kind)
{
    uint32_t least = UINT32_MAX, most = 0;
    guint i;

    for (i = 0; i < kind->members->len; i++) {
        const guint host = g_array_index(kind->members, guint, i);

        least = MIN(least, pool->hosts[host].facts.host_khz);
        most = MAX(most, pool->hosts[host].facts.host_khz);
    }
    return !least ? g_strdup("frequency unknown")
           : least == most ? g_strdup_printf("%u kHz", least)
           : g_strdup_printf("%u to %u kHz", least, most);
}

/* Hosts that refuse each other's guests may well be of one kind. */
static bool counters_differ(const Pool *pool, const Kind *kind)
{
    const CfHost *first = &pool->hosts[kind_host(kind)].facts;
    guint i;

    for (i = 1; i < kind->members->len; i++) {
        const CfHost *host =
            &pool->hosts[g_array_index(kind->members, guint, i)].facts;

        if (host->architecture != first->architecture ||
            host->counter_hz != first->counter_hz) {
            return true;
        }
    }
    return false;
}

static char *counter_text(const Pool *pool, const Kind *kind)
{
    const CfHost *host = &pool->hosts[kind_host(kind)].facts;
    const char *name = cf_name_of(&cf_architecture_names, host->architecture);

    return counters_differ(pool, kind)
           ? g_strdup("counters or architectures differ")
           : !host->counter_hz
           ? g_strdup_printf("%s, frequency unknown%s", name, offset_text(host))
           : g_strdup_printf("%s, %u Hz%s", name, host->counter_hz,
                             offset_text(host));
}

/* What a kind's hosts are, under their name. */
static char *facts_text(const Pool *pool, const Kind *kind)
{
    const CfHost *host = &pool->hosts[kind_host(kind)].facts;
    g_autofree char *khz = NULL;

    if (cf_host_has_counter(host) || counters_differ(pool, kind)) {
        return counter_text(pool, kind);
    }
    khz = khz_text(pool, kind);
    return g_strdup_printf("%s, %s%s", khz,
                           host->scaling == CF_SCALING_WORKS ? "scales"
                           : "can't scale", offset_text(host));
}

static void add_row_name(GString *out, const Pool *pool, const Plan *plan,
                         guint kind)
{
    g_autofree char *whole = matrix_kind_name(pool, kind);
    g_autofree char *name = svg_shortened(whole, 32);
    g_autofree char *facts = facts_text(pool, pool_kind(pool, kind));
    const guint x = plan->left - 8;
    const guint y = plan->top + kind * plan->size;

    g_string_append_printf(
        out, "<text x=\"%u\" y=\"%u\" text-anchor=\"end\">%s</text>\n"
        "<text x=\"%u\" y=\"%u\" text-anchor=\"end\" class=\"l\" "
        "font-size=\"10\">%s</text>\n", x, y + 13, name, x, y + 25, facts);
}

static void add_column_name(GString *out, const Pool *pool, const Plan *plan,
                            guint kind)
{
    g_autofree char *whole = matrix_kind_name(pool, kind);
    g_autofree char *name = svg_shortened(whole, 24);

    g_string_append_printf(
        out, "<text transform=\"translate(%u %u) rotate(-90)\">%s</text>\n",
        plan->left + kind * plan->size + plan->size / 2 + 4, plan->top - 8,
        name);
}

static guint largest_kind(const Pool *pool)
{
    guint largest = 1, i;

    for (i = 0; i < pool->kinds->len; i++) {
        largest = MAX(largest, pool_kind(pool, i)->members->len);
    }
    return largest;
}

/* A bar as long as the kind is large. */
static void add_size(GString *out, const Pool *pool, const Plan *plan,
                     guint kind, guint largest)
{
    const guint n = pool_kind(pool, kind)->members->len;
    const guint x = plan->right + MARGIN;
    const guint y = plan->top + kind * plan->size;

    g_string_append_printf(
        out, "<rect x=\"%u\" y=\"%u\" width=\"%u\" height=\"14\" "
        "class=\"n\"/>\n<text x=\"%u\" y=\"%u\">%u</text>\n", x, y + 8,
        MAX(1, (guint)((guint64)BAR_WIDTH * n / largest)),
        x + BAR_WIDTH + MARGIN, y + 19, n);
}

static void add_spoilers(GString *out, const Pool *pool, const Plan *plan)
{
    g_autoptr(GArray) spoilers = pool_spoilers(pool);
    guint i;

    for (i = 0; i < spoilers->len; i++) {
        const Spoiler *spoiler = &g_array_index(spoilers, Spoiler, i);
        g_autofree char *whole = matrix_spoiler_text(pool, spoiler);
        g_autofree char *text = svg_shortened(whole, 80);
        g_autofree char *all = g_markup_escape_text(whole, -1);

        g_string_append_printf(
            out, "<text x=\"%u\" y=\"%u\" class=\"l\" font-size=\"11\">"
            "<title>%s</title>%s</text>\n",
            plan->right + BAR_WIDTH + 60,
            plan->top + spoiler->kind * plan->size + 19, all, text);
    }
}

/* Which way to read it. */
static void add_axes(GString *out, const Plan *plan)
{
    if (!plan->named) {
        g_string_append_printf(
            out, "<text x=\"%u\" y=\"%u\">to \xe2\x86\x92</text>\n"
            "<text transform=\"translate(%u %u) rotate(90)\">"
            "from \xe2\x86\x92</text>\n", plan->left, plan->top - 8,
            plan->left - 14, plan->top);
        return;
    }
    g_string_append_printf(
        out, "<text x=\"%u\" y=\"%u\" text-anchor=\"middle\" "
        "class=\"l\">a guest goes to \xe2\x86\x92</text>\n"
        "<text x=\"%u\" y=\"%u\" class=\"l\">a guest is on "
        "\xe2\x86\x93</text>\n"
        "<text x=\"%u\" y=\"%u\" class=\"l\">hosts</text>\n",
        plan->left - 70, plan->top - 60, MARGIN, plan->top - 8,
        plan->right + MARGIN, plan->top - 8);
}

static void add_names(GString *out, const Pool *pool, const Plan *plan)
{
    const guint largest = largest_kind(pool);
    guint i;

    for (i = 0; i < plan->kinds; i++) {
        add_row_name(out, pool, plan, i);
        add_column_name(out, pool, plan, i);
        add_size(out, pool, plan, i, largest);
    }
    add_spoilers(out, pool, plan);
}

/* For those to whom the colours look alike. */
static void add_sign(GString *out, const Pool *pool, const Plan *plan,
                     guint row, guint column)
{
    const enum cf_verdict verdict = pool_kind_verdict(pool, row, column);
    const bool dark = verdict == CF_VERDICT_REFUSE;

    if (row == column && pool_kind(pool, row)->members->len == 1) {
        return;
    }
    g_string_append_printf(
        out, "<text x=\"%u\" y=\"%u\" text-anchor=\"middle\" class=\"%s\">"
        "%c</text>\n", plan->left + column * plan->size + plan->size / 2,
        plan->top + row * plan->size + plan->size / 2 + 4, dark ? "w" : "d",
        matrix_sign(verdict));
}

static void add_signs(GString *out, const Pool *pool, const Plan *plan)
{
    guint row, column;

    for (row = 0; row < plan->kinds; row++) {
        for (column = 0; column < plan->kinds; column++) {
            add_sign(out, pool, plan, row, column);
        }
    }
}

/* Lines between the squares. */
static void add_grid(GString *out, const Plan *plan)
{
    guint i;

    for (i = 0; i <= plan->cells; i++) {
        g_string_append_printf(
            out, "<path d=\"M%u %uV%uM%u %uH%u\" class=\"g\"/>\n",
            plan->left + i * plan->size, plan->top, plan->bottom, plan->left,
            plan->top + i * plan->size, plan->right);
    }
}

static void add_legend(GString *out, const Plan *plan)
{
    const guint y = plan->bottom + 14;
    guint i;

    for (i = 0; i < G_N_ELEMENTS(svg_colours); i++) {
        const guint x = MARGIN + i * 130;

        g_string_append_printf(
            out, "<rect x=\"%u\" y=\"%u\" width=\"12\" height=\"12\" "
            "fill=\"%s\"/>\n<text x=\"%u\" y=\"%u\">%c %s</text>\n", x, y,
            svg_colours[i], x + 18, y + 11, matrix_sign(i), matrix_meaning(i));
    }
}

static guint width_of(const Plan *plan)
{
    return MAX(plan->right + MARGIN + (plan->named ? SIDE_WIDTH : 0), 540);
}

char *matrix_to_svg(const Pool *pool)
{
    const Plan plan = plan_of(pool);
    GString *out = svg_begin(
        width_of(&plan), plan.bottom + LEGEND_HEIGHT,
        "Which host can take whose guests",
        "A row for the host that a guest is on, a column for the host that it "
        "goes to.");
    guint row;

    for (row = 0; row < plan.cells; row++) {
        add_row(out, pool, &plan, row);
    }
    if (plan.named) {
        add_grid(out, &plan);
        add_signs(out, pool, &plan);
        add_names(out, pool, &plan);
    }
    add_axes(out, &plan);
    add_legend(out, &plan);
    return svg_end(out);
}
