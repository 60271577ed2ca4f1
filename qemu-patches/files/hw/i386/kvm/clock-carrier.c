/*
 * The part of the kvmclock device that carries a guest's clocks: when they
 * are captured, restored and dropped
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "qemu/seqlock.h"
#include "cpu.h"
#include "migration/global_state.h"
#include "migration/misc.h"
#include "migration/setup-ack.h"
#include "system/cpu-timers.h"
#include "system/cpu-timers-internal.h"
#include "system/kvm.h"
#include "kvm/kvm_i386.h"
#include "hw/i386/kvm/clock-carrier.h"
#include "hw/i386/kvm/clock-compat.h"
#include "trace.h"

/* --- The virtual clock, on which stand ACPI PM timer, HPET and others */

int64_t kvmclock_virtual_lead_ns(void)
{
    return qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL) - get_clock();
}

/*
 * All clocks of a guest tell one story: let this one show @ns now.  Timers that
 * were due meanwhile fire late, once.  It goes back only by what it ran since
 * it was started, with no vCPU running yet.
 */
static void kvmclock_set_virtual(int64_t ns)
{
    seqlock_write_lock(&timers_state.vm_clock_seqlock,
                       &timers_state.vm_clock_lock);
    timers_state.cpu_clock_offset += ns - cpu_get_clock_locked();
    seqlock_write_unlock(&timers_state.vm_clock_seqlock,
                         &timers_state.vm_clock_lock);
}

/* --- The guest stops and runs */

/*
 * Management software may stop a guest that takes too long to move.  Before it
 * was accepted, a destination would take it for one that stopped after that.
 */
static bool kvmclock_is_on_its_way(void)
{
    return migration_in_bg_snapshot()
           ? migration_thread_is_self()
           : migration_is_running() && !migration_setup_ack_pending();
}

/* Does the VM stop only to be saved, with its user none the wiser? */
static bool kvmclock_stops_to_save(RunState state)
{
    return state == RUN_STATE_FINISH_MIGRATE || state == RUN_STATE_SAVE_VM ||
           state == RUN_STATE_RESTORE_VM || state == RUN_STATE_COLO ||
           (state == RUN_STATE_PAUSED && kvmclock_is_on_its_way());
}

void kvmclock_carrier_drop(KVMClockCarrier *c)
{
    CPUState *cpu;

    c->carried_from = CARRIED_NONE;
    c->offered = false;
    c->failed = false;
    CPU_FOREACH(cpu) {
        cpu_env(cpu)->guest_tsc.valid = false;
    }
}

/* A vCPU's part is void once its state is loaded from a stream without it. */
bool kvmclock_has_carried(const KVMClockCarrier *c)
{
    return c->carried_from != CARRIED_NONE &&
           cpu_env(first_cpu)->guest_tsc.valid;
}

/* A destination takes the guest for the frequency that it was offered with. */
static bool kvmclock_freq_stayed(const KVMClockCarrier *c, Error **errp)
{
    const struct cf_tsc boot = kvmclock_carried_tsc(&c->carried, first_cpu);

    if (boot.known && cf_tsc_freq_valid(&c->freq) &&
        !cf_freq_is_near(&boot.freq, &c->freq)) {
        error_setg(errp, "kvmclock: the guest's TSC seems to have another "
                   "frequency than before");
        return false;
    }
    return true;
}

static void kvmclock_announce(KVMClockCarrier *c, KVMClockChange change)
{
    notifier_list_notify(&c->changes, &change);
}

/* Also does what kvm_synchronize_all_tsc() does. */
void kvmclock_carrier_stop(KVMClockCarrier *c, RunState state)
{
    Error *err = NULL;

    if (!c->config.enabled) {
        kvm_synchronize_all_tsc();
        return;
    }
    c->keep_on_resume = kvmclock_stops_to_save(state);
    if (kvmclock_capture(&c->carried, !c->keep_on_resume, &err) &&
        kvmclock_freq_stayed(c, &err)) {
        c->carried_from = CARRIED_CAPTURED;
        if (c->config.exchange) {
            kvmclock_carry_as_meant(&c->carried, &c->report);
        }
        /* It stopped somewhat earlier than what was captured. */
        c->virtual_ns = c->virtual_lead_ns + c->carried.at_ns;
        kvmclock_set_virtual(c->virtual_ns);
        kvmclock_announce(c, KVM_CLOCK_STOPPED);
        error_free(g_steal_pointer(&c->not_captured));
    } else {
        kvmclock_carrier_drop(c);
        c->failed = true;
        kvmclock_announce(c, KVM_CLOCK_LOST);
        kvmclock_tell_not_carried(&c->not_captured, err, "the guest's clocks "
                                  "can't be carried exactly");
    }
}

/* So that the guest's watchdogs don't bark. */
static void kvmclock_tell_stopped(void)
{
    CPUState *cpu;

    if (kvm_check_extension(kvm_state, KVM_CAP_KVMCLOCK_CTRL)) {
        CPU_FOREACH(cpu) {
            run_on_cpu(cpu, do_kvmclock_ctrl, RUN_ON_CPU_NULL);
        }
    }
}

/* Not between setting the clock and running the guest: it takes time. */
static void kvmclock_tell_later(void *opaque)
{
    KVMClockCarrier *c = opaque;
    const struct cf_policy_facts wishes = kvmclock_wishes(&c->offer,
                                                          &c->config);
    const enum cf_rung required = cf_policy_required(&wishes);

    kvmclock_tell_restored(&c->report);
    if (c->report.result.rung > required) {
        warn_report("kvmclock: '%s' is required, and this host seemed to be "
                    "able to do that; see above what it achieved",
                    KvmClockRung_str((KvmClockRung)required));
    }
}

/* Stopped to be saved, it goes on as if it hadn't been, captured or not. */
static bool kvmclock_keeps_going(const KVMClockCarrier *c)
{
    return c->keep_on_resume &&
           (c->failed || (c->carried_from == CARRIED_CAPTURED &&
                          kvmclock_has_carried(c) &&
                          kvmclock_within_limit(&c->carried, &c->config)));
}

/* A guest that arrives before its first start has no clocks to carry. */
static bool kvmclock_never_ran(void)
{
    return global_state_received() &&
           global_state_get_runstate() == RUN_STATE_PRELAUNCH;
}

static void kvmclock_not_restored(KVMClockCarrier *c, Error *why,
                                  const char *so)
{
    c->report.valid = false;
    kvmclock_tell_not_carried(&c->not_restored, why, so);
}

/*
 * Let the carried clocks go on.  If there are none the plain clock value has
 * to do.
 */
static KVMClockChange kvmclock_run_carried(KVMClockCarrier *c)
{
    Error *err = NULL;

    if (kvmclock_keeps_going(c)) {
        kvmclock_set_virtual(c->virtual_lead_ns + get_clock());
        kvmclock_tell_stopped();
        trace_kvmclock_kept();
        return KVM_CLOCK_KEPT;
    }
    if (!kvmclock_has_carried(c)) {
        if (c->offered && !kvmclock_never_ran()) {
            error_setg(&err, "kvmclock and TSC jump, for the source couldn't "
                       "capture the guest's clocks (its log says why), or it "
                       "was reset while stopped");
            kvmclock_not_restored(c, err, "the guest's clocks are restored as "
                                  "if guest-clock was off");
        }
        return KVM_CLOCK_PLAIN;
    }
    if (!kvmclock_restore(&c->carried, c->carried_from == CARRIED_CAPTURED,
                          &c->config, &c->report, &err)) {
        kvmclock_not_restored(c, err, "the guest's kvmclock is set as if "
                              "guest-clock was off, and its TSC may jump");
        return KVM_CLOCK_PLAIN;
    }
    error_free(g_steal_pointer(&c->not_restored));
    kvmclock_set_virtual(c->virtual_ns + c->report.move.elapsed_ns +
                         get_clock() - c->report.now_ns);
    c->freq = c->report.freq;
    if (c->carried_from == CARRIED_LOADED) {
        aio_bh_schedule_oneshot(qemu_get_aio_context(), kvmclock_tell_later,
                                c);
    }
    return KVM_CLOCK_RESTORED;
}

void kvmclock_ask_tsc(CPUState *cpu, run_on_cpu_data data)
{
    kvmclock_get_tsc(cpu->kvm_fd, kvmclock_this_host(), data.host_ptr);
}

static void kvmclock_learn_freq(KVMClockCarrier *c)
{
    struct cf_tsc tsc;

    run_on_cpu(first_cpu, kvmclock_ask_tsc, RUN_ON_CPU_HOST_PTR(&tsc));
    c->freq = tsc.seen ? tsc.freq : (struct cf_tsc_freq) { 0 };
}

bool kvmclock_carrier_run(KVMClockCarrier *c)
{
    KVMClockChange change;

    if (!c->config.enabled) {
        /* Of a guest that was loaded it may have been carried, and told. */
        kvmclock_announce(c, KVM_CLOCK_PLAIN);
        return false;
    }
    change = kvmclock_run_carried(c);
    c->virtual_lead_ns = kvmclock_virtual_lead_ns();
    if (change == KVM_CLOCK_PLAIN) {
        kvmclock_learn_freq(c);
    }
    kvmclock_announce(c, change);
    kvmclock_carrier_drop(c);
    return change != KVM_CLOCK_PLAIN;
}

/* KVM gave it the host's frequency, and an offset that goes with that. */
static void kvmclock_follow_boot(CPUState *cpu, run_on_cpu_data data)
{
    const KVMClockHost *host = kvmclock_this_host();
    struct cf_vcpu vcpu = { .src = *(struct cf_tsc *)data.host_ptr };
    uint32_t khz;

    kvmclock_ask_tsc(cpu, RUN_ON_CPU_HOST_PTR(&vcpu.dst));
    if (!vcpu.src.known || !vcpu.dst.known) {
        return;
    }
    if (cf_tsc_wants_khz(&vcpu, host->tsc_control, &khz)) {
        kvm_vcpu_ioctl(cpu, KVM_SET_TSC_KHZ, (unsigned long)khz);
        kvmclock_ask_tsc(cpu, RUN_ON_CPU_HOST_PTR(&vcpu.dst));
    }
    if (host->offset == CF_OFFSET_STICKS &&
        vcpu.dst.offset_ticks != vcpu.src.offset_ticks) {
        kvmclock_set_tsc_offset(cpu->kvm_fd, &vcpu.dst,
                                vcpu.src.offset_ticks);
    }
    cpu_env(cpu)->tsc_khz = cpu_env(first_cpu)->tsc_khz;
}

/* A vCPU that is plugged in has the boot vCPU's TSC before it runs. */
static void kvmclock_plugged(DeviceListener *listener, DeviceState *dev)
{
    KVMClockCarrier *c = container_of(listener, KVMClockCarrier, listener);
    struct cf_tsc boot;

    if (c->config.enabled && dev->hotplugged &&
        object_dynamic_cast(OBJECT(dev), TYPE_X86_CPU)) {
        run_on_cpu(first_cpu, kvmclock_ask_tsc, RUN_ON_CPU_HOST_PTR(&boot));
        run_on_cpu(CPU(dev), kvmclock_follow_boot, RUN_ON_CPU_HOST_PTR(&boot));
    }
}

/* A guest that starts anew has no use for the clocks it was stopped with. */
static void kvmclock_carrier_reset_hold(Object *obj, ResetType type)
{
    KVMClockCarrier *c = KVM_CLOCK_CARRIER(obj);

    if (c->carried_from != CARRIED_NONE) {
        trace_kvmclock_dropped();
    }
    kvmclock_carrier_drop(c);
    if (c->config.enabled) {
        kvmclock_announce(c, KVM_CLOCK_RESET);
    }
}

/* --- The device */

/* From here on until a guest is captured its TSC's rate is measured. */
static void kvmclock_note_time(void)
{
    struct cf_anchor now;
    KVMClockTime time;

    if (kvmclock_get_anchor(&now, &time, NULL)) {
        kvmclock_learn_rate(&now, &time);
    }
}

/* While QEMU may still read that: before it takes -run-with to heart. */
static void kvmclock_know_host(void)
{
    QemuUUID boot_id;

    kvmclock_boot_id(&boot_id);
    kvmclock_machine();
}

static bool kvmclock_get_ready(KVMClockCarrier *c, Error **errp)
{
    if (!kvmclock_probe_host(0, NULL, errp)) {
        return false;
    }
    kvmclock_note_time();
    kvmclock_know_host();
    kvmclock_learn_freq(c);
    if (!cf_tsc_freq_valid(&c->freq)) {
        error_setg(errp, "KVM doesn't tell the frequency of the guest's TSC");
        return false;
    }
    return true;
}

/* The clock is set last: until vCPUs run, it may drift from their TSC. */
static void kvmclock_hook_in(KVMClockCarrier *c)
{
    if (c->entry) {
        qemu_del_vm_change_state_handler(c->entry);
    }
    c->entry = qemu_add_vm_change_state_handler_prio(
        c->handler, c, c->config.enabled ? INT_MAX : 0);
}

void kvmclock_carrier_realize(KVMClockCarrier *c,
                              VMChangeStateHandler *handler, Error **errp)
{
    ERRP_GUARD();

    c->handler = handler;
    notifier_list_init(&c->changes);
    kvmclock_hook_in(c);
    /* Turned off it takes offers, too: it knows what to do with a snapshot. */
    migration_setup_ack_register(&vmstate_kvmclock_offer, c);

    /* For qom-set: the device's own path isn't the same everywhere. */
    object_property_add_const_link(qdev_get_machine(), "kvmclock", OBJECT(c));
    c->listener.realize = kvmclock_plugged;
    device_listener_register(&c->listener);
    if (c->config.enabled && !kvmclock_get_ready(c, errp)) {
        error_prepend(errp, "guest-clock=on: ");
    }
}

/*
 * Of a machine that is there, and between migrations.  What a paused guest
 * sees has to stay.
 */
void kvmclock_carrier_turn(KVMClockCarrier *c, bool on, Error **errp)
{
    ERRP_GUARD();

    if (on && !runstate_is_running()) {
        error_setg(errp, "kvmclock.guest-clock can be turned on only while "
                   "the guest runs; 'cont' it first");
        return;
    }
    if (on && !kvmclock_get_ready(c, errp)) {
        error_prepend(errp, "kvmclock.guest-clock can't be turned on: ");
        return;
    }
    c->virtual_lead_ns = kvmclock_virtual_lead_ns();
    c->config.enabled = on;
    kvmclock_hook_in(c);
    kvmclock_carrier_drop(c);
    kvmclock_announce(c, KVM_CLOCK_PLAIN);
}

static void kvmclock_carrier_class_init(ObjectClass *klass,
                                        CLASS_DATA *data)
{
    RESETTABLE_CLASS(klass)->phases.hold = kvmclock_carrier_reset_hold;
    /* So that QEMU names the properties that had no effect: without KVM. */
    DEVICE_CLASS(klass)->hotpluggable = false;
    kvmclock_settings_class_init(klass);
}

static const TypeInfo kvmclock_carrier_info = {
    .name          = TYPE_KVM_CLOCK_CARRIER,
    .parent        = TYPE_SYS_BUS_DEVICE,
    .instance_size = sizeof(KVMClockCarrier),
    .instance_init = kvmclock_settings_init,
    .class_init    = kvmclock_carrier_class_init,
    .abstract      = true,
};

static void kvmclock_carrier_register_types(void)
{
    type_register_static(&kvmclock_carrier_info);
}

type_init(kvmclock_carrier_register_types)

/* Old machine types have no such device unless the guest has kvmclock. */
void kvmclock_carrier_warn_of_no_device(const char *type)
{
    Object *obj = object_new(type);

    if (KVM_CLOCK_CARRIER(obj)->config.enabled) {
        warn_report("kvmclock.guest-clock=on has no effect: this machine "
                    "type has no kvmclock device for a CPU without kvmclock; "
                    "use a newer machine type or -cpu ...,+kvmclock");
    }
    object_unref(obj);
}

KVMClockCarrier *kvmclock_find_carrier(void)
{
    Object *obj = object_resolve_path_type("", TYPE_KVM_CLOCK_CARRIER, NULL);

    return obj ? KVM_CLOCK_CARRIER(obj) : NULL;
}
