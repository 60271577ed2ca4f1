/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A pool for people: a table, groups, spoilers, a frequency. */
#include <inttypes.h>
#include <string.h>
#include "matrix.h"

/* What people can look through. */
#define MAX_TABLE 40u
#define MAX_NAMES 12u
#define MAX_SPOILERS 20u

char matrix_sign(enum cf_verdict verdict)
{
    static const char signs[] = {
        [CF_VERDICT_GO] = '+',
        [CF_VERDICT_REPORT] = '~',
        [CF_VERDICT_WARN] = '!',
        [CF_VERDICT_REFUSE] = '-',
    };

    return signs[verdict];
}

const char *matrix_meaning(enum cf_verdict verdict)
{
    static const char *const meanings[] = {
        [CF_VERDICT_GO] = "go",
        [CF_VERDICT_REPORT] = "not exactly",
        [CF_VERDICT_WARN] = "with a warning",
        [CF_VERDICT_REFUSE] = "refused",
    };

    return meanings[verdict];
}

char *matrix_kind_name(const Pool *pool, guint kind)
{
    const Kind *k = pool_kind(pool, kind);
    const char *name = pool->hosts[kind_host(k)].name;

    return k->members->len == 1
           ? g_strdup(name)
           : g_strdup_printf("%s and %u like it", name, k->members->len - 1);
}

char *matrix_spoiler_text(const Pool *pool, const Spoiler *spoiler)
{
    g_autofree char *text = cf_check_text(&spoiler->check, spoiler->finding);
    const char *other = pool->hosts[spoiler->toward].name;
    const char *result = spoiler->check.verdict == CF_VERDICT_REFUSE
                         ? "are refused" : "don't keep their clocks exactly";

    return spoiler->arriving
           ? g_strdup_printf("guests from %s %s: %s", other, result, text)
           : g_strdup_printf("its guests %s on %s: %s", result, other, text);
}

char *matrix_spoiler_cure(const Spoiler *spoiler)
{
    return cf_check_cure(&spoiler->check, spoiler->finding);
}

char *matrix_frequency_text(const Pool *pool)
{
    const CommonFrequency common = pool_common_frequency(pool);

    if (!common.khz) {
        return NULL;
    }
    return g_strdup_printf("%u kHz, exact on %u of %u hosts", common.khz,
                           common.n_exact, pool->n);
}

static void add_cell(GString *out, enum cf_verdict verdict, bool colour)
{
    static const char *const colours[] = {
        [CF_VERDICT_GO] = "\033[32m",
        [CF_VERDICT_REPORT] = "\033[33m",
        [CF_VERDICT_WARN] = "\033[35m",
        [CF_VERDICT_REFUSE] = "\033[31m",
    };

    g_string_append_printf(out, "  %s%c%s", colour ? colours[verdict] : "",
                           matrix_sign(verdict), colour ? "\033[0m" : "");
}

static glong widest_name(const Pool *pool)
{
    glong widest = 0;
    guint i;

    for (i = 0; i < pool->kinds->len; i++) {
        g_autofree char *name = matrix_kind_name(pool, i);

        widest = MAX(widest, g_utf8_strlen(name, -1));
    }
    return widest;
}

static void add_row(GString *out, const Pool *pool, guint row, glong width,
                    bool colour)
{
    g_autofree char *name = matrix_kind_name(pool, row);
    const glong gap = width - g_utf8_strlen(name, -1);
    guint column;

    g_string_append_printf(out, "%3u %s%*s", row + 1, name, (int)gap, "");
    for (column = 0; column < pool->kinds->len; column++) {
        if (row == column && pool_kind(pool, row)->members->len == 1) {
            g_string_append(out, "  .");
        } else {
            add_cell(out, pool_kind_verdict(pool, row, column), colour);
        }
    }
    g_string_append_c(out, '\n');
}

/* How many kinds a table can have; a line that is folded can't be read. */
static guint table_room(glong width, guint columns)
{
    const guint head = (guint)width + 4;

    return !columns ? MAX_TABLE
           : columns <= head ? 0 : MIN((columns - head) / 3, MAX_TABLE);
}

static void add_table(GString *out, const Pool *pool, bool colour,
                      guint columns)
{
    const glong width = widest_name(pool);
    guint i;

    if (pool->kinds->len > table_room(width, columns)) {
        g_string_append_printf(out, "%u kinds of hosts are too many for a "
                               "table here; --html shows it.\n\n",
                               pool->kinds->len);
        return;
    }
    g_string_append_printf(out, "%-*s", (int)width + 4, "Guests of, to");
    for (i = 0; i < pool->kinds->len; i++) {
        g_string_append_printf(out, "%3u", i + 1);
    }
    g_string_append_c(out, '\n');
    for (i = 0; i < pool->kinds->len; i++) {
        add_row(out, pool, i, width, colour);
    }
    g_string_append_c(out, '\n');
}

static void add_counts(GString *out, const Pool *pool)
{
    const guint64 pairs = (guint64)pool->n * (pool->n - 1);
    guint i;

    g_string_append_printf(out, "%u host%s, %u kind%s, %" PRIu64 " moves:",
                           pool->n, pool->n == 1 ? "" : "s", pool->kinds->len,
                           pool->kinds->len == 1 ? "" : "s", pairs);
    for (i = 0; i < G_N_ELEMENTS(pool->counts); i++) {
        if (pool->counts[i]) {
            g_string_append_printf(out, "  %c %s %" PRIu64, matrix_sign(i),
                                   matrix_meaning(i), pool->counts[i]);
        }
    }
    g_string_append(out, "\n\n");
}

static void add_names(GString *out, const Pool *pool, const Group *group)
{
    guint shown = 0;
    guint i, j;

    for (i = 0; i < group->kinds->len; i++) {
        const Kind *kind = pool_kind(pool, g_array_index(group->kinds, guint,
                                                         i));

        for (j = 0; j < kind->members->len && shown < MAX_NAMES; j++) {
            const guint host = g_array_index(kind->members, guint, j);

            g_string_append_printf(out, "%s%s", shown++ ? ", " : " ",
                                   pool->hosts[host].name);
        }
    }
    if (group->n_hosts > shown) {
        g_string_append_printf(out, " and %u more", group->n_hosts - shown);
    }
    g_string_append_c(out, '\n');
}

static void add_groups(GString *out, const Pool *pool)
{
    guint i;

    if (!pool->groups->len) {
        g_string_append(out, "No two hosts are fully interchangeable.\n\n");
        return;
    }
    g_string_append(out, "Fully interchangeable:\n");
    for (i = 0; i < pool->groups->len; i++) {
        const Group *group = pool_group(pool, i);

        g_string_append_printf(out, "  %u hosts:", group->n_hosts);
        add_names(out, pool, group);
    }
    g_string_append_c(out, '\n');
}

static void add_spoiler(GString *out, const Pool *pool, const Spoiler *spoiler)
{
    g_autofree char *name = matrix_kind_name(pool, spoiler->kind);
    g_autofree char *text = matrix_spoiler_text(pool, spoiler);
    g_autofree char *cure = matrix_spoiler_cure(spoiler);

    g_string_append_printf(out, "  %s: %s%s%s\n", name, text,
                           cure ? "; " : "", cure ? cure : "");
}

static void add_spoilers(GString *out, const Pool *pool)
{
    g_autoptr(GArray) spoilers = pool_spoilers(pool);
    guint i;

    if (!spoilers->len) {
        return;
    }
    g_string_append(out, "Not like the largest group:\n");
    for (i = 0; i < spoilers->len && i < MAX_SPOILERS; i++) {
        add_spoiler(out, pool, &g_array_index(spoilers, Spoiler, i));
    }
    if (spoilers->len > i) {
        g_string_append_printf(out, "  and %u more kinds of hosts\n",
                               spoilers->len - i);
    }
    g_string_append_c(out, '\n');
}

char *matrix_to_text(const Pool *pool, bool colour, guint columns)
{
    GString *out = g_string_new(NULL);
    g_autofree char *frequency = matrix_frequency_text(pool);

    add_table(out, pool, colour, columns);
    add_counts(out, pool);
    add_groups(out, pool);
    add_spoilers(out, pool);
    g_string_append_printf(out, "Best common TSC frequency: %s\n",
                           frequency ? frequency : "unknown");
    return g_string_free(out, FALSE);
}
