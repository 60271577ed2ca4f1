/*
 * Capturing a guest's clocks when its VM stops
 *
 * Offsets, ratios and the clock's function don't change while the guest is
 * stopped, so nothing here races with anything.  All of it comes from KVM or
 * from guest memory; what guest memory says is checked like a stranger's.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "qemu/timer.h"
#include "cpu.h"
#include "system/kvm.h"
#include "kvm/kvm_i386.h"
#include "hw/i386/kvm/clock-carry.h"
#include "hw/i386/kvm/clock-compat.h"
#include "hw/i386/kvm/clock-meant.h"
#include "trace.h"

/* The boot vCPU's clock and TSC, as it tells them. */
typedef struct BootClock {
    bool from_kernel;
    struct cf_clock_fn fn;
    hwaddr page;                /* 0: it has none */
    struct cf_tsc tsc;
} BootClock;

/* Also does what kvm_get_tsc() does for the others. */
static void kvmclock_capture_boot(CPUState *cpu, BootClock *boot)
{
    CPUX86State *env = cpu_env(cpu);

    env->tsc_valid = kvmclock_get_tsc_and_page(cpu->kvm_fd, &env->tsc,
                                               &boot->page);
    kvmclock_look_again(cpu->kvm_fd, &boot->tsc);
    boot->from_kernel = kvmclock_this_host()->has_clock_guest &&
                        kvmclock_get_fn(cpu->kvm_fd, &boot->fn) == 0;
}

/* In the vCPU's own thread: from another one each ioctl costs far more. */
static void kvmclock_capture_vcpu(CPUState *cpu, run_on_cpu_data data)
{
    const KVMClockHost *host = kvmclock_this_host();
    BootClock *boot = data.host_ptr;
    struct cf_tsc tsc;

    if (cpu == first_cpu) {
        kvmclock_capture_boot(cpu, boot);
    } else {
        kvm_get_tsc(cpu);
    }
    tsc = boot->tsc;
    if (cpu != first_cpu && host->offset != CF_OFFSET_IGNORED) {
        /* else all have the host's TSC */
        kvmclock_get_tsc(cpu->kvm_fd, host, &tsc);
        cf_tsc_merge(&tsc, &boot->tsc, host->offset);
    }
    cpu_env(cpu)->guest_tsc = (X86GuestTSC) {
        .valid = tsc.known && tsc.seen,
        .frac_bits = tsc.freq.frac_bits,
        .ratio = tsc.freq.ratio,
        .offset = tsc.offset_ticks,
    };
    trace_kvmclock_capture_vcpu(cpu->cpu_index, tsc.offset_ticks,
                                tsc.freq.ratio, tsc.freq.frac_bits);
}

static bool kvmclock_capture_vcpus(BootClock *boot, Error **errp)
{
    CPUState *cpu;
    bool valid = true;

    CPU_FOREACH(cpu) {
        run_on_cpu(cpu, kvmclock_capture_vcpu, RUN_ON_CPU_HOST_PTR(boot));
        if (valid && !cpu_env(cpu)->guest_tsc.valid) {
            error_setg(errp, "kvmclock: can't tell TSC ratio and offset of "
                       "vCPU %d", cpu->cpu_index);
            valid = false;
        }
    }
    return valid;
}

/*
 * The record that KVM keeps in guest memory, which the guest can write to.  It
 * could also name a device's registers; those are not to be read.
 */
bool kvmclock_read_page(hwaddr page, KVMPvclockRecord *record)
{
    const MemTxAttrs attrs = { .memory = true };

    return address_space_read(&address_space_memory, page, attrs, record,
                              sizeof(*record)) == MEMTX_OK;
}

static void kvmclock_catch_up(BootClock *boot, const KVMPvclockRecord *record,
                              const struct cf_anchor *anchor)
{
    uint64_t shift = cf_catch_up_ticks(record, &boot->tsc, anchor);
    CPUState *cpu;

    trace_kvmclock_catch_up(shift);
    boot->tsc.offset_ticks += shift;
    CPU_FOREACH(cpu) {
        cpu_env(cpu)->guest_tsc.offset += shift;
    }
}

/*
 * kvmclock as a function of the boot vCPU's TSC: from the kernel; else from
 * the guest's page; else, as guests with no kvmclock have no page, a line
 * through the anchor.
 */
static void kvmclock_capture_fn(BootClock *boot, KVMClockCarried *carried)
{
    KVMPvclockRecord record;
    bool page = !boot->from_kernel && boot->page &&
                kvmclock_read_page(boot->page, &record);
    const char *from = "none";

    if (page && carried->flags & KVMCLOCK_STATE_UNSTABLE) {
        kvmclock_catch_up(boot, &record, &carried->anchor);
    }
    carried->flags |= KVMCLOCK_STATE_FN;
    if (boot->from_kernel) {
        from = "kernel";
        carried->fn = boot->fn;
    } else if (page && cf_page_to_fn(&record, &boot->tsc, &carried->anchor,
                                     &carried->fn)) {
        from = "page";
    } else if (cf_fn_build(&boot->tsc, &carried->anchor, &carried->fn)) {
        from = "anchor";
    } else {
        carried->flags &= ~KVMCLOCK_STATE_FN;
    }
    trace_kvmclock_capture(from, carried->fn.tsc_ticks, carried->fn.system_ns,
                           carried->fn.mul, carried->fn.shift);
}

/*
 * Leave behind by what little kvmclock was off when it arrived here, or the
 * errors of many moves would add up.
 */
void kvmclock_carry_as_meant(KVMClockCarried *c, const KVMClockReport *arrival)
{
    const struct cf_tsc boot = kvmclock_carried_tsc(c, first_cpu);
    struct cf_clock_fn meant;

    if (arrival->valid && arrival->result.carried &&
        c->flags & KVMCLOCK_STATE_FN &&
        !(c->flags & KVMCLOCK_STATE_UNSTABLE) &&
        cf_fn_as_meant(&c->fn, &arrival->meant, arrival->since_ticks, &boot,
                       &c->anchor, &meant, &c->ahead_ns)) {
        c->fn = meant;
        c->meant = true;
        trace_kvmclock_as_meant(c->ahead_ns);
    }
}

static void kvmclock_capture_once(KVMClockCarried *carried, bool paused,
                                  BootClock *boot, Error **errp)
{
    const KVMClockHost *host = kvmclock_this_host();
    KVMClockTime time;
    const char *fault;

    memset(carried, 0, sizeof(*carried));
    carried->host_khz = host->tsc_khz;
    carried->utc.error_ns = UINT64_MAX;
    if (!kvmclock_capture_vcpus(boot, errp) ||
        !kvmclock_get_anchor(&carried->anchor, &time, errp)) {
        return;
    }
    carried->at_ns = get_clock();
    carried->max_error_ns = time.max_error_ns;
    kvmclock_boot_id(&carried->boot_id);
    carried->machine = kvmclock_machine();
    if (paused) {
        carried->flags |= KVMCLOCK_STATE_PAUSED;
    }
    if (cf_anchor_is_exact(&carried->anchor)) {
        carried->flags |= KVMCLOCK_STATE_ANCHORED;
    }
    if (host->offset == CF_OFFSET_REWINDS) {
        carried->flags |= KVMCLOCK_STATE_UNSTABLE;
    } else {
        carried->rate = kvmclock_learn_rate(&carried->anchor, &time);
    }
    kvmclock_capture_fn(boot, carried);
    fault = kvmclock_carried_fault(carried);
    if (fault) {
        error_setg(errp, "kvmclock: %s", fault);
    }
}

/*
 * Did the host's TSC become unstable meanwhile?  Then it was put back between
 * two of the calls, and what they said doesn't belong together.  Before Linux
 * 5.16, where an offset has to be measured, to ask again takes too long.
 */
static bool kvmclock_became_unstable(const BootClock *boot)
{
    const KVMClockHost *host = kvmclock_this_host();
    struct cf_tsc tsc;

    if (host->offset != CF_OFFSET_STICKS || boot->tsc.error_ticks ||
        kvmclock_offset_is(first_cpu->kvm_fd, boot->tsc.offset_ticks)) {
        return false;
    }
    kvmclock_look_again(first_cpu->kvm_fd, &tsc);
    return host->offset == CF_OFFSET_REWINDS;
}

/*
 * Capture all clocks of the stopped VM into @carried and into the vCPUs; also
 * does what kvm_synchronize_all_tsc() does.
 * @paused: its user stopped it, so time stands still for it.
 */
bool kvmclock_capture(KVMClockCarried *carried, bool paused, Error **errp)
{
    Error *err = NULL;
    BootClock boot;
    bool good;

    do {
        error_free(err);
        err = NULL;
        boot = (BootClock) { 0 };
        kvmclock_capture_once(carried, paused, &boot, &err);
    } while (kvmclock_became_unstable(&boot));
    good = !err;
    error_propagate(errp, err);
    return good;
}

/* All 0 if it wasn't carried. */
struct cf_tsc kvmclock_carried_tsc(const KVMClockCarried *c, CPUState *cpu)
{
    const X86GuestTSC *tsc = &cpu_env(cpu)->guest_tsc;
    struct cf_tsc carried = { 0 };

    if (tsc->valid) {
        carried = (struct cf_tsc) {
            .known = true, .seen = true, .offset_ticks = tsc->offset,
            .freq = { c->host_khz, tsc->frac_bits, tsc->ratio },
        };
    }
    return carried;
}

static const char *kvmclock_fault(const KVMClockCarried *c,
                                  const struct cf_tsc *boot)
{
    return c->flags & ~KVMCLOCK_STATE_FLAGS
           ? "flags that this QEMU doesn't know"
           : cf_magnitude(c->ahead_ns) > CF_FN_APART_NS
           ? "kvmclock was too far ahead of its function"
           : c->utc.error_ns != UINT64_MAX && c->utc.ns > INT64_MAX
           ? "UTC is impossible"
           : !cf_host_rate_valid(&c->rate)
           ? "the rate of its TSC can't be true"
           : cf_clocks_fault(&c->anchor, c->host_khz,
                             c->flags & KVMCLOCK_STATE_FN ? &c->fn : NULL,
                             boot);
}

/* What can't be true of the clocks and the vCPUs' TSCs; NULL: nothing. */
const char *kvmclock_carried_fault(const KVMClockCarried *c)
{
    const struct cf_tsc boot = kvmclock_carried_tsc(c, first_cpu);
    CPUState *cpu;

    CPU_FOREACH(cpu) {
        const struct cf_tsc tsc = kvmclock_carried_tsc(c, cpu);

        if (boot.known && tsc.known &&
            !cf_freq_is_near(&tsc.freq, &boot.freq)) {
            return "the TSCs of its vCPUs have different frequencies";
        }
    }
    return kvmclock_fault(c, &boot);
}

static bool kvmclock_stream_good(const char *fault)
{
    if (fault) {
        error_report("kvmclock: the guest's clocks in the migration stream "
                     "are corrupt: %s", fault);
    }
    return !fault;
}

/*
 * From the offer to the stop one host's TSC and real time went on together,
 * unless one was set.  Without a function of kvmclock nothing else would tell.
 */
static void kvmclock_warn_of_step(const KVMClockCarried *c,
                                  const KVMClockCarried *offered)
{
    if (offered->anchor.instant.realtime_ns &&
        !(c->flags & KVMCLOCK_STATE_UNSTABLE) &&
        !cf_tsc_continuous(&c->anchor.instant, &offered->anchor.instant,
                           c->host_khz)) {
        warn_report("kvmclock: between the offer of the guest and its stop "
                    "its source's TSC and real time went on by different "
                    "times: one of them was set, and the guest's clocks may "
                    "be off by as much");
    }
}

/*
 * With the vCPUs' TSCs, those that are loaded before, and what was @offered.
 * vCPUs that were plugged in come later.
 */
bool kvmclock_carried_fits(const KVMClockCarried *c,
                           const KVMClockOffer *offered)
{
    const struct cf_tsc boot = kvmclock_carried_tsc(c, first_cpu);
    const char *fault = kvmclock_carried_fault(c);

    if (!fault && boot.known && cf_tsc_freq_valid(&offered->freq) &&
        !cf_freq_is_near(&boot.freq, &offered->freq)) {
        fault = "a TSC's frequency isn't the one that was announced";
    }
    if (!fault) {
        kvmclock_warn_of_step(c, &offered->from);
    }
    return kvmclock_stream_good(fault);
}

/* Before the vCPUs' TSCs are there. */
bool kvmclock_offer_good(const KVMClockCarried *c)
{
    const struct cf_tsc unknown = { 0 };

    return kvmclock_stream_good(kvmclock_fault(c, &unknown));
}

const VMStateDescription vmstate_kvmclock_carried = {
    .name = "kvmclock/guest_clock/carried",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32(flags, KVMClockCarried),
        VMSTATE_UINT32(host_khz, KVMClockCarried),
        VMSTATE_UINT8_ARRAY(boot_id.data, KVMClockCarried, 16),
        VMSTATE_UINT64(fn.tsc_ticks, KVMClockCarried),
        VMSTATE_UINT64(fn.system_ns, KVMClockCarried),
        VMSTATE_UINT32(fn.mul, KVMClockCarried),
        VMSTATE_INT32(fn.shift, KVMClockCarried),
        VMSTATE_UINT32(anchor.flags, KVMClockCarried),
        VMSTATE_UINT64(anchor.clock_ns, KVMClockCarried),
        VMSTATE_UINT64(anchor.slack_ns, KVMClockCarried),
        VMSTATE_UINT64(anchor.instant.host_ticks, KVMClockCarried),
        VMSTATE_UINT64(anchor.instant.realtime_ns, KVMClockCarried),
        VMSTATE_INT32(anchor.instant.tai_offset_s, KVMClockCarried),
        VMSTATE_UINT64(max_error_ns, KVMClockCarried),
        VMSTATE_END_OF_LIST()
    }
};
