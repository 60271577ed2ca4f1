/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The answer of clockferry check, for people and for programs. */
#ifndef CF_CHECK_PRINT_H
#define CF_CHECK_PRINT_H

#include "text/codec.h"
#include "cli/libvirt/libvirt.h"
#include "cli/screen.h"

/**
 * Move - a guest that is to go from one host to another, and the answer
 * @from: name of the source
 * @to: name of the destination
 * @by_libvirt: libvirt was asked for the guest, so @name, @source and @carried
 *              are known
 * @name: the guest's name
 * @source: where the guest's clocks are known from
 * @carried: its QEMU would carry them
 * @guest: the guest
 * @destination: the host
 * @check: whether the guest may go there
 */
typedef struct Move {
    char *from;
    char *to;
    bool by_libvirt;
    char *name;
    LibvirtSource source;
    bool carried;
    CfGuest guest;
    CfHost destination;
    CfCheck check;
} Move;

Level check_level(enum cf_verdict verdict);

/* To be freed with g_free(). The text is laid out for @output, as of
 * screen_begin(). */
char *check_to_text(const Move *move, const char *output);
char *check_to_json(const Move *move);

/* Adds to an object what was found: verdict, rung and figures; with @texts also
 * each finding in a sentence. */
void check_add_json(CfJson *object, const CfCheck *check, bool texts);

#endif /* CF_CHECK_PRINT_H */
