/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a guest's memory, an older host or this kernel says of a clock, and what
 * is made of it: a page that is believed is near KVM's own clock, and bounds
 * hold what they are made of.
 */
#include <clockferry/clock-meant.h>
#include <clockferry/clock-utc.h>
#include "bytes.h"

static struct cf_record take_record(Bytes *bytes)
{
    const struct cf_record record = {
        .version = take_byte(bytes) % 4, .flags = take_byte(bytes),
        .tsc_timestamp = take_u64(bytes), .system_time = take_u64(bytes),
        .tsc_to_system_mul = (uint32_t)take_u64(bytes),
        .tsc_shift = (int8_t)take_byte(bytes),
    };

    return record;
}

static struct cf_tsc take_tsc(Bytes *bytes)
{
    const struct cf_tsc tsc = {
        .known = !take_bool(bytes), .seen = !take_bool(bytes),
        .freq = take_freq(bytes), .offset_ticks = take_u64(bytes),
        .error_ticks = take_u64(bytes),
    };

    return tsc;
}

static struct cf_anchor take_anchor(Bytes *bytes)
{
    const struct cf_anchor anchor = {
        .instant = take_instant(bytes), .clock_ns = take_u64(bytes),
        .slack_ns = take_u64(bytes), .flags = take_byte(bytes),
    };

    return anchor;
}

/* How far the function is from the anchor's clock; false: it has no time. */
static bool apart(const struct cf_clock_fn *fn, const struct cf_tsc *boot,
                  const struct cf_anchor *anchor, uint64_t *ret_ns,
                  uint64_t *ret_age_ns)
{
    uint64_t ticks;
    int64_t ns;

    if (!cf_tsc_at(boot, anchor->instant.host_ticks, &ticks) ||
        !cf_clock_fn_eval(fn, ticks, &ns)) {
        return false;
    }
    *ret_age_ns = (uint64_t)ns - fn->system_ns;
    *ret_ns = (uint64_t)ns > anchor->clock_ns
              ? (uint64_t)ns - anchor->clock_ns : anchor->clock_ns -
                                                  (uint64_t)ns;
    return true;
}

/* A page like the one that KVM would have written, or any. */
static void check_page(Bytes *bytes)
{
    const struct cf_anchor anchor = take_anchor(bytes);
    const struct cf_tsc boot = take_tsc(bytes);
    struct cf_record record = take_record(bytes);
    struct cf_clock_fn fn;
    uint64_t off_ns, age_ns;
    uint32_t khz;

    if (take_bool(bytes) &&
        cf_fn_from(&boot, anchor.instant.host_ticks,
                   (int64_t)(anchor.clock_ns & INT64_MAX), &fn)) {
        fn.system_ns += (uint64_t)take_i64(bytes);
        fn.tsc_ticks += (uint64_t)take_i64(bytes);
        record = cf_record_from_fn(&fn);
        record.flags = CF_PVCLOCK_TSC_STABLE;
    }
    if (cf_page_to_fn(&record, &boot, &anchor, &fn)) {
        MUST(!(record.version & 1), "believed while it is written");
        MUST(apart(&fn, &boot, &anchor, &off_ns, &age_ns) &&
             off_ns <= 1000000 + age_ns / 500000, "a page that is %" PRIu64
             " ns off is believed", off_ns);
        MUST(cf_tsc_freq_khz(&boot.freq, &khz), "believed without a TSC");
    }
    MUST(cf_catch_up_ticks(&record, &boot, &anchor) <=
         boot.freq.host_khz * 10000ULL, "it catches up with a lie");
    if (cf_tsc_freq_khz(&boot.freq, &khz)) {
        cf_first_run_ns(&record, take_u64(bytes), khz);
    }
}

static void check_fault(Bytes *bytes)
{
    const struct cf_anchor anchor = take_anchor(bytes);
    const struct cf_tsc boot = take_tsc(bytes);
    const uint32_t host_khz = take_khz(bytes);
    struct cf_clock_fn fn = {
        take_u64(bytes), take_u64(bytes), (uint32_t)take_u64(bytes),
        (int32_t)take_i64(bytes),
    };
    uint64_t off_ns, age_ns;

    if (take_bool(bytes) &&
        cf_fn_from(&boot, anchor.instant.host_ticks,
                   (int64_t)(anchor.clock_ns & INT64_MAX), &fn)) {
        fn.system_ns += (uint64_t)take_i64(bytes);
    }
    if (!cf_clocks_fault(&anchor, host_khz, &fn, &boot)) {
        MUST(!boot.known || (apart(&fn, &boot, &anchor, &off_ns, &age_ns) &&
                             off_ns <= 1000000000 + age_ns / 1000),
             "a clock that is %" PRIu64 " ns off is no fault", off_ns);
    }
}

static void check_meant(Bytes *bytes)
{
    const struct cf_anchor anchor = take_anchor(bytes);
    const struct cf_tsc boot = take_tsc(bytes);
    struct cf_clock_fn meant, is, carried;
    int64_t ahead_ns;

    if (!cf_fn_from(&boot, anchor.instant.host_ticks - take_raw(bytes, 5),
                    (int64_t)(take_u64(bytes) >> 1), &meant)) {
        return;
    }
    is = meant;
    is.system_ns += (uint64_t)(int64_t)(int8_t)take_byte(bytes);
    is.mul += (uint32_t)take_byte(bytes) & 3;
    if (cf_fn_as_meant(&is, &meant, meant.tsc_ticks + take_raw(bytes, 2), &boot,
                       &anchor, &carried, &ahead_ns)) {
        MUST((is.mul != meant.mul ||
              ahead_ns == (int64_t)(is.system_ns - meant.system_ns)) &&
             cf_magnitude(ahead_ns) <= CF_FN_APART_NS, "%" PRId64 " ns ahead",
             ahead_ns);
        MUST(carried.mul == is.mul && carried.shift == is.shift,
             "the slope that is carried isn't KVM's");
    }
}

static void check_bound(Bytes *bytes)
{
    const struct cf_result result = {
        .rung = (enum cf_rung)take_between(bytes, 0, CF_RUNG_PLAIN),
        .residual_known = true, .residual_ns = take_i64(bytes),
        .error_ns = take_u64(bytes), .carried = true,
        .pending = take_bool(bytes),
        .tsc = (enum cf_tsc_outcome)take_between(bytes, 0, CF_TSC_UNKNOWN),
        .rate_known = true, .rate_error_ppt = take_i64(bytes),
        .kexec_ppt = take_bool(bytes) ? take_i64(bytes) : 0,
    };
    const uint64_t first_ns = take_u64(bytes);
    uint64_t bound_ns, later_ns;

    if (!cf_bound_ns(&result, first_ns, &bound_ns)) {
        return;
    }
    MUST((cf_u128)bound_ns >= (cf_u128)cf_magnitude(result.residual_ns) +
         result.error_ns + 2, "less than what was read back");
    MUST(cf_tsc_is_proven(result.tsc), "known by a TSC that isn't");
    MUST(first_ns == UINT64_MAX ||
         !cf_bound_ns(&result, first_ns + 1, &later_ns) ||
         later_ns >= bound_ns, "less when it runs later");
}

/* A host whose TSC has a rate, and clocks that are off by no more than they
 * say: the rate that is measured holds it, and it went on. */
static void check_measured(Bytes *bytes)
{
    const int64_t rate_ppt = take_between(bytes, -CF_TSC_DOUBT_PPT,
                                          CF_TSC_DOUBT_PPT);
    const uint32_t khz = take_usual_khz(bytes);
    const int64_t passed_ns = (int64_t)(take_u64(bytes) >> 12);
    const int64_t then_off_ns = (int64_t)(int16_t)take_raw(bytes, 2) * 1000;
    const int64_t now_off_ns = (int64_t)(int16_t)take_raw(bytes, 2) * 1000;
    const uint64_t start_ns = (1ULL << 60) + take_raw(bytes, 3);
    const cf_s128 ticks = (cf_s128)passed_ns * khz * (CF_PPT + rate_ppt) /
                          CF_PPT / 1000000;
    const struct cf_moment then = {
        { take_raw(bytes, 6), start_ns + (uint64_t)then_off_ns, 0 },
        cf_magnitude(then_off_ns) + take_byte(bytes),
    };
    const struct cf_moment now = {
        { then.instant.host_ticks + (uint64_t)ticks,
          start_ns + (uint64_t)passed_ns + (uint64_t)now_off_ns, 0 },
        cf_magnitude(now_off_ns) + take_byte(bytes),
    };
    struct cf_host_rate rate;
    struct cf_span span;
    uint64_t bound_ns;

    if (!cf_host_rate_measure(&then, &now, khz, &span)) {
        return;
    }
    MUST(cf_span_holds(&span, rate_ppt), "%" PRId64 " isn't within %" PRId64
         " to %" PRId64, rate_ppt, span.least, span.greatest);
    rate = cf_host_rate_learn(take_i64(bytes), &span);
    MUST(cf_host_rate_valid(&rate) &&
         cf_magnitude(rate.ppt - rate_ppt) <= (uint64_t)rate.doubt_ppt,
         "learnt: %" PRId64 " to within %" PRId64 ", not %" PRId64, rate.ppt,
         rate.doubt_ppt, rate_ppt);
    if (cf_tsc_went_on(&now, &then, khz, &rate, &bound_ns)) {
        MUST(bound_ns >= cf_magnitude(now_off_ns - then_off_ns),
             "only %" PRIu64 " ns", bound_ns);
    }
}

/* UTC by two hosts that are as far off as they say. */
static void check_utc(Bytes *bytes)
{
    const uint64_t true_ns = (1ULL << 60) + take_raw(bytes, 7);
    const int64_t here_off = take_i64(bytes) >> 8;
    const int64_t brought_off = take_i64(bytes) >> 8;
    const struct cf_utc here = {
        true_ns + (uint64_t)here_off, cf_magnitude(here_off) +
                                      take_raw(bytes, 2),
    };
    const struct cf_utc brought = {
        true_ns + (uint64_t)brought_off, cf_magnitude(brought_off) +
                                         take_raw(bytes, 2),
    };
    const struct cf_utc both = cf_utc_merge(&here, &brought);
    const struct cf_host_rate rate = take_rate(bytes);
    const int64_t good_ns = cf_utc_good_for_ns(&both, &rate,
                                               take_bool(bytes));
    const struct cf_tsc tsc = take_tsc(bytes);
    struct cf_utc_line line;

    MUST(cf_magnitude((int64_t)(both.ns - true_ns)) <= both.error_ns,
         "UTC isn't within %" PRIu64 " ns", both.error_ns);
    MUST(both.error_ns <= here.error_ns && both.error_ns <= brought.error_ns,
         "worse than each");
    MUST(good_ns >= 0 && good_ns <= 16000000000, "good for %" PRId64, good_ns);
    if (cf_utc_tell(&both, take_u64(bytes), &tsc, &rate, &line)) {
        MUST(line.error_ns >= both.error_ns, "better than it is known");
        MUST(line.sec == both.ns / 1000000000, "another second");
    }
}

static void (*const checks[])(Bytes *) = {
    check_page, check_fault, check_meant, check_bound, check_measured,
    check_utc,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Bytes bytes = { data, size };

    checks[take_byte(&bytes) % G_N_ELEMENTS(checks)](&bytes);
    return 0;
}
