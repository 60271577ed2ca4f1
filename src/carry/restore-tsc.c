/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Restore of the TSCs: frequency first, for the offsets depend on it. */
#include "restore.h"

/* Minutes: farther than any offset that is wanted from the one there is. */
#define FAR_TICKS (1ULL << 40)

static void read_vcpu(Restore *restore, uint32_t i)
{
    uint64_t error_ticks;

    cf_read_vcpu_tsc(restore->vm->ops, restore->vm->host,
                     restore->vm->vcpu_fds[i], &restore->vcpus[i],
                     &error_ticks);
    restore->tsc_error_ticks = MAX(restore->tsc_error_ticks, error_ticks);
}

static bool freq_near(const CfVcpuState *a, const CfVcpuState *b)
{
    return a->freq_origin != CF_FREQ_UNKNOWN &&
           b->freq_origin != CF_FREQ_UNKNOWN &&
           cf_freq_is_near(&a->freq, &b->freq);
}

static bool freq_equal(const CfVcpuState *a, const CfVcpuState *b)
{
    int64_t ppt;

    return a->freq_origin != CF_FREQ_UNKNOWN &&
           b->freq_origin != CF_FREQ_UNKNOWN &&
           cf_tsc_rate_error_ppt(&a->freq, &b->freq, &ppt) && !ppt;
}

/*
 * Without TSC control KVM_SET_TSC_KHZ either fails or turns catch-up mode on
 * for the vCPU's life. If it fails with TSC control, what is read back says
 * so.
 */
static void set_freq(Restore *restore, uint32_t i)
{
    const CfVm *vm = restore->vm;
    const CfVcpuState *wanted = &restore->state->vcpus[i];
    uint32_t khz;

    read_vcpu(restore, i);
    if (!cf_has_tsc_control(vm->host) ||
        wanted->freq_origin == CF_FREQ_UNKNOWN ||
        freq_near(&restore->vcpus[i], wanted) ||
        !cf_tsc_freq_khz(&wanted->freq, &khz) ||
        vm->ops->set_tsc_khz(vm->vcpu_fds[i], khz) < 0) {
        return;
    }
    restore->tsc_changed = true;
    read_vcpu(restore, i);
}

static void report_rate(Restore *restore)
{
    CfReport *report = &restore->report;
    uint32_t i;

    report->rate_known = true;
    for (i = 0; i < restore->vm->n_vcpus; i++) {
        const CfVcpuState *here = &restore->vcpus[i];
        const CfVcpuState *there = &restore->state->vcpus[i];
        int64_t ppt;

        if (!cf_freq_was_seen(here) || !cf_freq_was_seen(there) ||
            !cf_tsc_rate_error_ppt(&here->freq, &there->freq, &ppt)) {
            report->rate_known = false;
        } else if (ABS(ppt) > ABS(report->rate_error_ppt)) {
            report->rate_error_ppt = ppt;
        }
    }
    if (!report->rate_known) {
        report->rate_error_ppt = 0;
    }
}

/* By how much guest TSCs move from the source's anchor to the destination's.
 * One number for all vCPUs keeps their differences to the cycle. */
static bool common_shift(const Restore *restore, uint64_t *ret_ticks)
{
    const struct cf_tsc_freq *freq = &restore->state->vcpus[0].freq;
    const uint64_t from = restore->state->anchor.instant.host_ticks;
    uint64_t then_ticks, now_ticks;

    if (restore->report.frozen) {
        *ret_ticks = 0;
        return true;
    }
    if (!restore->report.same_host) {
        return cf_ns_to_ticks((uint64_t)restore->report.elapsed_ns, freq,
                              ret_ticks);
    }
    /* One TSC serves both: no need to go by the real time. */
    if (!cf_tsc_host_to_guest(from, freq, 0, &then_ticks) ||
        !cf_tsc_host_to_guest(restore->anchor.instant.host_ticks, freq, 0,
                              &now_ticks)) {
        return false;
    }
    *ret_ticks = now_ticks - then_ticks;
    return true;
}

static bool compute_offset(const Restore *restore, uint32_t i,
                           uint64_t shift_ticks, uint64_t *ret_offset_ticks)
{
    const CfVcpuState *source = &restore->state->vcpus[i];
    uint64_t guest_ticks;

    return cf_tsc_host_to_guest(restore->state->anchor.instant.host_ticks,
                                &source->freq, source->offset_ticks,
                                &guest_ticks) &&
           cf_tsc_offset_for(guest_ticks + shift_ticks,
                             restore->anchor.instant.host_ticks,
                             &restore->vcpus[i].freq, ret_offset_ticks);
}

/* What the offsets shall be, and CF_TSC_COPIED or CF_TSC_COMPUTED. */
static CfTscOutcome choose_offsets(const Restore *restore, uint64_t *wanted)
{
    const CfState *state = restore->state;
    bool copy = restore->report.same_host && !restore->report.frozen;
    uint64_t shift_ticks;
    uint32_t i;

    for (i = 0; i < state->n_vcpus; i++) {
        if (state->vcpus[i].offset_origin == CF_OFFSET_UNKNOWN ||
            state->vcpus[i].freq_origin == CF_FREQ_UNKNOWN ||
            restore->vcpus[i].offset_origin == CF_OFFSET_UNKNOWN ||
            restore->vcpus[i].freq_origin == CF_FREQ_UNKNOWN) {
            return CF_TSC_UNKNOWN;
        }
        copy = copy && freq_equal(&restore->vcpus[i], &state->vcpus[i]);
    }
    if (!common_shift(restore, &shift_ticks)) {
        return CF_TSC_UNKNOWN;
    }
    for (i = 0; i < state->n_vcpus; i++) {
        if (copy) {
            wanted[i] = state->vcpus[i].offset_ticks;
        } else if (!compute_offset(restore, i, shift_ticks, &wanted[i])) {
            return CF_TSC_UNKNOWN;
        }
    }
    return copy ? CF_TSC_COPIED : CF_TSC_COMPUTED;
}

static int write_offset(Restore *restore, uint32_t i, uint64_t offset_ticks)
{
    const CfKvmOps *ops = restore->vm->ops;
    const CfVcpuState *vcpu = &restore->vcpus[i];
    const int fd = restore->vm->vcpu_fds[i];
    uint64_t guest_ticks;

    if (vcpu->offset_origin == CF_OFFSET_ATTRIBUTE) {
        return ops->set_tsc_offset(fd, offset_ticks);
    }
    /* Before 5.16. Writes within a second of each other are taken by KVM as
     * one, so the vCPUs stay in step. */
    if (!cf_tsc_host_to_guest(ops->read_tsc(), &vcpu->freq, offset_ticks,
                              &guest_ticks)) {
        return -ERANGE;
    }
    return ops->set_msr(fd, CF_MSR_TSC, guest_ticks);
}

static bool offset_is(const CfVcpuState *vcpu, uint64_t offset_ticks)
{
    const uint64_t apart = vcpu->offset_ticks - offset_ticks;

    if (vcpu->offset_origin == CF_OFFSET_MEASURED) {
        return MIN(apart, 0 - apart) <=
               (uint64_t)vcpu->freq.host_khz * CF_MEASURED_SLACK_NS / 1000000;
    }
    return !apart;
}

static bool offsets_are(const Restore *restore, const uint64_t *offsets)
{
    uint32_t i;

    for (i = 0; i < restore->vm->n_vcpus; i++) {
        if (!offset_is(&restore->vcpus[i], offsets[i])) {
            return false;
        }
    }
    return true;
}

/*
 * Before 5.16 KVM takes a TSC that is within a second of the last one written
 * for an attempt to write the same, and keeps the old offset. One far away
 * makes it forget the last one.
 */
static void forget_last_write(const Restore *restore)
{
    const CfVm *vm = restore->vm;
    uint64_t guest_ticks;

    if (restore->vcpus[0].offset_origin == CF_OFFSET_MEASURED &&
        vm->ops->get_msr(vm->vcpu_fds[0], CF_MSR_TSC, &guest_ticks) == 0) {
        (void)vm->ops->set_msr(vm->vcpu_fds[0], CF_MSR_TSC,
                               guest_ticks + FAR_TICKS);
    }
}

/* From the last vCPU to the first: the others may be parked, and KVM acts on
 * the last write when that vCPU runs. Returns the first failure, or 0. */
static int write_offsets(Restore *restore, const uint64_t *offsets)
{
    int result = 0;
    uint32_t i;

    forget_last_write(restore);
    for (i = restore->vm->n_vcpus; i-- > 0; ) {
        const int rc = write_offset(restore, i, offsets[i]);

        result = result < 0 ? result : rc;
    }
    return result;
}

/* All or nothing, for unequal offsets cost the guest its stable clock. Best
 * effort: there is nothing left to do if this fails too. */
static void undo_offsets(Restore *restore, const uint64_t *before)
{
    (void)write_offsets(restore, before);
}

static void read_all(Restore *restore)
{
    uint32_t i;

    restore->tsc_error_ticks = 0;
    for (i = 0; i < restore->vm->n_vcpus; i++) {
        read_vcpu(restore, i);
    }
}

/*
 * On a host with an unstable TSC each vCPU call rewinds the guest's, so what
 * is read back says nothing. But KVM lets it catch up to what was written.
 */
static void believe_offsets(Restore *restore, const uint64_t *wanted)
{
    uint32_t i;

    for (i = 0; i < restore->vm->n_vcpus; i++) {
        restore->vcpus[i].offset_ticks = wanted[i];
    }
    restore->tsc_error_ticks = 0;
    restore->report.tsc = CF_TSC_UNVERIFIED;
}

static gboolean set_offsets(Restore *restore, const uint64_t *wanted,
                            const uint64_t *before, GError **error)
{
    const int rc = write_offsets(restore, wanted);

    if (rc < 0) {
        undo_offsets(restore, before);
        return cf_fail_call(error, "setting the TSC offset", rc);
    }
    restore->tsc_changed = true;
    if (restore->vm->host->offset == CF_OFFSET_REWINDS) {
        believe_offsets(restore, wanted);
        return TRUE;
    }
    read_all(restore);
    if (!offsets_are(restore, wanted)) {
        undo_offsets(restore, before);
        read_all(restore);
        restore->report.tsc = CF_TSC_NOT_SET;
    }
    return TRUE;
}

/*
 * Where offsets are ignored there isn't even a try: each write makes KVM
 * re-base the master clock, which moves kvmclock by some nanoseconds. Nor
 * are right ones written again, unless a new frequency has put them out of
 * step in KVM's eyes.
 */
static gboolean apply_offsets(Restore *restore, const uint64_t *wanted,
                              const uint64_t *before, GError **error)
{
    const bool ignored = restore->vm->host->offset == CF_OFFSET_IGNORED;

    if (offsets_are(restore, wanted) && (ignored || !restore->tsc_changed)) {
        restore->report.tsc = CF_TSC_UNCHANGED;
        return TRUE;
    }
    if (ignored) {
        restore->report.tsc = CF_TSC_NOT_SET;
        return TRUE;
    }
    return set_offsets(restore, wanted, before, error);
}

/* KVM armed the guest's deadline timer by the offset of that moment. */
static void rearm_deadlines(const CfVm *vm)
{
    uint32_t i;

    for (i = 0; i < vm->n_vcpus; i++) {
        uint64_t deadline_ticks;

        if (vm->ops->get_msr(vm->vcpu_fds[i], CF_MSR_TSC_DEADLINE,
                             &deadline_ticks) == 0 && deadline_ticks) {
            (void)vm->ops->set_msr(vm->vcpu_fds[i], CF_MSR_TSC_DEADLINE,
                                   deadline_ticks);
        }
    }
}

/* How far the vCPUs came apart: the spread of (offset here - offset there).
 * With different ratios that isn't constant, so only for equal ones. */
static void report_skew(Restore *restore)
{
    const CfState *state = restore->state;
    int64_t lowest = 0, highest = 0;
    uint32_t i;

    for (i = 1; i < state->n_vcpus; i++) {
        const uint64_t here = restore->vcpus[i].offset_ticks -
                              restore->vcpus[0].offset_ticks;
        const uint64_t there = state->vcpus[i].offset_ticks -
                               state->vcpus[0].offset_ticks;
        const int64_t apart = (int64_t)(here - there);

        lowest = MIN(lowest, apart);
        highest = MAX(highest, apart);
    }
    restore->report.skew_ticks = (uint64_t)highest - (uint64_t)lowest;
}

static gboolean place_tsc(Restore *restore, const uint64_t *before,
                          GError **error)
{
    g_autofree uint64_t *wanted = g_new0(uint64_t, restore->vm->n_vcpus);
    CfReport *report = &restore->report;

    report->tsc = choose_offsets(restore, wanted);
    if (report->tsc != CF_TSC_UNKNOWN &&
        !apply_offsets(restore, wanted, before, error)) {
        return FALSE;
    }
    if (report->frozen && (report->tsc == CF_TSC_NOT_SET ||
                           report->tsc == CF_TSC_UNKNOWN)) {
        /* This TSC can't be stopped: both clocks count, never only one. */
        report->frozen = false;
        report->elapsed_ns = report->passed_ns;
        return place_tsc(restore, before, error);
    }
    return TRUE;
}

gboolean cf_restore_tsc(Restore *restore, GError **error)
{
    const uint32_t n_vcpus = restore->vm->n_vcpus;
    g_autofree uint64_t *before = g_new0(uint64_t, n_vcpus);
    CfReport *report = &restore->report;
    uint32_t i;

    for (i = 0; i < n_vcpus; i++) {
        set_freq(restore, i);
        before[i] = restore->vcpus[i].offset_ticks;
    }
    report_rate(restore);
    if (!place_tsc(restore, before, error)) {
        return FALSE;
    }
    if (restore->tsc_changed) {
        rearm_deadlines(restore->vm);
    }
    report->skew_known = report->tsc != CF_TSC_UNKNOWN &&
                         report->tsc != CF_TSC_UNVERIFIED &&
                         !restore->tsc_error_ticks;
    if (report->skew_known) {
        report_skew(restore);
    }
    return TRUE;
}
