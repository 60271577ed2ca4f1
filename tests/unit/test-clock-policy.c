/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Test of clock-policy.h: the policy table of docs/design.rst, row by row.
 *
 * The tables below are typed in from the document; nothing here is computed
 * with the header's own conditions.
 */
#include <glib.h>

#include <clockferry/clock-policy.h>

#define GO CF_VERDICT_GO
#define REPORT CF_VERDICT_REPORT
#define WARN CF_VERDICT_WARN
#define REFUSE CF_VERDICT_REFUSE

/* Columns: policy, then not promised and promised. */
typedef enum cf_verdict Columns[3][2];

#define COLUMNS(strict, auto_free, auto_promised, lax) { \
    [CF_POLICY_STRICT] = { strict, strict }, \
    [CF_POLICY_AUTO] = { auto_free, auto_promised }, \
    [CF_POLICY_LAX] = { lax, lax }, \
}

typedef struct {
    const char *name;
    bool known;
    int64_t ppt;
    Columns wanted;
} RateRow;

#define RATE_EXACT COLUMNS(GO, GO, GO, GO)
#define RATE_1PPM COLUMNS(REFUSE, REPORT, REPORT, REPORT)
#define RATE_250PPM COLUMNS(REFUSE, REPORT, REFUSE, REPORT)
#define RATE_BEYOND COLUMNS(REFUSE, REFUSE, REFUSE, WARN)

static const RateRow rates[] = {
    { "equal", true, 0, RATE_EXACT },
    { "1 ppt", true, 1, RATE_EXACT },
    { "-1 ppt", true, -1, RATE_EXACT },
    { "1 ppb", true, 1000, RATE_EXACT },
    { "-1 ppb", true, -1000, RATE_EXACT },
    { "1 ppb and 1 ppt", true, 1001, RATE_1PPM },
    { "-1 ppb and 1 ppt", true, -1001, RATE_1PPM },
    { "2 kHz of 2.5 GHz", true, 800000, RATE_1PPM },
    { "1 ppm", true, 1000000, RATE_1PPM },
    { "-1 ppm", true, -1000000, RATE_1PPM },
    { "1 ppm and 1 ppt", true, 1000001, RATE_250PPM },
    { "-1 ppm and 1 ppt", true, -1000001, RATE_250PPM },
    { "250 ppm", true, 250000000, RATE_250PPM },
    { "-250 ppm", true, -250000000, RATE_250PPM },
    { "250 ppm and 1 ppt", true, 250000001, RATE_BEYOND },
    { "-250 ppm and 1 ppt", true, -250000001, RATE_BEYOND },
    { "2^31 ppt and 1", true, (1LL << 31) + 1, RATE_BEYOND },
    { "2^32 ppt", true, 1LL << 32, RATE_BEYOND },
    { "-2^32 ppt", true, -(1LL << 32), RATE_BEYOND },
    { "most", true, INT64_MAX, RATE_BEYOND },
    { "least", true, INT64_MIN, RATE_BEYOND },
    { "unknown", false, 0, RATE_BEYOND },
    { "unknown, junk", false, 1000000, RATE_BEYOND },
};

typedef struct {
    const char *name;
    enum cf_offset offset;
    bool same_host;
    Columns wanted;
} OffsetRow;

static const OffsetRow offsets[] = {
    { "sticks", CF_OFFSET_STICKS, false, COLUMNS(GO, GO, GO, GO) },
    { "sticks, same host", CF_OFFSET_STICKS, true, COLUMNS(GO, GO, GO, GO) },
    { "ignored", CF_OFFSET_IGNORED, false,
      COLUMNS(REFUSE, REFUSE, REFUSE, WARN) },
    { "ignored, same host", CF_OFFSET_IGNORED, true, COLUMNS(GO, GO, GO, GO) },
    { "rewinds", CF_OFFSET_REWINDS, false,
      COLUMNS(REFUSE, REPORT, REFUSE, WARN) },
    { "rewinds, same host", CF_OFFSET_REWINDS, true,
      COLUMNS(REFUSE, REPORT, REFUSE, WARN) },
};

static const char *const policies[] = {
    [CF_POLICY_AUTO] = "auto",
    [CF_POLICY_STRICT] = "strict",
    [CF_POLICY_LAX] = "lax",
};

/* Rungs below closed-loop, measured offsets, clocks that are far off */
static const Columns exact = COLUMNS(GO, GO, GO, GO);
static const Columns inexact = COLUMNS(REFUSE, REPORT, REPORT, REPORT);

typedef struct {
    const char *name;
    bool measured;
    bool same_host;
    uint64_t time_bound_ns;
    const Columns *wanted;
    enum cf_reason reason;
    bool kexec;
} OtherRow;

static const OtherRow others[] = {
    { "128 ms", false, false, 128000000, &exact, CF_REASON_NONE, false },
    { "1 ns more", false, false, 128000001, &inexact, CF_REASON_TIME, false },
    { "unknown", false, false, UINT64_MAX, &inexact, CF_REASON_TIME, false },
    { "unknown, same host", false, true, UINT64_MAX, &exact, CF_REASON_NONE, false },
    { "measured", true, false, 0, &inexact, CF_REASON_OFFSET_MEASURED, false },
    { "measured, same host", true, true, 0, &inexact,
      CF_REASON_OFFSET_MEASURED, false },
    { "measured, unknown", true, false, UINT64_MAX, &inexact,
      CF_REASON_OFFSET_MEASURED, false },
    { "kexec'ed, 128 ms", false, true, 128000000, &exact, CF_REASON_NONE,
      true },
    { "kexec'ed, 1 ns more", false, true, 128000001, &inexact, CF_REASON_TIME,
      true },
};

static unsigned n_cases;

static void check(const RateRow *rate, const OffsetRow *offset,
                  enum cf_policy policy, bool promised, enum cf_rung best,
                  enum cf_rung required)
{
    const struct cf_policy_facts facts = {
        .policy = policy,
        .promised = promised,
        .same_host = offset->same_host,
        .rate_known = rate->known,
        .rate_error_ppt = rate->ppt,
        .offset = offset->offset,
        .best_rung = best,
        .required_rung = required,
    };
    const enum cf_verdict by_rate = rate->wanted[policy][promised];
    const enum cf_verdict by_offset = offset->wanted[policy][promised];
    const enum cf_verdict by_rung =
        best > required ? REFUSE
        : best <= CF_RUNG_CLOSED_LOOP ? GO : inexact[policy][promised];
    const enum cf_verdict wanted = MAX(MAX(by_rate, by_offset), by_rung);
    enum cf_reason reason = (enum cf_reason)77, wanted_reason;
    enum cf_verdict got;

    /* Of equally bad rows the first one names the reason. */
    if (wanted == GO) {
        wanted_reason = CF_REASON_NONE;
    } else if (wanted == by_rate) {
        wanted_reason = rate->known ? CF_REASON_RATE : CF_REASON_RATE_UNKNOWN;
    } else if (wanted == by_offset) {
        wanted_reason = offset->offset == CF_OFFSET_IGNORED
                        ? CF_REASON_OFFSET_IGNORED : CF_REASON_TSC_UNSTABLE;
    } else {
        wanted_reason = CF_REASON_RUNG;
    }
    got = cf_policy_decide(&facts, &reason);
    n_cases++;
    if (got != wanted || reason != wanted_reason) {
        g_test_message("rate %s, offset %s, %s, %spromised, rung %d for %d: "
                       "verdict %d, wanted %d; reason %d, wanted %d",
                       rate->name, offset->name, policies[policy],
                       promised ? "" : "not ", best, required, got, wanted,
                       reason, wanted_reason);
        g_test_fail();
    }
}

/* One row at a time, all else being well */
static void test_rate_rows(void)
{
    size_t i;
    int policy, promised;

    for (i = 0; i < G_N_ELEMENTS(rates); i++) {
        for (policy = 0; policy < 3; policy++) {
            for (promised = 0; promised < 2; promised++) {
                check(&rates[i], &offsets[0], (enum cf_policy)policy,
                      promised, CF_RUNG_EXACT, CF_RUNG_PLAIN);
                check(&rates[i], &offsets[1], (enum cf_policy)policy,
                      promised, CF_RUNG_EXACT, CF_RUNG_PLAIN);
            }
        }
    }
}

static void test_offset_rows(void)
{
    size_t i;
    int policy, promised;

    for (i = 0; i < G_N_ELEMENTS(offsets); i++) {
        for (policy = 0; policy < 3; policy++) {
            for (promised = 0; promised < 2; promised++) {
                check(&rates[0], &offsets[i], (enum cf_policy)policy,
                      promised, CF_RUNG_EXACT, CF_RUNG_PLAIN);
            }
        }
    }
}

/* require= binds every policy; without it no rung is refused */
static void test_rung_rows(void)
{
    int policy, best, required;

    for (policy = 0; policy < 3; policy++) {
        for (best = CF_RUNG_EXACT; best <= CF_RUNG_PLAIN; best++) {
            for (required = CF_RUNG_EXACT; required <= CF_RUNG_PLAIN;
                 required++) {
                check(&rates[0], &offsets[0], (enum cf_policy)policy, false,
                      (enum cf_rung)best, (enum cf_rung)required);
            }
        }
    }
}

static void test_other_rows(void)
{
    size_t i;
    int policy, promised;

    for (i = 0; i < G_N_ELEMENTS(others) * 6; i++) {
        const OtherRow *row = &others[i / 6];
        struct cf_policy_facts facts = {
            .rate_known = true,
            .measured = row->measured,
            .same_host = row->same_host,
            .kexec = row->kexec,
            .time_bound_ns = row->time_bound_ns,
            .best_rung = CF_RUNG_CLOSED_LOOP,
            .required_rung = CF_RUNG_PLAIN,
        };
        enum cf_reason reason;

        policy = i % 3;
        promised = i / 3 % 2;
        facts.policy = (enum cf_policy)policy;
        facts.promised = promised;
        g_test_message("%s, %s", row->name, policies[policy]);
        g_assert_cmpint(cf_policy_decide(&facts, &reason), ==,
                        (*row->wanted)[policy][promised]);
        g_assert_cmpint(reason, ==, row->reason);
        /* a worse row counts, whatever these say */
        facts.offset = CF_OFFSET_IGNORED;
        facts.same_host = false;
        g_assert_cmpint(cf_policy_decide(&facts, &reason), ==,
                        policy == CF_POLICY_LAX ? WARN : REFUSE);
        g_assert_cmpint(reason, ==, CF_REASON_OFFSET_IGNORED);
    }
}

static void test_everything(void)
{
    size_t rate, offset;
    int i;

    for (rate = 0; rate < G_N_ELEMENTS(rates); rate++) {
        for (offset = 0; offset < G_N_ELEMENTS(offsets); offset++) {
            for (i = 0; i < 3 * 2 * 5 * 5; i++) {
                check(&rates[rate], &offsets[offset],
                      (enum cf_policy)(i % 3), i / 3 % 2,
                      (enum cf_rung)(i / 6 % 5), (enum cf_rung)(i / 30));
            }
        }
    }
    g_test_message("%u cases", n_cases);
}

/* By source and destination, in the order of the enumeration */
static void test_stricter(void)
{
    static const enum cf_policy wanted[3][3] = {
        [CF_POLICY_AUTO] = { CF_POLICY_AUTO, CF_POLICY_STRICT, CF_POLICY_AUTO },
        [CF_POLICY_STRICT] = { CF_POLICY_STRICT, CF_POLICY_STRICT,
                               CF_POLICY_STRICT },
        [CF_POLICY_LAX] = { CF_POLICY_AUTO, CF_POLICY_STRICT, CF_POLICY_LAX },
    };
    int a, b;

    for (a = CF_POLICY_AUTO; a <= CF_POLICY_LAX; a++) {
        for (b = CF_POLICY_AUTO; b <= CF_POLICY_LAX; b++) {
            g_assert_cmpint(cf_policy_stricter(a, b), ==, wanted[a][b]);
        }
    }
}

/* Callers zero their facts: what that means must stay as it is. */
static void test_zero(void)
{
    const struct cf_policy_facts facts = { 0 };
    enum cf_reason reason;

    g_assert_cmpint(facts.policy, ==, CF_POLICY_AUTO);
    g_assert_cmpint(cf_policy_decide(&facts, &reason), ==, REFUSE);
    g_assert_cmpint(reason, ==, CF_REASON_RATE_UNKNOWN);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/clock-policy/rate", test_rate_rows);
    g_test_add_func("/clock-policy/other", test_other_rows);
    g_test_add_func("/clock-policy/offset", test_offset_rows);
    g_test_add_func("/clock-policy/rung", test_rung_rows);
    g_test_add_func("/clock-policy/everything", test_everything);
    g_test_add_func("/clock-policy/stricter", test_stricter);
    g_test_add_func("/clock-policy/zero", test_zero);
    return g_test_run();
}
