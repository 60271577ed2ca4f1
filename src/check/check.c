/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* May a guest go to a host? Pure: from facts to an answer. */
#include <string.h>
#include <clockferry/check.h>
#include <clockferry/clock-counter.h>
#include "carry/carry.h"
#include "kvm/calls.h"
#include "text/names.h"
#include "counter.h"

bool cf_tsc_freq_on(const CfHost *host, const struct cf_tsc_freq *wanted,
                    struct cf_tsc_freq *ret_freq)
{
    const struct cf_tsc_freq plain = cf_tsc_unscaled(host->host_khz, 0);
    struct cf_tsc_freq scaled = { host->host_khz, host->frac_bits, 0 };
    uint32_t khz;

    if (cf_host_has_counter(host) || !host->host_khz ||
        !cf_tsc_freq_khz(wanted, &khz)) {
        return false;
    }
    if (cf_freq_is_near(&plain, wanted) || host->scaling == CF_SCALING_NONE ||
        host->scaling == CF_SCALING_FAILS ||
        (host->scaling == CF_SCALING_WORKS &&
         cf_tsc_is_tolerated(khz, host->host_khz, cf_tolerance_ppm(host)))) {
        *ret_freq = plain;
        return true;
    }
    if (host->scaling != CF_SCALING_WORKS ||
        (host->frac_bits != CF_FRAC_BITS_AMD &&
         host->frac_bits != CF_FRAC_BITS_INTEL)) {
        return false;
    }
    /* What the hardware can't do KVM refuses, and leaves as it was. */
    *ret_freq = cf_tsc_ratio_from_khz(khz, host->host_khz, host->frac_bits,
                                      &scaled.ratio) ? scaled : plain;
    return true;
}

static void guest_defaults(CfGuest *guest)
{
    *guest = (CfGuest) {
        .policy = CF_POLICY_AUTO,
        .require = CF_RUNG_PLAIN,
        .max_error_ns = UINT64_MAX,
    };
}

void cf_guest_from_host(const CfHost *host, uint32_t guest_khz,
                        CfGuest *ret_guest)
{
    const struct cf_tsc_freq wanted = {
        guest_khz ? guest_khz : host->host_khz, 0, 1,
    };

    guest_defaults(ret_guest);
    ret_guest->host_khz = host->host_khz;
    memcpy(ret_guest->host, host->id.name, sizeof(ret_guest->host));
    memcpy(ret_guest->boot_id, host->id.boot_id, sizeof(ret_guest->boot_id));
    ret_guest->machine = host->id.machine;
    ret_guest->architecture = host->architecture;
    ret_guest->counter_hz = host->counter_hz;
    ret_guest->instant_known = host->instant_known;
    ret_guest->instant = host->instant;
    if (host->time_known) {
        ret_guest->tai_offset_s = host->time.tai_offset_s;
        ret_guest->leap = host->time.leap;
        ret_guest->max_error_ns = cf_time_error_ns(&host->time);
    }
    if (!cf_tsc_freq_on(host, &wanted, &ret_guest->freq)) {
        ret_guest->freq = (struct cf_tsc_freq) { 0 };
    }
}

/* Of all vCPUs; false if it isn't known or differs. */
static bool freq_of_state(const CfState *state, struct cf_tsc_freq *ret_freq)
{
    uint32_t i;

    for (i = 0; i < state->n_vcpus; i++) {
        const struct cf_vcpu pair = {
            .src = cf_tsc_of(&state->vcpus[0]),
            .dst = cf_tsc_of(&state->vcpus[i]),
        };
        int64_t ppt;

        if (!cf_tsc_rate(&pair, 1, &ppt) || ppt) {
            return false;
        }
    }
    *ret_freq = state->vcpus[0].freq;
    return true;
}

void cf_guest_from_state(const CfState *state, CfGuest *ret_guest)
{
    guest_defaults(ret_guest);
    ret_guest->host_khz = state->host_khz;
    memcpy(ret_guest->boot_id, state->boot_id, sizeof(ret_guest->boot_id));
    ret_guest->machine = state->machine;
    ret_guest->instant_known = true;
    ret_guest->instant = state->anchor.instant;
    ret_guest->max_error_ns = cf_anchor_error_ns(&state->anchor,
                                                 state->max_error_ns);
    ret_guest->tai_offset_s = state->anchor.instant.tai_offset_s;
    (void)freq_of_state(state, &ret_guest->freq);
}

static void find(CfCheck *check, CfFindingKind kind, enum cf_verdict verdict)
{
    g_assert(check->n_findings < CF_FINDINGS_MAX);
    check->findings[check->n_findings++] = (CfFinding) { kind, verdict };
    check->verdict = MAX(check->verdict, verdict);
}

/* Of what ticks there: a TSC or a counter. */
static uint32_t ticks_khz(CfArchitecture architecture, uint32_t host_khz,
                          uint32_t counter_hz)
{
    return architecture == CF_ARCHITECTURE_X86_64 ? host_khz
                                                  : cf_counter_khz(counter_hz);
}

/* Whichever was looked at first; but a kernel that is gone takes no guest. */
static struct cf_move compare_hosts(const CfGuest *guest, const CfHost *host)
{
    const bool known = guest->instant_known && host->instant_known &&
                       guest->architecture == host->architecture;
    const bool same_boot = known && cf_same_boot(guest->boot_id,
                                                 host->id.boot_id);
    const uint32_t there_khz = ticks_khz(host->architecture, host->host_khz,
                                         host->counter_hz);
    struct cf_move move = {
        .then = guest->instant,
        .now = host->instant,
        .host_khz = ticks_khz(guest->architecture, guest->host_khz,
                              guest->counter_hz),
        .dst_unstable = host->offset == CF_OFFSET_REWINDS,
        .clocks_bound_ns = cf_bounds_ns(guest->max_error_ns,
                                        cf_time_error_ns(&host->time)),
    };

    cf_move_hosts(&move, same_boot,
                  known && cf_same_machine(guest->machine, host->id.machine),
                  there_khz);
    move.same_host = move.same_host ||
                     cf_same_host(same_boot, &guest->instant, move.host_khz,
                                  &host->instant, there_khz);
    return move;
}

/* Writes how much faster what ticks would be there; false: it isn't known. */
static bool compare_ticks(CfCheck *check, const struct cf_move *move)
{
    const struct cf_tsc_freq wanted = cf_move_freq(move, check->guest->freq);
    const CfHost *host = check->destination;

    if (cf_check_foreign(check)) {
        return false;
    }
    if (cf_check_by_counter(check)) {
        return cf_counter_rate_error_ppt(host->counter_hz,
                                         check->guest->counter_hz,
                                         &check->rate_error_ppt);
    }
    return cf_tsc_freq_on(host, &wanted, &check->freq) &&
           cf_tsc_rate_error_ppt(&check->freq, &wanted,
                                 &check->rate_error_ppt);
}

static void compare_rates(CfCheck *check, const struct cf_move *move)
{
    cf_u128 drift_ns;

    if (!compare_ticks(check, move)) {
        return;
    }
    check->rate_known = true;
    /* 86,400 s x 10^-12 = 86.4 ns for each ppt */
    drift_ns = ((cf_u128)cf_magnitude(check->rate_error_ppt) * 864 + 9) / 10;
    drift_ns = MIN(drift_ns, INT64_MAX);
    check->drift_ns = check->rate_error_ppt < 0 ? -(int64_t)drift_ns
                                                : (int64_t)drift_ns;
}

static void judge_offset(CfCheck *check, const struct cf_policy_facts *facts)
{
    const enum cf_verdict verdict = cf_policy_offset(facts);

    if (!check->destination->offset_known) {
        find(check, CF_FINDING_OFFSET_UNKNOWN, verdict);
    } else if (facts->offset == CF_OFFSET_REWINDS) {
        find(check, CF_FINDING_TSC_UNSTABLE, verdict);
    } else if (facts->offset == CF_OFFSET_IGNORED && !check->same_host) {
        find(check, CF_FINDING_OFFSET_IGNORED, verdict);
    } else {
        find(check, CF_FINDING_OFFSET, verdict);
    }
}

static struct cf_policy_facts facts_of(const CfCheck *check,
                                       const struct cf_move *move)
{
    const CfGuest *guest = check->guest;
    const CfHost *host = check->destination;
    const struct cf_tsc_freq counter = cf_tsc_unscaled(move->host_khz, 0);
    struct cf_policy_facts facts = {
        .policy = guest->policy,
        .promised = guest->promised,
        .same_host = check->same_host,
        .kexec = check->kexec,
        .rate_known = check->rate_known,
        .rate_error_ppt = check->rate_error_ppt,
        /* what nobody tried is taken for what would be worst */
        .offset = host->offset_known ? host->offset : CF_OFFSET_IGNORED,
        .measured = cf_offset_is_measured(host),
        .time_bound_ns = UINT64_MAX,
        .best_rung = check->rung,
        .required_rung = guest->require,
    };

    if (host->offset_known) {
        facts.time_bound_ns = cf_time_bound_ns(
            &facts, cf_check_by_counter(check) ? &counter : &guest->freq,
            move->time.bound_ns);
    }
    return facts;
}

static enum cf_verdict judge_rate(const CfCheck *check,
                                  const struct cf_policy_facts *facts)
{
    return cf_check_by_counter(check)
           ? cf_counter_rate(facts->policy, check->guest->counter_hz,
                             check->destination->counter_hz)
           : cf_policy_rate(facts);
}

/* Of which policy and figures say nothing. */
static void judge_foreign(CfCheck *check)
{
    find(check, CF_FINDING_RATE, CF_VERDICT_REFUSE);
    find(check, CF_FINDING_OFFSET, CF_VERDICT_GO);
    find(check, CF_FINDING_RUNG, CF_VERDICT_GO);
    find(check, CF_FINDING_TIME, CF_VERDICT_GO);
}

static void judge(CfCheck *check, const struct cf_policy_facts *facts)
{
    const bool rung_known = check->destination->rung_known ||
                            cf_check_by_counter(check);

    check->time_known = facts->time_bound_ns != UINT64_MAX;
    check->time_bound_ns = check->time_known ? facts->time_bound_ns : 0;
    find(check, check->rate_known ? CF_FINDING_RATE : CF_FINDING_RATE_UNKNOWN,
         judge_rate(check, facts));
    judge_offset(check, facts);
    find(check, rung_known ? CF_FINDING_RUNG : CF_FINDING_RUNG_UNKNOWN,
         cf_policy_rung(facts));
    find(check, check->time_known ? CF_FINDING_TIME : CF_FINDING_TIME_UNKNOWN,
         cf_policy_time(facts));
    if (facts->measured) {
        find(check, CF_FINDING_OFFSET_MEASURED, cf_policy_measured(facts));
    }
}

/* kvmclock against the guest's TSC, at the first run. */
static void bound_kvmclock(CfCheck *check, const struct cf_move *move,
                           const struct cf_policy_facts *facts)
{
    const struct cf_result expected = {
        .rung = check->rung,
        .residual_known = check->rung < CF_RUNG_REALTIME &&
                          check->destination->offset_known &&
                          cf_offset_fits(facts),
        .residual_ns = CF_SETTLED_NS,
        .carried = true,
        .pending = true,
        .rate_known = check->rate_known,
        .rate_error_ppt = check->rate_error_ppt,
        .kexec_ppt = cf_move_kexec_ppt(move),
    };

    check->kvmclock_known = cf_bound_ns(&expected, CF_FIRST_RUN_NS,
                                        &check->kvmclock_bound_ns);
}

static bool knows_tai(const CfHost *host)
{
    return host->time_known && host->time.tai_offset_s;
}

/* What doesn't decide, but should be known. */
static void note(CfCheck *check)
{
    const CfGuest *guest = check->guest;
    const CfHost *host = check->destination;
    const bool leap = guest->leap != CF_LEAP_NONE ||
                      (host->time_known && host->time.leap != CF_LEAP_NONE);

    if (check->same_host) {
        find(check, CF_FINDING_SAME_HOST, CF_VERDICT_GO);
    } else if (cf_same_boot(guest->boot_id, host->id.boot_id) ||
               cf_same_machine(guest->machine, host->id.machine)) {
        find(check, CF_FINDING_UNPROVEN, CF_VERDICT_GO);
    }
    if (host->scaling == CF_SCALING_WORKS && !host->tolerance_known) {
        find(check, CF_FINDING_TOLERANCE, CF_VERDICT_GO);
    }
    if (!check->same_host &&
        (!guest->tai_offset_s || !knows_tai(host) ||
         guest->tai_offset_s != host->time.tai_offset_s)) {
        find(check, CF_FINDING_TAI, CF_VERDICT_GO);
    }
    if (!check->same_host && leap) {
        find(check, CF_FINDING_LEAP, CF_VERDICT_GO);
    }
}

static enum cf_rung expected_rung(const CfCheck *check)
{
    const CfHost *host = check->destination;

    return cf_check_by_counter(check) || !host->rung_known
           ? cf_host_rung(host)
           : cf_expected_rung(host->best_rung, &check->freq,
                              &check->guest->freq);
}

void cf_check(const CfGuest *guest, const CfHost *destination,
              CfCheck *ret_check)
{
    const struct cf_move move = compare_hosts(guest, destination);
    CfCheck check = {
        .verdict = CF_VERDICT_GO,
        .guest = guest,
        .destination = destination,
        .same_host = move.same_host,
        .kexec = move.kexec_khz,
    };
    struct cf_policy_facts facts;

    compare_rates(&check, &move);
    check.rung = expected_rung(&check);
    facts = facts_of(&check, &move);
    if (cf_check_foreign(&check)) {
        judge_foreign(&check);
    } else {
        judge(&check, &facts);
        note(&check);
    }
    if (!cf_check_by_counter(&check)) {
        bound_kvmclock(&check, &move, &facts);
    }
    *ret_check = check;
}

const char *cf_verdict_name(enum cf_verdict verdict)
{
    return cf_name_of(&cf_verdict_names, verdict);
}

const char *cf_finding_name(CfFindingKind kind)
{
    return cf_name_of(&cf_finding_names, kind);
}
