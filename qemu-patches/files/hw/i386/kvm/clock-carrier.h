/*
 * The part of the kvmclock device that carries a guest's clocks: its parent,
 * so that the device needs to know no more than what it calls
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_I386_KVM_CLOCK_CARRIER_H
#define HW_I386_KVM_CLOCK_CARRIER_H

#include "hw/sysbus.h"
#include "migration/vmstate.h"
#include "qemu/notify.h"
#include "qom/object.h"
#include "system/runstate.h"
#ifdef CONFIG_INT128_TYPE
#include "hw/i386/kvm/clock-carry.h"
#endif

/* What became of a guest's clocks: at its stop, and before it runs. */
typedef enum KVMClockChange {
    KVM_CLOCK_STOPPED,          /* they were captured, */
    KVM_CLOCK_LOST,             /* or couldn't be */
    KVM_CLOCK_RESTORED,
    KVM_CLOCK_KEPT,             /* they ran on all the time */
    KVM_CLOCK_PLAIN,            /* they aren't carried */
    KVM_CLOCK_RESET,            /* the guest starts anew, and so do its TSCs */
} KVMClockChange;

#define TYPE_KVM_CLOCK_CARRIER "kvmclock-carrier"
OBJECT_DECLARE_SIMPLE_TYPE(KVMClockCarrier, KVM_CLOCK_CARRIER)

/* All but @config is in use with guest-clock=on only. */
struct KVMClockCarrier {
    SysBusDevice parent_obj;

#ifdef CONFIG_INT128_TYPE       /* the arithmetic needs it: no 32-bit hosts */
    KVMClockConfig config;
    VMChangeStateHandler *handler;
    VMChangeStateEntry *entry;  /* for it, in the order of @config.enabled */
    DeviceListener listener;    /* hears of vCPUs that are plugged in */

    /* clocks of the stopped guest, and where they come from */
    KVMClockCarried carried;
    enum {
        CARRIED_NONE,
        CARRIED_CAPTURED,
        CARRIED_LOADED,
    } carried_from;

    /* stopped for a migration or a snapshot: to go on as if it hadn't been */
    bool keep_on_resume;

    /* the virtual clock: when the guest stopped; ahead of the monotonic one */
    int64_t virtual_ns;
    int64_t virtual_lead_ns;

    /* the boot vCPU's, cached: a running vCPU can't be asked */
    struct cf_tsc_freq freq;

    KVMClockOffer offer;
    bool offered;               /* @offer was loaded: clocks are to come */
    bool failed;                /* to capture the stopped guest's clocks */
    Error *not_captured;        /* why, the last time; NULL: they were */
    Error *not_restored;        /* the same of those that arrived */
    KVMClockReport report;
    NotifierList changes;       /* of KVMClockChange */
    bool tells_time;            /* to the guest, by its vmclock device */
#endif
};

/*
 * Called by the device, which hands over its own handler of state changes.
 * kvmclock_carrier_run() returns false if the plain clock value is to be set.
 */
void kvmclock_carrier_realize(KVMClockCarrier *c,
                              VMChangeStateHandler *handler, Error **errp);
void kvmclock_carrier_stop(KVMClockCarrier *c, RunState state);
bool kvmclock_carrier_run(KVMClockCarrier *c);
void kvmclock_carrier_warn_of_no_device(const char *type);

/* Are there clocks for the guest to go on with? */
bool kvmclock_has_carried(const KVMClockCarrier *c);
void kvmclock_carrier_drop(KVMClockCarrier *c);

/* By how much the virtual clock is ahead of the host's monotonic one. */
int64_t kvmclock_virtual_lead_ns(void);

/* The offer goes before RAM, and the source waits for the answer. */
extern const VMStateDescription vmstate_kvmclock_offer;
extern const VMStateDescription vmstate_kvmclock_guest_clock;

/* The device's part, if the machine has the device; else NULL. */
KVMClockCarrier *kvmclock_find_carrier(void);

/* Turns guest-clock on or off, of a machine that is there. */
void kvmclock_carrier_turn(KVMClockCarrier *c, bool on, Error **errp);

/* The properties: their defaults, and themselves. */
void kvmclock_settings_init(Object *obj);
void kvmclock_settings_class_init(ObjectClass *klass);

/* In a vCPU's thread: its TSC, a struct cf_tsc. */
void kvmclock_ask_tsc(CPUState *cpu, run_on_cpu_data ret_tsc);

/* Given by the device: tells the guest that it was stopped. */
void do_kvmclock_ctrl(CPUState *cpu, run_on_cpu_data data);

#endif
