/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A guest's clocks as they are carried: functions, not samples.
 *
 * Offset, ratio and pvclock record don't change while a guest is stopped, so
 * nothing can race with reading them. One anchor ties them to time.
 */
#ifndef CLOCKFERRY_STATE_H
#define CLOCKFERRY_STATE_H

#include <stddef.h>
#include <clockferry/clock-rate.h>
#include <clockferry/exchange.h>

/* More vCPUs than any KVM takes; limits what a hostile state can allocate. */
#define CF_STATE_MAX_VCPUS 4096u

/**
 * CfFreqOrigin - where a frequency comes from
 * @CF_FREQ_UNKNOWN: it is unknown
 * @CF_FREQ_UNSCALED: the host can't scale, so the ratio is 1
 * @CF_FREQ_ATTRIBUTE: from KVM_VCPU_TSC_SCALE
 * @CF_FREQ_DERIVED: computed from KVM_GET_TSC_KHZ as KVM does, and confirmed
 *                   by the guest's TSC
 * @CF_FREQ_ASSUMED: computed in the same way, but the TSC didn't obey
 */
typedef enum CfFreqOrigin {
    CF_FREQ_UNKNOWN,
    CF_FREQ_UNSCALED,
    CF_FREQ_ATTRIBUTE,
    CF_FREQ_DERIVED,
    CF_FREQ_ASSUMED,
} CfFreqOrigin;

/**
 * CfOffsetOrigin - where an offset comes from
 * @CF_OFFSET_UNKNOWN: it is unknown
 * @CF_OFFSET_ATTRIBUTE: from KVM_VCPU_TSC_OFFSET
 * @CF_OFFSET_MEASURED: on kernels before 5.16: from MSR_IA32_TSC between two
 *                      readings of the host's TSC, to within some microseconds
 */
typedef enum CfOffsetOrigin {
    CF_OFFSET_UNKNOWN,
    CF_OFFSET_ATTRIBUTE,
    CF_OFFSET_MEASURED,
} CfOffsetOrigin;

/**
 * CfFnOrigin - where a clock function comes from
 * @CF_FN_NONE: there is none
 * @CF_FN_CALL: from KVM_GET_CLOCK_GUEST
 * @CF_FN_PAGE: from the guest's own pvclock page
 * @CF_FN_BUILT: built from the anchor
 */
typedef enum CfFnOrigin {
    CF_FN_NONE,
    CF_FN_CALL,
    CF_FN_PAGE,
    CF_FN_BUILT,
} CfFnOrigin;

/**
 * CfVcpuState - the TSC of one vCPU
 * @freq_origin: if not CF_FREQ_UNKNOWN, @freq is valid
 * @freq: effective frequency
 * @offset_origin: if not CF_OFFSET_UNKNOWN, @offset_ticks is valid
 * @offset_ticks: guest TSC - scaled host TSC, modulo 2^64
 * @reserved: 0; room for later versions
 */
typedef struct CfVcpuState {
    CfFreqOrigin freq_origin;
    CfOffsetOrigin offset_origin;
    struct cf_tsc_freq freq;
    uint64_t offset_ticks;
    uint64_t reserved[2];
} CfVcpuState;

/* CfAnchor - one instant: host TSC, real time and kvmclock */
typedef struct cf_anchor CfAnchor;

/**
 * CfState - the clocks of one guest
 * @anchor: taken when the guest had stopped
 * @host_khz: frequency of the source's TSC, as its kernel tells; not 0
 * @rate: how far from that it really is; unknown if all 0
 * @boot_id: the source's boot id; empty when unknown
 * @machine: digest of which machine the source is; 0 when unknown
 * @max_error_ns: bound of the real time's error; UINT64_MAX when unknown, as it
 *                is for a clock that isn't synchronised
 * @unstable: the source's TSC was, so @fn is a guess
 * @fn_origin: if not CF_FN_NONE, @fn is valid
 * @fn: kvmclock as a function of the boot vCPU's TSC
 * @fn_meant: @fn is what kvmclock was meant to be, see cf_state_as_meant()
 * @fn_ahead_ns: how far kvmclock was ahead of that; 0 unless @fn_meant
 * @n_vcpus: 1 to CF_STATE_MAX_VCPUS
 * @vcpus: array, the boot vCPU first; owned by the state
 * @exchanges: what the source noted of its messages to the destination; empty
 *             in a state that was captured, for its caller to fill in
 */
typedef struct CfState {
    CfAnchor anchor;
    uint32_t host_khz;
    struct cf_host_rate rate;
    char boot_id[CF_BOOT_ID_SIZE];
    uint64_t machine;
    uint64_t max_error_ns;
    bool unstable;
    CfFnOrigin fn_origin;
    struct cf_clock_fn fn;
    bool fn_meant;
    int64_t fn_ahead_ns;
    uint32_t n_vcpus;
    CfVcpuState *vcpus;
    CfExchanges exchanges;
} CfState;

G_BEGIN_DECLS

/**
 * cf_state_new - an empty state, everything unknown
 * @n_vcpus: number of vCPUs, 1 to CF_STATE_MAX_VCPUS
 *
 * Return: the state, to be freed with cf_state_free(); NULL if @n_vcpus is
 * out of range.
 */
CF_API CfState *cf_state_new(uint32_t n_vcpus);

/**
 * cf_state_free - free a state
 * @state: the state, or NULL
 */
CF_API void cf_state_free(CfState *state);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CfState, cf_state_free)

/**
 * cf_state_validate - can this state be restored?
 * @state: the state; may come from anywhere
 * @error: what is wrong with it
 *
 * Checks every range, and that the function agrees with anchor and TSC. It
 * isn't an error if something is unknown.
 *
 * Return: true if it can be used. Errors: CF_ERROR_INVALID.
 */
CF_API gboolean cf_state_validate(const CfState *state, GError **error);

/**
 * cf_state_to_json - a state as text that can be carried or stored
 * @state: a valid state
 *
 * In the format clockferry-state of docs/wire-format.rst, without what is
 * unknown.
 *
 * Return: the text, to be freed with g_free().
 */
CF_API char *cf_state_to_json(const CfState *state);

/**
 * cf_state_from_json - the state that cf_state_to_json() wrote
 * @json: the text, from anywhere; need not end in a zero byte
 * @size: its size in bytes
 * @ret_state: the state, validated, to be freed with cf_state_free(); written
 *             on success
 * @error: what is wrong with it
 *
 * Return: true on success. Errors: CF_ERROR_INVALID.
 */
CF_API gboolean cf_state_from_json(const char *json, size_t size,
                                   CfState **ret_state, GError **error);

/**
 * cf_policy_name - a policy's name as users see it
 * @policy: the policy
 *
 * Return: "auto", "strict" or "lax"; "unknown" if out of range.
 */
CF_API const char *cf_policy_name(enum cf_policy policy);

/**
 * cf_rung_name - a rung's name as users see it
 * @rung: the rung
 *
 * Return: a static string such as "closed-loop"; "unknown" if out of range.
 */
CF_API const char *cf_rung_name(enum cf_rung rung);

/**
 * cf_offset_name - name of what a host does with a TSC offset
 * @offset: the fact
 *
 * Return: "sticks", "ignored" or "rewinds"; "unknown" if out of range.
 */
CF_API const char *cf_offset_name(enum cf_offset offset);

G_END_DECLS

#endif /* CLOCKFERRY_STATE_H */
