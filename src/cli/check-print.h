/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The answer of clockferry check, for people and for programs. */
#ifndef CF_CHECK_PRINT_H
#define CF_CHECK_PRINT_H

#include "text/codec.h"
#include "cli/libvirt/libvirt.h"
#include "cli/screen.h"

/* Move - a guest that is to go from one host to another, and the answer */
typedef struct Move {
    char *from;            /* name of the source */
    char *to;              /* name of the destination */
    /* libvirt was asked for the guest, so @name, @source and @carried are
     * known */
    bool by_libvirt;
    char *name;            /* the guest's name */
    LibvirtSource source;  /* where the guest's clocks are known from */
    bool carried;          /* its QEMU would carry them */
    CfGuest guest;         /* the guest */
    CfHost destination;    /* the host */
    CfCheck check;         /* whether the guest may go there */
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
