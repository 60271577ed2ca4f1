/*
 * The destination's answer to the set-up sections, before RAM is sent
 *
 * A set-up section may make the destination refuse the guest.  Without an
 * answer a small guest is lost then: all of it fits into the socket's buffer
 * and the source believes that it has arrived.  So the source sends a PING
 * after these sections and waits for its PONG.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "io/channel-file.h"
#include "io/channel-socket.h"
#include "io/channel-tls.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "qemu/timer.h"
#include "migration/vmstate.h"
#include "channel-block.h"
#include "migration.h"
#include "options.h"
#include "qemu-file.h"
#include "savevm.h"
#include "setup-ack.h"

#define MIG_SETUP_ACK_WARN_MS 10000

/*
 * Shared by the migration thread, which waits, and the return path thread,
 * which receives the answer or ends.
 */
static struct {
    const VMStateDescription *vmsd;
    void *opaque;
    bool wanted;                /* in this migration */
    bool only;                  /* nothing else needs the return path */
    bool pending;
    bool acked;
    bool thread_ended;          /* that of the return path */
    Error *err;                 /* with which it ended while @pending */
    QEMUFile *rp;               /* a return path that has ended */
    QemuSemaphore sem;
} ack;

void migration_setup_ack_register(const VMStateDescription *vmsd,
                                  void *opaque)
{
    assert(!ack.vmsd && vmsd->early_setup);
    ack.vmsd = vmsd;
    ack.opaque = opaque;
    qemu_sem_init(&ack.sem, 0);
    vmstate_register(NULL, 0, vmsd, opaque);
}

bool migration_setup_ack_is(const VMStateDescription *vmsd)
{
    return vmsd == ack.vmsd;
}

static bool migration_setup_ack_needed(void)
{
    return ack.vmsd && vmstate_section_needed(ack.vmsd, ack.opaque);
}

/*
 * COLO uses the way back itself, from when the guest has arrived, and sends
 * all sections again with each checkpoint.
 */
bool migration_setup_ack_allows(Error **errp)
{
    if (migrate_colo() && migration_setup_ack_needed()) {
        error_setg(errp, "COLO can't be used with '%s', which the "
                   "destination has to accept before RAM is sent: turn "
                   "that feature off", ack.vmsd->name);
        return false;
    }
    return true;
}

/*
 * Can the other end answer?  A file can't, and a command may never: exec:
 * with a return path waits for ever at the end of the migration.
 */
static bool migration_channel_answers(QEMUFile *file)
{
    Object *ioc = OBJECT(qemu_file_get_ioc(file));

    return object_dynamic_cast(ioc, TYPE_QIO_CHANNEL_SOCKET) ||
           object_dynamic_cast(ioc, TYPE_QIO_CHANNEL_TLS);
}

bool migration_from_storage(void)
{
    QEMUFile *file = migration_incoming_get_current()->from_src_file;
    Object *ioc = file ? OBJECT(qemu_file_get_ioc(file)) : NULL;
    struct stat info;

    if (!ioc || !object_dynamic_cast(ioc, TYPE_QIO_CHANNEL_FILE)) {
        return ioc && object_dynamic_cast(ioc, TYPE_QIO_CHANNEL_BLOCK);
    }
    return fstat(QIO_CHANNEL_FILE(ioc)->fd, &info) == 0 &&
           (S_ISREG(info.st_mode) || S_ISBLK(info.st_mode));
}

bool migration_setup_ack_awaited(void)
{
    MigrationIncomingState *mis = migration_incoming_get_current();

    return mis->to_src_file && migration_channel_answers(mis->from_src_file);
}

bool migration_setup_ack_begin(MigrationState *ms, bool resume)
{
    ack.wanted = !resume && !migrate_background_snapshot() &&
                 migration_setup_ack_needed() &&
                 migration_channel_answers(ms->to_dst_file);
    ack.only = ack.wanted && !migrate_postcopy_ram() && !migrate_return_path();
    ack.pending = ack.wanted;
    ack.acked = false;
    ack.thread_ended = false;
    error_free(g_steal_pointer(&ack.err));
    return ack.wanted;
}

bool migration_setup_ack_stops_vm(void)
{
    return ack.wanted;
}

bool migration_setup_ack_take_pong(uint32_t number)
{
    if (!ack.wanted || number != QEMU_VM_PING_SETUP_ACK) {
        return ack.only;
    }
    qatomic_set(&ack.pending, false);
    qatomic_set(&ack.acked, true);
    qemu_sem_post(&ack.sem);
    return true;
}

bool migration_setup_ack_pending(void)
{
    return qatomic_read(&ack.pending);
}

bool migration_setup_ack_done(void)
{
    return ack.only && ack.acked;
}

Error *migration_setup_ack_end(Error *err)
{
    if (!ack.wanted) {
        return err;
    }
    if (qatomic_read(&ack.pending)) {
        /* A refusal, or just a cancel?  migration_setup_acked() knows. */
        ack.err = g_steal_pointer(&err);
    }
    qatomic_store_release(&ack.thread_ended, true);
    qemu_sem_post(&ack.sem);
    return err;
}

/*
 * No deadline: a set-up section may take the destination minutes, for example
 * to preallocate memory, and the guest runs on meanwhile.
 */
static void migration_wait_setup_ack(MigrationState *ms)
{
    const int64_t start_ms = qemu_clock_get_ms(QEMU_CLOCK_REALTIME);
    bool warned = false;

    while (!qatomic_read(&ack.acked) &&
           !qatomic_load_acquire(&ack.thread_ended) &&
           !qemu_file_get_error(ms->to_dst_file)) {
        if (!warned && qemu_clock_get_ms(QEMU_CLOCK_REALTIME) - start_ms >
                       MIG_SETUP_ACK_WARN_MS) {
            warn_report("Still waiting for the destination to accept the "
                        "guest; to save it where no QEMU answers, cancel and "
                        "use file: or exec:");
            warned = true;
        }
        qemu_sem_timedwait(&ack.sem, 100);
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
        ack.rp = g_steal_pointer(&ms->rp_state.from_dst_file);
    }
}

static void migration_setup_failed(MigrationState *ms, Error *err)
{
    migrate_set_error(ms, err);
    error_free(err);
    migrate_set_state(&ms->state, MIGRATION_STATUS_ACTIVE,
                      MIGRATION_STATUS_FAILED);
}

static void migration_refused(MigrationState *ms)
{
    Error *local_err;

    /* Wakes up the return path thread, if it isn't that which ended. */
    qemu_file_shutdown(ms->rp_state.from_dst_file);
    while (!qatomic_load_acquire(&ack.thread_ended)) {
        qemu_sem_timedwait(&ack.sem, 100);
    }
    local_err = g_steal_pointer(&ack.err);
    if (!local_err) {
        error_setg(&local_err, "the connection was closed");
    }
    error_prepend(&local_err, "The destination refused the guest before RAM "
                  "was sent, or went away; its log says why: ");
    migration_setup_failed(ms, local_err);
}

/* Now that the guest may go: until then, it was to run. */
static bool migration_stop_for_cpr(MigrationState *ms)
{
    Error *local_err = NULL;
    int ret = 0;

    bql_lock();
    if (ms->state == MIGRATION_STATUS_ACTIVE) {
        ret = migration_stop_vm(ms, RUN_STATE_FINISH_MIGRATE);
    }
    bql_unlock();
    if (ret < 0) {
        error_setg(&local_err, "migration_stop_vm failed, error %d", -ret);
        migration_setup_failed(ms, local_err);
    }
    return ret >= 0;
}

bool migration_setup_acked(MigrationState *ms)
{
    if (!ack.wanted) {
        return true;
    }
    qemu_savevm_send_ping(ms->to_dst_file, QEMU_VM_PING_SETUP_ACK);
    migration_wait_setup_ack(ms);
    if (qatomic_read(&ack.acked)) {
        if (ack.only) {
            migration_end_return_path(ms);
        }
    } else if (!migration_cancel_seen(ms)) {
        migration_refused(ms);
        return false;
    }
    return !migrate_mode_is_cpr(ms) || migration_stop_for_cpr(ms);
}

void migration_setup_ack_cleanup(void)
{
    if (ack.rp) {
        qemu_fclose(g_steal_pointer(&ack.rp));
    }
}
