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
#include "trace.h"

/* What this host can do doesn't change, so one scratch VM is enough. */
const KVMClockHost *kvmclock_this_host(void)
{
    static KVMClockHost host;

    if (!host.tsc_khz && !kvmclock_probe_host(0, &host, NULL)) {
        host.offset = CF_OFFSET_STICKS;         /* unknown: try */
    }
    return &host;
}

/* Host kHz as KVM uses it; 0 if unknown. */
uint32_t kvmclock_host_khz(void)
{
    return kvmclock_this_host()->tsc_khz;
}

bool kvmclock_vcpu_freq(CPUState *cpu, uint32_t host_khz,
                        struct cf_tsc_freq *freq)
{
    return kvmclock_get_tsc_freq(cpu->kvm_fd, host_khz,
                                 kvmclock_this_host()->tsc_control, freq);
}

/* How the boot vCPU tells its clock. */
typedef struct BootRecord {
    KVMPvclockRecord record;
    bool from_kernel;
    bool has_page;
    hwaddr page;
} BootRecord;

static void kvmclock_capture_boot(CPUState *cpu, BootRecord *boot)
{
    boot->from_kernel = kvmclock_this_host()->has_clock_guest &&
                        kvmclock_get_record(cpu->kvm_fd, &boot->record) == 0;
    boot->has_page = !boot->from_kernel &&
                     kvmclock_get_page(cpu->kvm_fd, &boot->page);
}

/*
 * Before Linux 5.16 each offset is an estimate, but KVM gave one and the same
 * to all vCPUs whose TSCs were written within a second.
 */
static void kvmclock_capture_equal(X86GuestTSC *tsc, uint64_t slack_ticks)
{
    const uint64_t near_ticks = 1 << 22;
    const X86GuestTSC *boot = &cpu_env(first_cpu)->guest_tsc;

    if (slack_ticks && tsc->valid && boot->valid &&
        tsc->offset - boot->offset + near_ticks <= 2 * near_ticks) {
        tsc->offset = boot->offset;
    }
}

/* In the vCPU's own thread: from another one each ioctl costs far more. */
static void kvmclock_capture_vcpu(CPUState *cpu, run_on_cpu_data data)
{
    const KVMClockHost *host = kvmclock_this_host();
    X86GuestTSC *tsc = &cpu_env(cpu)->guest_tsc;
    struct cf_tsc_freq freq;
    uint64_t slack_ticks = 0;

    kvm_get_tsc(cpu);
    if (cpu == first_cpu) {
        kvmclock_capture_boot(cpu, data.host_ptr);
    } else if (host->offset == CF_OFFSET_IGNORED) {
        *tsc = cpu_env(first_cpu)->guest_tsc;   /* all have the host's TSC */
        return;
    }
    tsc->valid = kvmclock_vcpu_freq(cpu, host->tsc_khz, &freq) &&
                 kvmclock_get_tsc_offset(cpu->kvm_fd, &freq, &tsc->offset,
                                         &slack_ticks) == 0;
    tsc->ratio = freq.ratio;
    tsc->frac_bits = freq.frac_bits;
    kvmclock_capture_equal(tsc, slack_ticks);
    trace_kvmclock_capture_vcpu(cpu->cpu_index, tsc->offset, tsc->ratio,
                                tsc->frac_bits);
}

static bool kvmclock_capture_vcpus(BootRecord *boot, Error **errp)
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

/*
 * Is this what KVM would have written?  Its slope comes from the TSC's kHz
 * rounded down, so it may differ by 1 kHz; and KVM_GET_CLOCK parts from it at
 * that rate, so the tolerance grows with the record's age.
 */
static bool kvmclock_record_plausible(const KVMPvclockRecord *record,
                                      const struct cf_tsc_freq *freq,
                                      uint64_t guest_ticks,
                                      uint64_t clock_ns)
{
    const uint64_t slope_tolerance_hz = 2000, tolerance_ns = 1000000;
    struct cf_clock_fn fn;
    uint64_t hz;
    uint32_t khz;
    int64_t ns, error_ns, age_ns;

    kvmclock_record_to_fn(record, &fn);
    if (record->version & 1 || !(record->flags & KVM_PVCLOCK_TSC_STABLE) ||
        record->system_time > INT64_MAX || clock_ns > INT64_MAX ||
        !cf_clock_fn_eval(&fn, guest_ticks, &ns) ||
        !cf_clock_fn_hz(&fn, &hz) || !cf_tsc_freq_khz(freq, &khz)) {
        return false;
    }
    age_ns = ns - (int64_t)record->system_time;
    error_ns = ns - (int64_t)clock_ns;
    return hz + slope_tolerance_hz >= khz * 1000ULL &&
           hz <= khz * 1000ULL + slope_tolerance_hz &&
           ABS(error_ns) <= tolerance_ns + age_ns / 500000;
}

/*
 * On a host with an unstable TSC, reading the TSC of a vCPU has put it back to
 * where the guest stopped.  KVM lets it catch up with kvmclock when the guest
 * runs, so that is where it is to be: one shift for all vCPUs.
 */
static void kvmclock_catch_up(const KVMPvclockRecord *record,
                              const struct cf_tsc_freq *freq,
                              const KVMClockAnchor *anchor)
{
    const int64_t behind_ns = anchor->clock_ns - record->system_time;
    uint64_t passed, offset, shift;
    CPUState *cpu;

    if (record->version & 1 || behind_ns < 0 ||
        !cf_ns_to_ticks(behind_ns, freq, &passed) ||
        !cf_tsc_offset_for(record->tsc_timestamp + passed,
                           anchor->at.host_ticks, freq, &offset)) {
        return;
    }
    shift = offset - cpu_env(first_cpu)->guest_tsc.offset;
    if (shift > freq->host_khz * 10000ULL) {
        return;         /* more than 10 s: that is no stop, but a lie */
    }
    trace_kvmclock_catch_up(shift);
    CPU_FOREACH(cpu) {
        cpu_env(cpu)->guest_tsc.offset += shift;
    }
}

/*
 * kvmclock as a function of the boot vCPU's TSC: from the kernel; else from
 * the guest's page; else, as guests with no kvmclock have no page, a line
 * through the anchor with the TSC's slope.
 */
static bool kvmclock_capture_fn(BootRecord *boot, KVMClockCarried *carried,
                                Error **errp)
{
    const X86GuestTSC *tsc = &cpu_env(first_cpu)->guest_tsc;
    const struct cf_tsc_freq freq = {
        carried->host_khz, tsc->frac_bits, tsc->ratio
    };
    const char *from = NULL;
    uint64_t guest_ticks;
    uint32_t khz;

    if (kvmclock_this_host()->offset == CF_OFFSET_REWINDS &&
        boot->has_page && kvmclock_read_page(boot->page, &boot->record)) {
        kvmclock_catch_up(&boot->record, &freq, &carried->anchor);
    }
    if (!cf_tsc_host_to_guest(carried->anchor.at.host_ticks, &freq,
                              tsc->offset, &guest_ticks)) {
        error_setg(errp, "kvmclock: the TSC ratio of the boot vCPU is "
                   "invalid");
        return false;
    }
    if (boot->from_kernel) {
        from = "kernel";
    } else if (boot->has_page &&
               kvmclock_read_page(boot->page, &boot->record) &&
               kvmclock_record_plausible(&boot->record, &freq, guest_ticks,
                                         carried->anchor.clock_ns)) {
        from = "page";
    }
    if (from) {
        kvmclock_record_to_fn(&boot->record, &carried->fn);
    } else {
        from = "anchor";
        carried->fn.tsc_ticks = guest_ticks;
        carried->fn.system_ns = carried->anchor.clock_ns;
        if (!cf_tsc_freq_khz(&freq, &khz) ||
            !cf_clock_fn_set_hz(&carried->fn, khz * 1000ULL)) {
            error_setg(errp, "kvmclock: no slope for a TSC of %u kHz",
                       carried->host_khz);
            return false;
        }
    }
    carried->flags |= KVMCLOCK_STATE_FN;
    trace_kvmclock_capture(from, carried->fn.tsc_ticks, carried->fn.system_ns,
                           carried->fn.mul, carried->fn.shift);
    return true;
}

/*
 * Capture all clocks of the stopped VM into @carried and into the vCPUs; also
 * does what kvm_synchronize_all_tsc() does.
 * @paused: its user stopped it, so time stands still for it.
 */
bool kvmclock_capture(KVMClockCarried *carried, bool paused, Error **errp)
{
    BootRecord boot = { 0 };

    memset(carried, 0, sizeof(*carried));
    carried->host_khz = kvmclock_host_khz();
    if (!kvmclock_capture_vcpus(&boot, errp)) {
        return false;
    }
    if (!carried->host_khz) {
        error_setg(errp, "kvmclock: KVM doesn't tell this host's TSC "
                   "frequency");
        return false;
    }
    if (!kvmclock_get_anchor(&carried->anchor, errp)) {
        return false;
    }
    trace_kvmclock_anchor(carried->anchor.flags, carried->anchor.clock_ns,
                          carried->anchor.at.realtime_ns,
                          carried->anchor.at.host_ticks);
    if (!kvmclock_boot_id(&carried->boot_id)) {
        memset(&carried->boot_id, 0, sizeof(carried->boot_id));
    }
    if (paused) {
        carried->flags |= KVMCLOCK_STATE_PAUSED;
    }
    if (carried->anchor.flags == KVM_CLOCK_ALL_FLAGS) {
        carried->flags |= KVMCLOCK_STATE_ANCHORED;
    }
    if (kvmclock_this_host()->offset == CF_OFFSET_REWINDS) {
        carried->flags |= KVMCLOCK_STATE_UNSTABLE;
    }
    return kvmclock_capture_fn(&boot, carried, errp);
}

static bool kvmclock_carried_valid(const KVMClockCarried *c)
{
    const char *what = NULL;

    if (c->flags & ~KVMCLOCK_STATE_FLAGS) {
        what = "flags that this QEMU doesn't know";
    } else if (!c->host_khz) {
        what = "a host TSC of 0 kHz";
    } else if (c->flags & KVMCLOCK_STATE_FN && !cf_clock_fn_valid(&c->fn)) {
        what = "a pvclock record with an impossible multiplier or shift";
    } else if (c->anchor.at.realtime_ns > INT64_MAX ||
               c->anchor.clock_ns > INT64_MAX ||
               c->fn.system_ns > INT64_MAX) {
        what = "a time of more than 292 years";
    } else if (ABS((int64_t)c->anchor.at.tai_offset_s) > 1000) {
        what = "an absurd TAI offset";
    } else if (c->anchor.slack_ns > 3600 * NANOSECONDS_PER_SECOND) {
        what = "a clock reading that took hours";
    }
    if (what) {
        error_report("kvmclock: the guest's clocks in the migration stream "
                     "are corrupt (%s); the guest is not started here", what);
        return false;
    }
    return true;
}

static int kvmclock_carried_post_load(void *opaque, int version_id)
{
    return kvmclock_carried_valid(opaque) ? 0 : -EINVAL;
}

const VMStateDescription vmstate_kvmclock_carried = {
    .name = "kvmclock/guest_clock/carried",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = kvmclock_carried_post_load,
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
        VMSTATE_UINT64(anchor.at.host_ticks, KVMClockCarried),
        VMSTATE_UINT64(anchor.at.realtime_ns, KVMClockCarried),
        VMSTATE_INT32(anchor.at.tai_offset_s, KVMClockCarried),
        VMSTATE_END_OF_LIST()
    }
};
