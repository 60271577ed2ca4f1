/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * May a guest go to a host, and how exact will its clocks be there?
 *
 * Computed from facts alone, by the same table and arithmetic as QEMU's own
 * check. No host is asked anything, and the same facts always give the same
 * answer.
 */
#ifndef CLOCKFERRY_CHECK_H
#define CLOCKFERRY_CHECK_H

#include <clockferry/host.h>
#include <clockferry/state.h>

/**
 * CfGuest - a guest that is to move, and the host that it is on
 * @freq: effective frequency of its TSC; all 0 when unknown
 * @promised: it was given invtsc or a tsc-frequency
 * @policy: what a destination may take
 * @require: the worst rung that is accepted; CF_RUNG_PLAIN is any
 * @host_khz: frequency of its host's TSC, 0 when unknown
 * @host: name of its host, empty when unknown
 * @boot_id: its host's boot id, empty when unknown
 * @instant_known: @instant is known
 * @instant: some instant of its host
 * @max_error_ns: bound of the error of its host's clock; UINT64_MAX when
 *                unknown, as it is for a clock that isn't synchronised
 * @tai_offset_s: TAI - UTC on its host, 0 when unknown
 * @leap: what its host's kernel knows about a leap second
 * @machine: digest of which machine its host is, 0 when unknown
 * @architecture: its host's architecture, and its own
 * @counter_hz: frequency of its host's counter, and so of its own, on arm64; 0
 *              when unknown
 * @reserved: 0; room for later versions
 */
typedef struct CfGuest {
    struct cf_tsc_freq freq;
    bool promised;
    enum cf_policy policy;
    enum cf_rung require;
    uint32_t host_khz;
    char host[CF_HOST_NAME_SIZE];
    char boot_id[CF_BOOT_ID_SIZE];
    bool instant_known;
    struct cf_instant instant;
    uint64_t max_error_ns;
    int32_t tai_offset_s;
    CfLeap leap;
    uint64_t machine;
    CfArchitecture architecture;
    uint32_t counter_hz;
    uint64_t reserved[2];
} CfGuest;

/**
 * CfFindingKind - what there is to say about a move
 * @CF_FINDING_RATE: frequency of the guest's TSC, there and here; on arm64, of
 *                   its counter; or that it would be another architecture
 * @CF_FINDING_RATE_UNKNOWN: one of these frequencies is unknown
 * @CF_FINDING_OFFSET: the guest's TSC goes on where it was
 * @CF_FINDING_OFFSET_IGNORED: it jumps, because the host ignores offsets
 * @CF_FINDING_OFFSET_UNKNOWN: whether the host ignores offsets is unknown
 * @CF_FINDING_TSC_UNSTABLE: the guest's TSC is rewound again and again
 * @CF_FINDING_RUNG: how kvmclock is restored
 * @CF_FINDING_RUNG_UNKNOWN: that is unknown, so the worst is assumed
 * @CF_FINDING_TIME: how far both clocks may step
 * @CF_FINDING_TIME_UNKNOWN: that is unknown
 *
 * Every check has one finding of each of these groups: rate, offset, rung and
 * time. It has the others only if they apply, and of these only the first one
 * decides anything. Between architectures only the rate's has a verdict.
 * @CF_FINDING_OFFSET_MEASURED: offsets can't be read exactly there, as far as
 *                              is known
 * @CF_FINDING_SAME_HOST: source and destination are the same host
 * @CF_FINDING_UNPROVEN: boot ids or machines are the same, but nothing proves
 *                       that the TSC is
 * @CF_FINDING_TOLERANCE: kvm.tsc_tolerance_ppm is unknown; 250 is assumed
 * @CF_FINDING_TAI: a leap second would count, or the TAI offsets differ
 * @CF_FINDING_LEAP: a leap second is near
 */
typedef enum CfFindingKind {
    CF_FINDING_RATE,
    CF_FINDING_RATE_UNKNOWN,
    CF_FINDING_OFFSET,
    CF_FINDING_OFFSET_IGNORED,
    CF_FINDING_OFFSET_UNKNOWN,
    CF_FINDING_TSC_UNSTABLE,
    CF_FINDING_RUNG,
    CF_FINDING_RUNG_UNKNOWN,
    CF_FINDING_TIME,
    CF_FINDING_TIME_UNKNOWN,
    CF_FINDING_SAME_HOST,
    CF_FINDING_UNPROVEN,
    CF_FINDING_TOLERANCE,
    CF_FINDING_OFFSET_MEASURED,
    CF_FINDING_TAI,
    CF_FINDING_LEAP,
} CfFindingKind;

/**
 * CfFinding - one thing to say about a move
 * @kind: what it is about
 * @verdict: the verdict by this finding alone
 */
typedef struct CfFinding {
    CfFindingKind kind;
    enum cf_verdict verdict;
} CfFinding;

#define CF_FINDINGS_MAX 10u

/**
 * CfCheck - the answer
 * @verdict: the worst verdict of all findings
 * @guest: the guest in question; not owned, and must live as long as this
 * @destination: the host in question; not owned, and must live as long
 * @same_host: source and destination are proven to be the same host
 * @freq: effective frequency of the guest's TSC there; all 0 when unknown
 * @rate_known: frequencies could be compared
 * @rate_error_ppt: (destination - source) / source in 10^-12, rounded away
 *                  from zero
 * @drift_ns: what that adds up to in a day, rounded away from zero; at most
 *            what 63 bits can hold
 * @rung: the expected rung; one worse than CF_RUNG_CLOSED_LOOP isn't exact.
 *        CF_RUNG_EXACT on arm64, where there is no kvmclock to restore
 * @time_known: @time_bound_ns is known
 * @time_bound_ns: how far both clocks may step, together, because the hosts'
 *                 clocks differ
 * @kvmclock_known: @kvmclock_bound_ns is known
 * @kvmclock_bound_ns: how far kvmclock may be off as a function of the guest
 *                     TSC, if the guest runs within 50 ms of the restore
 * @n_findings: number of findings
 * @findings: the findings, those that decide first
 * @kexec: they are, but with another kernel there, by kexec
 * @reserved: 0; room for later versions
 */
typedef struct CfCheck {
    enum cf_verdict verdict;
    const CfGuest *guest;
    const CfHost *destination;
    bool same_host;
    struct cf_tsc_freq freq;
    bool rate_known;
    int64_t rate_error_ppt;
    int64_t drift_ns;
    enum cf_rung rung;
    bool time_known;
    uint64_t time_bound_ns;
    bool kvmclock_known;
    uint64_t kvmclock_bound_ns;
    unsigned int n_findings;
    CfFinding findings[CF_FINDINGS_MAX];
    bool kexec;
    uint64_t reserved[4];
} CfCheck;

G_BEGIN_DECLS

/**
 * cf_guest_from_host - a guest on a host that was probed
 * @host: the facts about its host
 * @guest_khz: its tsc-frequency in kHz; 0: the host's
 * @ret_guest: the guest: not promised, policy auto, any rung
 *
 * Its effective frequency is what KVM makes of that tsc-frequency there.
 */
CF_API void cf_guest_from_host(const CfHost *host, uint32_t guest_khz,
                               CfGuest *ret_guest);

/**
 * cf_guest_from_state - a guest whose clocks were captured
 * @state: a valid state
 * @ret_guest: the guest: not promised, policy auto, any rung
 *
 * The frequency is unknown if it is unknown for any vCPU, or if they differ.
 */
CF_API void cf_guest_from_state(const CfState *state, CfGuest *ret_guest);

/**
 * cf_guest_to_json - a guest as text
 * @guest: the guest
 *
 * In the format clockferry-guest of docs/wire-format.rst, without what is
 * unknown. So is a frequency that isn't one on a host of @guest's @host_khz.
 *
 * Return: the text, to be freed with g_free().
 */
CF_API char *cf_guest_to_json(const CfGuest *guest);

/**
 * cf_guest_from_json - a guest from any text that says enough
 * @json: a clockferry-guest, clockferry-state or clockferry-probe, from
 *        anywhere; need not end in a zero byte
 * @size: its size in bytes
 * @ret_guest: the guest, written on success
 * @error: what is wrong with it
 *
 * Return: true on success. Errors: CF_ERROR_INVALID.
 */
CF_API gboolean cf_guest_from_json(const char *json, size_t size,
                                   CfGuest *ret_guest, GError **error);

/**
 * cf_tsc_freq_on - the frequency that a guest's TSC would have on a host
 * @host: the facts about the host
 * @wanted: the frequency that it should have
 * @ret_freq: the frequency that KVM would give it
 *
 * KVM takes whole kHz, doesn't scale a TSC within its tolerance, and computes
 * the ratio from kHz. An unknown tolerance counts as 250 ppm.
 *
 * Return: false if these facts don't say it, as of a host without a TSC.
 */
CF_API bool cf_tsc_freq_on(const CfHost *host,
                           const struct cf_tsc_freq *wanted,
                           struct cf_tsc_freq *ret_freq);

/**
 * cf_check - may this guest go to that host?
 * @guest: the guest, and where it is
 * @destination: the facts about the host
 * @ret_check: the answer
 *
 * What is unknown counts as bad. Thread: any. Allocates nothing.
 */
CF_API void cf_check(const CfGuest *guest, const CfHost *destination,
                     CfCheck *ret_check);

/**
 * cf_check_text - a finding in a sentence
 * @check: an answer
 * @i: which finding, below check->n_findings
 *
 * For people: quantities are rounded, and the wording may change.
 *
 * Return: the sentence, without a full stop; to be freed with g_free().
 */
CF_API char *cf_check_text(const CfCheck *check, unsigned int i);

/**
 * cf_check_cure - what to do about a finding
 * @check: an answer
 * @i: which finding, below check->n_findings
 *
 * Return: the advice, to be freed with g_free(); NULL if none is needed.
 */
CF_API char *cf_check_cure(const CfCheck *check, unsigned int i);

/**
 * cf_verdict_name - a verdict's name as users see it
 * @verdict: the verdict
 *
 * Return: "go", "report", "warn" or "refuse"; "unknown" if out of range.
 */
CF_API const char *cf_verdict_name(enum cf_verdict verdict);

/**
 * cf_finding_name - one word for what a finding is about
 * @kind: the kind
 *
 * Return: a static string such as "rate"; "unknown" if out of range.
 */
CF_API const char *cf_finding_name(CfFindingKind kind);

G_END_DECLS

#endif /* CLOCKFERRY_CHECK_H */
