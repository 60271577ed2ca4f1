/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A pool for people: a table, groups, spoilers, a frequency. */
#include <inttypes.h>
#include "cli/check-print.h"
#include "matrix.h"

/* A row's number and the spaces around it. */
#define HEAD_COLUMNS 4u

#define CORNER "Guests of, to"

/* Lines of lists that go on. */
#define INDENT 4

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

char *matrix_frequency_text(const Pool *pool)
{
    CommonFrequency next;
    const CommonFrequency common = pool_common_frequency(pool, &next);
    g_autofree char *text = g_strdup_printf(
        "%u kHz, exact on %u of %u hosts", common.khz, common.n_exact, pool->n);

    if (!next.khz) {
        return common.khz ? g_steal_pointer(&text) : NULL;
    }
    return g_strdup_printf("%s, within 1 ppm on %u more; next best: %u kHz, "
                           "exact on %u, within 1 ppm on %u more", text,
                           common.n_close, next.khz, next.n_exact,
                           next.n_close);
}

static void add_cell(Screen *screen, enum cf_verdict verdict)
{
    const char sign[] = { matrix_sign(verdict), '\0' };

    screen_add(screen, "  ");
    screen_colour(screen, check_level(verdict), sign);
}

/* At least as wide as the corner of the table. */
static guint widest_name(const Pool *pool)
{
    guint widest = screen_width(CORNER) - HEAD_COLUMNS;
    guint i;

    for (i = 0; i < pool->kinds->len; i++) {
        g_autofree char *name = matrix_kind_name(pool, i);

        widest = MAX(widest, screen_width(name));
    }
    return widest;
}

static void add_row(Screen *screen, const Pool *pool, guint row, guint width)
{
    g_autofree char *name = matrix_kind_name(pool, row);
    guint column;

    screen_add(screen, "%3u ", row + 1);
    screen_pad(screen, name, width);
    for (column = 0; column < pool->kinds->len; column++) {
        if (row == column && pool_kind(pool, row)->members->len == 1) {
            screen_add(screen, "  .");
        } else {
            add_cell(screen, pool_kind_verdict(pool, row, column));
        }
    }
    screen_add(screen, "\n");
}

/* A line that is folded can't be read. */
static bool table_fits(Screen *screen, guint kinds, guint width)
{
    const guint needed = width + HEAD_COLUMNS + 3 * kinds;
    g_autofree char *why = NULL;

    if (kinds > MAX_TABLE) {
        why = g_strdup_printf("%u kinds of hosts are too many for a table; "
                              "--html shows it.", kinds);
    } else if (screen->columns && needed > screen->columns) {
        why = g_strdup_printf("The table takes %u columns, and this terminal "
                              "has %u; --html shows it, too.", needed,
                              screen->columns);
    }
    if (why) {
        screen_wrap(screen, why, 0);
        screen_add(screen, "\n");
    }
    return !why;
}

static void add_table(Screen *screen, const Pool *pool)
{
    const guint width = widest_name(pool);
    guint i;

    if (!table_fits(screen, pool->kinds->len, width)) {
        return;
    }
    screen_pad(screen, CORNER, width + HEAD_COLUMNS);
    for (i = 0; i < pool->kinds->len; i++) {
        screen_add(screen, "%3u", i + 1);
    }
    screen_add(screen, "\n");
    for (i = 0; i < pool->kinds->len; i++) {
        add_row(screen, pool, i, width);
    }
    screen_add(screen, "\n");
}

/* What doesn't fit into a line has one for each of its parts. */
static void add_line(Screen *screen, const char *line)
{
    g_auto(GStrv) parts = g_strsplit(line, "  ", -1);
    size_t i;

    if (!screen->columns || screen_width(line) <= screen->columns) {
        screen_add(screen, "%s\n", line);
        return;
    }
    for (i = 0; parts[i]; i++) {
        screen_add(screen, "%s", i ? "  " : "");
        screen_wrap(screen, parts[i], i ? INDENT : 0);
    }
}

static void add_counts(Screen *screen, const Pool *pool)
{
    const guint64 pairs = (guint64)pool->n * (pool->n - 1);
    GString *line = g_string_new(NULL);
    guint i;

    g_string_append_printf(line, "%u hosts, %u kind%s, %" PRIu64 " moves:",
                           pool->n, pool->kinds->len,
                           pool->kinds->len == 1 ? "" : "s", pairs);
    for (i = 0; i < G_N_ELEMENTS(pool->counts); i++) {
        if (pool->counts[i]) {
            g_string_append_printf(line, "  %c %s %" PRIu64, matrix_sign(i),
                                   matrix_meaning(i), pool->counts[i]);
        }
    }
    add_line(screen, line->str);
    screen_add(screen, "\n");
    g_string_free(line, TRUE);
}

/* "3 hosts: a, b, c" */
static char *group_text(const Pool *pool, guint group)
{
    const guint n = pool_group(pool, group)->n_hosts;
    g_autofree char **names = pool_group_names(pool, group);
    g_autofree char *list = NULL;

    names[MIN(n, MAX_NAMES)] = NULL;
    list = g_strjoinv(", ", names);
    return n > MAX_NAMES ? g_strdup_printf("%u hosts: %s and %u more", n, list,
                                           n - MAX_NAMES)
                         : g_strdup_printf("%u hosts: %s", n, list);
}

/* "  text", and what doesn't fit into the line further to the right. */
static void add_item(Screen *screen, const char *text)
{
    screen_add(screen, "%*s", INDENT - 2, "");
    screen_wrap(screen, text, INDENT);
}

static void add_groups(Screen *screen, const Pool *pool)
{
    guint i;

    if (!pool->groups->len) {
        screen_add(screen, "No two hosts are fully interchangeable.\n\n");
        return;
    }
    screen_add(screen, "Fully interchangeable:\n");
    for (i = 0; i < pool->groups->len; i++) {
        g_autofree char *item = group_text(pool, i);

        add_item(screen, item);
    }
    screen_add(screen, "\n");
}

static void add_spoiler(Screen *screen, const Pool *pool,
                        const Spoiler *spoiler)
{
    g_autofree char *name = matrix_kind_name(pool, spoiler->kind);
    g_autofree char *text = matrix_spoiler_text(pool, spoiler);
    g_autofree char *cure = cf_check_cure(&spoiler->check,
                                          spoiler->finding);
    g_autofree char *item = g_strdup_printf("%s: %s", name, text);

    add_item(screen, item);
    if (cure) {
        g_autofree char *line = g_strconcat("  Cure: ", cure, NULL);

        add_item(screen, line);
    }
}

static void add_spoilers(Screen *screen, const Pool *pool)
{
    g_autoptr(GArray) spoilers = pool_spoilers(pool);
    guint i;

    if (!spoilers->len) {
        return;
    }
    screen_add(screen, "Not like the largest group:\n");
    for (i = 0; i < spoilers->len && i < MAX_SPOILERS; i++) {
        add_spoiler(screen, pool, &g_array_index(spoilers, Spoiler, i));
    }
    if (spoilers->len > i) {
        screen_add(screen, "  and %u more kinds of hosts\n",
                   spoilers->len - i);
    }
    screen_add(screen, "\n");
}

char *matrix_to_text(const Pool *pool, const char *output)
{
    Screen screen = screen_begin(output);
    g_autofree char *frequency = matrix_frequency_text(pool);
    g_autofree char *common = NULL;

    if (pool->n == 1) {
        screen_add(&screen, "Only one host is given, so there is nothing to "
                   "compare.\n\n");
    } else {
        add_table(&screen, pool);
        add_counts(&screen, pool);
        add_groups(&screen, pool);
        add_spoilers(&screen, pool);
    }
    if (pool_has_tsc(pool)) {
        common = g_strdup_printf("Best common TSC frequency: %s",
                                 frequency ? frequency : "unknown");
        screen_wrap(&screen, common, 0);
    }
    return screen_end(&screen);
}
