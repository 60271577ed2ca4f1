/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A pool as a picture: a square for each pair of kinds. */
#include <string.h>
#include "matrix.h"

/* More kinds than this are drawn in blocks, each as its worst verdict. */
#define MAX_CELLS 400u

/* Up to this many have names and larger squares. */
#define MAX_NAMED 60u

#define NAME_WIDTH 220
#define LEGEND_HEIGHT 40

/* Distinct, and of different lightness for people who don't see all colours. */
static const char *const colours[] = {
    [CF_VERDICT_GO] = "#3fa7a0",
    [CF_VERDICT_REPORT] = "#f2d56b",
    [CF_VERDICT_WARN] = "#e88b4a",
    [CF_VERDICT_REFUSE] = "#8c2f4d",
};

#define BLANK "#e0e0e0"

/* Plan - how a picture is laid out */
typedef struct Plan {
    guint kinds;    /* how many kinds of hosts */
    guint cells;    /* how many squares in a row */
    guint size;     /* of a square */
    guint left;     /* where they begin */
    guint top;      /* where they begin */
} Plan;

static Plan plan_of(const Pool *pool)
{
    const bool named = pool->kinds->len <= MAX_NAMED;

    return (Plan) {
        .kinds = pool->kinds->len,
        .cells = MIN(pool->kinds->len, MAX_CELLS),
        .size = named ? 18 : 2,
        .left = named ? NAME_WIDTH : 10,
        .top = named ? NAME_WIDTH : 10,
    };
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
    return blank ? BLANK : colours[worst];
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

/* Long names lose their end. */
static char *short_name(const Pool *pool, guint kind)
{
    g_autofree char *name = matrix_kind_name(pool, kind);
    g_autofree char *start = NULL;

    if (g_utf8_strlen(name, -1) <= 30) {
        return g_markup_escape_text(name, -1);
    }
    start = g_utf8_substring(name, 0, 29);
    return g_markup_printf_escaped("%s\xe2\x80\xa6", start);
}

static void add_names(GString *out, const Pool *pool, const Plan *plan)
{
    guint i;

    for (i = 0; i < plan->kinds && plan->kinds <= MAX_NAMED; i++) {
        g_autofree char *name = short_name(pool, i);
        const guint middle = i * plan->size + plan->size / 2 + 4;

        g_string_append_printf(
            out, "<text x=\"%u\" y=\"%u\" text-anchor=\"end\">%s</text>\n"
            "<text transform=\"translate(%u %u) rotate(-90)\">%s</text>\n",
            plan->left - 6, plan->top + middle, name, plan->left + middle,
            plan->top - 6, name);
    }
}

/* Lines between the squares, where these are large enough. */
static void add_grid(GString *out, const Plan *plan)
{
    const guint side = plan->cells * plan->size;
    guint i;

    for (i = 0; i <= plan->cells && plan->kinds <= MAX_NAMED; i++) {
        g_string_append_printf(
            out, "<path d=\"M%u %uv%uM%u %uh%u\" stroke=\"#fff\"/>\n",
            plan->left + i * plan->size, plan->top, side, plan->left,
            plan->top + i * plan->size, side);
    }
}

static void add_legend(GString *out, const Plan *plan)
{
    const guint y = plan->top + plan->cells * plan->size + 14;
    guint i;

    for (i = 0; i < G_N_ELEMENTS(colours); i++) {
        const guint x = 10 + i * 130;

        g_string_append_printf(
            out, "<rect x=\"%u\" y=\"%u\" width=\"12\" height=\"12\" "
            "fill=\"%s\"/>\n<text x=\"%u\" y=\"%u\">%s</text>\n", x, y,
            colours[i], x + 18, y + 11, matrix_meaning(i));
    }
}

char *matrix_to_svg(const Pool *pool)
{
    GString *out = g_string_new(NULL);
    const Plan plan = plan_of(pool);
    const guint side = plan.cells * plan.size;
    guint row;

    g_string_append_printf(
        out, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%u\" "
        "height=\"%u\" font-family=\"sans-serif\" font-size=\"12\">\n"
        "<title>Which host can take whose guests</title>\n"
        "<desc>A row for the host that a guest is on, a column for the host "
        "that it goes to.</desc>\n"
        "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
        MAX(plan.left + side + 10, 520), plan.top + side + LEGEND_HEIGHT);
    for (row = 0; row < plan.cells; row++) {
        add_row(out, pool, &plan, row);
    }
    add_grid(out, &plan);
    add_names(out, pool, &plan);
    add_legend(out, &plan);
    g_string_append(out, "</svg>\n");
    return g_string_free(out, FALSE);
}
