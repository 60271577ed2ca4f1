/*
 * The destination's answer to the set-up sections, before RAM is sent
 *
 * Some set-up section may make the destination refuse the guest
 * (VMStateDescription.early_setup_ack).  Without an answer a small guest is
 * lost then: all of it fits into the socket's buffer and the source believes
 * that it has arrived.  So the source sends a PING after these sections and
 * waits for its PONG.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "io/channel-socket.h"
#include "io/channel-tls.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "qemu/timer.h"
#include "migration.h"
#include "qemu-file.h"
#include "savevm.h"
#include "trace.h"

#define MIG_SETUP_ACK_WARN_MS 10000

void migration_setup_ack_init(MigrationSetupAck *ack)
{
    qemu_sem_init(&ack->sem, 0);
}

void migration_setup_ack_destroy(MigrationSetupAck *ack)
{
    qemu_sem_destroy(&ack->sem);
    error_free(ack->err);
}

void migration_setup_ack_cleanup(MigrationSetupAck *ack)
{
    if (ack->rp) {
        qemu_fclose(ack->rp);
        ack->rp = NULL;
    }
}

/*
 * Can the other end answer?  A file can't, and a command may never: exec:
 * with a return path waits for ever at the end of the migration.
 */
static bool migration_channel_answers(MigrationState *ms)
{
    Object *ioc = OBJECT(qemu_file_get_ioc(ms->to_dst_file));

    return object_dynamic_cast(ioc, TYPE_QIO_CHANNEL_SOCKET) ||
           object_dynamic_cast(ioc, TYPE_QIO_CHANNEL_TLS);
}

bool migration_setup_ack_wanted(MigrationState *ms)
{
    return qemu_savevm_state_setup_ack_section() &&
           migration_channel_answers(ms);
}

void migration_setup_ack_begin(MigrationSetupAck *ack)
{
    ack->acked = false;
    ack->pending = ack->wanted;
    ack->thread_ended = false;
    error_free(ack->err);
    ack->err = NULL;
}

bool migration_setup_ack_take_pong(MigrationSetupAck *ack, uint32_t number)
{
    if (number != QEMU_VM_PING_SETUP_ACK) {
        return ack->only;
    }
    qatomic_set(&ack->pending, false);
    qatomic_set(&ack->acked, true);
    qemu_sem_post(&ack->sem);
    return true;
}

bool migration_setup_ack_done(MigrationSetupAck *ack)
{
    return ack->only && ack->acked;
}

void migration_setup_ack_end(MigrationState *ms, Error *err)
{
    MigrationSetupAck *ack = &ms->setup_ack;

    if (err && qatomic_read(&ack->pending)) {
        /* A refusal, or just a cancel?  migration_setup_acked() knows. */
        ack->err = err;
    } else if (err) {
        migrate_set_error(ms, err);
        error_free(err);
    }
    qatomic_store_release(&ack->thread_ended, true);
    qemu_sem_post(&ack->sem);
}

/*
 * No deadline: a set-up section may take the destination minutes, for example
 * to preallocate memory, and the guest runs on meanwhile.
 */
static void migration_wait_setup_ack(MigrationState *ms)
{
    MigrationSetupAck *ack = &ms->setup_ack;
    const int64_t start_ms = qemu_clock_get_ms(QEMU_CLOCK_REALTIME);
    bool warned = false;

    while (!qatomic_read(&ack->acked) &&
           !qatomic_load_acquire(&ack->thread_ended) &&
           !qemu_file_get_error(ms->to_dst_file)) {
        if (!warned && qemu_clock_get_ms(QEMU_CLOCK_REALTIME) - start_ms >
                       MIG_SETUP_ACK_WARN_MS) {
            warn_report("Still waiting for the destination to accept the "
                        "guest; to save it where no QEMU answers, cancel and "
                        "use file: or exec:");
            warned = true;
        }
        qemu_sem_timedwait(&ack->sem, 100);
    }
}

/* A cancel closes the connection first; it holds the BQL until it is done. */
static bool migration_cancel_seen(MigrationState *ms)
{
    bool cancelled;

    bql_lock();
    cancelled = ms->state != MIGRATION_STATUS_ACTIVE;
    bql_unlock();
    return cancelled;
}

/*
 * From here on the user gets what the capabilities say.  The file has to stay,
 * for closing it would close the channel, but nobody is to find it.
 */
static void migration_end_return_path(MigrationState *ms)
{
    qemu_thread_join(&ms->rp_state.rp_thread);
    ms->rp_state.rp_thread_created = false;
    WITH_QEMU_LOCK_GUARD(&ms->qemu_file_lock) {
        ms->setup_ack.rp = g_steal_pointer(&ms->rp_state.from_dst_file);
    }
}

static void migration_refused(MigrationState *ms)
{
    MigrationSetupAck *ack = &ms->setup_ack;
    Error *local_err = NULL;

    /* Wakes up the return path thread, if it isn't that which ended. */
    qemu_file_shutdown(ms->rp_state.from_dst_file);
    while (!qatomic_load_acquire(&ack->thread_ended)) {
        qemu_sem_timedwait(&ack->sem, 100);
    }
    local_err = g_steal_pointer(&ack->err);
    if (!local_err) {
        error_setg(&local_err, "the connection was closed");
    }
    error_prepend(&local_err, "The destination refused the guest before RAM "
                  "was sent, or went away; its log says why: ");
    migrate_set_error(ms, local_err);
    error_free(local_err);
    migrate_set_state(&ms->state, MIGRATION_STATUS_ACTIVE,
                      MIGRATION_STATUS_FAILED);
}

bool migration_setup_acked(MigrationState *ms)
{
    MigrationSetupAck *ack = &ms->setup_ack;

    if (!ack->wanted) {
        return true;
    }
    qemu_savevm_send_ping(ms->to_dst_file, QEMU_VM_PING_SETUP_ACK);
    migration_wait_setup_ack(ms);
    trace_migration_setup_acked(ack->acked);
    if (qatomic_read(&ack->acked)) {
        if (ack->only) {
            migration_end_return_path(ms);
        }
        return true;
    }
    if (migration_cancel_seen(ms)) {
        return true;
    }
    migration_refused(ms);
    return false;
}
