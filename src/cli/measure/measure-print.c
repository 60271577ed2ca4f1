/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How two hosts' clocks lie to each other, for people and for programs. */
#include <string.h>
#include "cli/screen.h"
#include "measure.h"
#include "text/codec.h"
#include "text/units.h"

#define CHART_WIDTH 40

/* How far the estimate may be off. */
static uint64_t reach(const struct cf_span *span)
{
    return (uint64_t)MAX(span->greatest - span->best,
                         span->best - span->least);
}

/* -- Text -- */

static void add_clocks(Screen *screen, const Measured *m)
{
    g_autofree char *apart = cf_signed_time_text(m->clocks_ns.best);
    g_autofree char *within = cf_time_text(reach(&m->clocks_ns));
    g_autofree char *bound = cf_time_text(m->clocks_bound_ns);
    g_autofree char *wrong = cf_time_text(m->move.time.wrong_ns);
    g_autofree char *finding = g_strdup_printf(
        "the clocks are wrong by %s at least, together: more than their "
        "kernels know", wrong);

    screen_fact(screen, "Clocks", "%s, to within %s", apart, within);
    screen_known(screen, "By their kernels",
                 m->clocks_bound_ns != UINT64_MAX, "no more than %s", bound);
    if (m->contradicted) {
        screen_finding(screen, LEVEL_WARN, finding,
                       "synchronise both hosts' clocks");
    }
}

static void add_tscs(Screen *screen, const Measured *m)
{
    g_autofree char *rate = cf_rate_words(m->rate_ppt.best);
    g_autofree char *within = cf_rate_text((int64_t)reach(&m->rate_ppt));

    screen_fact(screen, "TSCs", "%u kHz here, %u kHz there", m->here.host_khz,
                m->there.host_khz);
    screen_fact(screen, "Real rate", "there %s than that, to within %s", rate,
                within);
}

/* What a guest that goes there would be off by. */
static void add_move(Screen *screen, const Measured *m)
{
    const int64_t least = m->clocks_ns.least, greatest = m->clocks_ns.greatest;
    g_autofree char *bound = cf_time_text(m->move.time.bound_ns);
    g_autofree char *clocks = cf_time_text(MAX(cf_magnitude(least),
                                               cf_magnitude(greatest)));

    screen_fact(screen, "Over a socket", "off by no more than %s, time by %s",
                bound, cf_elapsed_from_name(cf_move_elapsed_from(&m->move)));
    screen_fact(screen, "From a file", "off by no more than %s", clocks);
}

static int column(int64_t ns, const struct cf_span *all)
{
    return (int)((cf_s128)(ns - all->least) * (CHART_WIDTH - 1) /
                 MAX(all->greatest - all->least, 1));
}

/* A line for each round: <, > are the limits, * is the middle. */
static void add_chart(Screen *screen, const Measured *m)
{
    struct cf_span all = m->readings[0].clocks_ns;
    uint32_t i;

    for (i = 1; i < MEASURE_ROUNDS; i++) {
        all.least = MIN(all.least, m->readings[i].clocks_ns.least);
        all.greatest = MAX(all.greatest, m->readings[i].clocks_ns.greatest);
    }
    screen_add(screen, "\n    After  Clocks, there - here\n");
    for (i = 0; i < MEASURE_ROUNDS; i++) {
        const struct cf_span *span = &m->readings[i].clocks_ns;
        const int from = column(span->least, &all);
        const int to = column(span->greatest, &all);
        g_autofree char *apart = cf_signed_time_text(span->best);
        char line[CHART_WIDTH + 1];

        memset(line, ' ', CHART_WIDTH);
        memset(line + from, '-', (size_t)(to - from) + 1);
        line[from] = '<';
        line[to] = '>';
        line[column(span->best, &all)] = '*';
        line[CHART_WIDTH] = '\0';
        screen_add(screen, "%7.1f s  |%s|  %s\n",
                   (double)m->readings[i].after_ns / 1e9, line, apart);
    }
}

char *measure_to_text(const Measured *m, const char *output)
{
    Screen screen = screen_begin(output);
    g_autofree char *trip = cf_time_text(m->move.round_trip_ns);

    screen_add(&screen, "From %s to %s; what differs is there - here\n\n",
               m->here.id.name, m->there.id.name);
    screen_fact(&screen, "Round trip", "%s, the shortest of %u", trip,
                m->n_messages);
    add_clocks(&screen, m);
    add_tscs(&screen, m);
    screen_add(&screen, "A guest that goes there\n");
    add_move(&screen, m);
    add_chart(&screen, m);
    return screen_end(&screen);
}

/* -- JSON -- */

#define AT(member) CF_AT(Measured, member)
#define READING(member) CF_AT(Reading, member)

static const CfMember members[] = {
    { "here", CF_MEMBER_TEXT, AT(here.id.name) },
    { "there", CF_MEMBER_TEXT, AT(there.id.name) },
    { "here_khz", CF_MEMBER_INT, AT(here.host_khz) },
    { "there_khz", CF_MEMBER_INT, AT(there.host_khz) },
    { "messages", CF_MEMBER_INT, AT(n_messages) },
    { "round_trip_ns", CF_MEMBER_U64, AT(move.round_trip_ns) },
    { "clocks_ns", CF_MEMBER_S64, AT(clocks_ns.best) },
    { "clocks_least_ns", CF_MEMBER_S64, AT(clocks_ns.least) },
    { "clocks_greatest_ns", CF_MEMBER_S64, AT(clocks_ns.greatest) },
    { "clocks_bound_ns", CF_MEMBER_U64, AT(clocks_bound_ns),
      .optional = true, .unknown = UINT64_MAX },
    { "clocks_wrong_ns", CF_MEMBER_U64, AT(move.time.wrong_ns) },
    { "contradicted", CF_MEMBER_BOOL, AT(contradicted) },
    { "rate_least_ppt", CF_MEMBER_S64, AT(rate_ppt.least) },
    { "rate_greatest_ppt", CF_MEMBER_S64, AT(rate_ppt.greatest) },
    { "there_ticks", CF_MEMBER_U64, AT(there_ticks) },
    { "here_least_ticks", CF_MEMBER_U64, AT(here_least_ticks) },
    { "here_greatest_ticks", CF_MEMBER_U64, AT(here_greatest_ticks) },
    { "time_bound_ns", CF_MEMBER_U64, AT(move.time.bound_ns) },
    { 0 },
};

static const CfMember reading_members[] = {
    { "after_ns", CF_MEMBER_U64, READING(after_ns) },
    { "round_trip_ns", CF_MEMBER_U64, READING(round_trip_ns) },
    { "clocks_least_ns", CF_MEMBER_S64, READING(clocks_ns.least) },
    { "clocks_greatest_ns", CF_MEMBER_S64, READING(clocks_ns.greatest) },
    { 0 },
};

char *measure_to_json(const Measured *m)
{
    g_autoptr(CfJson) json = cf_json_new_format("clockferry-measure", 1, 1);
    CfJson *readings = cf_json_array();
    uint32_t i;

    cf_members_add(json, members, m);
    cf_json_add_text(json, "elapsed_from", cf_elapsed_from_name(
                         cf_move_elapsed_from(&m->move)));
    for (i = 0; i < MEASURE_ROUNDS; i++) {
        cf_json_append(readings, cf_members_to_json(reading_members,
                                                    &m->readings[i]));
    }
    cf_json_add(json, "readings", readings);
    return cf_json_print(json);
}
