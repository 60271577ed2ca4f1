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
#include <sys/timex.h>
#include "qapi/error.h"
#include "qemu/cutils.h"
#include "qemu/thread.h"
#include "qemu/timer.h"
#include "cpu.h"
#include "system/kvm.h"
#include "system/kvm_int.h"
#include "hw/i386/kvm/clock-host.h"
#include "trace.h"

#define TSC_MSR 0x10
#define SYSTEM_TIME_MSR 0x12    /* KVM keeps one value for this and the new */

/* The MSR is 2^40 ticks (minutes) ahead when an offset of that sticks. */
#define TRIAL_OFFSET_TICKS (1ULL << 40)

/* How often to read where one reading may be disturbed. */
#define READINGS 5

/* Any fd that KVM gave us; parked vCPUs and scratch VMs have no CPUState. */
#define kvm_fd_ioctl kvm_device_ioctl

static int64_t clock_ns(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return ts.tv_sec * NANOSECONDS_PER_SECOND + ts.tv_nsec;
}

int32_t kvmclock_tai_offset_s(void)
{
    struct timex tx = { .modes = 0 };

    return adjtimex(&tx) < 0 ? 0 : tx.tai;
}

/* Read once: a file takes longer to read than a clock takes to restore. */
bool kvmclock_boot_id(QemuUUID *id)
{
    static QemuUUID boot_id;
    g_autofree char *text = NULL;

    if (qemu_uuid_is_null(&boot_id) &&
        (!g_file_get_contents("/proc/sys/kernel/random/boot_id", &text, NULL,
                              NULL) ||
         qemu_uuid_parse(g_strstrip(text), &boot_id) < 0)) {
        memset(&boot_id, 0, sizeof(boot_id));
        return false;
    }
    *id = boot_id;
    return true;
}

uint32_t kvmclock_settable_flags(void)
{
    return kvm_check_extension(kvm_state, KVM_CAP_ADJUST_CLOCK);
}

/*
 * The kernel gave no instant with its clock (no master clock, or a kernel
 * before 5.16): read real time and TSC just before, and keep the narrowest.
 */
static int kvmclock_read_apart(int vm_fd, KVMClockAnchor *anchor)
{
    int i;

    anchor->slack_ns = UINT64_MAX;
    for (i = 0; i < READINGS; i++) {
        struct kvm_clock_data data = { 0 };
        int64_t start_ns = clock_ns(CLOCK_MONOTONIC);
        uint64_t host_ticks = cpu_get_host_ticks();
        int64_t realtime_ns = clock_ns(CLOCK_REALTIME);
        int ret = kvm_fd_ioctl(vm_fd, KVM_GET_CLOCK, &data);
        uint64_t slack_ns = clock_ns(CLOCK_MONOTONIC) - start_ns;

        if (ret < 0) {
            return ret;
        }
        if (slack_ns < anchor->slack_ns) {
            anchor->flags = data.flags;
            anchor->clock_ns = data.clock;
            anchor->slack_ns = slack_ns;
            anchor->at.host_ticks = host_ticks;
            anchor->at.realtime_ns = realtime_ns;
        }
    }
    return 0;
}

static int kvmclock_read_anchor(int vm_fd, KVMClockAnchor *anchor)
{
    struct kvm_clock_data data = { 0 };
    int ret = kvm_fd_ioctl(vm_fd, KVM_GET_CLOCK, &data);

    if (ret < 0) {
        return ret;
    }
    anchor->flags = data.flags & KVM_CLOCK_ALL_FLAGS;
    anchor->clock_ns = data.clock;
    anchor->slack_ns = 0;
    anchor->at.host_ticks = data.host_tsc;
    anchor->at.realtime_ns = data.realtime;
    if (anchor->flags != KVM_CLOCK_ALL_FLAGS) {
        ret = kvmclock_read_apart(vm_fd, anchor);
        anchor->flags &= KVM_CLOCK_TSC_STABLE;
    }
    return ret;
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

bool kvmclock_get_anchor(KVMClockAnchor *anchor, Error **errp)
{
    int ret = kvmclock_read_anchor(kvm_state->vmfd, anchor);

    if (ret < 0) {
        error_setg_errno(errp, -ret, "kvmclock: KVM_GET_CLOCK failed");
        return false;
    }
    anchor->at.tai_offset_s = kvmclock_tai_offset_s();
    return true;
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
static int kvmclock_activate_fd(int vm_fd, KVMClockAnchor *anchor)
{
    struct kvm_clock_data data = { 0 };
    int ret = kvm_fd_ioctl(vm_fd, KVM_GET_CLOCK, &data);

    if (ret == 0 &&
        (data.flags & KVM_CLOCK_ALL_FLAGS) != KVM_CLOCK_ALL_FLAGS) {
        ret = kvm_fd_set_clock(vm_fd, data.clock, 0);
    }
    return ret < 0 ? ret : kvmclock_read_anchor(vm_fd, anchor);
}

bool kvmclock_activate(KVMClockAnchor *anchor, Error **errp)
{
    int ret = kvmclock_activate_fd(kvm_state->vmfd, anchor);

    if (ret < 0) {
        error_setg_errno(errp, -ret, "kvmclock: can't start the master clock");
        return false;
    }
    anchor->at.tai_offset_s = kvmclock_tai_offset_s();
    trace_kvmclock_anchor(anchor->flags, anchor->clock_ns,
                          anchor->at.realtime_ns, anchor->at.host_ticks);
    return true;
}

/* EBUSY is passing: the frequency of this CPU isn't known to KVM yet. */
static int kvmclock_record_ioctl(int vcpu_fd, unsigned long call,
                                 KVMPvclockRecord *record)
{
    int tries = 10;
    int ret;

    do {
        ret = kvm_fd_ioctl(vcpu_fd, call, record);
    } while (ret == -EBUSY && --tries > 0);
    return ret;
}

int kvmclock_get_record(int vcpu_fd, KVMPvclockRecord *record)
{
    return kvmclock_record_ioctl(vcpu_fd, KVM_GET_CLOCK_GUEST, record);
}

int kvmclock_set_record(int vcpu_fd, const struct cf_clock_fn *fn)
{
    KVMPvclockRecord record = {
        .tsc_timestamp = fn->tsc_ticks,
        .system_time = fn->system_ns,
        .tsc_to_system_mul = fn->mul,
        .tsc_shift = fn->shift,
    };

    return kvmclock_record_ioctl(vcpu_fd, KVM_SET_CLOCK_GUEST, &record);
}

typedef struct OneMsr {
    struct kvm_msrs info;
    struct kvm_msr_entry entry;
} OneMsr;

static int kvm_fd_get_msr(int vcpu_fd, uint32_t index, uint64_t *value)
{
    OneMsr msr = { .info.nmsrs = 1, .entry.index = index };
    int ret = kvm_fd_ioctl(vcpu_fd, KVM_GET_MSRS, &msr);

    *value = msr.entry.data;
    if (ret != 1) {
        return ret < 0 ? ret : -EINVAL;
    }
    return 0;
}

int kvmclock_get_tsc(int vcpu_fd, uint64_t *ticks)
{
    return kvm_fd_get_msr(vcpu_fd, TSC_MSR, ticks);
}

/* Where a vCPU's pvclock record is in guest memory, if it has one. */
bool kvmclock_get_page(int vcpu_fd, hwaddr *page)
{
    uint64_t msr;

    if (kvm_fd_get_msr(vcpu_fd, SYSTEM_TIME_MSR, &msr) < 0 || !(msr & 1)) {
        return false;
    }
    *page = msr & ~1ULL;
    return true;
}

static int kvmclock_set_tsc(int vcpu_fd, uint64_t ticks)
{
    OneMsr msr = {
        .info.nmsrs = 1,
        .entry.index = TSC_MSR,
        .entry.data = ticks,
    };
    int ret = kvm_fd_ioctl(vcpu_fd, KVM_SET_MSRS, &msr);

    return ret == 1 ? 0 : ret < 0 ? ret : -EINVAL;
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

/* Linux 5.16 and newer tell a vCPU's offset to the tick. */
bool kvmclock_tsc_offset_exact(int vcpu_fd)
{
    return kvm_tsc_attr(vcpu_fd, KVM_HAS_DEVICE_ATTR, KVM_VCPU_TSC_OFFSET,
                        NULL) >= 0;
}

/* Read the MSR between two readings of the host TSC; keep the narrowest. */
static int kvmclock_estimate_tsc_offset(int vcpu_fd,
                                        const struct cf_tsc_freq *freq,
                                        uint64_t *offset_ticks,
                                        uint64_t *slack_ticks)
{
    uint64_t host = 0, guest = 0;
    int i;

    *slack_ticks = UINT64_MAX;
    for (i = 0; i < READINGS; i++) {
        uint64_t before = cpu_get_host_ticks(), half, read;
        int ret = kvmclock_get_tsc(vcpu_fd, &read);

        if (ret < 0) {
            return ret;
        }
        half = (cpu_get_host_ticks() - before) / 2 + 1;
        if (half < *slack_ticks) {
            *slack_ticks = half;
            host = before + half;
            guest = read;
        }
    }
    return cf_tsc_offset_for(guest, host, freq, offset_ticks) ? 0 : -EINVAL;
}

/*
 * The offset, and how far off that may be: before Linux 5.16 it can only be
 * estimated.
 */
int kvmclock_get_tsc_offset(int vcpu_fd, const struct cf_tsc_freq *freq,
                            uint64_t *offset_ticks, uint64_t *slack_ticks)
{
    int ret = kvm_tsc_attr(vcpu_fd, KVM_GET_DEVICE_ATTR, KVM_VCPU_TSC_OFFSET,
                           offset_ticks);

    *slack_ticks = 0;
    if (ret >= 0 || kvmclock_tsc_offset_exact(vcpu_fd)) {
        return MIN(ret, 0);
    }
    return kvmclock_estimate_tsc_offset(vcpu_fd, freq, offset_ticks,
                                        slack_ticks);
}

/*
 * To be called before a round of kvmclock_set_tsc_offset() on all vCPUs.
 * Before Linux 5.16 offsets are set by the MSR, and KVM takes a value that is
 * within a second of the last one for an attempt to write the same, keeping
 * the old offset.  A value far away makes it forget the last one.
 */
void kvmclock_begin_tsc_offsets(int vcpu_fd)
{
    uint64_t guest;

    if (!kvmclock_tsc_offset_exact(vcpu_fd) &&
        kvmclock_get_tsc(vcpu_fd, &guest) == 0) {
        kvmclock_set_tsc(vcpu_fd, guest + TRIAL_OFFSET_TICKS);
    }
}

/* Before Linux 5.16 by the MSR: KVM then gives all vCPUs the same offset. */
int kvmclock_set_tsc_offset(int vcpu_fd, const struct cf_tsc_freq *freq,
                            uint64_t offset_ticks)
{
    uint64_t guest;
    int ret = kvm_tsc_attr(vcpu_fd, KVM_SET_DEVICE_ATTR, KVM_VCPU_TSC_OFFSET,
                           &offset_ticks);

    if (ret >= 0 || kvmclock_tsc_offset_exact(vcpu_fd)) {
        return MIN(ret, 0);
    }
    if (!cf_tsc_host_to_guest(cpu_get_host_ticks(), freq, offset_ticks,
                              &guest)) {
        return -EINVAL;
    }
    return kvmclock_set_tsc(vcpu_fd, guest);
}

/* Did the guest's TSC MSR read what ratio and offset say? */
static bool kvmclock_ratio_held(int vcpu_fd, const struct cf_tsc_freq *freq,
                                uint64_t offset)
{
    uint64_t before, after, guest, low, high;

    before = cpu_get_host_ticks();
    if (kvmclock_get_tsc(vcpu_fd, &guest) < 0) {
        return false;
    }
    after = cpu_get_host_ticks();
    return cf_tsc_host_to_guest(before, freq, offset, &low) &&
           cf_tsc_host_to_guest(after, freq, offset, &high) &&
           guest - low <= high - low;
}

/*
 * Does it always?  A wrong ratio passes when the thread was interrupted
 * between the readings of the host TSC; a right one never fails.
 */
static bool kvmclock_ratio_holds(int vcpu_fd, const struct cf_tsc_freq *freq)
{
    uint64_t offset;
    int i;

    if (kvm_tsc_attr(vcpu_fd, KVM_GET_DEVICE_ATTR, KVM_VCPU_TSC_OFFSET,
                     &offset) < 0) {
        return true;            /* nothing to compare with */
    }
    for (i = 0; i < READINGS; i++) {
        if (!kvmclock_ratio_held(vcpu_fd, freq, offset)) {
            return false;
        }
    }
    return true;
}

/* How far from the host's a frequency may be for KVM to leave it so. */
static uint32_t kvmclock_tolerance_ppm(void)
{
    const uint32_t default_ppm = 250;
    g_autofree char *text = NULL;
    unsigned int ppm;

    if (!g_file_get_contents("/sys/module/kvm/parameters/tsc_tolerance_ppm",
                             &text, NULL, NULL) ||
        qemu_strtoui(g_strstrip(text), NULL, 10, &ppm) < 0) {
        return default_ppm;
    }
    return ppm;
}

/* Is a vCPU unscaled that KVM was asked to run at @khz? */
static bool kvmclock_left_unscaled(int vcpu_fd, uint32_t khz,
                                   const struct cf_tsc_freq *unscaled)
{
    const uint64_t off_khz = ABS((int64_t)khz - unscaled->host_khz);

    if (kvmclock_tsc_offset_exact(vcpu_fd)) {
        return kvmclock_ratio_holds(vcpu_fd, unscaled);
    }
    /* Before Linux 5.16 there is nothing to compare with: by KVM's rule. */
    return off_khz * 1000000 <=
           (uint64_t)kvmclock_tolerance_ppm() * unscaled->host_khz;
}

/* SVM's ratios have 32 fraction bits, VMX's 48. */
static uint32_t kvmclock_frac_bits(void)
{
    uint32_t eax, ebx, ecx, edx;

    host_cpuid(0x80000001, 0, &eax, &ebx, &ecx, &edx);
    return (ecx & CPUID_EXT3_SVM) ? CF_FRAC_BITS_AMD : CF_FRAC_BITS_INTEL;
}

static void kvmclock_unscaled(uint32_t host_khz, struct cf_tsc_freq *freq)
{
    freq->host_khz = host_khz;
    freq->frac_bits = 0;
    freq->ratio = 1;
}

/*
 * The frequency at which a vCPU's TSC really runs: by the kernel's word, or
 * by the ratio that KVM must have computed, checked against the MSR.  KVM
 * leaves a TSC unscaled within kvm.tsc_tolerance_ppm of the wanted kHz, and
 * without TSC control always, whatever KVM_GET_TSC_KHZ says.
 */
bool kvmclock_get_tsc_freq(int vcpu_fd, uint32_t host_khz, bool tsc_control,
                           struct cf_tsc_freq *freq)
{
    KVMTscScale scale;
    int khz;

    kvmclock_unscaled(host_khz, freq);
    if (!tsc_control) {
        return cf_tsc_freq_valid(freq);
    }
    if (kvm_tsc_attr(vcpu_fd, KVM_GET_DEVICE_ATTR, KVM_VCPU_TSC_SCALE,
                     &scale) >= 0) {
        freq->ratio = scale.tsc_ratio;
        freq->frac_bits = MIN(scale.tsc_frac_bits, UINT32_MAX);
        return cf_tsc_freq_valid(freq);
    }
    khz = kvm_fd_ioctl(vcpu_fd, KVM_GET_TSC_KHZ, 0);
    if (khz <= 0 || khz == host_khz ||
        kvmclock_left_unscaled(vcpu_fd, khz, freq)) {
        return cf_tsc_freq_valid(freq);
    }
    freq->frac_bits = kvmclock_frac_bits();
    return cf_tsc_ratio_from_khz(khz, host_khz, freq->frac_bits,
                                 &freq->ratio) &&
           kvmclock_ratio_holds(vcpu_fd, freq);
}

/* Does a TSC offset that is written act?  Ask the MSR, not the call. */
static enum cf_offset kvmclock_try_offset(int vcpu_fd,
                                          const struct cf_tsc_freq *freq)
{
    uint64_t old, read_back, before, after, error, slack;

    if (kvmclock_get_tsc_offset(vcpu_fd, freq, &old, &slack) < 0 ||
        kvmclock_get_tsc(vcpu_fd, &before) < 0 ||
        kvmclock_set_tsc_offset(vcpu_fd, freq, old + TRIAL_OFFSET_TICKS) < 0 ||
        kvmclock_get_tsc_offset(vcpu_fd, freq, &read_back, &slack) < 0 ||
        kvmclock_get_tsc(vcpu_fd, &after) < 0) {
        return CF_OFFSET_IGNORED;
    }
    if (after - before < TRIAL_OFFSET_TICKS / 2) {
        return CF_OFFSET_IGNORED;
    }
    error = read_back - old - TRIAL_OFFSET_TICKS;
    return error && kvmclock_tsc_offset_exact(vcpu_fd) ? CF_OFFSET_REWINDS
                                                       : CF_OFFSET_STICKS;
}

static void kvmclock_probe_scratch(int vm_fd, int vcpu_fd,
                                   uint32_t wanted_khz, KVMClockHost *host)
{
    KVMClockAnchor anchor = { 0 };
    KVMPvclockRecord record;

    host->tsc_khz = MAX(kvm_fd_ioctl(vcpu_fd, KVM_GET_TSC_KHZ, 0), 0);
    if (kvmclock_activate_fd(vm_fd, &anchor) == 0) {
        host->anchor_flags = anchor.flags;
    }
    host->has_clock_guest = kvmclock_get_record(vcpu_fd, &record) == 0;

    kvmclock_unscaled(host->tsc_khz, &host->guest);
    if (cf_tsc_freq_valid(&host->guest)) {
        host->offset = kvmclock_try_offset(vcpu_fd, &host->guest);
    }
    if (host->tsc_control && wanted_khz && wanted_khz != host->tsc_khz) {
        kvm_fd_ioctl(vcpu_fd, KVM_SET_TSC_KHZ, (unsigned long)wanted_khz);
        if (!kvmclock_get_tsc_freq(vcpu_fd, host->tsc_khz, true,
                                   &host->guest)) {
            host->guest.ratio = 0;      /* unknown */
        }
    }

    if (host->has_clock_guest) {
        host->best_rung = CF_RUNG_EXACT;
    } else if (host->anchor_flags == KVM_CLOCK_ALL_FLAGS &&
               host->settable_flags & KVM_CLOCK_REALTIME) {
        host->best_rung = CF_RUNG_CLOSED_LOOP;
    } else {
        host->best_rung = CF_RUNG_PLAIN;
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
    QemuThread thread;

    if (qatomic_fetch_inc(&kvmclock_closing) >= CLOSING_MAX) {
        qatomic_dec(&kvmclock_closing);
        kvmclock_close_fds(scratch);
        return;
    }
    qemu_thread_create(&thread, "kvmclock-close", kvmclock_close_thread,
                       scratch, QEMU_THREAD_DETACHED);
}

/*
 * Find out what a guest's clocks would get here, on a VM of its own: one
 * refused KVM_SET_TSC_KHZ can put a vCPU into catch-up mode for its life.
 * @wanted_khz: frequency that the guest's TSC needs; 0 for the host's.
 */
bool kvmclock_probe_host(uint32_t wanted_khz, KVMClockHost *host,
                         Error **errp)
{
    ScratchVM *scratch;
    int vm_fd, vcpu_fd;

    memset(host, 0, sizeof(*host));
    host->offset = CF_OFFSET_IGNORED;
    host->tsc_control = kvm_check_extension(kvm_state, KVM_CAP_TSC_CONTROL);
    host->settable_flags = kvmclock_settable_flags();

    do {
        vm_fd = kvm_ioctl(kvm_state, KVM_CREATE_VM, 0);
    } while (vm_fd == -EINTR);
    if (vm_fd < 0) {
        error_setg_errno(errp, -vm_fd, "kvmclock: can't create a scratch VM "
                         "to see what this host's TSC can do");
        return false;
    }
    vcpu_fd = kvm_fd_ioctl(vm_fd, KVM_CREATE_VCPU, 0UL);
    if (vcpu_fd >= 0) {
        kvmclock_probe_scratch(vm_fd, vcpu_fd, wanted_khz, host);
    } else {
        error_setg_errno(errp, -vcpu_fd, "kvmclock: can't create a vCPU in a "
                         "scratch VM to see what this host's TSC can do");
    }
    scratch = g_new(ScratchVM, 1);
    *scratch = (ScratchVM) { vm_fd, vcpu_fd };
    kvmclock_drop_scratch(scratch);
    if (vcpu_fd < 0) {
        return false;
    }
    trace_kvmclock_host(host->tsc_khz, host->tsc_control, host->offset,
                        host->anchor_flags, host->has_clock_guest);
    return true;
}
