/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A limit for calls that have none. */
#ifndef CF_DEADLINE_H
#define CF_DEADLINE_H

#include <glib.h>
#include <stdbool.h>

/**
 * deadline_run - make a call in a thread of its own, and wait
 * @limit_s: how long
 * @work: makes the call
 * @data: for it; @work writes its results there
 * @free_data: frees it and the results
 *
 * What isn't ready in time goes on without us, and is freed when it ends. Only
 * a few such calls may be left behind; then others fail at once.
 *
 * Return: true if it is done: then @data is the caller's again. Otherwise it
 * must not be touched any more.
 */
bool deadline_run(unsigned int limit_s, GFunc work, void *data,
                  GDestroyNotify free_data);

#endif /* CF_DEADLINE_H */
