/*
 * The part of the kvmclock device that carries a guest's clocks: when they
 * are captured, offered to a destination, loaded, restored and dropped
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "cpu.h"
#include "migration/misc.h"
#include "hw/i386/kvm/clock-carrier.h"
#include "hw/qdev-properties.h"
#include "trace.h"

/* --- The guest stops and runs */

/* Does the VM stop only to be saved, with its user none the wiser? */
static bool kvmclock_stops_to_save(RunState state)
{
    return state == RUN_STATE_FINISH_MIGRATE || state == RUN_STATE_SAVE_VM ||
           state == RUN_STATE_RESTORE_VM || state == RUN_STATE_COLO ||
           (state == RUN_STATE_PAUSED && migration_in_bg_snapshot() &&
            migration_thread_is_self());
}

void kvmclock_carrier_drop(KVMClockCarrier *c)
{
    CPUState *cpu;

    c->carried_from = CARRIED_NONE;
    CPU_FOREACH(cpu) {
        cpu_env(cpu)->guest_tsc.valid = false;
    }
}

/* Also does what kvm_synchronize_all_tsc() does. */
void kvmclock_carrier_stop(KVMClockCarrier *c, RunState state)
{
    Error *err = NULL;

    c->keep_on_resume = kvmclock_stops_to_save(state);
    if (kvmclock_capture(&c->carried, !c->keep_on_resume, &err)) {
        c->carried_from = CARRIED_CAPTURED;
    } else {
        kvmclock_carrier_drop(c);
        warn_reportf_err(err, "the guest's clocks can't be carried exactly: ");
    }
}

/* Not between setting the clock and running the guest: it takes time. */
static void kvmclock_tell_later(void *opaque)
{
    kvmclock_tell_restored(&((KVMClockCarrier *)opaque)->report);
}

/*
 * Let the carried clocks go on.  Returns false if there are none, so that
 * the plain clock value has to do.
 */
static bool kvmclock_run_carried(KVMClockCarrier *c)
{
    Error *err = NULL;

    if (c->carried_from == CARRIED_NONE) {
        return false;
    }
    if (c->carried_from == CARRIED_CAPTURED && c->keep_on_resume &&
        kvmclock_within_limit(&c->carried, &c->config)) {
        kvmclock_tell_stopped();
        trace_kvmclock_kept();
        return true;
    }
    if (!kvmclock_restore(&c->carried, c->carried_from == CARRIED_CAPTURED,
                          &c->config, &c->report, &err)) {
        warn_reportf_err(err, "the guest's clocks are restored as if "
                         "guest-clock was off: ");
        return false;
    }
    c->freq = c->report.freq;
    if (c->carried_from == CARRIED_LOADED) {
        aio_bh_schedule_oneshot(qemu_get_aio_context(), kvmclock_tell_later,
                                c);
    }
    return true;
}

static void kvmclock_learn_freq(KVMClockCarrier *c)
{
    struct cf_tsc tsc;

    kvmclock_get_tsc(first_cpu->kvm_fd, kvmclock_this_host(), &tsc);
    c->freq = tsc.seen ? tsc.freq : (struct cf_tsc_freq) { 0 };
}

/*
 * Returns false if the plain clock value has still to be set.  The clock comes
 * last, after the guest was told that it was stopped: until it runs, kernels
 * without KVM_SET_CLOCK_GUEST let the clock drift from the guest TSC.
 */
bool kvmclock_carrier_run(KVMClockCarrier *c)
{
    if (kvmclock_run_carried(c)) {
        return true;
    }
    kvmclock_tell_stopped();
    kvmclock_learn_freq(c);
    return false;
}

/* A guest that starts anew has no use for the clocks it was stopped with. */
static void kvmclock_carrier_reset_hold(Object *obj, ResetType type)
{
    KVMClockCarrier *c = kvmclock_carrier(obj);

    if (c->carried_from != CARRIED_NONE) {
        trace_kvmclock_dropped();
    }
    kvmclock_carrier_drop(c);
}

/* --- The stream */

/* The effective frequency: of a stopped guest from what it is stopped with. */
static struct cf_tsc_freq kvmclock_offer_freq(KVMClockCarrier *c)
{
    const X86GuestTSC *tsc = &cpu_env(first_cpu)->guest_tsc;

    if (c->carried_from != CARRIED_NONE && tsc->valid) {
        return (struct cf_tsc_freq) {
            c->carried.host_khz, tsc->frac_bits, tsc->ratio
        };
    }
    return c->freq;
}

static int kvmclock_offer_pre_save(void *opaque)
{
    KVMClockCarrier *c = opaque;
    const struct cf_tsc_freq freq = kvmclock_offer_freq(c);
    Error *err = NULL;

    if (!kvmclock_make_offer(&c->offer, &freq,
                             c->carried_from == CARRIED_NONE ? NULL
                                                             : &c->carried,
                             &c->config, &err)) {
        error_report_err(err);
        return -EIO;
    }
    return 0;
}

static int kvmclock_offer_post_load(void *opaque, int version_id)
{
    KVMClockCarrier *c = opaque;

    return kvmclock_check_offer(&c->offer, &c->config) ? 0 : -EPERM;
}

/*
 * Goes before RAM, and the source waits for the answer.  Registered with
 * guest-clock=on only: every registration renumbers the sections after it.
 */
static const VMStateDescription kvmclock_offer_vmsd = {
    .name = "kvmclock_offer",
    .version_id = 1,
    .minimum_version_id = 1,
    .early_setup = true,
    .early_setup_ack = true,
    .priority = MIG_PRI_MAX,
    .pre_save = kvmclock_offer_pre_save,
    .post_load = kvmclock_offer_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_STRUCT(offer.from, KVMClockCarrier, 1,
                       vmstate_kvmclock_carried, KVMClockCarried),
        VMSTATE_STRUCT(offer.freq, KVMClockCarrier, 1, vmstate_kvmclock_freq,
                       struct cf_tsc_freq),
        VMSTATE_BOOL(offer.promised, KVMClockCarrier),
        VMSTATE_UINT8(offer.policy, KVMClockCarrier),
        VMSTATE_UINT8(offer.require, KVMClockCarrier),
        VMSTATE_END_OF_LIST()
    }
};

bool kvmclock_carrier_needed(void *opaque)
{
    KVMClockCarrier *c = kvmclock_carrier(opaque);

    return c->config.enabled && c->carried_from != CARRIED_NONE;
}

int kvmclock_carrier_post_load(void *opaque, int version_id)
{
    KVMClockCarrier *c = kvmclock_carrier(opaque);

    if (!c->config.enabled) {
        error_report("kvmclock: the source carries the guest's clocks and "
                     "this side doesn't; start QEMU here with "
                     "-global kvmclock.guest-clock=on");
        return -EINVAL;
    }
    c->carried_from = CARRIED_LOADED;
    return 0;
}

/* --- The device and its properties, but for those that need no code */

bool kvmclock_carrier_realize(KVMClockCarrier *c, Error **errp)
{
    if (!c->config.enabled) {
        return true;
    }
    kvmclock_learn_freq(c);
    if (!cf_tsc_freq_valid(&c->freq)) {
        error_setg(errp, "guest-clock=on: KVM doesn't tell the frequency "
                   "of the guest's TSC");
        return false;
    }
    vmstate_register(NULL, 0, &kvmclock_offer_vmsd, c);
    return true;
}

#define KVMCLOCK_ENUM_PROPERTY(name) \
    static int kvmclock_get_ ## name(Object *obj, Error **errp) \
    { \
        return kvmclock_carrier(obj)->config.name; \
    } \
    static void kvmclock_set_ ## name(Object *obj, int value, Error **errp) \
    { \
        if (DEVICE(obj)->realized) { \
            qdev_prop_set_after_realize(DEVICE(obj), #name, errp); \
            return; \
        } \
        kvmclock_carrier(obj)->config.name = value; \
    }

KVMCLOCK_ENUM_PROPERTY(policy)
KVMCLOCK_ENUM_PROPERTY(require)
KVMCLOCK_ENUM_PROPERTY(blackout)

void kvmclock_carrier_instance_init(Object *obj)
{
    kvmclock_carrier(obj)->config.require = KVM_CLOCK_RUNG_PLAIN;
}

void kvmclock_carrier_class_init(ObjectClass *klass)
{
    RESETTABLE_CLASS(klass)->phases.hold = kvmclock_carrier_reset_hold;

    object_class_property_add_enum(klass, "policy", "KvmClockPolicy",
                                   &KvmClockPolicy_lookup,
                                   kvmclock_get_policy, kvmclock_set_policy);
    object_class_property_set_description(klass, "policy",
        "how much inexactness is accepted (strict, auto, lax)");
    object_class_property_add_enum(klass, "require", "KvmClockRung",
                                   &KvmClockRung_lookup,
                                   kvmclock_get_require,
                                   kvmclock_set_require);
    object_class_property_set_description(klass, "require",
        "the worst way to restore kvmclock that is accepted");
    object_class_property_add_enum(klass, "blackout", "KvmClockBlackout",
                                   &KvmClockBlackout_lookup,
                                   kvmclock_get_blackout,
                                   kvmclock_set_blackout);
    object_class_property_set_description(klass, "blackout",
        "whether the blackout counts for the guest (count, freeze)");
}

/* Old machine types have no such device unless the guest has kvmclock. */
void kvmclock_carrier_warn_of_no_device(void)
{
    Object *obj = object_new(TYPE_KVM_CLOCK);

    if (kvmclock_carrier(obj)->config.enabled) {
        warn_report("kvmclock.guest-clock=on has no effect: this machine "
                    "type has no kvmclock device for a CPU without kvmclock; "
                    "use a newer machine type or -cpu ...,+kvmclock");
    }
    object_unref(obj);
}

KVMClockCarrier *kvmclock_find_carrier(void)
{
    Object *obj = object_resolve_path_type("", TYPE_KVM_CLOCK, NULL);

    return obj ? kvmclock_carrier(obj) : NULL;
}
