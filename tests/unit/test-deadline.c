/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Calls with a limit: in time, late, about the same guest, too many. Suite
 * analysis runs this under ThreadSanitizer, too. */
#include <stdbool.h>
#include "cli/libvirt/deadline.h"

/* No call that is to be in time takes so long. */
#define PLENTY_S 120
#define MAX_OUT 8

/* What a call waits for, and what became of it. */
typedef struct Call {
    GMutex lock;
    GCond changed;
    bool released;
    guint n_begun, n_freed;
} Call;

typedef struct Data {
    Call *call;
    int result;
} Data;

static void free_data(void *opaque)
{
    Data *data = opaque;
    Call *call = data->call;

    g_free(data);
    g_mutex_lock(&call->lock);
    call->n_freed++;
    g_cond_broadcast(&call->changed);
    g_mutex_unlock(&call->lock);
}

static Data *new_data(Call *call)
{
    Data *data = g_new0(Data, 1);

    data->call = call;
    return data;
}

/* Returns only when it is released. */
static void work(void *opaque, void *unused)
{
    Data *data = opaque;
    Call *call = data->call;

    (void)unused;
    g_mutex_lock(&call->lock);
    call->n_begun++;
    while (!call->released) {
        g_cond_wait(&call->changed, &call->lock);
    }
    g_mutex_unlock(&call->lock);
    data->result = 42;
}

static void release(Call *call)
{
    g_mutex_lock(&call->lock);
    call->released = true;
    g_cond_broadcast(&call->changed);
    g_mutex_unlock(&call->lock);
}

static void wait_freed(Call *call, guint n)
{
    g_mutex_lock(&call->lock);
    while (call->n_freed < n) {
        g_cond_wait(&call->changed, &call->lock);
    }
    g_mutex_unlock(&call->lock);
}

/* How a call ends that is given so long; in time: with its result. */
static DeadlineOutcome try_call(Call *call, const char *about, guint limit_s)
{
    Data *data = new_data(call);
    const DeadlineOutcome outcome = deadline_run(about, limit_s, work, data,
                                                 free_data);

    if (outcome == DEADLINE_DONE) {
        g_assert_cmpint(data->result, ==, 42);
        free_data(data);
    }
    return outcome;
}

static void test_in_time(void)
{
    Call call = { .released = true };
    guint i;

    for (i = 0; i < 100; i++) {
        g_assert_cmpint(try_call(&call, i % 2 ? "vm" : NULL, PLENTY_S), ==,
                        DEADLINE_DONE);
    }
    g_assert_cmpuint(call.n_freed, ==, 100);
}

/* One about the same guest has to wait until the late one is back; one about
 * another doesn't. */
static void test_late(void)
{
    Call late = { 0 }, other = { .released = true };

    g_assert_cmpint(try_call(&late, "vm", 0), ==, DEADLINE_LATE);
    g_assert_cmpint(try_call(&other, "vm", PLENTY_S), ==, DEADLINE_STILL_OUT);
    g_assert_cmpint(try_call(&other, "vm-2", PLENTY_S), ==, DEADLINE_DONE);
    g_assert_cmpint(try_call(&other, NULL, PLENTY_S), ==, DEADLINE_DONE);
    release(&late);
    wait_freed(&late, 1);
    g_assert_cmpint(try_call(&other, "vm", PLENTY_S), ==, DEADLINE_DONE);
    g_assert_cmpuint(other.n_freed, ==, 4);
    g_assert_cmpuint(other.n_begun, ==, 3);
}

/* However many hang, no more threads than this are left behind. */
static void test_too_many(void)
{
    Call late = { 0 }, other = { .released = true };
    guint i;

    for (i = 0; i < MAX_OUT; i++) {
        g_assert_cmpint(try_call(&late, NULL, 0), ==, DEADLINE_LATE);
    }
    g_assert_cmpint(try_call(&other, NULL, PLENTY_S), ==, DEADLINE_NOT_TRIED);
    release(&late);
    wait_freed(&late, MAX_OUT);
    g_assert_cmpint(try_call(&other, NULL, PLENTY_S), ==, DEADLINE_DONE);
    g_assert_cmpuint(other.n_freed, ==, 2);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/deadline/in-time", test_in_time);
    g_test_add_func("/deadline/late", test_late);
    g_test_add_func("/deadline/too-many", test_too_many);
    return g_test_run();
}
