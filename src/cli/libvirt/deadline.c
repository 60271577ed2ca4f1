/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A limit for calls that have none. */
#include <stdbool.h>
#include "deadline.h"

/* libvirt works on 20 calls at a time: most of them are for others. */
#define MAX_RUNNING 8

/* The queue owns the job once it is done, and whoever comes last frees both. */
typedef struct Job {
    char *about;
    GFunc work;
    void *data;
    GDestroyNotify free_data;
    GAsyncQueue *done;
} Job;

static GMutex lock;
static GSList *running;

static void free_job(void *opaque)
{
    Job *job = opaque;

    if (job->data) {
        job->free_data(job->data);
    }
    g_free(job->about);
    g_free(job);
}

static void remove_job(Job *job)
{
    g_mutex_lock(&lock);
    running = g_slist_remove(running, job);
    g_mutex_unlock(&lock);
}

static int compare_about(const void *job, const void *about)
{
    return g_strcmp0(((const Job *)job)->about, about);
}

/* DEADLINE_DONE: it may run. */
static DeadlineOutcome add_job(Job *job)
{
    DeadlineOutcome outcome = DEADLINE_DONE;

    g_mutex_lock(&lock);
    if (job->about && g_slist_find_custom(running, job->about,
                                          compare_about)) {
        outcome = DEADLINE_STILL_OUT;
    } else if (g_slist_length(running) >= MAX_RUNNING) {
        outcome = DEADLINE_NOT_TRIED;
    } else {
        running = g_slist_prepend(running, job);
    }
    g_mutex_unlock(&lock);
    return outcome;
}

static void *run(void *opaque)
{
    Job *job = opaque;
    GAsyncQueue *done = job->done;

    job->work(job->data, NULL);
    remove_job(job);
    g_async_queue_push(done, job);
    g_async_queue_unref(done);
    return NULL;
}

static bool start(Job *job)
{
    GThread *thread;

    g_async_queue_ref(job->done);
    thread = g_thread_try_new("libvirt", run, job, NULL);
    if (!thread) {
        g_async_queue_unref(job->done);
        remove_job(job);
        return false;
    }
    g_thread_unref(thread);
    return true;
}

DeadlineOutcome deadline_run(const char *about, unsigned int limit_s,
                             GFunc work, void *data, GDestroyNotify free_data)
{
    g_autoptr(GAsyncQueue) done = g_async_queue_new_full(free_job);
    Job *job = g_new(Job, 1);
    DeadlineOutcome outcome;

    *job = (Job) { g_strdup(about), work, data, free_data, done };
    outcome = add_job(job);
    if (outcome == DEADLINE_DONE && !start(job)) {
        outcome = DEADLINE_NOT_TRIED;
    }
    if (outcome != DEADLINE_DONE) {
        free_job(job);
        return outcome;
    }
    job = g_async_queue_timeout_pop(done, (guint64)limit_s * G_USEC_PER_SEC);
    if (!job) {
        return DEADLINE_LATE;
    }
    job->data = NULL;
    free_job(job);
    return DEADLINE_DONE;
}
