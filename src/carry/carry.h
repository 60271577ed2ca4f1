/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What capture, restore and check decide alike. */
#ifndef CF_CARRY_H
#define CF_CARRY_H

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

/* Are the members of @vm such that it can be worked with? */
gboolean cf_vm_check(const CfVm *vm, GError **error);

#endif /* CF_CARRY_H */
