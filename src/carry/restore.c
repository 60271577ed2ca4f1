/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Restore: the steps in their order. */
#include "restore.h"

static void plan_channel(const Restore *restore, CfExchange *both,
                         struct cf_channel *ret_channel)
{
    const CfExchanges *arrived = restore->options.exchanges;

    *ret_channel = (struct cf_channel) {
        .exchanges = both,
        .n = arrived ? cf_join_exchanges(&restore->state->exchanges, arrived,
                                         both) : 0,
        .src_khz = restore->state->host_khz,
        .dst_khz = restore->vm->host->host_khz,
        .doubt_ppt = CF_RATE_DOUBT_PPT,
        .wander_ppt = CF_RATE_WANDER_PPT,
    };
}

static gboolean plan_move(Restore *restore, GError **error)
{
    const CfHost *host = restore->vm->host;
    const CfState *state = restore->state;
    const CfHostTime time = cf_time_of(restore->vm);
    struct cf_move *move = &restore->move;
    CfExchange both[CF_EXCHANGES_MAX];
    struct cf_channel channel;

    move->then = state->anchor.instant;
    move->now = restore->anchor.instant;
    move->host_khz = state->host_khz;
    move->rate = state->rate;
    move->unstable = state->unstable;
    move->dst_unstable = host->offset == CF_OFFSET_REWINDS;
    move->clocks_bound_ns = cf_bounds_ns(
        cf_anchor_error_ns(&state->anchor, state->max_error_ns),
        cf_anchor_error_ns(&restore->anchor, cf_time_error_ns(&time)));
    cf_move_hosts(move, cf_same_boot(state->boot_id, host->id.boot_id),
                  cf_same_machine(state->machine, host->id.machine),
                  host->host_khz);
    plan_channel(restore, both, &channel);
    if (!cf_move_plan(move, &channel, restore->options.freeze, INT64_MAX)) {
        g_set_error_literal(error, CF_ERROR, CF_ERROR_INVALID,
                            "the time since the capture can't be computed");
        return FALSE;
    }
    return TRUE;
}

static gboolean plan_target(Restore *restore, CfTscOutcome tsc, GError **error)
{
    struct cf_target *target = &restore->ladder.target;
    const CfState *state = restore->state;

    target->boot = restore->vcpus[0].dst;
    target->host_khz = restore->vm->host->host_khz;
    if (!cf_target_plan(&restore->move, cf_fn_of(state),
                        state->fn_meant ? &state->fn_ahead_ns : NULL,
                        &state->anchor, &restore->vcpus[0].src, tsc, target)) {
        g_set_error_literal(error, CF_ERROR, CF_ERROR_INVALID,
                            "kvmclock can't be computed: the TSC is unknown "
                            "or the clock would leave its range");
        return FALSE;
    }
    restore->report.function_carried = target->carried &&
                                       !restore->move.unstable;
    restore->report.meant = target->fn;
    return TRUE;
}

/* Reading the record of each vCPU does what is pending, where KVM can. */
static bool settle_by_reading(const CfVm *vm)
{
    struct cf_clock_fn fn;
    bool settled = true;
    uint32_t i;

    /* Who fails once would keep all others waiting, too. */
    for (i = 0; settled && i < vm->n_vcpus; i++) {
        settled = cf_get_clock_guest(vm->ops, vm->vcpu_fds[i], &fn) == 0;
    }
    return settled;
}

/*
 * What is pending includes the start of Hyper-V's synthetic timers, by the
 * clock of that moment and once for all. Nearly right is good enough for them,
 * and much better than this VM's own age.
 */
static void set_nearly(const Restore *restore)
{
    const CfVm *vm = restore->vm;
    const struct cf_instant *now = &restore->anchor.instant;
    CfKvmClock clock = {
        .flags = CF_KVM_CLOCK_REALTIME, .realtime_ns = now->realtime_ns,
    };
    int64_t ns;

    if (cf_target_ns(&restore->ladder.target, now->host_ticks, &ns) &&
        ns >= 0) {
        clock.clock_ns = (uint64_t)ns;
        (void)vm->ops->set_clock(vm->vm_fd, &clock);
    }
}

/* Not where offsets are ignored: KVM in software takes 100 us a vCPU, longer a
 * blackout than it is worth. Nor is there an update without a master clock. */
static bool settle_by_running(const Restore *restore)
{
    const CfVm *vm = restore->vm;
    bool settled = vm->settle && vm->host->offset == CF_OFFSET_STICKS &&
                   cf_anchor_is_exact(&restore->anchor);
    uint32_t i;

    if (settled) {
        set_nearly(restore);
    }
    for (i = 0; settled && i < vm->n_vcpus; i++) {
        settled = vm->settle(i, vm->opaque);
    }
    return settled;
}

static void report_move(Restore *restore)
{
    const struct cf_move *move = &restore->move;
    const CfHost *host = restore->vm->host;
    const struct cf_policy_facts facts = {
        .same_host = move->same_host,
        .kexec = move->kexec_khz,
        .offset = host->offset,
        .measured = host->has_offset != CF_ANSWER_YES,
    };
    CfReport *report = &restore->report;

    report->same_host = move->same_host;
    report->kexec = move->kexec_khz;
    report->kexec_ppt = cf_move_kexec_ppt(move);
    report->frozen = move->frozen;
    report->passed_ns = move->passed_ns;
    report->elapsed_ns = move->elapsed_ns;
    report->clock_behind = move->behind_ns > 0;
    report->elapsed_from = cf_move_elapsed_from(move);
    report->round_trip_ns = move->round_trip_ns;
    report->clocks_wrong_ns = move->time.wrong_ns;
    report->time_bound_ns = cf_move_bound_ns(move, &facts,
                                             &restore->vcpus[0].src.freq,
                                             report->tsc);
}

static gboolean restore_steps(Restore *restore, GError **error)
{
    CfReport *report = &restore->report;

    if (!cf_take_anchor(restore->vm, true, &restore->anchor, error) ||
        !plan_move(restore, error)) {
        return FALSE;
    }
    cf_read_tscs(restore);
    /* Could kvmclock go on whatever comes of the TSCs? Before they change. */
    if (!plan_target(restore, CF_TSC_NOT_SET, error) ||
        !cf_restore_tsc(restore, error) ||
        !plan_target(restore, report->tsc, error)) {
        return FALSE;
    }
    report_move(restore);
    /* What stays pending would re-base kvmclock when the guest runs first. */
    restore->ladder.records = settle_by_reading(restore->vm);
    report->pending_update = !restore->ladder.records &&
                             !settle_by_running(restore);
    return cf_restore_clock(restore, error);
}

gboolean cf_restore(const CfVm *vm, const CfState *state,
                    const CfRestoreOptions *options, CfReport *ret_report,
                    GError **error)
{
    g_autofree struct cf_vcpu *vcpus = NULL;
    g_autofree uint32_t *before_khz = NULL;
    CfHost host;
    CfVm now = *vm;
    Restore restore = {
        .vm = &now,
        .state = state,
    };

    if (!cf_vm_check(vm, error) || !cf_state_validate(state, error)) {
        return FALSE;
    }
    if (vm->n_vcpus != state->n_vcpus) {
        g_set_error(error, CF_ERROR, CF_ERROR_INVALID,
                    "the saved clock state has %u vCPUs, this VM has %u",
                    state->n_vcpus, vm->n_vcpus);
        return FALSE;
    }
    host = cf_look_again(vm);
    now.host = &host;
    vcpus = g_new0(struct cf_vcpu, vm->n_vcpus);
    before_khz = g_new0(uint32_t, vm->n_vcpus);
    restore.vcpus = vcpus;
    restore.before_khz = before_khz;
    if (options) {
        restore.options = *options;
    }
    if (!restore_steps(&restore, error)) {
        cf_undo_tsc(&restore);
        return FALSE;
    }
    *ret_report = restore.report;
    return TRUE;
}
