/*
 * The part of the kvmclock device that carries a guest's clocks
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_I386_KVM_CLOCK_CARRIER_H
#define HW_I386_KVM_CLOCK_CARRIER_H

#include "hw/i386/kvm/clock-carry.h"
#include "system/runstate.h"

#define TYPE_KVM_CLOCK "kvmclock"

/* What the device has for it; all of it in use with guest-clock=on only. */
typedef struct KVMClockCarrier {
    KVMClockConfig config;

    /* clocks of the stopped guest, and where they come from */
    KVMClockCarried carried;
    enum {
        CARRIED_NONE,
        CARRIED_CAPTURED,
        CARRIED_LOADED,
    } carried_from;

    /* stopped for a migration or a snapshot: to go on as if it hadn't been */
    bool keep_on_resume;

    /* the boot vCPU's, cached: a running vCPU can't be asked */
    struct cf_tsc_freq freq;

    KVMClockOffer offer;
    KVMClockReport report;
} KVMClockCarrier;

/* Called by the device.  Those with an Object or void * take the device. */
void kvmclock_carrier_instance_init(Object *obj);
void kvmclock_carrier_class_init(ObjectClass *klass);
bool kvmclock_carrier_realize(KVMClockCarrier *c, Error **errp);
void kvmclock_carrier_stop(KVMClockCarrier *c, RunState state);
bool kvmclock_carrier_run(KVMClockCarrier *c);
void kvmclock_carrier_drop(KVMClockCarrier *c);
bool kvmclock_carrier_needed(void *opaque);
int kvmclock_carrier_post_load(void *opaque, int version_id);
void kvmclock_carrier_warn_of_no_device(void);

/* The device's part, if the machine has the device; else NULL. */
KVMClockCarrier *kvmclock_find_carrier(void);

/* Given by the device. */
KVMClockCarrier *kvmclock_carrier(Object *obj);
void kvmclock_tell_stopped(void);

#endif
