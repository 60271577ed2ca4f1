/*
 * The destination's answer to the set-up sections, before RAM is sent
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef QEMU_MIGRATION_SETUP_ACK_H
#define QEMU_MIGRATION_SETUP_ACK_H

#include "qemu/thread.h"

/*
 * Shared by the migration thread, which waits, and the return path thread,
 * which receives the answer or ends.
 */
typedef struct MigrationSetupAck {
    bool wanted;                /* in this migration */
    bool only;                  /* nothing else needs the return path */
    bool pending;
    bool acked;
    bool thread_ended;          /* that of the return path */
    Error *err;                 /* with which it ended while @pending */
    QEMUFile *rp;               /* a return path that has ended */
    QemuSemaphore sem;
} MigrationSetupAck;

void migration_setup_ack_init(MigrationSetupAck *ack);
void migration_setup_ack_destroy(MigrationSetupAck *ack);

/* The migration is over and its channel closed. */
void migration_setup_ack_cleanup(MigrationSetupAck *ack);

/*
 * The name of a section that will be sent at set-up and that the destination
 * may refuse, or NULL.  (In savevm.c, where the sections are.)
 */
const char *qemu_savevm_state_setup_ack_section(void);

/* Will one be sent, and can the destination answer? */
bool migration_setup_ack_wanted(MigrationState *ms);

/* The return path is about to be opened. */
void migration_setup_ack_begin(MigrationSetupAck *ack);

/* Returns true if nobody else is to see this PONG. */
bool migration_setup_ack_take_pong(MigrationSetupAck *ack, uint32_t number);

/* Has the return path served its purpose? */
bool migration_setup_ack_done(MigrationSetupAck *ack);

/* The return path thread ends, without @err if that is NULL; takes it. */
void migration_setup_ack_end(MigrationState *ms, Error *err);

/*
 * Make sure that the destination has taken the set-up sections.  Not under
 * the BQL: the guest runs on meanwhile.  Returns false if it refused.
 */
bool migration_setup_acked(MigrationState *ms);

#endif
