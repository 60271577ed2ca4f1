/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Test of cf_check(): what becomes of guests between hosts of all kinds.
 *
 * The verdicts are typed in from the table in docs/design.rst, the figures
 * were computed by hand; tests/cli compares with exact arithmetic.
 */
#include <string.h>
#include <clockferry/check.h>

#define MS 1000000ULL

/* A host as good as can be: Intel, newest kernel, within 1 ms of the time. */
static CfHost good_host(void)
{
    CfHost host = {
        .host_khz = 2500000,
        .scaling = CF_SCALING_WORKS,
        .frac_bits = CF_FRAC_BITS_INTEL,
        .has_scale = CF_ANSWER_YES,
        .tolerance_known = true,
        .tolerance_ppm = 250,
        .has_offset = CF_ANSWER_YES,
        .offset_known = true,
        .offset = CF_OFFSET_STICKS,
        .master_clock = CF_ANSWER_YES,
        .set_realtime = CF_ANSWER_YES,
        .clock_guest = CF_CLOCK_GUEST_PRESENT,
        .rung_known = true,
        .best_rung = CF_RUNG_EXACT,
        .time_known = true,
        .time = { .tai_offset_s = 37, .max_error_ns = MS,
                  .synchronised = true },
        .instant_known = true,
        .instant = { 1000000000000, 1800000000000000000, 37 },
    };

    memset(host.id.boot_id, 'g', CF_BOOT_ID_SIZE - 1);
    return host;
}

/* What makes a host another one than the good one. */
typedef void (*Change)(CfHost *host);

static void none(CfHost *host) { (void)host; }
static void amd(CfHost *host) { host->frac_bits = CF_FRAC_BITS_AMD; }

static void no_scaling(CfHost *host)
{
    host->scaling = CF_SCALING_NONE;
    host->has_scale = CF_ANSWER_NO;
}

static void released(CfHost *host)
{
    host->clock_guest = CF_CLOCK_GUEST_ABSENT;
    host->best_rung = CF_RUNG_CLOSED_LOOP;
    host->has_scale = CF_ANSWER_NO;
}

static void before_5_16(CfHost *host)
{
    released(host);
    host->has_offset = CF_ANSWER_NO;
    host->set_realtime = CF_ANSWER_NO;
    host->best_rung = CF_RUNG_PLAIN;
}

static void no_master_clock(CfHost *host)
{
    host->master_clock = CF_ANSWER_NO;
    host->clock_guest = CF_CLOCK_GUEST_UNUSABLE;
    host->best_rung = CF_RUNG_PLAIN;
    g_strlcpy(host->id.clocksource, "hpet", CF_CLOCKSOURCE_SIZE);
}

static void unstable(CfHost *host)
{
    no_master_clock(host);
    host->offset = CF_OFFSET_REWINDS;
}

static void ignoring(CfHost *host)
{
    no_scaling(host);
    released(host);
    host->offset = CF_OFFSET_IGNORED;
}

static void offset_unknown(CfHost *host) { host->offset_known = false; }
static void rung_unknown(CfHost *host) { host->rung_known = false; }
static void khz_unknown(CfHost *host) { host->host_khz = 0; }
static void plus_2_khz(CfHost *host) { host->host_khz += 2; }
static void fast(CfHost *host) { host->host_khz = 3000000; }
static void slow(CfHost *host) { host->host_khz = 2000000; }

static void plus_2_khz_exact(CfHost *host)
{
    plus_2_khz(host);
    host->tolerance_ppm = 0;
}

static void fast_amd(CfHost *host) { fast(host); amd(host); }
static void fast_unscaled(CfHost *host) { fast(host); no_scaling(host); }

static void fast_failing(CfHost *host)
{
    fast(host);
    host->scaling = CF_SCALING_FAILS;
}

static void fast_maybe(CfHost *host)
{
    fast(host);
    host->scaling = CF_SCALING_UNKNOWN;
}

static void fast_no_bits(CfHost *host) { fast(host); host->frac_bits = 0; }

static void scaling_unknown(CfHost *host)
{
    host->scaling = CF_SCALING_UNKNOWN;
}

/* 1 GHz, so that 1 kHz is 1 ppm */
static void ghz(CfHost *host) { host->host_khz = 1000000; no_scaling(host); }
static void ghz_1(CfHost *host) { ghz(host); host->host_khz += 1; }
static void ghz_2(CfHost *host) { ghz(host); host->host_khz += 2; }
static void ghz_250(CfHost *host) { ghz(host); host->host_khz += 250; }
static void ghz_251(CfHost *host) { ghz(host); host->host_khz += 251; }

static void tolerance_500(CfHost *host)
{
    host->host_khz += 1000;
    host->tolerance_ppm = 500;
}

static void tolerance_unknown(CfHost *host)
{
    plus_2_khz(host);
    host->tolerance_known = false;
}

static void unsynchronised(CfHost *host)
{
    host->time.synchronised = false;
}

static void far_off(CfHost *host)
{
    host->time.max_error_ns = 200000000;
}

/* Verdicts: strict; auto, not promised and promised; lax. */
#define GO CF_VERDICT_GO
#define REPORT CF_VERDICT_REPORT
#define WARN CF_VERDICT_WARN
#define REFUSE CF_VERDICT_REFUSE
#define EXACT_RATE { GO, GO, GO, GO }
#define RATE_1_PPM { REFUSE, REPORT, REPORT, REPORT }
#define RATE_250_PPM { REFUSE, REPORT, REFUSE, REPORT }
#define RATE_BEYOND { REFUSE, REFUSE, REFUSE, WARN }
#define IGNORED { REFUSE, REFUSE, REFUSE, WARN }
#define UNSTABLE { REFUSE, REPORT, REFUSE, WARN }

/* A rung, an offset or a time that isn't exact. */
#define PLAIN { REFUSE, REPORT, REPORT, REPORT }

typedef struct Case {
    const char *name;
    Change from;
    Change to;
    enum cf_verdict wanted[4];
    enum cf_rung rung;
    CfFindingKind kind;         /* of the worst finding, or the one to see */
} Case;

/* The rows of the policy table in both directions, then corner cases of hosts:
 * every mix of what their kernels, processors and clocks can do. */
static const Case cases[] = {
    { "equal hosts", none, none, EXACT_RATE, CF_RUNG_EXACT, CF_FINDING_RATE },
    { "1 ppm faster", ghz, ghz_1, RATE_1_PPM, CF_RUNG_EXACT, CF_FINDING_RATE },
    { "1 ppm slower", ghz_1, ghz, RATE_1_PPM, CF_RUNG_EXACT, CF_FINDING_RATE },
    { "2 ppm faster", ghz, ghz_2, RATE_250_PPM, CF_RUNG_REANCHORED,
      CF_FINDING_RATE },
    { "2 ppm slower", ghz_2, ghz, RATE_250_PPM, CF_RUNG_REANCHORED,
      CF_FINDING_RATE },
    { "250 ppm faster", ghz, ghz_250, RATE_250_PPM, CF_RUNG_REANCHORED,
      CF_FINDING_RATE },
    { "250 ppm slower", ghz_250, ghz, RATE_250_PPM, CF_RUNG_REANCHORED,
      CF_FINDING_RATE },
    { "251 ppm faster", ghz, ghz_251, RATE_BEYOND, CF_RUNG_REANCHORED,
      CF_FINDING_RATE },
    { "251 ppm slower", ghz_251, ghz, RATE_BEYOND, CF_RUNG_REANCHORED,
      CF_FINDING_RATE },
    { "20 % faster, no scaling", none, fast_unscaled, RATE_BEYOND,
      CF_RUNG_REANCHORED, CF_FINDING_RATE },
    { "back, scaled", fast_unscaled, none, EXACT_RATE, CF_RUNG_EXACT,
      CF_FINDING_RATE },
    { "offsets ignored", none, ignoring, IGNORED, CF_RUNG_CLOSED_LOOP,
      CF_FINDING_OFFSET_IGNORED },
    { "from where they are ignored", ignoring, none, EXACT_RATE,
      CF_RUNG_EXACT, CF_FINDING_OFFSET },
    { "to an unstable TSC", none, unstable, UNSTABLE, CF_RUNG_PLAIN,
      CF_FINDING_TSC_UNSTABLE },
    { "from an unstable TSC", unstable, none, EXACT_RATE, CF_RUNG_EXACT,
      CF_FINDING_OFFSET },
    { "no master clock", none, no_master_clock, PLAIN, CF_RUNG_PLAIN,
      CF_FINDING_RUNG },
    { "clock not synchronised", none, unsynchronised, PLAIN, CF_RUNG_EXACT,
      CF_FINDING_TIME_UNKNOWN },
    { "from a clock that isn't", unsynchronised, none, PLAIN, CF_RUNG_EXACT,
      CF_FINDING_TIME_UNKNOWN },
    { "clock 200 ms off", none, far_off, PLAIN, CF_RUNG_EXACT,
      CF_FINDING_TIME },
    { "back to a master clock", no_master_clock, none, EXACT_RATE,
      CF_RUNG_EXACT, CF_FINDING_RUNG },

    { "new to released kernel", none, released, EXACT_RATE,
      CF_RUNG_CLOSED_LOOP, CF_FINDING_RUNG },
    { "released to new kernel", released, none, EXACT_RATE, CF_RUNG_EXACT,
      CF_FINDING_RUNG },
    { "released kernels", released, released, EXACT_RATE, CF_RUNG_CLOSED_LOOP,
      CF_FINDING_RUNG },
    { "to a kernel before 5.16", none, before_5_16, PLAIN, CF_RUNG_PLAIN,
      CF_FINDING_OFFSET_MEASURED },
    { "from a kernel before 5.16", before_5_16, none, EXACT_RATE,
      CF_RUNG_EXACT, CF_FINDING_RUNG },
    { "Intel to AMD", none, fast_amd, EXACT_RATE, CF_RUNG_EXACT,
      CF_FINDING_RATE },
    { "AMD to Intel", fast_amd, none, EXACT_RATE, CF_RUNG_EXACT,
      CF_FINDING_RATE },
    { "scaled up", fast, slow, EXACT_RATE, CF_RUNG_EXACT, CF_FINDING_RATE },
    { "scaled down", slow, fast, EXACT_RATE, CF_RUNG_EXACT, CF_FINDING_RATE },
    { "KVM says it can scale", none, fast_failing, RATE_BEYOND,
      CF_RUNG_REANCHORED, CF_FINDING_RATE },
    { "nobody knows whether it can", none, fast_maybe, RATE_BEYOND,
      CF_RUNG_REANCHORED, CF_FINDING_RATE_UNKNOWN },
    { "nor need to", none, scaling_unknown, EXACT_RATE, CF_RUNG_EXACT,
      CF_FINDING_RATE },
    { "no fraction bits", none, fast_no_bits, RATE_BEYOND, CF_RUNG_REANCHORED,
      CF_FINDING_RATE_UNKNOWN },
    { "within the tolerance", none, plus_2_khz, RATE_1_PPM, CF_RUNG_REANCHORED,
      CF_FINDING_RATE },
    { "and back", plus_2_khz, none, RATE_1_PPM, CF_RUNG_REANCHORED,
      CF_FINDING_RATE },
    { "tolerance 0", none, plus_2_khz_exact, EXACT_RATE, CF_RUNG_EXACT,
      CF_FINDING_RATE },
    { "but not back", plus_2_khz_exact, none, RATE_1_PPM, CF_RUNG_REANCHORED,
      CF_FINDING_RATE },
    { "a larger tolerance", none, tolerance_500, RATE_BEYOND,
      CF_RUNG_REANCHORED, CF_FINDING_RATE },
    { "back from it", tolerance_500, none, EXACT_RATE, CF_RUNG_EXACT,
      CF_FINDING_RATE },
    { "an unknown tolerance", none, tolerance_unknown, RATE_1_PPM,
      CF_RUNG_REANCHORED, CF_FINDING_TOLERANCE },
    { "unknown offset", none, offset_unknown, IGNORED, CF_RUNG_EXACT,
      CF_FINDING_OFFSET_UNKNOWN },
    { "unknown rung", none, rung_unknown, PLAIN, CF_RUNG_PLAIN,
      CF_FINDING_RUNG_UNKNOWN },
    { "unknown frequency there", none, khz_unknown, RATE_BEYOND,
      CF_RUNG_REANCHORED, CF_FINDING_RATE_UNKNOWN },
    { "unknown frequency here", khz_unknown, none, RATE_BEYOND,
      CF_RUNG_REANCHORED, CF_FINDING_RATE_UNKNOWN },
};

static bool has_finding(const CfCheck *check, CfFindingKind kind)
{
    unsigned int i;

    for (i = 0; i < check->n_findings; i++) {
        if (check->findings[i].kind == kind) {
            return true;
        }
    }
    return false;
}

/* Every finding has a sentence; what isn't good has a cure. */
static void assert_texts(const CfCheck *check)
{
    unsigned int i;

    for (i = 0; i < check->n_findings; i++) {
        g_autofree char *text = cf_check_text(check, i);
        g_autofree char *cure = cf_check_cure(check, i);

        g_assert_cmpuint(strlen(text), >, 15);
        g_assert_null(strchr(text, '\n'));
        g_assert_cmpstr(text, !=, "nothing is known about this");
        if (check->findings[i].verdict != GO) {
            g_assert_nonnull(cure);
        }
    }
}

static void run_case(const Case *c, enum cf_policy policy, bool promised,
                     enum cf_verdict wanted)
{
    CfHost from = good_host(), to = good_host();
    CfGuest guest;
    CfCheck check;

    c->from(&from);
    c->to(&to);
    memset(to.id.boot_id, 't', CF_BOOT_ID_SIZE - 1);
    cf_guest_from_host(&from, 0, &guest);
    guest.policy = policy;
    guest.promised = promised;
    cf_check(&guest, &to, &check);
    if (check.verdict != wanted || check.rung != c->rung ||
        !has_finding(&check, c->kind)) {
        g_test_message("%s, %s%s: %s, %s", c->name, cf_policy_name(policy),
                       promised ? ", promised" : "",
                       cf_verdict_name(check.verdict),
                       cf_rung_name(check.rung));
    }
    g_assert_cmpint(check.verdict, ==, wanted);
    g_assert_cmpint(check.rung, ==, c->rung);
    g_assert_true(has_finding(&check, c->kind));
    g_assert_false(check.same_host);
    assert_texts(&check);
}

static void test_table(void)
{
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        const Case *c = &cases[i];

        run_case(c, CF_POLICY_STRICT, false, c->wanted[0]);
        run_case(c, CF_POLICY_STRICT, true, c->wanted[0]);
        run_case(c, CF_POLICY_AUTO, false, c->wanted[1]);
        run_case(c, CF_POLICY_AUTO, true, c->wanted[2]);
        run_case(c, CF_POLICY_LAX, false, c->wanted[3]);
        run_case(c, CF_POLICY_LAX, true, c->wanted[3]);
    }
}

/* Each rung against each that may be required: all policies alike. */
static void test_required(void)
{
    int best, required, policy;

    for (best = CF_RUNG_EXACT; best <= CF_RUNG_PLAIN; best++) {
        for (required = CF_RUNG_EXACT; required <= CF_RUNG_PLAIN; required++) {
            for (policy = 0; policy < 3; policy++) {
                CfHost from = good_host(), to = good_host();
                CfGuest guest;
                CfCheck check;

                to.best_rung = best;
                to.id.boot_id[0] = 't';
                cf_guest_from_host(&from, 0, &guest);
                guest.policy = policy;
                guest.require = required;
                cf_check(&guest, &to, &check);
                g_assert_cmpint(check.verdict, ==,
                                best > required ? REFUSE
                                : best <= CF_RUNG_CLOSED_LOOP ? GO
                                : policy == CF_POLICY_STRICT ? REFUSE
                                : REPORT);
                assert_texts(&check);
            }
        }
    }
}

static CfCheck check_hosts(const CfHost *from, const CfHost *to,
                           CfGuest *guest)
{
    CfCheck check;

    cf_guest_from_host(from, 0, guest);
    cf_check(guest, to, &check);
    return check;
}

/* A host that ignores offsets takes its own guests, if it is proven. */
static void test_same_host(void)
{
    CfHost before = good_host(), after;
    CfGuest guest;
    CfCheck check;

    ignoring(&before);
    after = before;
    after.instant.host_ticks += 25000000000;
    after.instant.realtime_ns += 10000000000;
    check = check_hosts(&before, &after, &guest);
    g_assert_true(check.same_host);
    g_assert_cmpint(check.verdict, ==, GO);
    g_assert_true(has_finding(&check, CF_FINDING_SAME_HOST));
    g_assert_true(check.time_known);
    g_assert_cmpuint(check.time_bound_ns, ==, 0);
    /* the file of the destination may be the older one */
    g_assert_true(check_hosts(&after, &before, &guest).same_host);

    /* a clone: its TSC began anew */
    after.instant.host_ticks = 5000;
    check = check_hosts(&before, &after, &guest);
    g_assert_false(check.same_host);
    g_assert_true(has_finding(&check, CF_FINDING_UNPROVEN));
    g_assert_cmpint(check.verdict, ==, REFUSE);

    after = before;
    after.instant_known = false;
    g_assert_false(check_hosts(&before, &after, &guest).same_host);
    after = before;
    after.host_khz++;
    g_assert_false(check_hosts(&before, &after, &guest).same_host);
    after = before;
    before.id.boot_id[0] = after.id.boot_id[0] = '\0';
    check = check_hosts(&before, &after, &guest);
    g_assert_false(check.same_host);
    g_assert_false(has_finding(&check, CF_FINDING_UNPROVEN));
}

/* An hour later the same machine runs another kernel. */
static void kexec(CfHost *before, CfHost *after)
{
    *before = good_host();
    before->id.machine = 77;
    *after = *before;
    after->id.boot_id[0] = 'k';
    after->host_khz += 3;
    after->instant.host_ticks += 3600 * 2500000000ULL;
    after->instant.realtime_ns += 3600 * 1000 * MS;
}

static void test_kexec(void)
{
    g_autofree char *text = NULL;
    CfHost before, after;
    CfGuest guest;
    CfCheck check;

    kexec(&before, &after);
    check = check_hosts(&before, &after, &guest);
    g_assert_true(check.same_host);
    g_assert_true(check.kexec);
    /* it may be a stranger, by both clocks' errors and 500 ppm of an hour */
    g_assert_cmpuint(check.time_bound_ns / MS, ==, 1802);
    g_assert_cmpint(check.verdict, ==, REPORT);
    g_assert_cmpint(check.rate_error_ppt, ==, 0);
    g_assert_cmpint(check.rung, ==, CF_RUNG_REANCHORED);
    /* 4 ns, and 1.2 ppm of the 50 ms until the first run */
    g_assert_cmpuint(check.kvmclock_bound_ns, ==, 4 + 59 + 1);
    g_assert_true(has_finding(&check, CF_FINDING_SAME_HOST));
    text = cf_check_text(&check, check.n_findings - 1);
    g_assert_nonnull(strstr(text, "kexec"));
    assert_texts(&check);

    guest.require = CF_RUNG_EXACT;
    cf_check(&guest, &after, &check);
    g_assert_cmpint(check.verdict, ==, REFUSE);
    /* the kernel that is gone takes no guests */
    check = check_hosts(&after, &before, &guest);
    g_assert_false(check.same_host);
}

/* Each by itself: a reset, clocks of which nothing is known, another machine. */
static void test_no_kexec(void)
{
    CfHost before, after;
    CfGuest guest;
    CfCheck check;

    kexec(&before, &after);
    after.instant.host_ticks = 1800 * 2500000000ULL;
    check = check_hosts(&before, &after, &guest);
    g_assert_false(check.same_host);
    g_assert_true(has_finding(&check, CF_FINDING_UNPROVEN));
    assert_texts(&check);

    kexec(&before, &after);
    after.time.synchronised = false;
    g_assert_false(check_hosts(&before, &after, &guest).same_host);
    kexec(&before, &after);
    after.offset = CF_OFFSET_REWINDS;
    g_assert_false(check_hosts(&before, &after, &guest).same_host);
    kexec(&before, &after);
    after.id.machine++;
    check = check_hosts(&before, &after, &guest);
    g_assert_false(check.same_host);
    g_assert_false(has_finding(&check, CF_FINDING_UNPROVEN));
    kexec(&before, &after);
    before.id.machine = after.id.machine = 0;
    g_assert_false(check_hosts(&before, &after, &guest).same_host);
}

static void test_rate_figures(void)
{
    CfHost from = good_host(), to = good_host();
    CfGuest guest;
    CfCheck check;

    to.host_khz = 2500002;
    check = check_hosts(&from, &to, &guest);
    g_assert_cmpint(check.rate_error_ppt, ==, 800000);
    g_assert_cmpint(check.drift_ns, ==, 69120000);
    check = check_hosts(&to, &from, &guest);
    /* -0.79999936... ppm, away from zero */
    g_assert_cmpint(check.rate_error_ppt, ==, -800000);
    g_assert_cmpint(check.drift_ns, ==, -69120000);
    to.host_khz = 2500003;
    check = check_hosts(&to, &from, &guest);
    g_assert_cmpint(check.rate_error_ppt, ==, -1199999);
    g_assert_cmpint(check.drift_ns, ==, -103679914);
}

static void test_time_figures(void)
{
    CfHost from = good_host(), to = good_host();
    CfGuest guest;
    CfCheck check;

    to.id.boot_id[0] = 't';
    to.time.max_error_ns = 204000;
    check = check_hosts(&from, &to, &guest);
    g_assert_true(check.time_known);
    g_assert_cmpuint(check.time_bound_ns, ==, 1204001);
    g_assert_false(has_finding(&check, CF_FINDING_TAI));
    to.has_offset = CF_ANSWER_NO;
    check = check_hosts(&from, &to, &guest);
    g_assert_cmpuint(check.time_bound_ns, ==, 2204001);
    to.time.max_error_ns = UINT64_MAX - 1;
    g_assert_false(check_hosts(&from, &to, &guest).time_known);

    to = good_host();
    to.id.boot_id[0] = 't';
    to.time.synchronised = false;
    check = check_hosts(&from, &to, &guest);
    g_assert_false(check.time_known);
    g_assert_true(has_finding(&check, CF_FINDING_TIME_UNKNOWN));
    g_assert_false(check_hosts(&to, &from, &guest).time_known);

    to.time.synchronised = true;
    to.time.leap = CF_LEAP_INSERT;
    to.time.tai_offset_s = 0;
    check = check_hosts(&from, &to, &guest);
    g_assert_true(has_finding(&check, CF_FINDING_TAI));
    g_assert_true(has_finding(&check, CF_FINDING_LEAP));
    check = check_hosts(&to, &from, &guest);
    g_assert_true(has_finding(&check, CF_FINDING_TAI));
    g_assert_true(has_finding(&check, CF_FINDING_LEAP));
}

static void test_kvmclock_figures(void)
{
    CfHost from = good_host(), to = good_host();
    CfGuest guest;
    CfCheck check;

    to.id.boot_id[0] = 't';
    check = check_hosts(&from, &to, &guest);
    g_assert_true(check.kvmclock_known);
    g_assert_cmpuint(check.kvmclock_bound_ns, ==, 4);
    released(&to);
    check = check_hosts(&from, &to, &guest);
    g_assert_cmpuint(check.kvmclock_bound_ns, ==, 55);
    to.host_khz = 2500002;
    check = check_hosts(&from, &to, &guest);
    /* 1.8 ppm x 50 ms */
    g_assert_cmpuint(check.kvmclock_bound_ns, ==, 95);
    to.best_rung = CF_RUNG_PLAIN;
    g_assert_false(check_hosts(&from, &to, &guest).kvmclock_known);
    to.best_rung = CF_RUNG_CLOSED_LOOP;
    to.offset = CF_OFFSET_IGNORED;
    g_assert_false(check_hosts(&from, &to, &guest).kvmclock_known);
}

/* A guest with a tsc-frequency of its own. */
static void test_tsc_frequency(void)
{
    CfHost host = good_host(), to = good_host();
    CfGuest guest;
    CfCheck check;
    uint32_t khz = 0;

    fast(&to);
    cf_guest_from_host(&host, 2000000, &guest);
    g_assert_true(cf_tsc_freq_khz(&guest.freq, &khz));
    g_assert_cmpuint(khz, ==, 2000000);
    g_assert_true(cf_tsc_is_scaled(&guest.freq));
    cf_check(&guest, &to, &check);
    g_assert_cmpint(check.verdict, ==, GO);

    /* within the tolerance it doesn't have what it was told */
    cf_guest_from_host(&host, 2500002, &guest);
    g_assert_true(cf_tsc_freq_khz(&guest.freq, &khz));
    g_assert_cmpuint(khz, ==, 2500000);
    /* and 250 ppm are 625 kHz */
    cf_guest_from_host(&host, 2500625, &guest);
    g_assert_false(cf_tsc_is_scaled(&guest.freq));
    cf_guest_from_host(&host, 2500626, &guest);
    g_assert_true(cf_tsc_is_scaled(&guest.freq));
    cf_guest_from_host(&host, 2499375, &guest);
    g_assert_false(cf_tsc_is_scaled(&guest.freq));
    cf_guest_from_host(&host, 2499374, &guest);
    g_assert_true(cf_tsc_is_scaled(&guest.freq));

    /* 256 times: AMD refuses the ratio, and the TSC stays the host's */
    amd(&host);
    host.host_khz = 1000000;
    cf_guest_from_host(&host, 256000000, &guest);
    g_assert_true(cf_tsc_freq_khz(&guest.freq, &khz));
    g_assert_cmpuint(khz, ==, 1000000);
}

/* A captured state tells the frequency, if it knows it of all vCPUs. */
static void test_state(void)
{
    g_autoptr(CfState) state = cf_state_new(2);
    const struct cf_tsc_freq freq = { 2400000, 32, 1ULL << 32 };
    CfGuest guest;

    state->host_khz = 2400000;
    state->vcpus[0].freq_origin = state->vcpus[1].freq_origin =
        CF_FREQ_ATTRIBUTE;
    state->vcpus[0].freq = state->vcpus[1].freq = freq;
    cf_guest_from_state(state, &guest);
    g_assert_true(cf_tsc_freq_valid(&guest.freq));
    g_assert_cmpuint(guest.max_error_ns, ==, UINT64_MAX);
    g_assert_cmpint(guest.require, ==, CF_RUNG_PLAIN);
    state->vcpus[1].freq_origin = CF_FREQ_ASSUMED;
    cf_guest_from_state(state, &guest);
    g_assert_false(cf_tsc_freq_valid(&guest.freq));
    state->vcpus[1].freq_origin = CF_FREQ_ATTRIBUTE;
    state->vcpus[1].freq.ratio++;
    cf_guest_from_state(state, &guest);
    g_assert_false(cf_tsc_freq_valid(&guest.freq));
}

/* A ratio is one to the frequency of the guest's host, in JSON. */
static void test_other_khz(void)
{
    const CfHost host = good_host();
    CfGuest guest, read;
    int i;

    cf_guest_from_host(&host, 0, &guest);
    for (i = 0; i < 2; i++) {
        g_autofree char *json = NULL;
        g_autoptr(GError) error = NULL;

        guest.host_khz = i ? 0 : 2400000;
        json = cf_guest_to_json(&guest);
        cf_guest_from_json(json, strlen(json), &read, &error);
        g_assert_no_error(error);
        g_assert_cmpuint(read.host_khz, ==, guest.host_khz);
        g_assert_false(cf_tsc_freq_valid(&read.freq));
    }
}

/* Nothing but the extremes of each number: no answer crashes or overflows. */
static void test_extremes(void)
{
    static const uint64_t errors[] = { 0, 1, UINT64_MAX - 1, UINT64_MAX };
    static const uint32_t khz[] = { 0, 1, UINT32_MAX };
    static const uint32_t ppm[] = { 0, 1, 1000000, UINT32_MAX };
    unsigned int i;

    for (i = 0; i < 3 * 3 * 4 * 4 * 3 * 2; i++) {
        CfHost from = good_host(), to = good_host();
        CfGuest guest;
        CfCheck check;

        from.host_khz = khz[i % 3];
        to.host_khz = khz[i / 3 % 3];
        to.tolerance_ppm = ppm[i / 9 % 4];
        to.time.max_error_ns = errors[i / 36 % 4];
        to.frac_bits = i / 144 % 3 == 0 ? 0 : i / 144 % 3 == 1 ? 32 : 48;
        to.scaling = i / 432 ? CF_SCALING_WORKS : CF_SCALING_NONE;
        to.id.boot_id[0] = 't';
        check = check_hosts(&from, &to, &guest);
        g_assert_cmpint(check.verdict, <=, REFUSE);
        assert_texts(&check);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/check/table", test_table);
    g_test_add_func("/check/required", test_required);
    g_test_add_func("/check/same-host", test_same_host);
    g_test_add_func("/check/kexec", test_kexec);
    g_test_add_func("/check/no-kexec", test_no_kexec);
    g_test_add_func("/check/rate-figures", test_rate_figures);
    g_test_add_func("/check/time-figures", test_time_figures);
    g_test_add_func("/check/kvmclock-figures", test_kvmclock_figures);
    g_test_add_func("/check/tsc-frequency", test_tsc_frequency);
    g_test_add_func("/check/state", test_state);
    g_test_add_func("/check/other-khz", test_other_khz);
    g_test_add_func("/check/extremes", test_extremes);
    return g_test_run();
}
