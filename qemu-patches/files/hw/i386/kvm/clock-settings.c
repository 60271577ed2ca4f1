/*
 * The settings of a guest's clocks: the properties of the kvmclock device, and
 * when they may change
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-visit-kvm-clock.h"
#include "qapi/visitor.h"
#include "migration/misc.h"
#include "hw/i386/kvm/clock-carrier.h"
#include "hw/qdev-properties.h"

static bool kvmclock_may_set(Object *obj, const char *name, Error **errp)
{
    if (migration_is_running()) {
        error_setg(errp, "kvmclock.%s can't be changed while a migration is "
                   "active; cancel it, or wait for its end", name);
        return false;
    }
    return true;
}

static bool kvmclock_get_enabled(Object *obj, Error **errp)
{
    return KVM_CLOCK_CARRIER(obj)->config.enabled;
}

static void kvmclock_set_enabled(Object *obj, bool value, Error **errp)
{
    KVMClockCarrier *c = KVM_CLOCK_CARRIER(obj);

    if (!DEVICE(obj)->realized || c->config.enabled == value) {
        c->config.enabled = value;
        return;
    }
    if (!kvmclock_may_set(obj, "guest-clock", errp)) {
        return;
    }
    if (runstate_check(RUN_STATE_INMIGRATE)) {
        error_setg(errp, "kvmclock.guest-clock can't be changed while a guest "
                   "is awaited; start this QEMU with -global "
                   "kvmclock.guest-clock=%s", value ? "on" : "off");
        return;
    }
    kvmclock_carrier_turn(c, value, errp);
}

#define KVMCLOCK_PROPERTY(field, qapi_type) \
    static void kvmclock_get_ ## field(Object *obj, Visitor *v, \
                                       const char *name, void *opaque, \
                                       Error **errp) \
    { \
        visit_type_ ## qapi_type(v, name, \
                                 &KVM_CLOCK_CARRIER(obj)->config.field, errp); \
    } \
    static void kvmclock_set_ ## field(Object *obj, Visitor *v, \
                                       const char *name, void *opaque, \
                                       Error **errp) \
    { \
        if (kvmclock_may_set(obj, name, errp)) { \
            kvmclock_get_ ## field(obj, v, name, opaque, errp); \
        } \
    }

KVMCLOCK_PROPERTY(policy, KvmClockPolicy)
KVMCLOCK_PROPERTY(require, KvmClockRung)
KVMCLOCK_PROPERTY(blackout, KvmClockBlackout)
KVMCLOCK_PROPERTY(blackout_limit_s, uint32)

void kvmclock_settings_init(Object *obj)
{
    KVMClockConfig *config = &KVM_CLOCK_CARRIER(obj)->config;

    config->require = KVM_CLOCK_RUNG_PLAIN;
    config->blackout_limit_s = 600;
}

static const Property kvmclock_properties[] = {
    /* To try a refusal out: claim another host, or one that can't scale. */
    DEFINE_PROP_BOOL("x-pretend-other-host", KVMClockCarrier,
                     config.pretend_other_host, false),
    DEFINE_PROP_UINT32("x-pretend-tsc-khz", KVMClockCarrier,
                       config.pretend_tsc_khz, 0),
    /* Off for destinations that don't know its section. */
    DEFINE_PROP_BOOL("x-exchange", KVMClockCarrier, config.exchange, true),
};

void kvmclock_settings_class_init(ObjectClass *klass)
{
    device_class_set_props(DEVICE_CLASS(klass), kvmclock_properties);

    object_class_property_add_bool(klass, "guest-clock", kvmclock_get_enabled,
                                   kvmclock_set_enabled);
    object_class_property_set_description(klass, "guest-clock",
        "carry TSC and kvmclock over migrations as functions");
    object_class_property_add(klass, "policy", "KvmClockPolicy",
                              kvmclock_get_policy, kvmclock_set_policy,
                              NULL, NULL);
    object_class_property_set_description(klass, "policy",
        "how much inexactness is accepted (strict, auto, lax)");
    object_class_property_add(klass, "require", "KvmClockRung",
                              kvmclock_get_require, kvmclock_set_require,
                              NULL, NULL);
    object_class_property_set_description(klass, "require",
        "the worst way to restore kvmclock that is accepted");
    object_class_property_add(klass, "blackout", "KvmClockBlackout",
                              kvmclock_get_blackout, kvmclock_set_blackout,
                              NULL, NULL);
    object_class_property_set_description(klass, "blackout",
        "whether the blackout counts for the guest (count, freeze)");
    object_class_property_add(klass, "blackout-limit", "uint32",
                              kvmclock_get_blackout_limit_s,
                              kvmclock_set_blackout_limit_s, NULL, NULL);
    object_class_property_set_description(klass, "blackout-limit",
        "a blackout of more seconds than this doesn't count");
}
