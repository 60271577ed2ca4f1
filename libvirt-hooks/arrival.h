/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A guest that comes to this host: may it, and which facts are true then? */
#ifndef ARRIVAL_H
#define ARRIVAL_H

#include <glib.h>
#include <stdbool.h>

/**
 * Arrival - a guest that comes to this host
 * @guest: its name, printable
 * @host: this host's name, printable
 * @restored: it was saved, so there is no host where it still runs
 * @xml: the guest's XML from now on; NULL if it stays as it is
 * @warning: what isn't exact, although the guest may come; or NULL
 */
typedef struct Arrival {
    char *guest;
    char *host;
    bool restored;
    char *xml;
    char *warning;
} Arrival;

/**
 * arrival_begin - before anything is known
 * @arrival: all 0
 * @name: the guest's, from anywhere
 * @restored: see there
 */
void arrival_begin(Arrival *arrival, const char *name, bool restored);

void arrival_clear(Arrival *arrival);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Arrival, arrival_clear)

/**
 * arrival_judge - may it come?
 * @arrival: gets @xml and @warning
 * @xml: its XML, from anywhere
 * @size: in bytes
 * @error: why it may not, and what to do about it
 *
 * Return: true if it may, or isn't Clockferry's business.
 */
gboolean arrival_judge(Arrival *arrival, const char *xml, size_t size,
                       GError **error);

/* The line that the user sees, to be freed with g_free(). */
char *arrival_refusal(const Arrival *arrival, const char *why);

#endif /* ARRIVAL_H */
