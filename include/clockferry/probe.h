/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What this host can do for a guest's clocks.
 *
 * Found out by trying it on a scratch VM that no guest ever runs in: a trial
 * on a guest's own vCPU could leave traces for the vCPU's life.
 */
#ifndef CLOCKFERRY_PROBE_H
#define CLOCKFERRY_PROBE_H

#include <clockferry/clock-math.h>
#include <clockferry/clock-policy.h>
#include <clockferry/kvm.h>

/**
 * CfClockGuest - does KVM have KVM_GET_CLOCK_GUEST and KVM_SET_CLOCK_GUEST?
 * @CF_CLOCK_GUEST_ABSENT: no
 * @CF_CLOCK_GUEST_PRESENT: yes, and setting a record reads back
 * @CF_CLOCK_GUEST_UNUSABLE: yes, but they failed here; errno tells why
 */
typedef enum CfClockGuest {
    CF_CLOCK_GUEST_ABSENT,
    CF_CLOCK_GUEST_PRESENT,
    CF_CLOCK_GUEST_UNUSABLE,
} CfClockGuest;

/**
 * CfProbe - the facts about one host
 * @host_khz: frequency of the host TSC as KVM knows it; not 0
 * @tsc_control: KVM can scale guest TSCs
 * @has_offset: attribute KVM_VCPU_TSC_OFFSET exists
 * @offset: what became of an offset that was written
 * @has_scale: attribute KVM_VCPU_TSC_SCALE exists
 * @frac_bits: fraction bits of a ratio: by that attribute, else by the CPU's
 *             vendor; 0 when unknown
 * @adjust_clock: value of KVM_CAP_ADJUST_CLOCK: flags that the clock calls
 *                know
 * @clock_flags: flags of KVM_GET_CLOCK after KVM_SET_CLOCK; CF_KVM_CLOCK_EXACT
 *               if the master clock is on
 * @clock_guest: the newer calls
 * @clock_guest_errno: errno of KVM_GET_CLOCK_GUEST before the master clock was
 *                     activated, 0 if it worked even then
 * @best_rung: the best rung that this host can reach
 * @time: TAI offset and error of CLOCK_REALTIME
 * @time_known: @time could be read
 * @id: boot id and clocksource
 * @duration_ns: how long the probe took
 */
typedef struct CfProbe {
    uint32_t host_khz;
    bool tsc_control;
    bool has_offset;
    enum cf_offset offset;
    bool has_scale;
    uint32_t frac_bits;
    uint32_t adjust_clock;
    uint32_t clock_flags;
    CfClockGuest clock_guest;
    int clock_guest_errno;
    enum cf_rung best_rung;
    CfHostTime time;
    bool time_known;
    CfHostId id;
    uint64_t duration_ns;
} CfProbe;

G_BEGIN_DECLS

/**
 * cf_probe_host - probe this host
 * @ops: the calls, normally cf_kvm_ops()
 * @device: path of the KVM device, normally "/dev/kvm"
 * @ret_probe: the facts, written on success
 * @error: why not
 *
 * Takes some milliseconds; nothing of it remains.
 *
 * Return: true on success. Errors: CF_ERROR_NO_KVM, CF_ERROR_SYSTEM.
 */
CF_API gboolean cf_probe_host(const CfKvmOps *ops, const char *device,
                              CfProbe *ret_probe, GError **error);

/**
 * cf_probe_to_json - a probe for other programs
 * @probe: the facts
 *
 * An object with "format": "clockferry-probe", "version" and "min_version": a
 * reader refuses if min_version is above what it knows, and ignores members
 * that it doesn't know. 64-bit numbers are decimal strings; a member that is
 * absent is unknown.
 *
 * Return: the text, to be freed with g_free().
 */
CF_API char *cf_probe_to_json(const CfProbe *probe);

G_END_DECLS

#endif /* CLOCKFERRY_PROBE_H */
