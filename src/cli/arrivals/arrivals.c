/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads what clockferry state --json wrote, again and again. */
#include <string.h>
#include <clockferry/error.h>
#include "cli/files.h"
#include "cli/screen.h"
#include "arrivals.h"

char *arrivals_time(const GuestClocks *arrival)
{
    return arrival->guest.instant_known
           ? screen_time((int64_t)(arrival->guest.instant.realtime_ns /
                                   1000000000)) : g_strdup("");
}

char *arrivals_line(const GuestClocks *arrival)
{
    return *arrival->not_carried
           ? g_strdup_printf("not carried: %s", arrival->not_carried)
           : guest_clocks_restore_line(&arrival->restore);
}

/* Was the same asked twice? */
static bool is_same(const GuestClocks *one, const GuestClocks *other)
{
    const LastRestore *a = &one->restore, *b = &other->restore;

    return !strcmp(one->not_carried, other->not_carried) &&
           !strcmp(one->guest.host, other->guest.host) &&
           one->restored == other->restored &&
           a->elapsed_ns == b->elapsed_ns && a->duration_ns == b->duration_ns &&
           a->tries == b->tries && a->residual_ns == b->residual_ns;
}

/* Between two arrivals at one host there is one elsewhere. */
static void forget_repeated(Arrivals *arrivals)
{
    GuestClocks *all = (GuestClocks *)(void *)arrivals->data;
    guint kept = 0, i;

    for (i = 1; i < arrivals->len; i++) {
        if (!is_same(&all[i - 1], &all[i])) {
            all[++kept] = all[i];
        }
    }
    g_array_set_size(arrivals, kept + 1);
}

static gboolean check_name(const Arrivals *arrivals, const GuestClocks *next,
                           GError **error)
{
    const GuestClocks *first = &g_array_index(arrivals, GuestClocks, 0);

    if (arrivals->len && strcmp(first->name, next->name) != 0) {
        g_set_error(error, CF_ERROR, CF_ERROR_INVALID,
                    "it is about guest '%s', what came before is about '%s': "
                    "one guest at a time", next->name, first->name);
        return FALSE;
    }
    return TRUE;
}

static gboolean read_one(Arrivals *arrivals, const char *text, size_t size,
                         GError **error)
{
    GuestClocks clocks;

    if (!guest_clocks_from_json(text, size, &clocks, error)) {
        return FALSE;
    }
    if (!clocks.restored && !*clocks.not_carried) {
        return TRUE;            /* it was started there */
    }
    if (!check_name(arrivals, &clocks, error)) {
        return FALSE;
    }
    g_array_append_val(arrivals, clocks);
    return TRUE;
}

/* Where the next JSON object begins: its brace is the first in its line. */
static const char *next_object(const char *text)
{
    const char *end = strstr(text + 1, "\n{");

    return end ? end + 1 : text + strlen(text);
}

static gboolean read_file(Arrivals *arrivals, const char *path, GError **error)
{
    g_autofree char *text = NULL;
    const char *at;
    gsize size;

    if (!files_read(path, &text, &size, error)) {
        return FALSE;
    }
    if (!size || strlen(text) != size) {
        return read_one(arrivals, text, size, error);   /* says what is wrong */
    }
    for (at = text; *at; at = next_object(at)) {
        if (!read_one(arrivals, at, (size_t)(next_object(at) - at), error)) {
            return FALSE;
        }
    }
    return TRUE;
}

static int by_time(const void *a, const void *b)
{
    const GuestClocks *one = a, *other = b;
    const uint64_t x = one->guest.instant.realtime_ns;
    const uint64_t y = other->guest.instant.realtime_ns;

    return one->guest.instant_known && other->guest.instant_known
           ? (x > y) - (x < y) : 0;
}

Arrivals *arrivals_read(char **files, GError **error)
{
    g_autoptr(GArray) arrivals = g_array_new(FALSE, FALSE, sizeof(GuestClocks));

    for (; *files; files++) {
        if (!read_file(arrivals, *files, error)) {
            g_prefix_error(error, "%s: ", *files);
            return NULL;
        }
    }
    if (!arrivals->len) {
        g_set_error(error, CF_ERROR, CF_ERROR_INVALID,
                    "the guest never arrived, by these files: it was started "
                    "where they were written");
        return NULL;
    }
    g_array_sort(arrivals, by_time);
    forget_repeated(arrivals);
    return g_steal_pointer(&arrivals);
}
