/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the library's files share among each other. */
#ifndef CF_INTERNAL_H
#define CF_INTERNAL_H

#include <errno.h>
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
