/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A limit for calls that have none. */
#include "deadline.h"

/* libvirt works on five calls of a client at a time: one is left for us. */
#define MAX_RUNNING 4

/* The queue owns the job once it is done, and whoever comes last frees both. */
typedef struct Job {
    GFunc work;
    void *data;
    GDestroyNotify free_data;
    GAsyncQueue *done;
} Job;

static int running;

static void free_job(void *opaque)
{
    Job *job = opaque;

    job->free_data(job->data);
    g_free(job);
}

static void *run(void *opaque)
{
    Job *job = opaque;
    GAsyncQueue *done = job->done;

    job->work(job->data, NULL);
    g_atomic_int_add(&running, -1);
    g_async_queue_push(done, job);
    g_async_queue_unref(done);
    return NULL;
}

static GThread *start(Job *job)
{
    GThread *thread = NULL;

    if (g_atomic_int_add(&running, 1) < MAX_RUNNING) {
        g_async_queue_ref(job->done);
        thread = g_thread_try_new("libvirt", run, job, NULL);
        if (!thread) {
            g_async_queue_unref(job->done);
        }
    }
    if (!thread) {
        g_atomic_int_add(&running, -1);
        free_job(job);
    }
    return thread;
}

bool deadline_run(unsigned int limit_s, GFunc work, void *data,
                  GDestroyNotify free_data)
{
    g_autoptr(GAsyncQueue) done = g_async_queue_new_full(free_job);
    Job *job = g_new(Job, 1);
    GThread *thread;

    *job = (Job) { work, data, free_data, done };
    thread = start(job);
    if (!thread) {
        return false;
    }
    g_thread_unref(thread);
    job = g_async_queue_timeout_pop(done, limit_s * G_USEC_PER_SEC);
    g_free(job);
    return job != NULL;
}
