/*
 * A guest's clocks in the stream: offered before RAM, carried with the device
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "cpu.h"
#include "migration/misc.h"
#include "migration/setup-ack.h"
#include "hw/i386/kvm/clock-carrier.h"

/* The effective frequency: of a stopped guest from what it is stopped with. */
static struct cf_tsc_freq kvmclock_offer_freq(KVMClockCarrier *c)
{
    const X86GuestTSC *tsc = &cpu_env(first_cpu)->guest_tsc;

    if (kvmclock_has_carried(c)) {
        return (struct cf_tsc_freq) {
            c->carried.host_khz, tsc->frac_bits, tsc->ratio
        };
    }
    return c->freq;
}

/*
 * Was the guest stopped by 'stop', but only now, by who saves it?  The virtual
 * clock has stood as long.  What arrived here stopped was judged at its source.
 */
static void kvmclock_judge_stop(KVMClockCarrier *c)
{
    if (runstate_check(RUN_STATE_PAUSED) &&
        c->carried_from != CARRIED_LOADED &&
        cf_stopped_to_save(c->virtual_lead_ns - kvmclock_virtual_lead_ns())) {
        c->carried.flags &= ~KVMCLOCK_STATE_PAUSED;
        c->keep_on_resume = true;
    }
}

/* A background snapshot couldn't start the guest again. */
static bool kvmclock_must_stay(const KVMClockCarrier *c)
{
    return c->failed && !migration_in_bg_snapshot() &&
           !kvmclock_tolerates_plain(&c->config);
}

/* The guest goes on here, where it doesn't have to be content with that. */
static bool kvmclock_may_send(const KVMClockCarrier *c)
{
    const bool may = !kvmclock_must_stay(c);

    if (!may) {
        error_report("kvmclock: the guest stays here, for its clocks couldn't "
                     "be captured and policy=%s, require=%s don't allow to "
                     "send it without",
                     KvmClockPolicy_str(c->config.policy),
                     KvmClockRung_str(c->config.require));
    }
    return may;
}

static int kvmclock_offer_pre_save(void *opaque)
{
    KVMClockCarrier *c = opaque;
    const struct cf_tsc_freq freq = kvmclock_offer_freq(c);
    Error *err = NULL;

    kvmclock_judge_stop(c);
    if (!kvmclock_may_send(c)) {
        return -EIO;
    }
    migration_exchanges_want(c->config.exchange);
    if (!kvmclock_make_offer(&c->offer, &freq,
                             kvmclock_has_carried(c) ? &c->carried : NULL,
                             &c->config, &err)) {
        error_report_err(err);
        return -EIO;
    }
    c->offer.tells_time = c->tells_time;
    c->freq = c->offer.freq;    /* by the host's kHz as they are known now */
    return 0;
}

/* What was saved is taken all the same: no guest would run on elsewhere. */
static int kvmclock_cannot_carry(KVMClockCarrier *c, int error,
                                 const char *why)
{
    Error *err = NULL;

    if (!migration_from_storage()) {
        return error;
    }
    kvmclock_carrier_drop(c);
    c->report.valid = false;
    error_setg(&err, "kvmclock and TSC jump, for %s", why);
    kvmclock_tell_not_carried(&c->not_restored, err, "kvmclock: taking the "
                              "guest all the same, for it runs nowhere else, "
                              "as if guest-clock was off");
    return 0;
}

static bool kvmclock_is_on_here(const KVMClockCarrier *c)
{
    if (!c->config.enabled) {
        error_report("kvmclock: the source carries the guest's clocks and "
                     "this side doesn't; start QEMU here with "
                     "-global kvmclock.guest-clock=on");
    }
    return c->config.enabled;
}

/* The device is part of the machine, and a page must not go stale. */
static bool kvmclock_tells_alike(const KVMClockCarrier *c)
{
    if (c->offer.tells_time != c->tells_time) {
        error_report("kvmclock: refusing the guest: its source has %s; start "
                     "QEMU here with the same",
                     c->tells_time ? "no -device vmclock,host-time=on"
                                   : "-device vmclock,host-time=on");
    }
    return c->offer.tells_time == c->tells_time;
}

static int kvmclock_offer_post_load(void *opaque, int version_id)
{
    KVMClockCarrier *c = opaque;

    if (!kvmclock_is_on_here(c)) {
        return kvmclock_cannot_carry(c, -EPERM, "guest-clock is off here");
    }
    if (!kvmclock_offer_good(&c->offer.from)) {
        return -EINVAL;
    }
    if (c->offered) {
        error_report("kvmclock: refusing the guest: the stream offers it more "
                     "than once, so it is corrupt");
        return -EINVAL;
    }
    c->offered = true;
    if (!kvmclock_tells_alike(c)) {
        return -EINVAL;
    }
    if (!kvmclock_check_offer(&c->offer, &c->config)) {
        return -EPERM;
    }
    c->offer.from.later_than_ns = migration_setup_ack_awaited() ? get_clock()
                                                                : 0;
    return 0;
}

static int kvmclock_offer_pre_load(void *opaque)
{
    KVMClockCarrier *c = opaque;

    c->offer.from.machine = 0;
    c->offer.tells_time = false;
    return 0;
}

/* As of what else came later, older QEMUs know nothing of it. */
static bool kvmclock_machine_needed(void *opaque)
{
    const KVMClockCarrier *c = opaque;

    return c->config.exchange && c->offer.from.machine;
}

static const VMStateDescription kvmclock_machine_vmsd = {
    .name = "kvmclock_offer/machine",
    .version_id = 1,
    .minimum_version_id = 1,
    .needed = kvmclock_machine_needed,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT64(offer.from.machine, KVMClockCarrier),
        VMSTATE_END_OF_LIST()
    }
};

static bool kvmclock_tells_time(void *opaque)
{
    return ((KVMClockCarrier *)opaque)->tells_time;
}

static const VMStateDescription kvmclock_offer_time_vmsd = {
    .name = "kvmclock_offer/time",
    .version_id = 1,
    .minimum_version_id = 1,
    .needed = kvmclock_tells_time,
    .fields = (const VMStateField[]) {
        VMSTATE_BOOL(offer.tells_time, KVMClockCarrier),
        VMSTATE_END_OF_LIST()
    }
};

static bool kvmclock_offer_needed(void *opaque)
{
    return ((KVMClockCarrier *)opaque)->config.enabled;
}

/* Goes before RAM, and the source waits for the answer. */
const VMStateDescription vmstate_kvmclock_offer = {
    .name = "kvmclock_offer",
    .version_id = 1,
    .minimum_version_id = 1,
    .early_setup = true,
    .priority = MIG_PRI_MAX,
    .needed = kvmclock_offer_needed,
    .pre_save = kvmclock_offer_pre_save,
    .pre_load = kvmclock_offer_pre_load,
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
    },
    .subsections = (const VMStateDescription * const []) {
        &kvmclock_machine_vmsd,
        &kvmclock_offer_time_vmsd,
        NULL
    }
};

static bool kvmclock_carried_needed(void *opaque)
{
    KVMClockCarrier *c = opaque;

    return c->config.enabled &&
           (kvmclock_has_carried(c) || kvmclock_must_stay(c));
}

static int kvmclock_carried_pre_save(void *opaque)
{
    KVMClockCarrier *c = opaque;

    if (c->carried_from == CARRIED_CAPTURED) {
        kvmclock_collect_exchanges(&c->carried);
    }
    if (!c->config.exchange) {
        /* Older QEMUs take what was, for they don't know what was meant. */
        c->carried.fn.system_ns += c->carried.ahead_ns;
        c->carried.ahead_ns = 0;
        c->carried.meant = false;
    }
    return kvmclock_may_send(c) ? 0 : -EIO;
}

/* If the guest ran when its clocks were offered, it stopped after that. */
static int64_t kvmclock_stopped_after_ns(const KVMClockCarrier *c)
{
    const uint64_t then_ticks = c->offer.from.anchor.instant.host_ticks;

    return then_ticks == c->carried.anchor.instant.host_ticks
           ? 0 : c->offer.from.later_than_ns;
}

static int kvmclock_carried_pre_load(void *opaque)
{
    KVMClockCarrier *c = opaque;

    c->carried.n_exchanges = 0;
    c->carried.rate = (struct cf_host_rate) { 0 };
    c->carried.ahead_ns = 0;
    c->carried.meant = false;
    c->carried.utc.error_ns = UINT64_MAX;
    return 0;
}

static int kvmclock_carried_post_load(void *opaque, int version_id)
{
    KVMClockCarrier *c = opaque;

    if (!c->config.enabled) {
        kvmclock_carrier_drop(c);
        return migration_from_storage() ? 0 : -EINVAL;
    }
    if (!kvmclock_carried_fits(&c->carried, &c->offer)) {
        return kvmclock_cannot_carry(c, -EINVAL, "the stream's are corrupt");
    }
    c->carried_from = CARRIED_LOADED;
    c->carried.later_than_ns = kvmclock_stopped_after_ns(c);
    c->carried.machine = c->offer.from.machine;
    c->virtual_ns = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
    return 0;
}

/* Of clocks that came from elsewhere this host's TSC tells nothing. */
static bool kvmclock_exchanges_needed(void *opaque)
{
    const KVMClockCarrier *c = opaque;

    return c->carried_from == CARRIED_CAPTURED && c->carried.n_exchanges > 0;
}

static const VMStateDescription kvmclock_exchange_vmsd = {
    .name = "kvmclock/guest_clock/exchange",
    .version_id = 1,
    .minimum_version_id = 1,
    .needed = kvmclock_exchanges_needed,
    .fields = (const VMStateField[]) {
        VMSTATE_STRUCT(carried, KVMClockCarrier, 1, vmstate_kvmclock_exchanges,
                       KVMClockCarried),
        VMSTATE_END_OF_LIST()
    }
};

/* Older QEMUs don't know it either. */
static bool kvmclock_rate_needed(void *opaque)
{
    const KVMClockCarrier *c = opaque;

    return c->config.exchange && c->carried.rate.doubt_ppt;
}

static const VMStateDescription kvmclock_rate_vmsd = {
    .name = "kvmclock/guest_clock/rate",
    .version_id = 1,
    .minimum_version_id = 1,
    .needed = kvmclock_rate_needed,
    .fields = (const VMStateField[]) {
        VMSTATE_INT64(carried.rate.ppt, KVMClockCarrier),
        VMSTATE_INT64(carried.rate.doubt_ppt, KVMClockCarrier),
        VMSTATE_END_OF_LIST()
    }
};

static bool kvmclock_ahead_needed(void *opaque)
{
    return ((KVMClockCarrier *)opaque)->carried.meant;
}

static int kvmclock_ahead_post_load(void *opaque, int version_id)
{
    KVMClockCarrier *c = opaque;

    c->carried.meant = true;
    return 0;
}

static const VMStateDescription kvmclock_ahead_vmsd = {
    .name = "kvmclock/guest_clock/ahead",
    .version_id = 1,
    .minimum_version_id = 1,
    .needed = kvmclock_ahead_needed,
    .post_load = kvmclock_ahead_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_INT64(carried.ahead_ns, KVMClockCarrier),
        VMSTATE_END_OF_LIST()
    }
};

/* Where the guest is told the time: both sides have the same devices. */
static bool kvmclock_utc_needed(void *opaque)
{
    return ((KVMClockCarrier *)opaque)->carried.utc.error_ns != UINT64_MAX;
}

static const VMStateDescription kvmclock_utc_vmsd = {
    .name = "kvmclock/guest_clock/utc",
    .version_id = 1,
    .minimum_version_id = 1,
    .needed = kvmclock_utc_needed,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT64(carried.utc.ns, KVMClockCarrier),
        VMSTATE_UINT64(carried.utc.error_ns, KVMClockCarrier),
        VMSTATE_END_OF_LIST()
    }
};

const VMStateDescription vmstate_kvmclock_guest_clock = {
    .name = "kvmclock/guest_clock",
    .version_id = 1,
    .minimum_version_id = 1,
    .needed = kvmclock_carried_needed,
    .pre_save = kvmclock_carried_pre_save,
    .pre_load = kvmclock_carried_pre_load,
    .post_load = kvmclock_carried_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_STRUCT(carried, KVMClockCarrier, 1, vmstate_kvmclock_carried,
                       KVMClockCarried),
        VMSTATE_END_OF_LIST()
    },
    .subsections = (const VMStateDescription * const []) {
        &kvmclock_exchange_vmsd,
        &kvmclock_rate_vmsd,
        &kvmclock_ahead_vmsd,
        &kvmclock_utc_vmsd,
        NULL
    }
};
