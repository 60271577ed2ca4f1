/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tells ThreadSanitizer what GLib's locks and queues order. GLib isn't built
 * with it and has no pthread mutexes, so that it sees none of that by itself.
 * To be preloaded; every function calls GLib's own. */
#include <dlfcn.h>
#include <glib.h>

/* ThreadSanitizer's: all before a release of an address happens before what
 * follows an acquire of it. */
extern void __tsan_acquire(void *address);
extern void __tsan_release(void *address);

#define NEXT(name) ((__typeof__(&(name)))dlsym(RTLD_NEXT, #name))

void g_mutex_lock(GMutex *mutex)
{
    NEXT(g_mutex_lock)(mutex);
    __tsan_acquire(mutex);
}

void g_mutex_unlock(GMutex *mutex)
{
    __tsan_release(mutex);
    NEXT(g_mutex_unlock)(mutex);
}

void g_cond_wait(GCond *cond, GMutex *mutex)
{
    __tsan_release(mutex);
    NEXT(g_cond_wait)(cond, mutex);
    __tsan_acquire(mutex);
}

void g_async_queue_push(GAsyncQueue *queue, gpointer data)
{
    __tsan_release(queue);
    NEXT(g_async_queue_push)(queue, data);
}

gpointer g_async_queue_timeout_pop(GAsyncQueue *queue, guint64 timeout_us)
{
    gpointer data = NEXT(g_async_queue_timeout_pop)(queue, timeout_us);

    __tsan_acquire(queue);
    return data;
}

/* Whoever gives up the last reference frees what others have put in. */
void g_async_queue_unref(GAsyncQueue *queue)
{
    __tsan_release(queue);
    __tsan_acquire(queue);
    NEXT(g_async_queue_unref)(queue);
}
