/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The clocks of a running guest as JSON, written and read. */
#include "text/codec.h"
#include "guest-clocks.h"

#define AT(member) CF_AT(LastRestore, member)
#define KNOWN(member) CF_KNOWN(LastRestore, member)

static const CfMember restore_members[] = {
    { "rung", CF_MEMBER_WORD, AT(rung),
      .needed = true, .names = &cf_rung_names },
    { "tries", CF_MEMBER_INT, AT(tries), .needed = true, .max = UINT32_MAX },
    { "tsc", CF_MEMBER_WORD, AT(tsc),
      .needed = true, .names = &cf_tsc_outcome_names },
    { "residual_ns", CF_MEMBER_S64, AT(residual_ns), KNOWN(residual_known) },
    { "bound_ns", CF_MEMBER_S64, AT(bound_ns), KNOWN(bound_known) },
    { "rate_error_ppt", CF_MEMBER_S64, AT(rate_error_ppt),
      KNOWN(rate_known) },
    { "skew_ticks", CF_MEMBER_S64, AT(skew_ticks), KNOWN(skew_known) },
    { "time_bound_ns", CF_MEMBER_S64, AT(time_bound_ns), KNOWN(time_known) },
    { "elapsed_from", CF_MEMBER_WORD, AT(elapsed_from),
      .names = &cf_elapsed_from_names },
    { "round_trip_ns", CF_MEMBER_S64, AT(round_trip_ns),
      KNOWN(round_trip_known) },
    { "clocks_wrong_ns", CF_MEMBER_S64, AT(clocks_wrong_ns),
      KNOWN(clocks_wrong) },
    { "same_host", CF_MEMBER_BOOL, AT(same_host) },
    { "kexec_ppt", CF_MEMBER_S64, AT(kexec_ppt), KNOWN(kexec) },
    { "frozen", CF_MEMBER_BOOL, AT(frozen) },
    { "elapsed_ns", CF_MEMBER_S64, AT(elapsed_ns) },
    { "duration_ns", CF_MEMBER_S64, AT(duration_ns) },
    { 0 },
};

#undef AT
#define AT(member) CF_AT(GuestClocks, member)

static const CfMember state_members[] = {
    { "blackout", CF_MEMBER_WORD, AT(blackout),
      .names = &guest_blackout_names },
    { "name", CF_MEMBER_TEXT, AT(name) },
    { "status", CF_MEMBER_TEXT, AT(status) },
    { "enabled", CF_MEMBER_BOOL, AT(enabled), .needed = true },
    { "blackout_limit_s", CF_MEMBER_INT, AT(blackout_limit_s),
      .max = UINT32_MAX },
    { "not_carried", CF_MEMBER_TEXT, AT(not_carried) },
    { "restore", CF_MEMBER_OBJECT, AT(restore),
      CF_KNOWN(GuestClocks, restored), .members = restore_members },
    { 0 },
};

static CfJson *to_json(const GuestClocks *clocks)
{
    CfJson *json = cf_guest_to_object(&clocks->guest);

    cf_members_add(json, state_members, clocks);
    return json;
}

char *guest_clocks_to_json(const GuestClocks *clocks)
{
    g_autoptr(CfJson) json = to_json(clocks);

    return cf_json_print(json);
}

char *guest_clocks_to_line(const GuestClocks *clocks)
{
    g_autoptr(CfJson) json = to_json(clocks);

    return cf_json_print_line(json);
}

gboolean guest_clocks_from_json(const char *text, size_t size,
                                GuestClocks *ret_clocks, GError **error)
{
    CfJsonReader reader = { NULL };
    g_autoptr(CfJson) json = cf_json_read(&reader, text, size, CF_GUEST_FORMAT,
                                          CF_GUEST_VERSION);
    GuestClocks clocks = { 0 };

    if (!json || !cf_members_get(&reader, json, "it", state_members, &clocks)) {
        return cf_fail_json(error, "a guest's clocks", &reader);
    }
    if (!cf_guest_from_json(text, size, &clocks.guest, error)) {
        return FALSE;
    }
    *ret_clocks = clocks;
    return TRUE;
}
