/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Messages between two hosts: what each side notes, and both together. */
#include "restore.h"

bool cf_exchange_send(const CfKvmOps *ops, CfExchanges *table,
                      uint32_t *ret_number)
{
    if (table->n >= CF_EXCHANGES_MAX) {
        return false;
    }
    *ret_number = table->n++;
    table->each[*ret_number] = (CfExchange) { .sent_ticks = ops->read_tsc() };
    return true;
}

bool cf_exchange_arrived(const CfKvmOps *ops, CfExchanges *table,
                         uint32_t number)
{
    const uint64_t ticks = ops->read_tsc();

    if (number >= CF_EXCHANGES_MAX) {
        return false;
    }
    table->each[number].arrived_ticks = ticks;
    table->n = MAX(table->n, number + 1);
    return true;
}

bool cf_exchange_answered(const CfKvmOps *ops, CfExchanges *table,
                          uint32_t number)
{
    const uint64_t ticks = ops->read_tsc();

    if (number >= MIN(table->n, CF_EXCHANGES_MAX) ||
        table->each[number].answered) {
        return false;
    }
    table->each[number].back_ticks = ticks;
    table->each[number].answered = true;
    return true;
}

uint32_t cf_join_exchanges(const CfExchanges *sent, const CfExchanges *arrived,
                           CfExchange *ret_both)
{
    const uint32_t all = MIN(MIN(sent->n, arrived->n), CF_EXCHANGES_MAX);
    uint32_t i, n = 0;

    for (i = 0; i < all; i++) {
        if (sent->each[i].sent_ticks && arrived->each[i].arrived_ticks) {
            ret_both[n] = sent->each[i];
            ret_both[n++].arrived_ticks = arrived->each[i].arrived_ticks;
        }
    }
    return n;
}
