/*
 * The destination's answer to the set-up sections, before RAM is sent, and
 * messages whose times tell how the hosts' clocks lie to each other
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef QEMU_MIGRATION_SETUP_ACK_H
#define QEMU_MIGRATION_SETUP_ACK_H

#include "qapi/qapi-types-run-state.h"

/* No other PINGs have these numbers. */
#define QEMU_VM_PING_SETUP_ACK 5
#define QEMU_VM_PING_EXCHANGE  0x100    /* and up */

#define MIG_EXCHANGES 8

/*
 * A PING and its PONG: the source's cpu_get_host_ticks() before the one was
 * sent and after the other arrived.
 */
typedef struct MigrationExchange {
    uint64_t sent_ticks;
    uint64_t back_ticks;
} MigrationExchange;

/*
 * Register a section with early_setup; no more than one.  On channels with a
 * way back the source waits, after the set-up sections and before it sends
 * anything else, until the destination has loaded them.  So the destination's
 * .post_load can refuse a guest that still runs, untouched, on the source.
 */
void migration_setup_ack_register(const VMStateDescription *vmsd,
                                  void *opaque);

/* Is it this one?  Its number is none that others get. */
bool migration_setup_ack_is(const VMStateDescription *vmsd);

/*
 * On the destination, while it loads set-up sections: does the source wait for
 * its answer before it sends anything else?
 */
bool migration_setup_ack_awaited(void);

/* Can the migration that is about to be set up have such a section? */
bool migration_setup_ack_allows(Error **errp);

/*
 * A migration begins.  Returns true if it needs the return path for the
 * answer; the CPR modes then stop the VM after it instead of before.
 */
bool migration_setup_ack_begin(MigrationState *ms, bool resume);
bool migration_setup_ack_stops_vm(void);

/* Returns true if nobody else is to see this PONG. */
bool migration_setup_ack_take_pong(uint32_t number);

/* On the source: is it to answer, and hasn't yet? */
bool migration_setup_ack_pending(void);

/* Has the return path served its purpose? */
bool migration_setup_ack_done(void);

/*
 * The return path thread ends, without @err if that is NULL.  Returns @err,
 * or NULL if it is kept for migration_setup_acked().
 */
Error *migration_setup_ack_end(Error *err);

/*
 * Make sure that the destination has taken the set-up sections.  Not under
 * the BQL: the guest runs on meanwhile.  Returns false if it refused.
 */
bool migration_setup_acked(MigrationState *ms);

/*
 * Before the guest stops, once.  Returns true if time passed, so that there
 * may be more to send before it can stop.
 */
bool migration_exchange_again(MigrationState *ms);

/* On the source, before its section is sent: is there to be any? */
void migration_exchanges_want(bool wanted);

/* On the source: write all exchanges of this migration; returns how many. */
uint32_t migration_exchanges_sent(MigrationExchange *ret);

/* On the destination: a PING arrived; and when did those of exchanges? */
void migration_exchange_arrived(uint32_t number);
const uint64_t *migration_exchanges_arrived(void);

/*
 * Is the guest loaded from a snapshot or a file?  Then it runs nowhere else.
 * A pipe may come from a source where it goes on once this side refuses it.
 */
bool migration_from_storage(void);

/*
 * May it run elsewhere, too, now or later?  Nobody who sends it through a pipe
 * can say that it doesn't.
 */
bool migration_may_be_copy(void);

/* The migration is over and its channel closed. */
void migration_setup_ack_cleanup(void);

/* In migration.c */
int migration_stop_vm(MigrationState *s, RunState state);

#endif
