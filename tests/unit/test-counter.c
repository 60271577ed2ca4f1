/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Test of clock-counter.h and of cf_check() for arm64: what becomes of guests
 * between counters, and between architectures.
 *
 * The verdicts are typed in from the table in docs/design.rst.
 */
#include <string.h>
#include <clockferry/check.h>
#include <clockferry/clock-counter.h>

#define MS 1000000ULL
#define HZ 62500000u

static CfHost arm_host(uint32_t hz)
{
    CfHost host = {
        .architecture = CF_ARCHITECTURE_ARM64,
        .counter_hz = hz,
        .counter_offset = CF_COUNTER_OFFSET_IOCTL,
        .offset_known = true,
        .offset = CF_OFFSET_STICKS,
        .time_known = true,
        .time = { .tai_offset_s = 37, .max_error_ns = MS,
                  .synchronised = true },
        .instant_known = true,
        .instant = { 1000000000000, 1800000000000000000, 37 },
    };

    memset(host.id.boot_id, 'g', CF_BOOT_ID_SIZE - 1);
    return host;
}

static CfHost x86_host(void)
{
    CfHost host = arm_host(0);

    host.architecture = CF_ARCHITECTURE_X86_64;
    host.counter_offset = CF_COUNTER_OFFSET_UNKNOWN;
    host.host_khz = 2500000;
    host.scaling = CF_SCALING_WORKS;
    host.frac_bits = CF_FRAC_BITS_INTEL;
    host.has_offset = CF_ANSWER_YES;
    host.rung_known = true;
    host.best_rung = CF_RUNG_EXACT;
    return host;
}

static CfHost no_hz(void) { return arm_host(0); }
static CfHost mhz(void) { return arm_host(HZ); }
static CfHost ghz(void) { return arm_host(1000000000); }
static CfHost one_hz_more(void) { return arm_host(HZ + 1); }

static CfHost by_register(void)
{
    CfHost host = arm_host(HZ);

    host.counter_offset = CF_COUNTER_OFFSET_REGISTER;
    return host;
}

static CfHost ignoring(void)
{
    CfHost host = arm_host(HZ);

    host.offset = CF_OFFSET_IGNORED;
    return host;
}

static CfHost offset_unknown(void)
{
    CfHost host = arm_host(HZ);

    host.offset_known = false;
    return host;
}

static CfHost unsynchronised(void)
{
    CfHost host = arm_host(HZ);

    host.time.synchronised = false;
    return host;
}

/* Verdicts: strict; auto, not promised and promised; lax. */
#define GO CF_VERDICT_GO
#define REPORT CF_VERDICT_REPORT
#define WARN CF_VERDICT_WARN
#define REFUSE CF_VERDICT_REFUSE
#define FINE { GO, GO, GO, GO }
#define NEVER { REFUSE, REFUSE, REFUSE, REFUSE }
#define UNKNOWN { REFUSE, REFUSE, REFUSE, WARN }
#define INEXACT { REFUSE, REPORT, REPORT, REPORT }

typedef struct Case {
    const char *name;
    CfHost (*from)(void);
    CfHost (*to)(void);
    enum cf_verdict wanted[4];
    CfFindingKind kind;         /* of the worst finding, or the one to see */
    const char *word;           /* in its sentence */
} Case;

static const Case cases[] = {
    { "equal counters", mhz, mhz, FINE, CF_FINDING_RATE, "62500000 Hz" },
    { "faster", mhz, ghz, NEVER, CF_FINDING_RATE, "1000000000 Hz" },
    { "slower", ghz, mhz, NEVER, CF_FINDING_RATE, "62500000 Hz" },
    { "1 Hz faster", mhz, one_hz_more, NEVER, CF_FINDING_RATE, "62500001 Hz" },
    { "unknown there", mhz, no_hz, UNKNOWN, CF_FINDING_RATE_UNKNOWN,
      "destination's counter" },
    { "unknown here", no_hz, mhz, UNKNOWN, CF_FINDING_RATE_UNKNOWN,
      "guest's counter" },
    { "x86-64 to arm64", x86_host, mhz, NEVER, CF_FINDING_RATE, "of x86-64" },
    { "arm64 to x86-64", mhz, x86_host, NEVER, CF_FINDING_RATE, "is x86-64" },
    { "unknown to x86-64", no_hz, x86_host, NEVER, CF_FINDING_RATE,
      "another architecture" },
    { "the counter is set", mhz, by_register, INEXACT,
      CF_FINDING_OFFSET_MEASURED, "microseconds" },
    { "and back", by_register, mhz, FINE, CF_FINDING_OFFSET, "go on" },
    { "offsets ignored", mhz, ignoring, UNKNOWN, CF_FINDING_OFFSET_IGNORED,
      "jump" },
    { "offset unknown", mhz, offset_unknown, UNKNOWN,
      CF_FINDING_OFFSET_UNKNOWN, "unknown" },
    { "clock not synchronised", mhz, unsynchronised, INEXACT,
      CF_FINDING_TIME_UNKNOWN, "synchronised" },
};

static const CfFinding *find(const CfCheck *check, CfFindingKind kind,
                             unsigned int *ret_i)
{
    for (*ret_i = 0; *ret_i < check->n_findings; ++*ret_i) {
        if (check->findings[*ret_i].kind == kind) {
            return &check->findings[*ret_i];
        }
    }
    return NULL;
}

/* Every finding has a sentence without words of x86; what isn't good has a
 * cure. */
static void assert_texts(const CfCheck *check)
{
    unsigned int i;

    g_assert_cmpuint(check->n_findings, >=, 4);
    for (i = 0; i < check->n_findings; i++) {
        g_autofree char *text = cf_check_text(check, i);
        g_autofree char *cure = cf_check_cure(check, i);

        g_assert_cmpuint(strlen(text), >, 15);
        g_assert_null(strstr(text, "TSC"));
        g_assert_true(cure ||
                      check->findings[i].verdict == CF_VERDICT_GO);
    }
}

static CfCheck check_case(const Case *c, int column, CfGuest *guest,
                          CfHost *to)
{
    static const enum cf_policy policies[] = {
        CF_POLICY_STRICT, CF_POLICY_AUTO, CF_POLICY_AUTO, CF_POLICY_LAX,
    };
    const CfHost from = c->from();
    CfCheck check;

    *to = c->to();
    memset(to->id.boot_id, 't', CF_BOOT_ID_SIZE - 1);
    cf_guest_from_host(&from, 0, guest);
    guest->policy = policies[column];
    guest->promised = column == 2;
    cf_check(guest, to, &check);
    return check;
}

static void test_table(void)
{
    unsigned int i, at;
    int column;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        for (column = 0; column < 4; column++) {
            CfGuest guest;
            CfHost to;
            const CfCheck check = check_case(&cases[i], column, &guest, &to);
            const CfFinding *found = find(&check, cases[i].kind, &at);
            g_autofree char *text = found ? cf_check_text(&check, at) : NULL;

            g_test_message("%s, column %d: %s", cases[i].name, column,
                           cf_verdict_name(check.verdict));
            g_assert_cmpint(check.verdict, ==, cases[i].wanted[column]);
            g_assert_nonnull(found);
            g_assert_cmpint(found->verdict, ==, check.verdict);
            g_assert_nonnull(strstr(text, cases[i].word));
            g_assert_false(check.kvmclock_known);
            /* not one of what is unknown */
            g_assert_nonnull(find(&check, CF_FINDING_RUNG, &at));
            assert_texts(&check);
        }
    }
}

/* There is no kvmclock, so whatever rung is wanted is there. */
static void test_required(void)
{
    const Case equal = { "", mhz, mhz, FINE, CF_FINDING_RUNG, "" };
    CfGuest guest;
    CfHost to;
    CfCheck check = check_case(&equal, 0, &guest, &to);

    guest.require = CF_RUNG_EXACT;
    cf_check(&guest, &to, &check);
    g_assert_cmpint(check.verdict, ==, GO);
    g_assert_cmpint(check.rung, ==, CF_RUNG_EXACT);
}

static void test_figures(void)
{
    const Case faster = { "", mhz, ghz, NEVER, CF_FINDING_RATE, "" };
    const Case equal = { "", mhz, mhz, FINE, CF_FINDING_RATE, "" };
    CfGuest guest;
    CfHost to;
    CfCheck check = check_case(&faster, 1, &guest, &to);

    g_assert_true(check.rate_known);
    g_assert_cmpint(check.rate_error_ppt, ==, 15000000000000);
    check = check_case(&equal, 1, &guest, &to);
    g_assert_cmpint(check.rate_error_ppt, ==, 0);
    g_assert_true(check.time_known);
    /* both clocks' errors, a tick of 16 ns and a rounding */
    g_assert_cmpuint(check.time_bound_ns, ==, 2 * MS + 17);
}

/* On one host the counter ran on; another one's has the same frequency. */
static void test_same_host(void)
{
    CfHost here = arm_host(HZ), later = here;
    CfGuest guest;
    CfCheck check;

    later.instant.host_ticks += 10ULL * HZ;
    later.instant.realtime_ns += 10 * CF_NS_PER_SEC;
    cf_guest_from_host(&here, 0, &guest);
    cf_check(&guest, &later, &check);
    g_assert_true(check.same_host);
    g_assert_cmpint(check.verdict, ==, GO);
    g_assert_cmpuint(check.time_bound_ns, ==, 0);
    later.instant.host_ticks += HZ;
    cf_check(&guest, &later, &check);
    g_assert_false(check.same_host);
    /* what no counter can be */
    later = x86_host();
    cf_check(&guest, &later, &check);
    g_assert_false(check.same_host);
}

/* What older versions wrote of x86-64 says nothing of its architecture. */
static void test_json(void)
{
    static const char old[] =
        "{ \"format\": \"clockferry-probe\", \"version\": 1,"
        " \"min_version\": 1, \"host_khz\": 2500000 }";
    const CfHost arm = arm_host(33333333), x86 = x86_host();
    g_autofree char *arm_json = cf_host_to_json(&arm);
    g_autofree char *x86_json = cf_host_to_json(&x86);
    g_autofree char *guest_json = NULL;
    CfGuest guest;
    CfHost host;

    g_assert_true(cf_host_from_json(old, strlen(old), &host, NULL));
    g_assert_cmpint(host.architecture, ==, CF_ARCHITECTURE_X86_64);
    g_assert_null(strstr(x86_json, "architecture"));
    g_assert_null(strstr(x86_json, "counter"));
    g_assert_true(cf_host_from_json(arm_json, strlen(arm_json), &host, NULL));
    g_assert_cmpint(host.architecture, ==, CF_ARCHITECTURE_ARM64);
    g_assert_cmpuint(host.counter_hz, ==, 33333333);
    g_assert_cmpint(host.counter_offset, ==, CF_COUNTER_OFFSET_IOCTL);
    g_assert_cmpuint(host.host_khz, ==, 0);

    g_assert_true(cf_guest_from_json(arm_json, strlen(arm_json), &guest,
                                     NULL));
    guest_json = cf_guest_to_json(&guest);
    guest = (CfGuest) { 0 };
    g_assert_true(cf_guest_from_json(guest_json, strlen(guest_json), &guest,
                                     NULL));
    g_assert_cmpint(guest.architecture, ==, CF_ARCHITECTURE_ARM64);
    g_assert_cmpuint(guest.counter_hz, ==, 33333333);
}

/* An arm64 host has no frequency of a TSC, whoever says so. */
static void test_no_tsc(void)
{
    const struct cf_tsc_freq wanted = { 2500000, 0, 1 };
    CfHost host = arm_host(HZ);
    struct cf_tsc_freq freq;
    CfGuest guest;

    host.host_khz = 2500000;
    g_assert_false(cf_tsc_freq_on(&host, &wanted, &freq));
    cf_guest_from_host(&host, 2500000, &guest);
    g_assert_false(cf_tsc_freq_valid(&guest.freq));
}

static enum cf_offset obeys(uint64_t least_ticks, uint64_t width_ticks,
                            uint64_t before_ticks, uint64_t guest_ticks,
                            uint64_t after_ticks)
{
    const struct cf_counter_offset written = { least_ticks, width_ticks };
    const struct cf_tsc_reading reading = {
        before_ticks, guest_ticks, after_ticks,
    };
    const struct cf_counter_offset seen = cf_counter_offset_seen(&reading);

    return cf_counter_obeys(&written, &seen);
}

static void test_offset(void)
{
    const enum cf_offset sticks = CF_OFFSET_STICKS;
    const enum cf_offset ignored = CF_OFFSET_IGNORED;

    /* 70 to 80 were seen */
    g_assert_cmpint(obeys(70, 0, 100, 30, 110), ==, sticks);
    g_assert_cmpint(obeys(80, 0, 100, 30, 110), ==, sticks);
    g_assert_cmpint(obeys(69, 0, 100, 30, 110), ==, ignored);
    g_assert_cmpint(obeys(81, 0, 100, 30, 110), ==, ignored);
    g_assert_cmpint(obeys(60, 10, 100, 30, 110), ==, sticks);
    g_assert_cmpint(obeys(60, 9, 100, 30, 110), ==, ignored);
    g_assert_cmpint(obeys(60, 90, 100, 30, 110), ==, sticks);
    /* the guest is ahead, and the counter wraps */
    g_assert_cmpint(obeys(-(uint64_t)50, 0, 100, 150, 110), ==, sticks);
    g_assert_cmpint(obeys(-(uint64_t)40, 0, 100, 150, 110), ==, sticks);
    g_assert_cmpint(obeys(-(uint64_t)39, 0, 100, 150, 110), ==, ignored);
    g_assert_cmpint(obeys(-(uint64_t)60, 20, 100, 150, 110), ==, sticks);
    g_assert_cmpint(obeys(5, 0, UINT64_MAX - 4, UINT64_MAX - 5, 9), ==, sticks);
    g_assert_cmpint(obeys(0, UINT64_MAX, 100, 150, 110), ==, sticks);
}

static void test_khz(void)
{
    g_assert_cmpuint(cf_counter_khz(0), ==, 0);
    g_assert_cmpuint(cf_counter_khz(999999), ==, 0);
    g_assert_cmpuint(cf_counter_khz(1000000), ==, 1000);
    g_assert_cmpuint(cf_counter_khz(UINT32_MAX), ==, 4294967);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/counter/table", test_table);
    g_test_add_func("/counter/required", test_required);
    g_test_add_func("/counter/figures", test_figures);
    g_test_add_func("/counter/same-host", test_same_host);
    g_test_add_func("/counter/json", test_json);
    g_test_add_func("/counter/no-tsc", test_no_tsc);
    g_test_add_func("/counter/offset", test_offset);
    g_test_add_func("/counter/khz", test_khz);
    return g_test_run();
}
