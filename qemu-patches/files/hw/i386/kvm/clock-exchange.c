/*
 * What the migration channel tells about the time that a guest was stopped
 *
 * The source's table of exchanges travels with the clocks; this side noted
 * when each of them arrived.  See clock-causal.h for what that proves.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "hw/i386/kvm/clock-carry.h"

/* On the source: all that this migration had. */
void kvmclock_collect_exchanges(KVMClockCarried *c)
{
    MigrationExchange sent[MIG_EXCHANGES];
    uint32_t i;

    c->n_exchanges = migration_exchanges_sent(sent);
    for (i = 0; i < MIG_EXCHANGES; i++) {
        c->exchanges[i] = i < c->n_exchanges
            ? (struct cf_exchange) { .sent_ticks = sent[i].sent_ticks,
                                     .back_ticks = sent[i].back_ticks }
            : (struct cf_exchange) { 0 };
    }
}

/* On the destination: of each exchange its own part is added. */
static int kvmclock_exchanges_post_load(void *opaque, int version_id)
{
    KVMClockCarried *c = opaque;
    const uint64_t *arrived_ticks = migration_exchanges_arrived();
    uint32_t i;

    if (c->n_exchanges > MIG_EXCHANGES) {
        error_report("kvmclock: the guest's clocks in the migration stream "
                     "are corrupt: %u exchanges", c->n_exchanges);
        return -EINVAL;
    }
    for (i = 0; i < c->n_exchanges; i++) {
        c->exchanges[i].arrived_ticks = arrived_ticks[i];
        c->exchanges[i].answered = true;
    }
    return 0;
}

/* What both hosts told each other, as far as is known here. */
struct cf_channel kvmclock_channel(const KVMClockCarried *src)
{
    return (struct cf_channel) {
        .exchanges = src->exchanges,
        .n = src->n_exchanges,
        .src_khz = src->host_khz,
        .dst_khz = kvmclock_this_host()->tsc_khz,
        .doubt_ppt = CF_RATE_DOUBT_PPT,
        .wander_ppt = CF_RATE_WANDER_PPT,
    };
}

static const VMStateDescription vmstate_kvmclock_one_exchange = {
    .name = "kvmclock/guest_clock/exchange/one",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT64(sent_ticks, struct cf_exchange),
        VMSTATE_UINT64(back_ticks, struct cf_exchange),
        VMSTATE_END_OF_LIST()
    }
};

const VMStateDescription vmstate_kvmclock_exchanges = {
    .name = "kvmclock/guest_clock/exchange/all",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = kvmclock_exchanges_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32(n_exchanges, KVMClockCarried),
        VMSTATE_STRUCT_ARRAY(exchanges, KVMClockCarried, MIG_EXCHANGES, 1,
                             vmstate_kvmclock_one_exchange,
                             struct cf_exchange),
        VMSTATE_END_OF_LIST()
    }
};
