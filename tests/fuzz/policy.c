/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The policy table on any facts: what clock-policy.h says of it holds. */
#include <clockferry/clock-plan.h>
#include "bytes.h"

static struct cf_policy_facts take_facts(Bytes *bytes)
{
    const struct cf_policy_facts facts = {
        .policy = (enum cf_policy)take_between(bytes, 0, CF_POLICY_LAX),
        .promised = take_bool(bytes),
        .same_host = take_bool(bytes),
        .kexec = take_bool(bytes),
        .rate_known = take_bool(bytes),
        .rate_error_ppt = take_i64(bytes),
        .offset = (enum cf_offset)take_between(bytes, 0, CF_OFFSET_REWINDS),
        .measured = take_bool(bytes),
        .time_bound_ns = take_u64(bytes),
        .best_rung = (enum cf_rung)take_between(bytes, 0, CF_RUNG_PLAIN),
        .required_rung = (enum cf_rung)take_between(bytes, 0, CF_RUNG_PLAIN),
    };

    return facts;
}

static enum cf_verdict decide(const struct cf_policy_facts *facts)
{
    enum cf_reason reason = (enum cf_reason)99;
    const enum cf_verdict verdict = cf_policy_decide(facts, &reason);

    MUST(reason <= CF_REASON_TIME, "reason %d", (int)reason);
    MUST((verdict == CF_VERDICT_GO) == (reason == CF_REASON_NONE),
         "verdict %d for reason %d", (int)verdict, (int)reason);
    return verdict;
}

static enum cf_verdict decide_as(struct cf_policy_facts facts,
                                 enum cf_policy policy)
{
    facts.policy = policy;
    return decide(&facts);
}

/* "strict: nothing that can be known beforehand", "lax: everything". */
static void check_policies(const struct cf_policy_facts *facts)
{
    const enum cf_verdict strict = decide_as(*facts, CF_POLICY_STRICT);
    const enum cf_verdict automatic = decide_as(*facts, CF_POLICY_AUTO);
    const enum cf_verdict lax = decide_as(*facts, CF_POLICY_LAX);

    MUST(strict == CF_VERDICT_GO || strict == CF_VERDICT_REFUSE,
         "strict takes what is inexact: %d", (int)strict);
    MUST((lax == CF_VERDICT_REFUSE) ==
         (facts->best_rung > facts->required_rung), "lax says %d", (int)lax);
    MUST((strict == CF_VERDICT_GO) == (automatic == CF_VERDICT_GO) &&
         (strict == CF_VERDICT_GO) == (lax == CF_VERDICT_GO),
         "exact for some policies: %d, %d, %d", (int)strict, (int)automatic,
         (int)lax);
    MUST(automatic != CF_VERDICT_REFUSE || strict == CF_VERDICT_REFUSE,
         "strict takes what auto refuses");
    MUST(lax != CF_VERDICT_REFUSE || automatic == CF_VERDICT_REFUSE,
         "auto takes what lax refuses");
}

/* The stricter of two is one of them, whichever comes first. */
static void check_stricter(Bytes *bytes)
{
    const enum cf_policy a = (enum cf_policy)take_between(bytes, 0, 2);
    const enum cf_policy b = (enum cf_policy)take_between(bytes, 0, 2);
    const enum cf_policy c = cf_policy_stricter(a, b);

    MUST(c == cf_policy_stricter(b, a) && (c == a || c == b), "%d of %d, %d",
         (int)c, (int)a, (int)b);
}

/* Better facts give no worse verdict. */
static void check_better(const struct cf_policy_facts *facts, Bytes *bytes)
{
    struct cf_policy_facts better = *facts;

    switch (take_byte(bytes) % 7) {
    case 0:
        better.time_bound_ns = take_u64(bytes) % (facts->time_bound_ns | 1);
        break;
    case 1:
        better.best_rung = (enum cf_rung)take_between(
            bytes, 0, (int64_t)facts->best_rung);
        break;
    case 2:
        better.required_rung = (enum cf_rung)take_between(
            bytes, (int64_t)facts->required_rung, CF_RUNG_PLAIN);
        break;
    case 3:
        better.rate_error_ppt /= 1 + take_byte(bytes);
        break;
    case 4:
        better.offset = CF_OFFSET_STICKS;
        break;
    case 5:
        better.measured = false;
        better.kexec = false;
        break;
    default:
        better.promised = false;
        break;
    }
    MUST(decide(&better) <= decide(facts), "worse for better facts");
}

static void check_bounds(const struct cf_policy_facts *facts, Bytes *bytes)
{
    const struct cf_tsc_freq freq = take_freq(bytes);
    const uint64_t elapsed_ns = take_u64(bytes);
    const uint64_t bound_ns = cf_time_bound_ns(facts, &freq, elapsed_ns);
    uint32_t khz;

    if (!facts->same_host || facts->kexec) {
        MUST(bound_ns >= elapsed_ns, "%" PRIu64 " of %" PRIu64, bound_ns,
             elapsed_ns);
        MUST(cf_tsc_freq_khz(&freq, &khz) || bound_ns == UINT64_MAX,
             "known without a frequency");
    }
    MUST(cf_offset_fits(facts) || bound_ns == UINT64_MAX,
         "known, though the TSC jumps");
    MUST(elapsed_ns == UINT64_MAX ||
         cf_time_bound_ns(facts, &freq, elapsed_ns + 1) >= bound_ns,
         "less for a time that is known worse");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Bytes bytes = { data, size };
    const struct cf_policy_facts facts = take_facts(&bytes);

    decide(&facts);
    check_policies(&facts);
    check_stricter(&bytes);
    check_better(&facts, &bytes);
    check_bounds(&facts, &bytes);
    return 0;
}
