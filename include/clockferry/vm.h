/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Capture a guest's clocks from a VM and restore them into another one.
 *
 * For any VMM: it passes its KVM file descriptors while no vCPU runs, and calls
 * from a thread that may use them. It is still up to the VMM to stop and start
 * the guest, to send the state, to apply the policy (clock-policy.h), and to
 * call KVM_KVMCLOCK_CTRL, and cf_settle_vcpu() if vCPUs may sleep on arrival.
 *
 * Only on x86-64: on arm64 capture and restore fail (CF_ERROR_INVALID), for
 * nothing carries a guest's counter.
 */
#ifndef CLOCKFERRY_VM_H
#define CLOCKFERRY_VM_H

#include <stddef.h>
#include <clockferry/host.h>
#include <clockferry/state.h>

/**
 * CfReadGuest - read guest memory
 * @address: guest physical address; it may have any value, the guest chose it
 * @buffer: where to put it
 * @size: how many bytes
 * @opaque: the CfVm's
 *
 * Return: true if all of it is RAM and was read.
 */
typedef bool (*CfReadGuest)(uint64_t address, void *buffer, size_t size,
                            void *opaque);

/**
 * CfSettle - let KVM do what it has pending for a vCPU
 * @vcpu: which vCPU, an index into the CfVm's @vcpu_fds
 * @opaque: the CfVm's
 *
 * Return: what cf_settle_vcpu() says, called by the thread that runs that vCPU.
 */
typedef bool (*CfSettle)(uint32_t vcpu, void *opaque);

/**
 * CfVm - a VM with stopped vCPUs
 * @ops: the calls, normally cf_kvm_ops()
 * @host: facts about this host; needed for its TSC frequency, which a VM whose
 *        own frequency was set doesn't show. From when it was probed until the
 *        capture the TSC's real rate is measured, so probe when the VMM starts
 * @vm_fd: the VM
 * @vcpu_fds: all its vCPUs, including parked ones, the boot vCPU first, in the
 *            same order on source and destination
 * @n_vcpus: how many vCPUs, 1 to CF_STATE_MAX_VCPUS
 * @read_guest: reads guest memory; NULL if it can't be read
 * @opaque: for @read_guest and @settle
 * @settle: settles a vCPU, see cf_settle_vcpu(); NULL if that isn't wanted
 * @time: what the kernel knows about its CLOCK_REALTIME, above all the TAI
 *        offset, from a caller whose sandbox forbids adjtimex(); NULL: ask it
 * @reserved: 0; room for later versions
 *
 * Nothing is owned.
 */
typedef struct CfVm {
    const CfKvmOps *ops;
    const CfHost *host;
    int vm_fd;
    const int *vcpu_fds;
    uint32_t n_vcpus;
    CfReadGuest read_guest;
    void *opaque;
    CfSettle settle;
    const CfHostTime *time;
    uint64_t reserved[2];
} CfVm;

/* CfTscOutcome - what became of the vCPUs' TSCs */
typedef enum cf_tsc_outcome CfTscOutcome;

/* CfElapsedFrom - what told how much time passed */
typedef enum cf_elapsed_from CfElapsedFrom;

/**
 * CfRestoreOptions - what a caller of cf_restore() may choose
 * @freeze: the time between capture and restore doesn't count for the guest:
 *          both clocks continue where they stopped
 * @exchanges: when the source's messages arrived here, see exchange.h; NULL:
 *             nobody noted it
 * @reserved: 0; room for later versions
 */
typedef struct CfRestoreOptions {
    bool freeze;
    const CfExchanges *exchanges;
    uint64_t reserved[3];
} CfRestoreOptions;

/**
 * CfReport - what a restore achieved
 * @rung: how the kvmclock was restored
 * @tries: how often it was set on that rung, 1 or more
 * @residual_ns: kvmclock read back - intended, at the same guest TSC
 * @residual_error_ns: @residual_ns is known to within this; 0 if the kernels
 *                     read clock and TSC at one instant
 * @residual_known: kvmclock could be read back at all
 * @pending_update: the kernel may still re-base kvmclock at the first run; see
 *                  cf_settle_vcpu()
 * @function_carried: kvmclock is the source's function of the guest TSC;
 *                    otherwise it continues from the source's time
 * @rate_known: frequencies could be compared
 * @rate_error_ppt: (destination - source) / source in 10^-12, of the vCPU
 *                  where it is largest
 * @same_host: boot id, frequency and TSC prove that source and destination
 *             share one TSC; after a kexec machine, TSC and real time do
 * @tsc: what became of the TSCs
 * @skew_known: the TSCs could be compared, to the tick
 * @skew_ticks: how far the vCPUs' TSCs moved apart
 * @frozen: the time since the capture didn't count. Where a host can't stop a
 *          TSC both clocks count it even if freezing was asked for: false
 * @passed_ns: time from the source's anchor to the destination's
 * @elapsed_ns: how much of it counted
 * @clock_behind: the destination's real time was before the source's, so 0
 *                was used instead
 * @page: guest physical address of the boot vCPU's pvclock record, 0 if none
 * @set_ticks: guest TSC at the instant for which kvmclock was set last
 * @guest_khz: frequency of the boot vCPU's TSC
 * @elapsed_from: what told @passed_ns: the hosts' clocks, unless the messages
 *                of both sides prove them wrong
 * @time_bound_ns: the guest's TSC and kvmclock are no farther from true,
 *                 together; UINT64_MAX: unknown
 * @round_trip_ns: the shortest of the messages'; UINT64_MAX: there were none
 *                 that prove anything
 * @meant: what function of the boot vCPU's TSC kvmclock was to be, if
 *         @function_carried; see cf_state_as_meant()
 * @since_ticks: guest TSC from which kvmclock has this host's slope
 * @clocks_wrong_ns: by so much at least the hosts' clocks are wrong, together;
 *                   0 if nothing shows that they are
 * @kexec: the host is the same, but with another kernel, by kexec
 * @kexec_ppt: by how much faster that makes kvmclock run on the same TSC, in
 *             10^-12
 * @reserved: 0; room for later versions
 *
 * @page, @set_ticks and @guest_khz serve cf_report_bound().
 */
typedef struct CfReport {
    enum cf_rung rung;
    int tries;
    int64_t residual_ns;
    uint64_t residual_error_ns;
    bool residual_known;
    bool pending_update;
    bool function_carried;
    bool rate_known;
    int64_t rate_error_ppt;
    bool same_host;
    CfTscOutcome tsc;
    bool skew_known;
    uint64_t skew_ticks;
    bool frozen;
    int64_t passed_ns;
    int64_t elapsed_ns;
    bool clock_behind;
    uint64_t page;
    uint64_t set_ticks;
    uint32_t guest_khz;
    CfElapsedFrom elapsed_from;
    uint64_t time_bound_ns;
    uint64_t round_trip_ns;
    uint64_t clocks_wrong_ns;
    struct cf_clock_fn meant;
    bool kexec;
    int64_t kexec_ppt;
    uint64_t since_ticks;
    uint64_t reserved[2];
} CfReport;

G_BEGIN_DECLS

/**
 * cf_capture - read a stopped guest's clocks
 * @vm: the VM
 * @ret_state: the state, to be freed with cf_state_free()
 * @error: why it can't be captured
 *
 * It only reads: a guest that isn't moved after all goes on undisturbed. What
 * the host doesn't know stays unknown in the state. That the host's TSC became
 * unstable since it was probed, or becomes so meanwhile, is noticed.
 *
 * Return: true on success. Errors: CF_ERROR_INVALID, CF_ERROR_SYSTEM.
 */
CF_API gboolean cf_capture(const CfVm *vm, CfState **ret_state, GError **error);

/**
 * cf_restore - put a guest's clocks into a stopped VM
 * @vm: the destination, with as many vCPUs as @state
 * @state: what cf_capture() gave; validated first
 * @options: NULL for the defaults
 * @ret_report: what was achieved, written on success
 * @error: why it can't be restored
 *
 * To be called when all other vCPU state is in KVM, as the last thing before
 * the vCPUs run. It sets the TSCs, then kvmclock by the best rung that works,
 * and reads both back. Success means that the clocks were set, and the report
 * says how well. Whether that suffices cf_policy_decide() says beforehand.
 * On failure the TSCs are as before, frequencies and offsets.
 *
 * Return: true on success. Errors: CF_ERROR_INVALID, CF_ERROR_SYSTEM.
 */
CF_API gboolean cf_restore(const CfVm *vm, const CfState *state,
                           const CfRestoreOptions *options,
                           CfReport *ret_report, GError **error);

/**
 * cf_state_as_meant - leave an arrival's small error behind
 * @state: what cf_capture() gave; once is enough
 * @report: of the cf_restore() by which this guest had come
 *
 * Each arrival may be off by 2 ns. If kvmclock still is what it was set to be
 * then, the state gets the function that was meant instead, so that the errors
 * of many moves don't add up.
 *
 * Return: true if it did. Otherwise the state stays as it was.
 */
CF_API bool cf_state_as_meant(CfState *state, const CfReport *report);

/**
 * cf_settle_vcpu - let KVM do what it has pending for a vCPU
 * @vcpu_fd: the vCPU, all its state being in KVM
 *
 * A vCPU that was created, or whose TSC was written, has an update of the
 * master clock pending. KVM makes it when the vCPU first enters the guest. It
 * moves kvmclock by as much as the host's raw monotonic clock and its TSC have
 * drifted apart since the clock was set: some 60 ns a second. That is nothing
 * if all vCPUs run at once, but one that sleeps may enter seconds later.
 * Kernels with KVM_GET_CLOCK_GUEST make the update when cf_restore() asks for
 * it. Others need this function: cf_restore() has it called through the CfVm's
 * @settle, between the TSCs and kvmclock. Without it the report says
 * @pending_update, and cf_report_bound() allows for it.
 *
 * It is KVM_RUN with a signal pending, so the guest doesn't run. Still, KVM
 * then takes the first step of whatever else is pending, so a vCPU with an NMI,
 * SMI, INIT or shutdown pending, or in a guest of its own, is left alone. One
 * that sleeps goes on sleeping unless KVM takes up an interrupt for it. Call it
 * in the thread that runs this vCPU: many kernels wait for milliseconds if
 * another thread does. For a moment that thread has SIGRTMAX blocked and
 * pending. A mask that was set by KVM_SET_SIGNAL_MASK is gone afterwards.
 *
 * Return: true if nothing is pending any more; false on failure, for a vCPU
 * that is left alone, and for one that waits to be started.
 */
CF_API bool cf_settle_vcpu(int vcpu_fd);

/**
 * cf_report_bound - how far kvmclock may have stepped when the guest ran
 * @vm: the destination; its memory shows when the guest first ran
 * @report: the report of cf_restore()
 * @ret_bound_ns: how far kvmclock may have been, either way, from what it
 *                would have been as a function of the guest TSC
 *
 * The sum of the residual, how well it is known, and what the kernel's update
 * at the first run may have added: the difference of the rates since the clock
 * was set. If the guest hasn't run yet, or its memory can't be read, that time
 * is taken to be 50 ms. The vCPUs may run.
 *
 * Return: false if it isn't known.
 */
CF_API bool cf_report_bound(const CfVm *vm, const CfReport *report,
                            uint64_t *ret_bound_ns);

/**
 * cf_tsc_outcome_name - an outcome's name as users see it
 * @outcome: the outcome
 *
 * Return: a static string such as "copied"; "unknown" if out of range.
 */
CF_API const char *cf_tsc_outcome_name(CfTscOutcome outcome);

/**
 * cf_elapsed_from_name - a word for what told how much time passed
 * @from: what did
 *
 * Return: "tsc", "tai", "utc" or "channel"; otherwise "unknown".
 */
CF_API const char *cf_elapsed_from_name(CfElapsedFrom from);

G_END_DECLS

#endif /* CLOCKFERRY_VM_H */
