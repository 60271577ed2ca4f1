/*
 * The destination's answer to the set-up sections, before RAM is sent, and
 * messages whose times tell how the hosts' clocks lie to each other
 *
 * A set-up section may make the destination refuse the guest.  Without an
 * answer a small guest is lost then: all of it fits into the socket's buffer
 * and the source believes that it has arrived.  So the source sends a PING
 * after these sections and waits for its PONG.
 *
 * More PINGs follow, one at a time, and again before the guest stops.  Both
 * sides note their host's ticks; a PING's number says which of them it is.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "io/channel-command.h"
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

/* Half of them at set-up, the others before the guest stops. */
#define EXCHANGES_AT_ONCE (MIG_EXCHANGES / 2)

/*
 * Shared by the migration thread, which waits, and the return path thread,
 * which receives the answer or ends.
 */
static struct {
    const VMStateDescription *vmsd;
    void *opaque;
    bool wanted;                /* in this migration */
    bool exchanging;            /* more PINGs are to follow */
    bool only;                  /* nothing else needs the return path */
    bool accepted;              /* the set-up sections were */
    bool last;                  /* no other PING follows this one */
    bool done;                  /* its PONG came, and nobody needs the way */
    uint32_t awaited;           /* the PONG with this number; 0: none */
    bool thread_ended;          /* that of the return path */
    Error *err;                 /* with which it ended before @accepted */
    QEMUFile *rp;               /* a return path that has ended */
    QemuSemaphore sem;
    MigrationExchange exchanges[MIG_EXCHANGES];
    uint32_t n;                 /* of them */
} ack;

/* On the destination: the host's ticks when each of the PINGs arrived last. */
static uint64_t arrived_ticks[MIG_EXCHANGES];

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

bool migration_may_be_copy(void)
{
    QEMUFile *file = migration_incoming_get_current()->from_src_file;
    Object *ioc = file ? OBJECT(qemu_file_get_ioc(file)) : NULL;

    return ioc && migrate_mode() == MIG_MODE_NORMAL &&
           (object_dynamic_cast(ioc, TYPE_QIO_CHANNEL_FILE) ||
            object_dynamic_cast(ioc, TYPE_QIO_CHANNEL_BLOCK) ||
            object_dynamic_cast(ioc, TYPE_QIO_CHANNEL_COMMAND));
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
    ack.accepted = false;
    ack.last = false;
    ack.done = false;
    ack.awaited = 0;
    ack.n = 0;
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
    const uint64_t ticks = cpu_get_host_ticks();
    const uint32_t awaited = qatomic_load_acquire(&ack.awaited);

    if (!ack.wanted || !awaited || number != awaited) {
        return ack.only;
    }
    if (number != QEMU_VM_PING_SETUP_ACK) {
        ack.exchanges[number - QEMU_VM_PING_EXCHANGE].back_ticks = ticks;
    }
    /* Not later: then the next PING may be the last one. */
    ack.done = ack.only && ack.last;
    qatomic_store_release(&ack.awaited, 0);
    qemu_sem_post(&ack.sem);
    return true;
}

bool migration_setup_ack_pending(void)
{
    return ack.wanted && !qatomic_read(&ack.accepted);
}

bool migration_setup_ack_done(void)
{
    return ack.done;
}

void migration_exchange_arrived(uint32_t number)
{
    const uint32_t i = number - QEMU_VM_PING_EXCHANGE;

    if (i < MIG_EXCHANGES) {
        arrived_ticks[i] = cpu_get_host_ticks();
    }
}

const uint64_t *migration_exchanges_arrived(void)
{
    return arrived_ticks;
}

void migration_exchanges_want(bool wanted)
{
    ack.exchanging = wanted;
}

uint32_t migration_exchanges_sent(MigrationExchange *ret)
{
    memcpy(ret, ack.exchanges, ack.n * sizeof(*ret));
    return ack.n;
}

Error *migration_setup_ack_end(Error *err)
{
    if (!ack.wanted) {
        return err;
    }
    if (!qatomic_read(&ack.accepted)) {
        /* A refusal, or just a cancel?  migration_setup_acked() knows. */
        ack.err = g_steal_pointer(&err);
    }
    qatomic_store_release(&ack.thread_ended, true);
    qemu_sem_post(&ack.sem);
    return err;
}

/*
 * Send a PING and wait for its PONG, while the guest runs on.
 *
 * No deadline: a set-up section may take the destination minutes, for example
 * to preallocate memory.  Returns false if the answer can't come any more.
 */
static bool migration_ping(MigrationState *ms, uint32_t number)
{
    const int64_t start_ms = qemu_clock_get_ms(QEMU_CLOCK_REALTIME);
    bool warned = false;

    qatomic_store_release(&ack.awaited, number);
    qemu_savevm_send_ping(ms->to_dst_file, number);
    while (qatomic_load_acquire(&ack.awaited) &&
           !qatomic_load_acquire(&ack.thread_ended) &&
           !qemu_file_get_error(ms->to_dst_file)) {
        if (!warned && qemu_clock_get_ms(QEMU_CLOCK_REALTIME) - start_ms >
                       MIG_SETUP_ACK_WARN_MS) {
            warn_report(number == QEMU_VM_PING_SETUP_ACK
                        ? "Still waiting for the destination to accept the "
                          "guest; to save it where no QEMU answers, cancel "
                          "and use file: or exec:"
                        : "Still waiting for the destination to answer; the "
                          "guest runs on, and a cancel ends this");
            warned = true;
        }
        qemu_sem_timedwait(&ack.sem, 100);
    }
    return !qatomic_load_acquire(&ack.awaited);
}

/* One at a time, so that none waits behind another. */
static bool migration_exchange(MigrationState *ms, bool last)
{
    const uint32_t end = ack.n + EXCHANGES_AT_ONCE;

    for (; ack.n < end; ack.n++) {
        ack.last = last && ack.n == end - 1;
        qemu_fflush(ms->to_dst_file);
        ack.exchanges[ack.n].sent_ticks = cpu_get_host_ticks();
        if (!migration_ping(ms, QEMU_VM_PING_EXCHANGE + ack.n)) {
            return false;
        }
    }
    return true;
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

/* Returns false if the way back broke, and the migration has failed by that. */
static bool migration_exchanged(MigrationState *ms, bool last)
{
    Error *local_err = NULL;

    if (!ack.exchanging || migration_exchange(ms, last)) {
        if (migration_setup_ack_done()) {
            migration_end_return_path(ms);
        }
    } else if (!migration_cancel_seen(ms)) {
        error_setg(&local_err, "The destination ended the return path");
        migration_setup_failed(ms, local_err);
        return false;
    }
    return true;
}

/*
 * A TLS session isn't to be read by one thread while another one writes for
 * long, and under CPR the guest stops right away.
 */
static bool migration_exchanges_once(MigrationState *ms)
{
    return migrate_mode_is_cpr(ms) ||
           object_dynamic_cast(OBJECT(qemu_file_get_ioc(ms->to_dst_file)),
                               TYPE_QIO_CHANNEL_TLS);
}

bool migration_setup_acked(MigrationState *ms)
{
    if (!ack.wanted) {
        return true;
    }
    ack.last = !ack.exchanging;
    if (!migration_ping(ms, QEMU_VM_PING_SETUP_ACK)) {
        if (!migration_cancel_seen(ms)) {
            migration_refused(ms);
            return false;
        }
        return true;
    }
    qatomic_set(&ack.accepted, true);
    return migration_exchanged(ms, migration_exchanges_once(ms)) &&
           (!migrate_mode_is_cpr(ms) || migration_stop_for_cpr(ms));
}

bool migration_exchange_again(MigrationState *ms)
{
    if (!ack.accepted || !ack.exchanging || ack.n > EXCHANGES_AT_ONCE ||
        migration_exchanges_once(ms)) {
        return false;
    }
    migration_exchanged(ms, true);
    return true;
}

void migration_setup_ack_cleanup(void)
{
    ack.n = 0;
    if (ack.rp) {
        qemu_fclose(g_steal_pointer(&ack.rp));
    }
}
