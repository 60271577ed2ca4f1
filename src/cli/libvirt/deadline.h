/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A limit for calls that have none. */
#ifndef CF_DEADLINE_H
#define CF_DEADLINE_H

#include <glib.h>

/* DeadlineOutcome - what became of a call */
typedef enum DeadlineOutcome {
    DEADLINE_DONE,
    DEADLINE_LATE,       /* it is left behind */
    DEADLINE_STILL_OUT,  /* not made: a former one about the same is out */
    DEADLINE_NOT_TRIED,  /* not made: too many others have been left behind */
} DeadlineOutcome;

/* Why. */
#define DEADLINE_TOO_MANY "too many calls to libvirt still wait for an answer"

/**
 * deadline_run - make a call in a thread of its own, and wait
 * @about: whom it is about; NULL: no matter how many others are about the same
 * @limit_s: how long
 * @work: makes the call
 * @data: for it; @work writes its results there
 * @free_data: frees it and the results
 *
 * What isn't ready in time goes on without us, and is freed when it ends.
 *
 * Return: DEADLINE_DONE: @data is the caller's again. Otherwise it must not be
 * touched any more.
 */
DeadlineOutcome deadline_run(const char *about, unsigned int limit_s,
                             GFunc work, void *data, GDestroyNotify free_data);

#endif /* CF_DEADLINE_H */
