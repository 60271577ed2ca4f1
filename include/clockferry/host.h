/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What this host can do for a guest's clocks.
 *
 * Found out by trying it on a scratch VM in which no guest ever runs: a trial
 * on a guest's own vCPU could leave traces for the vCPU's life.
 */
#ifndef CLOCKFERRY_HOST_H
#define CLOCKFERRY_HOST_H

#include <stddef.h>
#include <clockferry/kvm.h>

/**
 * CfScaling - can KVM give a guest's TSC another frequency?
 * @CF_SCALING_UNKNOWN: nobody tried
 * @CF_SCALING_NONE: no
 * @CF_SCALING_WORKS: yes; a frequency was set, and the TSC obeyed
 * @CF_SCALING_FAILS: KVM says that it can, but the TSC ran on as before
 */
typedef enum CfScaling {
    CF_SCALING_UNKNOWN,
    CF_SCALING_NONE,
    CF_SCALING_WORKS,
    CF_SCALING_FAILS,
} CfScaling;

/**
 * CfClockGuest - does KVM have KVM_GET_CLOCK_GUEST and KVM_SET_CLOCK_GUEST?
 * @CF_CLOCK_GUEST_UNKNOWN: nobody tried
 * @CF_CLOCK_GUEST_ABSENT: no
 * @CF_CLOCK_GUEST_PRESENT: yes, and a record that was read could be set again
 * @CF_CLOCK_GUEST_UNUSABLE: yes, but they failed here
 */
typedef enum CfClockGuest {
    CF_CLOCK_GUEST_UNKNOWN,
    CF_CLOCK_GUEST_ABSENT,
    CF_CLOCK_GUEST_PRESENT,
    CF_CLOCK_GUEST_UNUSABLE,
} CfClockGuest;

/**
 * CfClockGuestStyle - how these calls report what is wrong
 * @CF_CLOCK_GUEST_STYLE_UNKNOWN: nothing was wrong, so it never showed
 * @CF_CLOCK_GUEST_STYLE_V6: EINVAL for everything, no capability
 * @CF_CLOCK_GUEST_STYLE_CAPABILITY: an errno for each reason, and the
 *                                   capability KVM_CAP_CLOCK_GUEST
 */
typedef enum CfClockGuestStyle {
    CF_CLOCK_GUEST_STYLE_UNKNOWN,
    CF_CLOCK_GUEST_STYLE_V6,
    CF_CLOCK_GUEST_STYLE_CAPABILITY,
} CfClockGuestStyle;

/**
 * CfCounterOffset - how KVM gives a guest's counter an offset (arm64)
 * @CF_COUNTER_OFFSET_UNKNOWN: nobody tried
 * @CF_COUNTER_OFFSET_NONE: not at all
 * @CF_COUNTER_OFFSET_IOCTL: by KVM_ARM_SET_COUNTER_OFFSET, to the tick
 * @CF_COUNTER_OFFSET_REGISTER: by setting the counter itself,
 *                              KVM_REG_ARM_TIMER_CNT, to within a call's time
 */
typedef enum CfCounterOffset {
    CF_COUNTER_OFFSET_UNKNOWN,
    CF_COUNTER_OFFSET_NONE,
    CF_COUNTER_OFFSET_IOCTL,
    CF_COUNTER_OFFSET_REGISTER,
} CfCounterOffset;

/**
 * CfHost - the facts about one host
 * @host_khz: frequency of the host TSC as KVM knows it; 0 when unknown
 * @scaling: what became of a frequency that was set
 * @frac_bits: fraction bits of a ratio, by KVM_VCPU_TSC_SCALE or by the kind of
 *             CPU; 0 when unknown
 * @has_scale: there is an attribute KVM_VCPU_TSC_SCALE
 * @tolerance_known: @tolerance_ppm is known
 * @tolerance_ppm: kvm.tsc_tolerance_ppm: a guest's TSC isn't scaled if the
 *                 host's own frequency is this close to the wanted one
 * @has_offset: there is an attribute KVM_VCPU_TSC_OFFSET
 * @offset_known: @offset is known
 * @offset: what became of an offset that was written; on arm64, of the counter
 * @master_clock: once the clock has been set, KVM_GET_CLOCK reads clock, real
 *                time and host TSC at one instant
 * @set_realtime: KVM_SET_CLOCK takes CF_KVM_CLOCK_REALTIME
 * @clock_guest: whether there are the newer calls
 * @clock_guest_style: which revision of them
 * @clock_guest_errno: why they are unusable; 0 if they aren't
 * @rung_known: @best_rung is known
 * @best_rung: the best rung that this host can reach
 * @time_known: @time is known
 * @time: TAI offset and error of CLOCK_REALTIME
 * @instant_known: @instant is known
 * @instant: a host TSC and the real time that went with it, when the host was
 *           probed; proves later that it is the same host
 * @id: boot id, name, clocksource and the like
 * @duration_ns: how long the probe took
 * @architecture: its architecture. On arm64 only @offset, the time, @id and
 *                what follows are known
 * @counter_hz: frequency of its counter, CNTFRQ_EL0; 0 when unknown, and on
 *              x86-64
 * @counter_offset: how a guest's counter is given an offset
 * @reserved: 0; room for later versions
 *
 * If all bytes are 0, everything is unknown.
 */
typedef struct CfHost {
    uint32_t host_khz;
    CfScaling scaling;
    uint32_t frac_bits;
    CfAnswer has_scale;
    bool tolerance_known;
    uint32_t tolerance_ppm;
    CfAnswer has_offset;
    bool offset_known;
    enum cf_offset offset;
    CfAnswer master_clock;
    CfAnswer set_realtime;
    CfClockGuest clock_guest;
    CfClockGuestStyle clock_guest_style;
    int clock_guest_errno;
    bool rung_known;
    enum cf_rung best_rung;
    bool time_known;
    CfHostTime time;
    bool instant_known;
    struct cf_instant instant;
    CfHostId id;
    uint64_t duration_ns;
    CfArchitecture architecture;
    uint32_t counter_hz;
    CfCounterOffset counter_offset;
    uint64_t reserved[4];
} CfHost;

G_BEGIN_DECLS

/**
 * cf_host_probe - probe this host
 * @ops: the calls, normally cf_kvm_ops()
 * @device: path of the KVM device, normally "/dev/kvm"
 * @ret_host: the facts, written on success
 * @error: why it can't be probed
 *
 * Takes some milliseconds, and leaves nothing behind.
 *
 * Return: true on success. Errors: CF_ERROR_NO_KVM, CF_ERROR_SYSTEM.
 */
CF_API gboolean cf_host_probe(const CfKvmOps *ops, const char *device,
                              CfHost *ret_host, GError **error);

/**
 * cf_host_to_json - the facts for other programs
 * @host: the facts
 *
 * In the format clockferry-probe of docs/wire-format.rst, without what is
 * unknown.
 *
 * Return: the text, to be freed with g_free().
 */
CF_API char *cf_host_to_json(const CfHost *host);

/**
 * cf_host_from_json - the facts that cf_host_to_json() wrote
 * @json: the text, from anywhere; need not end in a zero byte
 * @size: its size in bytes
 * @ret_host: the facts, written on success
 * @error: what is wrong with it
 *
 * Return: true on success. Errors: CF_ERROR_INVALID.
 */
CF_API gboolean cf_host_from_json(const char *json, size_t size,
                                  CfHost *ret_host, GError **error);

/**
 * cf_scaling_name - a word for whether KVM can scale
 * @scaling: the fact
 *
 * Return: "none", "works" or "fails"; otherwise "unknown".
 */
CF_API const char *cf_scaling_name(CfScaling scaling);

G_END_DECLS

#endif /* CLOCKFERRY_HOST_H */
