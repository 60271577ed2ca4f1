/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the KVM layer offers the rest of the library. */
#ifndef CF_CALLS_H
#define CF_CALLS_H

#include <errno.h>
#include <clockferry/vm.h>

/* Reports that a call of this name failed with -errno; returns false. */
gboolean cf_fail_call(GError **error, const char *call, int rc);

/* cpu.c of the architecture: a member of the real table; a text that says what
 * kind of CPU it is, to be freed with g_free(); the members that the CPU tells
 * of an id. */
uint64_t cf_system_read_tsc(void);
char *cf_cpu_kind(void);
void cf_cpu_get_id(CfHostId *id);

/* system.c: those members of the real table that aren't KVM's. */
int cf_system_read_pair(uint64_t *ret_host_ticks, uint64_t *ret_realtime_ns);
int cf_system_get_time(CfHostTime *ret_time);
int cf_system_get_tolerance(uint32_t *ret_ppm);
void cf_system_get_id(CfHostId *ret_id);

/* The first line of a file of the kernel's; empty if it can't be had. */
void cf_system_read_line(const char *path, char *line, size_t size);

/* KVM_GET_CLOCK_GUEST, repeated while the kernel is busy. Returns 0 or -errno;
 * -EBADMSG if the kernel gave no valid function. */
int cf_get_clock_guest(const CfKvmOps *ops, int vcpu_fd,
                       struct cf_clock_fn *ret_fn);

/* KVM_SET_CLOCK_GUEST with a valid function, repeated while the kernel is
 * busy. Returns 0 or -errno. */
int cf_set_clock_guest(const CfKvmOps *ops, int vcpu_fd,
                       const struct cf_clock_fn *fn);

/* One instant of a VM. With @activate it turns the master clock on if that is
 * off, which writes kvmclock. Errors: CF_ERROR_SYSTEM. */
gboolean cf_take_anchor(const CfVm *vm, bool activate, CfAnchor *ret_anchor,
                        GError **error);

/* What is known of the host's real time: given by the VM's owner, or asked for;
 * all 0 if it can't be had. */
CfHostTime cf_time_of(const CfVm *vm);

/* The clock as it is now, without TAI offset; in parts where the kernel gives
 * no instant. Returns 0 or -errno. */
int cf_read_clock(const CfVm *vm, CfAnchor *ret_anchor);

/* Reads MSR_IA32_TSC; the narrowest of some tries. Returns 0 or -errno. */
int cf_read_guest_tsc(const CfKvmOps *ops, int vcpu_fd,
                      struct cf_tsc_reading *ret_reading);

/* What is known of a vCPU's frequency and offset, and to within how many ticks
 * the offset is. Reads only. */
void cf_read_vcpu_tsc(const CfKvmOps *ops, const CfHost *host, int vcpu_fd,
                      CfVcpuState *ret_vcpu, uint64_t *ret_error_ticks);

/* Writes an offset: by the MSR if @tsc, what the vCPU has now, says that it
 * can't be known to the tick. Returns 0 or -errno. */
int cf_write_tsc_offset(const CfKvmOps *ops, int vcpu_fd,
                        const struct cf_tsc *tsc, uint64_t offset_ticks);

/* What a host tells without KVM: name and boot, real time and an instant. */
static inline void cf_identify_host(const CfKvmOps *ops, CfHost *host)
{
    host->architecture = ops->architecture;
    ops->get_host_id(&host->id);
    host->time_known = ops->get_host_time(&host->time) == 0;
    host->instant_known = ops->read_pair(&host->instant.host_ticks,
                                         &host->instant.realtime_ns) == 0;
    host->instant.tai_offset_s = host->time_known ? host->time.tai_offset_s
                                                  : 0;
}

static inline CfAnswer cf_answer(bool yes)
{
    return yes ? CF_ANSWER_YES : CF_ANSWER_NO;
}

/* arm64's cpu.c: a member of its table. */
int cf_system_get_counter_hz(uint32_t *ret_hz);

/* Is the clock of its guests a counter, and not a TSC? */
static inline bool cf_host_has_counter(const CfHost *host)
{
    return host->architecture != CF_ARCHITECTURE_X86_64;
}

/* Can't an offset be set to the tick, as far as is known? */
static inline bool cf_offset_is_measured(const CfHost *host)
{
    return cf_host_has_counter(host)
           ? host->counter_offset != CF_COUNTER_OFFSET_IOCTL
           : host->has_offset != CF_ANSWER_YES;
}

/* The best rung, the worst being assumed; without kvmclock there is nothing
 * that could be inexact. */
static inline enum cf_rung cf_host_rung(const CfHost *host)
{
    return cf_host_has_counter(host) ? CF_RUNG_EXACT
           : host->rung_known ? host->best_rung : CF_RUNG_PLAIN;
}

/* kvm.tsc_tolerance_ppm. */
static inline uint32_t cf_tolerance_ppm(const CfHost *host)
{
    return host->tolerance_known ? host->tolerance_ppm : CF_TOLERANCE_PPM;
}

/* Does KVM claim that it can scale, whatever came of it? */
static inline bool cf_has_tsc_control(const CfHost *host)
{
    return host->scaling == CF_SCALING_WORKS ||
           host->scaling == CF_SCALING_FAILS;
}

#endif /* CF_CALLS_H */
