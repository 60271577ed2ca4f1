/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the library's files share among each other. */
#ifndef CF_INTERNAL_H
#define CF_INTERNAL_H

#include <errno.h>
#include <string.h>
#include <clockferry/vm.h>

/* How far a clock that was set may be off to count as right. */
#define CF_SETTLED_NS 2

/* One rounding in each of two functions. */
#define CF_ROUNDING_NS 2

/* As long as a busy host may take from the restore to the first run. */
#define CF_FIRST_RUN_NS 50000000

/* An offset that can only be measured counts as written if it comes back
 * within this; what takes its time here is one MSR write. */
#define CF_MEASURED_SLACK_NS 1000000

/* What an update of the master clock adds that comes with the first run, so
 * long after the clock was set: the difference of two frequencies. KVM's
 * arithmetic knows these to the kHz: 1 ppm above 1 GHz. */
static inline cf_u128 cf_pending_ns(int64_t rate_error_ppt, uint64_t wait_ns)
{
    const uint64_t size_ppt = rate_error_ppt < 0
                              ? 0 - (uint64_t)rate_error_ppt
                              : (uint64_t)rate_error_ppt;

    return ((cf_u128)size_ppt + 1000000) * wait_ns / 1000000000000ULL + 1;
}

/* Equal but for what two roundings of a ratio make of one frequency. */
static inline bool cf_freq_is_near(const struct cf_tsc_freq *a,
                                   const struct cf_tsc_freq *b)
{
    int64_t ppt;

    return cf_tsc_rate_error_ppt(a, b, &ppt) && ppt >= -CF_RATE_EXACT_PPT &&
           ppt <= CF_RATE_EXACT_PPT;
}

/* A vCPU's frequency is what was seen, not what KVM was asked for. */
static inline bool cf_freq_was_seen(const CfVcpuState *vcpu)
{
    return vcpu->freq_origin != CF_FREQ_UNKNOWN &&
           vcpu->freq_origin != CF_FREQ_ASSUMED;
}

/* The boot vCPU's TSC at the anchor, if it is known. */
static inline bool cf_anchor_guest_ticks(const CfState *state,
                                         uint64_t *ret_ticks)
{
    const CfVcpuState *boot = &state->vcpus[0];

    return boot->freq_origin != CF_FREQ_UNKNOWN &&
           boot->offset_origin != CF_OFFSET_UNKNOWN &&
           cf_tsc_host_to_guest(state->anchor.instant.host_ticks, &boot->freq,
                                boot->offset_ticks, ret_ticks);
}

/* Which host a clock was read on, and when. */
typedef struct CfMoment {
    const char *boot_id;
    uint32_t host_khz;
    const struct cf_instant *instant;
} CfMoment;

static inline CfMoment cf_moment_of_state(const CfState *state)
{
    return (CfMoment) {
        state->boot_id, state->host_khz, &state->anchor.instant,
    };
}

/* The boot id alone can lie (containers, clones, a host that was itself
 * migrated); that the TSC ran on from then to now can't. */
static inline bool cf_same_host(CfMoment now, CfMoment then)
{
    return then.boot_id[0] && !strcmp(then.boot_id, now.boot_id) &&
           then.host_khz && then.host_khz == now.host_khz &&
           cf_tsc_continuous(now.instant, then.instant, now.host_khz);
}

/* Real time may be stepped meanwhile; a TSC that is known to be the same
 * can't. Negative if the clocks of two hosts say so. */
static inline bool cf_passed_ns(const struct cf_instant *now,
                                const struct cf_instant *then,
                                bool same_host, uint32_t host_khz,
                                int64_t *ret_ns)
{
    uint64_t ns;

    if (!same_host) {
        return cf_elapsed_ns(now, then, ret_ns);
    }
    if (!cf_ticks_to_ns(now->host_ticks - then->host_ticks, host_khz, &ns) ||
        ns > INT64_MAX) {
        return false;
    }
    *ret_ns = (int64_t)ns;
    return true;
}

/**
 * cf_fail_call - report a failed call of the table
 * @error: may be NULL
 * @call: name of the ioctl
 * @rc: what it returned, -errno
 *
 * Return: false, so that callers can return it.
 */
gboolean cf_fail_call(GError **error, const char *call, int rc);

/* host.c: those members of the real table that aren't KVM's. */
uint64_t cf_host_read_tsc(void);
int cf_host_read_pair(uint64_t *ret_host_ticks, uint64_t *ret_realtime_ns);
int cf_host_get_time(CfHostTime *ret_time);
int cf_host_get_tolerance(uint32_t *ret_ppm);
void cf_host_get_id(CfHostId *ret_id);

/**
 * cf_get_clock_guest - KVM_GET_CLOCK_GUEST, repeated while the kernel is busy
 * @ops: the calls
 * @vcpu_fd: the vCPU
 * @ret_fn: its clock function
 *
 * Return: 0 or -errno; -EBADMSG if the kernel gave no valid function.
 */
int cf_get_clock_guest(const CfKvmOps *ops, int vcpu_fd,
                       struct cf_clock_fn *ret_fn);

/**
 * cf_set_clock_guest - KVM_SET_CLOCK_GUEST, repeated while the kernel is busy
 * @ops: the calls
 * @vcpu_fd: the vCPU
 * @fn: a valid clock function
 *
 * Return: 0 or -errno.
 */
int cf_set_clock_guest(const CfKvmOps *ops, int vcpu_fd,
                       const struct cf_clock_fn *fn);

/**
 * cf_record_to_fn - the clock function in a pvclock record
 * @record: the record, from the kernel or from a hostile guest
 * @ret_fn: the function
 *
 * Return: false if the record is being written or isn't a valid function.
 */
bool cf_record_to_fn(const CfPvclockRecord *record, struct cf_clock_fn *ret_fn);

/**
 * cf_take_anchor - one instant of a VM
 * @vm: the VM
 * @activate: turn the master clock on if it is off; this writes kvmclock
 * @ret_anchor: the instant
 * @error: why not
 *
 * Return: true on success. Errors: CF_ERROR_SYSTEM.
 */
gboolean cf_take_anchor(const CfVm *vm, bool activate, CfAnchor *ret_anchor,
                        GError **error);

/**
 * CfTscReading - a guest TSC, and the host TSC before and after reading it
 */
typedef struct CfTscReading {
    uint64_t before_ticks;
    uint64_t after_ticks;
    uint64_t guest_ticks;
} CfTscReading;

/* Reads MSR_IA32_TSC; the narrowest of some tries. Returns 0 or -errno. */
int cf_read_guest_tsc(const CfKvmOps *ops, int vcpu_fd,
                      CfTscReading *ret_reading);

/* Could the guest TSC be what was read, with this frequency and offset? */
bool cf_tsc_reading_fits(const CfTscReading *reading,
                         const struct cf_tsc_freq *freq,
                         uint64_t offset_ticks);

/**
 * cf_read_vcpu_tsc - frequency and offset of a vCPU
 * @ops: the calls
 * @host: probe of this host
 * @vcpu_fd: the vCPU
 * @ret_vcpu: what is known of it
 * @ret_error_ticks: the offset is known to within this
 *
 * Reads only.
 */
void cf_read_vcpu_tsc(const CfKvmOps *ops, const CfProbe *host, int vcpu_fd,
                      CfVcpuState *ret_vcpu, uint64_t *ret_error_ticks);

/* Does KVM claim that it can scale, whatever came of it? */
static inline bool cf_has_tsc_control(const CfProbe *host)
{
    return host->scaling == CF_SCALING_WORKS ||
           host->scaling == CF_SCALING_FAILS;
}

/* Are the members of @vm such that it can be worked with? */
gboolean cf_vm_check(const CfVm *vm, GError **error);

#endif /* CF_INTERNAL_H */
