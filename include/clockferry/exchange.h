/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Messages that tell how much time passes between two hosts, whatever their
 * clocks believe; clock-causal.h says why.
 *
 * They travel on the VMM's own channel, while the guest still runs: the source
 * sends one with a number, the destination answers with that number at once,
 * and the source sends the next only then, so that none waits behind another.
 * Four are plenty where the channel is idle; four more just before the guest
 * stops keep the time short for which the TSCs' rates have to be trusted. Both
 * sides note their host's TSC:
 *
 *     source                                destination
 *     cf_exchange_send()
 *     send the number at once        ->     cf_exchange_arrived()
 *     cf_exchange_answered()         <-     send it back at once
 *     ...
 *     cf_capture()
 *     the table into @exchanges
 *     of the CfState                 ->     the table into @exchanges
 *                                           of the CfRestoreOptions
 *                                           cf_restore()
 *
 * What is noted late, lost, or never sent makes limits wider, never wrong. A
 * VMM that changes its plans and sends the guest elsewhere begins with empty
 * tables, on both sides.
 */
#ifndef CLOCKFERRY_EXCHANGE_H
#define CLOCKFERRY_EXCHANGE_H

#include <clockferry/clock-causal.h>
#include <clockferry/kvm.h>

/* CfExchange - one message, and its answer */
typedef struct cf_exchange CfExchange;

/**
 * CfExchanges - what one side noted of all messages of a migration
 * @n: how many were sent, or the highest number that arrived + 1
 * @each: by the messages' numbers; 0 ticks where nothing was noted
 * @reserved: 0; room for later versions
 *
 * Empty if all bytes are 0.
 */
typedef struct CfExchanges {
    uint32_t n;
    CfExchange each[CF_EXCHANGES_MAX];
    uint64_t reserved[2];
} CfExchanges;

G_BEGIN_DECLS

/**
 * cf_exchange_send - on the source, just before a message is written
 * @ops: the calls, normally cf_kvm_ops()
 * @table: the source's
 * @ret_number: the number to send, below CF_EXCHANGES_MAX
 *
 * Flush what was buffered for the channel before this call, not after it.
 *
 * Return: false if the table is full; what is in it still counts.
 */
CF_API bool cf_exchange_send(const CfKvmOps *ops, CfExchanges *table,
                             uint32_t *ret_number);

/**
 * cf_exchange_arrived - on the destination, when a message has arrived
 * @ops: the calls, normally cf_kvm_ops()
 * @table: the destination's
 * @number: that of the message; may come from anywhere
 *
 * To be called before the answer is sent.
 *
 * Return: false if no message has this number.
 */
CF_API bool cf_exchange_arrived(const CfKvmOps *ops, CfExchanges *table,
                                uint32_t number);

/**
 * cf_exchange_answered - on the source, when an answer has arrived
 * @ops: the calls, normally cf_kvm_ops()
 * @table: the source's
 * @number: that of the answer; may come from anywhere
 *
 * Return: false if no message with this number was sent, or it was answered
 * already.
 */
CF_API bool cf_exchange_answered(const CfKvmOps *ops, CfExchanges *table,
                                 uint32_t number);

G_END_DECLS

#endif /* CLOCKFERRY_EXCHANGE_H */
