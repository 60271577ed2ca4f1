/*
 * What this host's KVM says of clocks: TSC of a vCPU, anchor, abilities
 *
 * Success codes prove little here: hosts accept a TSC offset and ignore it,
 * or report a frequency that they refused.  So everything that can be is
 * read back or measured, on a scratch VM where a trial could leave traces.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/cutils.h"
#include "qemu/timer.h"
#include "cpu.h"
#include "system/kvm.h"
#include "system/kvm_int.h"
#include "hw/i386/kvm/clock-host.h"
#include "hw/i386/kvm/clock-ladder.h"
#include "trace.h"

#define TSC_MSR 0x10
#define SYSTEM_TIME_MSR 0x12    /* KVM keeps one value for this and the new */

#define KVMCLOCK_DMI "/sys/class/dmi/id/product_"

/* Any fd that KVM gave us; parked vCPUs and scratch VMs have no CPUState. */
#define kvm_fd_ioctl kvm_device_ioctl

/*
 * Null if unknown.  Read once: a file takes longer to read than a clock takes
 * to restore.
 */
bool kvmclock_boot_id(QemuUUID *id)
{
    static QemuUUID boot_id;
    g_autofree char *text = NULL;

    if (qemu_uuid_is_null(&boot_id) &&
        (!g_file_get_contents("/proc/sys/kernel/random/boot_id", &text, NULL,
                              NULL) ||
         qemu_uuid_parse(g_strstrip(text), &boot_id) < 0)) {
        memset(&boot_id, 0, sizeof(boot_id));
    }
    *id = boot_id;
    return !qemu_uuid_is_null(id);
}

/* What the firmware calls it; NULL: nothing, or only root may know. */
static char *kvmclock_read_dmi(const char *path)
{
    char *name = NULL;

    if (g_file_get_contents(path, &name, NULL, NULL) && !*g_strstrip(name)) {
        g_clear_pointer(&name, g_free);
    }
    return name;
}

/*
 * Which machine this is, whatever kernel it runs; 0 if nobody may know.  A
 * digest, for what it is made of is nobody else's business.
 */
static uint64_t kvmclock_read_machine(void)
{
    g_autofree char *name = kvmclock_read_dmi(KVMCLOCK_DMI "uuid");
    g_autofree char *text = NULL, *digest = NULL;
    uint32_t eax, ebx, ecx, edx, kind;

    if (!name) {
        name = kvmclock_read_dmi(KVMCLOCK_DMI "serial");
    }
    if (!name) {
        return 0;
    }
    host_cpuid(1, 0, &kind, &ebx, &ecx, &edx);
    host_cpuid(0, 0, &eax, &ebx, &ecx, &edx);
    text = g_strdup_printf("%s %08x %08x %08x %08x", name, ebx, ecx, edx,
                           kind);
    digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, text, -1);
    digest[16] = 0;
    return g_ascii_strtoull(digest, NULL, 16);
}

/*
 * Read once, known or not: before QEMU gives up root's rights, and not while
 * the guest waits.
 */
uint64_t kvmclock_machine(void)
{
    static uint64_t machine;
    static bool read;

    if (!read) {
        read = true;
        machine = kvmclock_read_machine();
    }
    return machine;
}

/* The kernel gave no instant with its clock: read the others just before. */
static int kvmclock_read_in_parts(int vm_fd, uint32_t host_khz,
                                  struct cf_anchor *anchor)
{
    struct kvm_clock_data data = { 0 };
    int i;

    anchor->slack_ns = UINT64_MAX;
    for (i = 0; i < CF_READINGS; i++) {
        struct cf_instant before = { .host_ticks = cpu_get_host_ticks() };
        int ret;

        before.realtime_ns = kvmclock_realtime_ns();
        ret = kvm_fd_ioctl(vm_fd, KVM_GET_CLOCK, &data);
        if (ret < 0) {
            return ret;
        }
        cf_anchor_keep(anchor, &before, data.clock, cpu_get_host_ticks(),
                       host_khz);
    }
    anchor->flags = data.flags & KVM_CLOCK_TSC_STABLE;
    return 0;
}

static int kvmclock_read_anchor_of(int vm_fd, uint32_t host_khz,
                                   struct cf_anchor *anchor)
{
    struct kvm_clock_data data = { 0 };
    int ret = kvm_fd_ioctl(vm_fd, KVM_GET_CLOCK, &data);

    if (ret < 0) {
        return ret;
    }
    *anchor = (struct cf_anchor) {
        .instant.host_ticks = data.host_tsc,
        .instant.realtime_ns = data.realtime,
        .clock_ns = data.clock,
        .flags = data.flags & CF_KVM_CLOCK_EXACT,
    };
    return cf_anchor_is_exact(anchor)
           ? 0 : kvmclock_read_in_parts(vm_fd, host_khz, anchor);
}

/* Without the TAI offset. */
int kvmclock_read_anchor(struct cf_anchor *anchor)
{
    return kvmclock_read_anchor_of(kvm_state->vmfd,
                                   kvmclock_this_host()->tsc_khz, anchor);
}

/* @ret_time: what is known of real time then; may be NULL */
bool kvmclock_get_anchor(struct cf_anchor *anchor, KVMClockTime *ret_time,
                         Error **errp)
{
    KVMClockTime time = kvmclock_time();
    int32_t before_s;
    int tries = 0;

    do {
        int ret = kvmclock_read_anchor(anchor);

        if (ret < 0) {
            error_setg_errno(errp, -ret, "kvmclock: KVM_GET_CLOCK failed");
            return false;
        }
        before_s = time.tai_offset_s;
        time = kvmclock_time();
    } while (time.tai_offset_s != before_s && ++tries < CF_LEAP_TRIES);

    anchor->instant.tai_offset_s = time.tai_offset_s;
    if (ret_time) {
        *ret_time = time;
    }
    trace_kvmclock_anchor(anchor->flags, anchor->clock_ns,
                          anchor->instant.realtime_ns,
                          anchor->instant.host_ticks);
    return true;
}

static int kvm_fd_set_clock(int vm_fd, uint64_t clock, uint64_t realtime_ns)
{
    struct kvm_clock_data data = {
        .clock = clock,
        .realtime = realtime_ns,
        .flags = realtime_ns ? KVM_CLOCK_REALTIME : 0,
    };
    int ret = kvm_fd_ioctl(vm_fd, KVM_SET_CLOCK, &data);

    trace_kvmclock_set(clock, realtime_ns, ret);
    return ret;
}

/*
 * Set the clock; with @realtime_ns, to what it was at that real time.  The
 * kernel takes any real time, and 0 would add half a century.
 */
int kvmclock_set(uint64_t clock, uint64_t realtime_ns)
{
    return kvm_fd_set_clock(kvm_state->vmfd, clock, realtime_ns);
}

/*
 * Up to Linux 7.3 a VM's master clock starts at the first KVM_RUN or
 * KVM_SET_CLOCK, and KVM_GET_CLOCK has no flags before.
 */
static int kvmclock_activate_fd(int vm_fd)
{
    struct kvm_clock_data data = { 0 };
    int ret = kvm_fd_ioctl(vm_fd, KVM_GET_CLOCK, &data);

    if (ret == 0 && (data.flags & CF_KVM_CLOCK_EXACT) != CF_KVM_CLOCK_EXACT) {
        ret = kvm_fd_set_clock(vm_fd, data.clock, 0);
    }
    return ret;
}

bool kvmclock_activate(struct cf_anchor *anchor, KVMClockTime *ret_time,
                       Error **errp)
{
    int ret = kvmclock_activate_fd(kvm_state->vmfd);

    if (ret < 0) {
        error_setg_errno(errp, -ret, "kvmclock: can't start the master clock");
        return false;
    }
    return kvmclock_get_anchor(anchor, ret_time, errp);
}

static int kvmclock_record_ioctl(int vcpu_fd, unsigned long call,
                                 KVMPvclockRecord *record)
{
    uint32_t waited_us = 0;
    int ret;

    while ((ret = kvm_fd_ioctl(vcpu_fd, call, record)) == -EBUSY &&
           cf_busy_again(&waited_us)) {
        g_usleep(CF_BUSY_PAUSE_US);
    }
    return ret;
}

int kvmclock_get_fn(int vcpu_fd, struct cf_clock_fn *fn)
{
    KVMPvclockRecord record;
    int ret = kvmclock_record_ioctl(vcpu_fd, KVM_GET_CLOCK_GUEST, &record);

    return ret < 0 ? ret : cf_record_to_fn(&record, fn) ? 0 : -EBADMSG;
}

int kvmclock_set_fn(int vcpu_fd, const struct cf_clock_fn *fn)
{
    KVMPvclockRecord record = cf_record_from_fn(fn);
    int ret = kvmclock_record_ioctl(vcpu_fd, KVM_SET_CLOCK_GUEST, &record);

    trace_kvmclock_set_record(ret, fn->tsc_ticks, fn->system_ns);
    return ret;
}

typedef struct TwoMsrs {
    struct kvm_msrs info;
    struct kvm_msr_entry entry[2];
} TwoMsrs;

static int kvm_fd_msr(int vcpu_fd, unsigned long call, uint32_t index,
                      uint64_t *value)
{
    TwoMsrs msr = { { .nmsrs = 1 }, { { .index = index, .data = *value } } };
    int ret = kvm_fd_ioctl(vcpu_fd, call, &msr);

    *value = msr.entry[0].data;
    return ret == 1 ? 0 : ret < 0 ? ret : -EINVAL;
}

static int kvm_fd_get_msr(int vcpu_fd, uint32_t index, uint64_t *value)
{
    *value = 0;
    return kvm_fd_msr(vcpu_fd, KVM_GET_MSRS, index, value);
}

/*
 * A vCPU's TSC, and where its pvclock record is in guest memory; 0 if it has
 * none.  One call, for each of them costs some us.
 */
bool kvmclock_get_tsc_and_page(int vcpu_fd, uint64_t *tsc, hwaddr *page)
{
    TwoMsrs msr = {
        { .nmsrs = 2 }, { { .index = TSC_MSR }, { .index = SYSTEM_TIME_MSR } },
    };
    int ret = kvm_fd_ioctl(vcpu_fd, KVM_GET_MSRS, &msr);

    *tsc = msr.entry[0].data;
    *page = ret == 2 && msr.entry[1].data & 1 ? msr.entry[1].data & ~1ULL : 0;
    return ret > 0;
}

static int kvmclock_write_tsc(int vcpu_fd, uint64_t ticks)
{
    return kvm_fd_msr(vcpu_fd, KVM_SET_MSRS, TSC_MSR, &ticks);
}

static int kvm_tsc_attr(int vcpu_fd, unsigned long call, uint64_t attr,
                        void *value)
{
    struct kvm_device_attr attribute = {
        .group = KVM_VCPU_TSC_CTRL,
        .attr = attr,
        .addr = (uintptr_t)value,
    };

    return kvm_fd_ioctl(vcpu_fd, call, &attribute);
}

/* The TSC, between two readings of the host's. */
static bool kvmclock_read_tsc(int vcpu_fd, struct cf_tsc_reading *best)
{
    int i;

    *best = (struct cf_tsc_reading) { .before_ticks = 1 };
    for (i = 0; i < CF_READINGS; i++) {
        struct cf_tsc_reading now = { .before_ticks = cpu_get_host_ticks() };

        if (kvm_fd_get_msr(vcpu_fd, TSC_MSR, &now.guest_ticks) < 0) {
            return false;
        }
        now.after_ticks = cpu_get_host_ticks();
        cf_tsc_reading_keep(best, &now);
    }
    return true;
}

/* How far from the host's a frequency may be for KVM to leave it so. */
static uint32_t kvmclock_tolerance_ppm(void)
{
    g_autofree char *text = NULL;
    unsigned int ppm;

    if (!g_file_get_contents("/sys/module/kvm/parameters/tsc_tolerance_ppm",
                             &text, NULL, NULL) ||
        qemu_strtoui(g_strstrip(text), NULL, 10, &ppm) < 0) {
        return CF_TOLERANCE_PPM;
    }
    return ppm;
}

/* SVM's ratios have 32 fraction bits, VMX's 48. */
static uint32_t kvmclock_frac_bits(void)
{
    uint32_t eax, ebx, ecx, edx;

    host_cpuid(0x80000001, 0, &eax, &ebx, &ecx, &edx);
    return (ecx & CPUID_EXT3_SVM) ? CF_FRAC_BITS_AMD : CF_FRAC_BITS_INTEL;
}

/*
 * The frequency at which a vCPU's TSC really runs: by the kernel's word, or
 * derived.  Without TSC control it is the host's, whatever KVM_GET_TSC_KHZ
 * says.
 * @fixed: the offset in @tsc is known to the tick, and stays
 */
static bool kvmclock_get_freq(int vcpu_fd, const KVMClockHost *host,
                              bool fixed, struct cf_tsc *tsc)
{
    struct cf_tsc_reading reading;
    KVMTscScale scale;
    bool read;
    int khz;

    tsc->seen = true;
    tsc->freq = cf_tsc_unscaled(host->tsc_khz, 0);
    if (!host->tsc_control) {
        return cf_tsc_freq_valid(&tsc->freq);
    }
    if (kvm_tsc_attr(vcpu_fd, KVM_GET_DEVICE_ATTR, KVM_VCPU_TSC_SCALE,
                     &scale) >= 0) {
        tsc->freq.ratio = scale.tsc_ratio;
        tsc->freq.frac_bits = MIN(scale.tsc_frac_bits, UINT32_MAX);
        return cf_tsc_freq_valid(&tsc->freq);
    }
    khz = kvm_fd_ioctl(vcpu_fd, KVM_GET_TSC_KHZ, 0);
    if (khz <= 0 || khz == host->tsc_khz) {
        return cf_tsc_freq_valid(&tsc->freq);
    }
    read = fixed && kvmclock_read_tsc(vcpu_fd, &reading);
    if (!cf_tsc_derive(khz, host->tsc_khz, kvmclock_frac_bits(),
                       read ? 0 : kvmclock_tolerance_ppm(),
                       read ? &reading : NULL, tsc)) {
        return false;
    }
    tsc->seen = tsc->seen && read == fixed;
    return true;
}

/* Frequency and offset of a vCPU; before Linux 5.16 the latter is measured. */
bool kvmclock_get_tsc(int vcpu_fd, const KVMClockHost *host,
                      struct cf_tsc *tsc)
{
    struct cf_tsc_reading reading;
    bool exact, fixed;

    memset(tsc, 0, sizeof(*tsc));
    exact = kvm_tsc_attr(vcpu_fd, KVM_GET_DEVICE_ATTR, KVM_VCPU_TSC_OFFSET,
                         &tsc->offset_ticks) >= 0;
    if (!exact && kvm_tsc_attr(vcpu_fd, KVM_HAS_DEVICE_ATTR,
                               KVM_VCPU_TSC_OFFSET, NULL) >= 0) {
        return false;
    }
    fixed = exact && host->offset != CF_OFFSET_REWINDS;
    tsc->known = kvmclock_get_freq(vcpu_fd, host, fixed, tsc) &&
                 (exact || (kvmclock_read_tsc(vcpu_fd, &reading) &&
                            cf_tsc_measure(&reading, tsc)));
    return tsc->known;
}

/* Is a vCPU's offset what it was?  That is one call. */
bool kvmclock_offset_is(int vcpu_fd, uint64_t offset_ticks)
{
    uint64_t now;

    return kvm_tsc_attr(vcpu_fd, KVM_GET_DEVICE_ATTR, KVM_VCPU_TSC_OFFSET,
                        &now) >= 0 && now == offset_ticks;
}

/*
 * To be called before a round of kvmclock_set_tsc_offset() on all vCPUs.
 * Before Linux 5.16 offsets are set by the MSR, and KVM takes a value that is
 * within a second of the last one for an attempt to write the same, keeping
 * the old offset.  A value far away makes it forget the last one.
 */
void kvmclock_begin_tsc_offsets(int vcpu_fd, const struct cf_tsc *tsc)
{
    uint64_t guest;

    if (tsc->error_ticks && kvm_fd_get_msr(vcpu_fd, TSC_MSR, &guest) == 0) {
        kvmclock_write_tsc(vcpu_fd, guest + CF_FAR_TICKS);
    }
}

/*
 * Before Linux 5.16 by the MSR: KVM then gives all vCPUs the same offset.
 * @tsc: as it is now
 */
int kvmclock_set_tsc_offset(int vcpu_fd, const struct cf_tsc *tsc,
                            uint64_t offset_ticks)
{
    uint64_t guest;
    int ret;

    if (!tsc->error_ticks) {
        ret = kvm_tsc_attr(vcpu_fd, KVM_SET_DEVICE_ATTR, KVM_VCPU_TSC_OFFSET,
                           &offset_ticks);
    } else if (cf_tsc_host_to_guest(cpu_get_host_ticks(), &tsc->freq,
                                    offset_ticks, &guest)) {
        ret = kvmclock_write_tsc(vcpu_fd, guest);
    } else {
        ret = -EINVAL;
    }
    trace_kvmclock_set_offset(vcpu_fd, offset_ticks, ret);
    return MIN(ret, 0);
}

static KVMClockHost kvmclock_probed;    /* as it was found last */

/*
 * Of a vCPU that doesn't run.  Where the host's TSC is unstable, each call
 * puts the guest's back to where it was: its offset is another one each time.
 */
static bool kvmclock_offset_moves(int vcpu_fd, const KVMClockHost *host,
                                  struct cf_tsc *tsc)
{
    const struct cf_tsc first = *tsc;
    struct cf_tsc second;

    if (first.error_ticks) {
        g_usleep(CF_RUNS_US);
    }
    if (!first.known || !kvmclock_get_tsc(vcpu_fd, host, tsc)) {
        return false;
    }
    second = *tsc;
    second.error_ticks += first.error_ticks;
    return !cf_tsc_is_at(&second, first.offset_ticks, 0);
}

/*
 * Does a TSC offset that is written act?  Ask the MSR, not the call.  A call
 * that fails says nothing against what was seen to act before.
 */
static enum cf_offset kvmclock_try_offset(int vcpu_fd, KVMClockHost *host)
{
    struct cf_tsc old, back, again;
    bool known = kvmclock_get_tsc(vcpu_fd, host, &old);
    uint64_t before, after;

    host->measured = old.error_ticks != 0;
    if (!known ||
        kvm_fd_get_msr(vcpu_fd, TSC_MSR, &before) < 0 ||
        kvmclock_set_tsc_offset(vcpu_fd, &old,
                                old.offset_ticks + CF_FAR_TICKS) < 0 ||
        !kvmclock_get_tsc(vcpu_fd, host, &back) ||
        kvm_fd_get_msr(vcpu_fd, TSC_MSR, &after) < 0) {
        return kvmclock_probed.tsc_khz ? kvmclock_probed.offset
                                       : CF_OFFSET_IGNORED;
    }
    again = back;
    return back.error_ticks && kvmclock_offset_moves(vcpu_fd, host, &again)
           ? CF_OFFSET_REWINDS
           : cf_offset_behaviour(&old, &back, before, after);
}

static void kvmclock_probe_scratch(int vm_fd, int vcpu_fd,
                                   uint32_t wanted_khz, KVMClockHost *host)
{
    int settable = kvm_check_extension(kvm_state, KVM_CAP_ADJUST_CLOCK);
    struct cf_anchor anchor = { 0 };
    struct cf_clock_fn fn;
    struct cf_tsc tsc;

    host->tsc_khz = MAX(kvm_fd_ioctl(vcpu_fd, KVM_GET_TSC_KHZ, 0), 0);
    if (kvmclock_activate_fd(vm_fd) == 0 &&
        kvmclock_read_anchor_of(vm_fd, host->tsc_khz, &anchor) == 0) {
        host->anchor_flags = anchor.flags;
    }
    host->has_clock_guest = kvmclock_get_fn(vcpu_fd, &fn) == 0;
    host->best_rung = cf_best_rung(host->has_clock_guest,
                                   cf_anchor_is_exact(&anchor) &&
                                   settable & KVM_CLOCK_REALTIME);
    host->offset = kvmclock_try_offset(vcpu_fd, host);

    host->guest = cf_tsc_unscaled(host->tsc_khz, 0);
    if (host->tsc_control && wanted_khz && wanted_khz != host->tsc_khz) {
        kvm_fd_ioctl(vcpu_fd, KVM_SET_TSC_KHZ, (unsigned long)wanted_khz);
        host->guest = kvmclock_get_tsc(vcpu_fd, host, &tsc) && tsc.seen
                      ? tsc.freq : (struct cf_tsc_freq) { 0 };
    }
}

typedef struct ScratchVM {
    int vm_fd;
    int vcpu_fd;
} ScratchVM;

static void kvmclock_close_fds(ScratchVM *scratch)
{
    if (scratch->vcpu_fd >= 0) {
        close(scratch->vcpu_fd);
    }
    close(scratch->vm_fd);
    g_free(scratch);
}

/* Not any number of such threads: a stream can ask for many probes. */
#define CLOSING_MAX 8
static int kvmclock_closing;

/* KVM waits for RCU when a VM goes: seconds on a busy host.  We needn't. */
static void *kvmclock_close_thread(void *opaque)
{
    kvmclock_close_fds(opaque);
    qatomic_dec(&kvmclock_closing);
    return NULL;
}

static void kvmclock_drop_scratch(ScratchVM *scratch)
{
    GThread *thread = NULL;
    sigset_t all, old;

    /* Not qemu_thread_create(), which aborts where no thread may be made. */
    if (qatomic_fetch_inc(&kvmclock_closing) < CLOSING_MAX) {
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &old);
        thread = g_thread_try_new("kvmclock-close", kvmclock_close_thread,
                                  scratch, NULL);
        pthread_sigmask(SIG_SETMASK, &old, NULL);
    }
    if (thread) {
        g_thread_unref(thread);
    } else {
        kvmclock_close_thread(scratch);
    }
}

/*
 * Find out what a guest's clocks would get here, on a VM of its own: one
 * refused KVM_SET_TSC_KHZ can put a vCPU into catch-up mode for its life.
 * Once for each migration, whose answer kvmclock_this_host() then repeats.
 * @wanted_khz: frequency that the guest's TSC needs; 0 for the host's.
 * @ret_host: NULL if only kvmclock_this_host() is to know.
 */
bool kvmclock_probe_host(uint32_t wanted_khz, KVMClockHost *ret_host,
                         Error **errp)
{
    KVMClockHost host = {
        .offset = CF_OFFSET_IGNORED,
        .tsc_control = kvm_check_extension(kvm_state, KVM_CAP_TSC_CONTROL),
    };
    ScratchVM *scratch;
    int vm_fd, vcpu_fd;

    do {
        vm_fd = kvm_ioctl(kvm_state, KVM_CREATE_VM, 0);
    } while (vm_fd == -EINTR);
    if (vm_fd < 0) {
        error_setg_errno(errp, -vm_fd, "can't create a scratch VM "
                         "to see what this host's TSC can do");
        return false;
    }
    vcpu_fd = kvm_fd_ioctl(vm_fd, KVM_CREATE_VCPU, 0UL);
    if (vcpu_fd >= 0) {
        kvmclock_probe_scratch(vm_fd, vcpu_fd, wanted_khz, &host);
    } else {
        error_setg_errno(errp, -vcpu_fd, "can't create a vCPU in a "
                         "scratch VM to see what this host's TSC can do");
    }
    scratch = g_new(ScratchVM, 1);
    *scratch = (ScratchVM) { vm_fd, vcpu_fd };
    kvmclock_drop_scratch(scratch);
    if (vcpu_fd < 0) {
        return false;
    }
    trace_kvmclock_host(host.tsc_khz, host.tsc_control, host.offset,
                        host.anchor_flags, host.has_clock_guest);
    kvmclock_probed = host;
    if (ret_host) {
        *ret_host = host;
    }
    return true;
}

/* As it was found last: a TSC may become unstable, or its frequency known. */
const KVMClockHost *kvmclock_this_host(void)
{
    if (!kvmclock_probed.tsc_khz && !kvmclock_probe_host(0, NULL, NULL)) {
        kvmclock_probed.offset = CF_OFFSET_STICKS;      /* unknown: try */
    }
    return &kvmclock_probed;
}

/*
 * The TSC of a stopped vCPU.  It may have become unstable since the host was
 * probed: ask twice, for a scratch VM takes too long while the guest waits.
 */
void kvmclock_look_again(int vcpu_fd, struct cf_tsc *tsc)
{
    kvmclock_get_tsc(vcpu_fd, kvmclock_this_host(), tsc);
    if (kvmclock_probed.offset == CF_OFFSET_STICKS &&
        kvmclock_offset_moves(vcpu_fd, &kvmclock_probed, tsc)) {
        kvmclock_probed.offset = CF_OFFSET_REWINDS;
        kvmclock_get_tsc(vcpu_fd, &kvmclock_probed, tsc);
    }
}
