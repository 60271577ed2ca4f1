/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The answer of clockferry check for people and for programs. */
#ifndef CF_CHECK_PRINT_H
#define CF_CHECK_PRINT_H

#include <clockferry/check.h>
#include "cli/libvirt/libvirt.h"

/**
 * Move - a guest that shall go from one host to another, and the answer
 * @from: name of the source
 * @to: name of the destination
 * @by_libvirt: the guest was asked for through libvirt: @name, @teller and
 *              @carried are known
 * @name: the guest's
 * @teller: who told of its clocks
 * @carried: its QEMU would carry them
 * @guest: the guest
 * @destination: the host
 * @check: whether it may
 */
typedef struct Move {
    char *from;
    char *to;
    bool by_libvirt;
    char *name;
    LibvirtTeller teller;
    bool carried;
    CfGuest guest;
    CfHost destination;
    CfCheck check;
} Move;

/* To be freed with g_free(). */
char *check_to_text(const Move *move);
char *check_to_json(const Move *move);

#endif /* CF_CHECK_PRINT_H */
