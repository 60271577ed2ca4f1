/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The clocks of a guest that runs in QEMU, as QEMU reports them. */
#ifndef CF_GUEST_CLOCKS_H
#define CF_GUEST_CLOCKS_H

#include <clockferry/check.h>
#include <clockferry/vm.h>
#include "text/names.h"
#include "qmp.h"

/**
 * LastRestore - how the clocks were restored when the guest arrived
 *
 * The members are those of QEMU's KvmClockRestore.
 */
typedef struct LastRestore {
    int rung;
    uint32_t tries;
    bool residual_known;
    int64_t residual_ns;
    bool bound_known;
    int64_t bound_ns;
    int tsc;
    bool rate_known;
    int64_t rate_error_ppt;
    bool skew_known;
    int64_t skew_ticks;
    bool time_known;
    int64_t time_bound_ns;
    int elapsed_from;     /* CfElapsedFrom */
    bool round_trip_known;
    int64_t round_trip_ns;
    bool clocks_wrong;    /* the hosts' are, by this at least */
    int64_t clocks_wrong_ns;
    bool same_host;
    bool kexec;           /* but with another kernel; @kexec_ppt is known */
    int64_t kexec_ppt;
    bool frozen;
    int64_t elapsed_ns;
    int64_t duration_ns;
} LastRestore;

/* enum guest_blackout - does the time of a blackout count? */
enum guest_blackout {
    GUEST_BLACKOUT_COUNT,
    GUEST_BLACKOUT_FREEZE,
};

/* Their names, for QEMU and for our JSON. */
extern const CfNames guest_blackout_names;

/* GuestClocks - all that QEMU reports */
typedef struct GuestClocks {
    char name[256];       /* the guest's name, empty if it has none */
    char status[32];      /* its run state, such as "running" */
    bool enabled;         /* its clocks are carried over migrations */
    enum guest_blackout blackout;
    /* from this many seconds on a blackout doesn't count anyway */
    uint32_t blackout_limit_s;
    uint32_t host_khz;    /* frequency of the host's TSC, 0 when unknown */
    uint32_t guest_khz;   /* frequency of the guest's TSC, 0 when unknown */
    CfGuest guest;        /* for cf_check() */
    /* why they weren't captured or restored the last time; empty: they were */
    char not_carried[512];
    bool restored;        /* @restore is known */
    LastRestore restore;  /* the last restore */
} GuestClocks;

/* Asks a guest's QEMU, on a host of which this is known. QMP_ERROR_NO_COMMAND:
 * QEMU lacks the Clockferry series. */
gboolean guest_clocks_ask(Qmp *qmp, const CfHost *host,
                          GuestClocks *ret_clocks, GError **error);

/* The name that others know the guest by, whatever its QEMU says: as much of it
 * as fits. */
void guest_clocks_name(GuestClocks *clocks, const char *name);

/* What any QEMU reports: the frequency that it wants the guest's TSC to have; 0
 * if it doesn't. */
uint32_t guest_clocks_ask_khz(Qmp *qmp);

/* Reads the event KVM_CLOCK_RESTORED; false if it is nonsense. */
bool guest_clocks_read_event(const CfJson *event, LastRestore *ret_restore);

/* Are the clocks carried, and did they arrive as they were, and as required? */
bool guest_clocks_exact(const GuestClocks *clocks);

/* For people, laid out for @output as of screen_begin(), and for programs; to
 * be freed with g_free(). */
char *guest_clocks_to_text(const GuestClocks *clocks, const char *output);
char *guest_clocks_to_json(const GuestClocks *clocks);

/* The same JSON in one line; and what either has, read again. */
char *guest_clocks_to_line(const GuestClocks *clocks);
gboolean guest_clocks_from_json(const char *text, size_t size,
                                GuestClocks *ret_clocks, GError **error);

/* Of several guests, up to a NULL. */
char *guest_clocks_to_prometheus(const GuestClocks *const *guests);

/* "closed-loop, 2 tries, residual -1 ns, ...", to be freed with g_free(). */
char *guest_clocks_restore_line(const LastRestore *restore);

#endif /* CF_GUEST_CLOCKS_H */
