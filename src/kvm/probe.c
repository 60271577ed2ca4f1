/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Probe of this host, by trying everything on a scratch VM. */
#include "calls.h"
#include "text/names.h"
#include "scratch.h"

/* Long enough to see a rate. */
#define TRIAL_WAIT_US 20

static uint32_t capability(const Scratch *scratch, uint32_t number)
{
    uint32_t value = 0;

    if (scratch->ops->check_extension(scratch->vm_fd, number, &value) < 0) {
        return 0;
    }
    return value;
}

static void probe_ratio(const Scratch *scratch, CfHost *probe)
{
    uint64_t ratio, frac_bits;

    probe->scaling = capability(scratch, CF_KVM_CAP_TSC_CONTROL)
                     ? CF_SCALING_FAILS : CF_SCALING_NONE;
    probe->frac_bits = probe->id.frac_bits;
    probe->has_scale = CF_ANSWER_NO;
    if (scratch->ops->get_tsc_scale(scratch->vcpu_fd, &ratio,
                                    &frac_bits) == 0 &&
        frac_bits <= CF_FRAC_BITS_MAX) {
        probe->has_scale = CF_ANSWER_YES;
        probe->frac_bits = (uint32_t)frac_bits;
    }
}

/* How KVM_GET_CLOCK_GUEST fails while there is no master clock, if it does. */
static CfClockGuestStyle style_of_failure(const Scratch *scratch)
{
    struct cf_clock_fn fn;
    const int rc = cf_get_clock_guest(scratch->ops, scratch->vcpu_fd, &fn);

    return rc == -ENODATA || rc == -EBUSY ? CF_CLOCK_GUEST_STYLE_CAPABILITY
           : rc == -EINVAL ? CF_CLOCK_GUEST_STYLE_V6
           : CF_CLOCK_GUEST_STYLE_UNKNOWN;
}

/* The capability tells, where its number is known. */
static void probe_style(const Scratch *scratch, CfHost *probe)
{
    uint32_t value = 0;

    if (scratch->ops->has_clock_guest(scratch->vm_fd, &value) == 0) {
        probe->clock_guest_style = value ? CF_CLOCK_GUEST_STYLE_CAPABILITY
                                         : CF_CLOCK_GUEST_STYLE_V6;
    } else {
        probe->clock_guest_style = style_of_failure(scratch);
    }
}

static void probe_master_clock(const Scratch *scratch, CfHost *probe)
{
    CfKvmClock clock = { .clock_ns = CF_NS_PER_SEC };

    probe->set_realtime = cf_answer(capability(scratch,
                                               CF_KVM_CAP_ADJUST_CLOCK) &
                                    CF_KVM_CLOCK_REALTIME);
    probe->master_clock =
        cf_answer(scratch->ops->set_clock(scratch->vm_fd, &clock) == 0 &&
                  scratch->ops->get_clock(scratch->vm_fd, &clock) == 0 &&
                  (clock.flags & CF_KVM_CLOCK_EXACT) == CF_KVM_CLOCK_EXACT);
}

/*
 * EINVAL means "no such ioctl", but on some revisions also "not now". With
 * the master clock on, or after another errno, the former is out.
 */
static void probe_clock_guest(const Scratch *scratch, CfHost *probe)
{
    struct cf_clock_fn fn;
    int rc = cf_get_clock_guest(scratch->ops, scratch->vcpu_fd, &fn);

    if (rc == -EINVAL || rc == -ENOTTY) {
        probe->clock_guest = CF_CLOCK_GUEST_ABSENT;
        probe->clock_guest_style = CF_CLOCK_GUEST_STYLE_UNKNOWN;
        return;
    }
    if (rc == 0) {
        rc = cf_set_clock_guest(scratch->ops, scratch->vcpu_fd, &fn);
    }
    probe->clock_guest = rc == 0 ? CF_CLOCK_GUEST_PRESENT
                                 : CF_CLOCK_GUEST_UNUSABLE;
    probe->clock_guest_errno = -rc;
}

/* The offset as it is now, and the guest's TSC. */
static bool look(const Scratch *scratch, const CfHost *probe,
                 struct cf_tsc *ret_tsc, uint64_t *ret_ticks)
{
    CfVcpuState vcpu;

    cf_read_vcpu_tsc(scratch->ops, probe, scratch->vcpu_fd, &vcpu,
                     &ret_tsc->error_ticks);
    ret_tsc->freq = vcpu.freq;
    ret_tsc->offset_ticks = vcpu.offset_ticks;
    return vcpu.offset_origin != CF_OFFSET_UNKNOWN &&
           scratch->ops->get_msr(scratch->vcpu_fd, CF_MSR_TSC,
                                 ret_ticks) == 0;
}

/* Before 5.16 no offset shows that the TSC is rewound. */
static bool stands(const Scratch *scratch)
{
    struct cf_tsc_reading first, second;

    if (cf_read_guest_tsc(scratch->ops, scratch->vcpu_fd, &first) < 0) {
        return false;
    }
    g_usleep(CF_RUNS_US);
    return cf_read_guest_tsc(scratch->ops, scratch->vcpu_fd, &second) == 0 &&
           cf_tsc_stands(&first, &second);
}

static void probe_offset(const Scratch *scratch, CfHost *probe)
{
    struct cf_tsc before, after;
    uint64_t before_ticks, after_ticks;

    probe->offset_known = true;
    probe->offset = CF_OFFSET_IGNORED;
    if (look(scratch, probe, &before, &before_ticks) &&
        cf_write_tsc_offset(scratch->ops, scratch->vcpu_fd, &before,
                            before.offset_ticks + CF_FAR_TICKS) == 0 &&
        look(scratch, probe, &after, &after_ticks)) {
        probe->offset = after.error_ticks && stands(scratch)
                        ? CF_OFFSET_REWINDS
                        : cf_offset_behaviour(&before, &after, before_ticks,
                                              after_ticks);
    }
    probe->has_offset = cf_answer(!before.error_ticks);
}

/* Does the guest's TSC run at about half the host's rate? */
static bool runs_at_half(const Scratch *scratch, uint32_t host_khz)
{
    const uint64_t wait_ticks = (uint64_t)host_khz * TRIAL_WAIT_US / 1000;
    struct cf_tsc_reading first, last;
    uint64_t host_ticks, guest_ticks;

    if (cf_read_guest_tsc(scratch->ops, scratch->vcpu_fd, &first) < 0) {
        return false;
    }
    do {
        if (cf_read_guest_tsc(scratch->ops, scratch->vcpu_fd, &last) < 0) {
            return false;
        }
        host_ticks = last.before_ticks - first.before_ticks;
    } while (host_ticks < wait_ticks);
    guest_ticks = last.guest_ticks - first.guest_ticks;
    return guest_ticks > host_ticks / 4 && guest_ticks < host_ticks / 4 * 3;
}

/*
 * Half the host's frequency is beyond any tolerance. Only with TSC control,
 * for without it KVM would switch catch-up mode on; and last of all, for the
 * vCPU is out of step with itself afterwards. An unstable TSC, which is
 * rewound at each reading, can't show its rate.
 */
static void probe_frequency(const Scratch *scratch, CfHost *probe)
{
    if (probe->scaling != CF_SCALING_NONE &&
        scratch->ops->set_tsc_khz(scratch->vcpu_fd,
                                  probe->host_khz / 2) == 0 &&
        (probe->offset == CF_OFFSET_REWINDS ||
         runs_at_half(scratch, probe->host_khz))) {
        probe->scaling = CF_SCALING_WORKS;
    }
}

/*
 * Kernels that have a master clock from the start must lose it before they
 * show how these calls fail: vCPUs of unequal TSCs can't have one. That is the
 * last trial, for it spoils the VM.
 */
static void provoke_style(const Scratch *scratch, CfHost *probe)
{
    const CfKvmClock clock = { .clock_ns = CF_NS_PER_SEC };
    const CfKvmOps *ops = scratch->ops;
    int other_fd;

    if (probe->clock_guest != CF_CLOCK_GUEST_PRESENT ||
        probe->clock_guest_style != CF_CLOCK_GUEST_STYLE_UNKNOWN ||
        probe->scaling != CF_SCALING_WORKS ||
        ops->create_vcpu(scratch->vm_fd, 1, &other_fd) < 0) {
        return;
    }
    /* The frequencies are unequal already: the first vCPU's was halved. */
    if (ops->set_tsc_offset(other_fd, CF_FAR_TICKS / 2) == 0 &&
        ops->set_clock(scratch->vm_fd, &clock) == 0) {
        probe->clock_guest_style = style_of_failure(scratch);
    }
    ops->close(other_fd);
}

/* In this order: each trial but the last leaves the VM fit for the next. */
static void probe_kvm(const Scratch *scratch, CfHost *probe)
{
    probe_ratio(scratch, probe);
    probe_style(scratch, probe);
    probe_master_clock(scratch, probe);
    probe_clock_guest(scratch, probe);
    probe_offset(scratch, probe);
    probe_frequency(scratch, probe);
    provoke_style(scratch, probe);
    probe->best_rung =
        cf_best_rung(probe->clock_guest == CF_CLOCK_GUEST_PRESENT,
                     probe->master_clock == CF_ANSWER_YES &&
                     probe->set_realtime == CF_ANSWER_YES);
    probe->rung_known = true;
}

static gboolean probe_tsc(const Scratch *scratch, CfHost *probe,
                          GError **error)
{
    const CfKvmOps *ops = scratch->ops;
    const int rc = ops->get_tsc_khz(scratch->vcpu_fd, &probe->host_khz);

    if (rc < 0 || !probe->host_khz) {
        return cf_fail_call(error, "KVM_GET_TSC_KHZ", rc < 0 ? rc : -EIO);
    }
    cf_identify_host(ops, probe);
    probe->tolerance_known = ops->get_tolerance(&probe->tolerance_ppm) == 0;
    probe_kvm(scratch, probe);
    return TRUE;
}

gboolean cf_host_probe(const CfKvmOps *ops, const char *device,
                       CfHost *ret_host, GError **error)
{
    const gint64 start_us = g_get_monotonic_time();
    g_auto(Scratch) scratch = SCRATCH_INIT(ops);
    CfHost probe = { 0 };

    if (!cf_scratch_open(&scratch, device, error) ||
        !(ops->architecture == CF_ARCHITECTURE_ARM64
          ? cf_probe_counter(&scratch, &probe, error)
          : probe_tsc(&scratch, &probe, error))) {
        return FALSE;
    }
    probe.duration_ns = (uint64_t)(g_get_monotonic_time() - start_us) * 1000;
    *ret_host = probe;
    return TRUE;
}

const char *cf_scaling_name(CfScaling scaling)
{
    return cf_name_of(&cf_scaling_names, scaling);
}
