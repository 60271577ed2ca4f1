/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asks QEMU for a guest's clocks. */
#include "text/codec.h"
#include "text/printable.h"
#include "guest-clocks.h"

const CfNames guest_blackout_names = {
    [GUEST_BLACKOUT_COUNT] = "count",
    [GUEST_BLACKOUT_FREEZE] = "freeze",
};

#define AT(member) CF_AT(LastRestore, member)
#define KNOWN(member) CF_KNOWN(LastRestore, member)

/* QEMU's numbers are JSON numbers. */
#define ANY .min = INT64_MIN, .max = INT64_MAX

static const CfMember restore_members[] = {
    { "rung", CF_MEMBER_WORD, AT(rung),
      .needed = true, .names = &cf_rung_names },
    { "tries", CF_MEMBER_INT, AT(tries), .needed = true, .max = UINT32_MAX },
    { "tsc", CF_MEMBER_WORD, AT(tsc),
      .needed = true, .names = &cf_tsc_outcome_names },
    { "residual-ns", CF_MEMBER_INT, AT(residual_ns),
      KNOWN(residual_known), ANY },
    { "bound-ns", CF_MEMBER_INT, AT(bound_ns), KNOWN(bound_known), ANY },
    { "rate-error-ppt", CF_MEMBER_INT, AT(rate_error_ppt),
      KNOWN(rate_known), ANY },
    { "skew-ticks", CF_MEMBER_INT, AT(skew_ticks), KNOWN(skew_known), ANY },
    { "time-bound-ns", CF_MEMBER_INT, AT(time_bound_ns), KNOWN(time_known),
      ANY },
    { "elapsed-from", CF_MEMBER_WORD, AT(elapsed_from),
      .names = &cf_elapsed_from_names },
    { "round-trip-ns", CF_MEMBER_INT, AT(round_trip_ns),
      KNOWN(round_trip_known), ANY },
    { "clocks-wrong-ns", CF_MEMBER_INT, AT(clocks_wrong_ns),
      KNOWN(clocks_wrong), ANY },
    { "same-host", CF_MEMBER_BOOL, AT(same_host) },
    { "kexec-ppt", CF_MEMBER_INT, AT(kexec_ppt), KNOWN(kexec), ANY },
    { "frozen", CF_MEMBER_BOOL, AT(frozen) },
    { "elapsed-ns", CF_MEMBER_INT, AT(elapsed_ns), ANY },
    { "duration-ns", CF_MEMBER_INT, AT(duration_ns), ANY },
    { 0 },
};

static const CfMember info_members[] = {
    { "enabled", CF_MEMBER_BOOL, CF_AT(GuestClocks, enabled), .needed = true },
    { "policy", CF_MEMBER_WORD, CF_AT(GuestClocks, guest.policy),
      .names = &cf_policy_names },
    { "require", CF_MEMBER_WORD, CF_AT(GuestClocks, guest.require),
      .names = &cf_rung_names },
    { "blackout", CF_MEMBER_WORD, CF_AT(GuestClocks, blackout),
      .names = &guest_blackout_names },
    { "blackout-limit", CF_MEMBER_INT, CF_AT(GuestClocks, blackout_limit_s),
      .max = UINT32_MAX },
    { "host-tsc-khz", CF_MEMBER_INT, CF_AT(GuestClocks, host_khz),
      .max = UINT32_MAX },
    { "guest-tsc-khz", CF_MEMBER_INT, CF_AT(GuestClocks, guest_khz),
      .max = UINT32_MAX },
    { "not-carried", CF_MEMBER_TEXT, CF_AT(GuestClocks, not_carried) },
    { "restore", CF_MEMBER_OBJECT, CF_AT(GuestClocks, restore),
      CF_KNOWN(GuestClocks, restored), .members = restore_members },
    { 0 },
};

bool guest_clocks_read_event(const CfJson *event, LastRestore *ret_restore)
{
    CfJsonReader reader = { NULL };
    LastRestore restore = { 0 };
    CfJson *data;

    if (!cf_json_get_object(&reader, event, "data", &data) ||
        !cf_members_get(&reader, data, "it", restore_members, &restore)) {
        g_free(reader.problem);
        return false;
    }
    *ret_restore = restore;
    return true;
}

static void get_info(CfJsonReader *reader, const CfJson *reply,
                     GuestClocks *clocks)
{
    CfJson *json;

    if (!cf_json_get_object(reader, reply, "return", &json)) {
        cf_json_fail(reader, "enabled is missing");
        return;
    }
    cf_members_get(reader, json, "it", info_members, clocks);
}

static gboolean ask_clocks(Qmp *qmp, GuestClocks *clocks, GError **error)
{
    CfJsonReader reader = { NULL };
    g_autoptr(GError) why = NULL;
    g_autoptr(CfJson) reply = qmp_execute(qmp, "query-kvm-clock", NULL, &why);

    if (!reply) {
        if (g_error_matches(why, QMP_ERROR, QMP_ERROR_NO_COMMAND)) {
            g_set_error_literal(
                error, QMP_ERROR, QMP_ERROR_NO_COMMAND,
                "this QEMU can't carry a guest's clocks: it doesn't know "
                "query-kvm-clock, so it lacks the Clockferry series");
        } else {
            g_propagate_error(error, g_steal_pointer(&why));
        }
        return FALSE;
    }
    get_info(&reader, reply, clocks);
    if (reader.problem) {
        g_set_error(error, QMP_ERROR, QMP_ERROR_PROTOCOL,
                    "can't read QEMU's answer to query-kvm-clock: %s",
                    reader.problem);
        g_free(reader.problem);
        return FALSE;
    }
    return TRUE;
}

/* A text that a command returns; it stays empty if the command fails. */
static void ask_word(Qmp *qmp, const char *command, const char *name,
                     char *ret_text, size_t size)
{
    g_autoptr(CfJson) reply = qmp_execute(qmp, command, NULL, NULL);
    CfJson *json;

    if (reply && cf_json_get_object(NULL, reply, "return", &json)) {
        cf_json_get_text(NULL, json, name, ret_text, size);
    }
}

static bool get_cpu_path(const CfJson *reply, char *ret_path, size_t size)
{
    CfJson *cpus;
    const CfJson *cpu = NULL;

    if (cf_json_get_array(NULL, reply, "return", &cpus) &&
        cf_json_length(cpus)) {
        cpu = cf_json_element(NULL, cpus, 0);
    }
    return cpu && cf_json_get_text(NULL, cpu, "qom-path", ret_path, size);
}

/* A property of the boot vCPU: an object with the member "return", or NULL. */
static CfJson *ask_cpu(Qmp *qmp, const char *property)
{
    g_autoptr(CfJson) cpus = qmp_execute(qmp, "query-cpus-fast", NULL, NULL);
    CfJson *arguments;
    char path[256];

    if (!cpus || !get_cpu_path(cpus, path, sizeof(path))) {
        return NULL;
    }
    arguments = cf_json_object();
    cf_json_add_text(arguments, "path", path);
    cf_json_add_text(arguments, "property", property);
    return qmp_execute(qmp, "qom-get", arguments, NULL);
}

/* Was the guest given invtsc? */
static bool ask_invtsc(Qmp *qmp)
{
    g_autoptr(CfJson) reply = ask_cpu(qmp, "invtsc");
    bool invtsc = false;

    if (reply) {
        cf_json_get_bool(NULL, reply, "return", &invtsc);
    }
    return invtsc;
}

uint32_t guest_clocks_ask_khz(Qmp *qmp)
{
    g_autoptr(CfJson) reply = ask_cpu(qmp, "tsc-frequency");
    int64_t hz = 0;

    if (reply) {
        cf_json_get_int(NULL, reply, "return", 0, UINT32_MAX * 1000LL, &hz);
    }
    return (uint32_t)(hz / 1000);
}

/* QEMU reports kHz; KVM computes the ratio from them. */
static void derive_freq(GuestClocks *clocks, uint32_t frac_bits)
{
    struct cf_tsc_freq freq = { clocks->host_khz, 0, 1 };

    clocks->guest.host_khz = clocks->host_khz;
    clocks->guest.freq = (struct cf_tsc_freq) { 0 };
    if (!clocks->host_khz || !clocks->guest_khz) {
        return;
    }
    if (clocks->guest_khz != clocks->host_khz) {
        freq.frac_bits = frac_bits;
        if (!cf_tsc_ratio_from_khz(clocks->guest_khz, clocks->host_khz,
                                   freq.frac_bits, &freq.ratio)) {
            return;
        }
    }
    clocks->guest.freq = freq;
}

gboolean guest_clocks_ask(Qmp *qmp, const CfHost *host,
                          GuestClocks *ret_clocks, GError **error)
{
    GuestClocks clocks = { 0 };

    cf_guest_from_host(host, 0, &clocks.guest);
    if (!ask_clocks(qmp, &clocks, error)) {
        return FALSE;
    }
    ask_word(qmp, "query-name", "name", clocks.name, sizeof(clocks.name));
    ask_word(qmp, "query-status", "status", clocks.status,
             sizeof(clocks.status));
    clocks.guest.promised = ask_invtsc(qmp);
    derive_freq(&clocks, host->id.frac_bits);
    *ret_clocks = clocks;
    return TRUE;
}

void guest_clocks_name(GuestClocks *clocks, const char *name)
{
    cf_copy_text(clocks->name, sizeof(clocks->name), name);
}

static bool is_exact(const LastRestore *restore, int required)
{
    return restore->rung <= MIN(required, CF_RUNG_CLOSED_LOOP) &&
           restore->rate_known && cf_rate_is_exact(restore->rate_error_ppt) &&
           cf_tsc_is_proven(restore->tsc);
}

bool guest_clocks_exact(const GuestClocks *clocks)
{
    return clocks->enabled && !*clocks->not_carried &&
           (!clocks->restored ||
            is_exact(&clocks->restore, (int)clocks->guest.require));
}
