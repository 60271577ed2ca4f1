/*
 * May the guest come here?  Asked before its RAM is sent
 *
 * The source says at set-up time how fast the guest's TSC really runs and
 * what the guest was promised.  The destination looks at what its own host
 * can do, on a scratch VM, and refuses in one sentence what the policy
 * doesn't allow.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "cpu.h"
#include "migration/setup-ack.h"
#include "system/kvm.h"
#include "hw/i386/kvm/clock-carry.h"
#include "trace.h"

/* They go from one to the other by a cast. */
QEMU_BUILD_BUG_ON((int)CF_POLICY_AUTO != (int)KVM_CLOCK_POLICY_AUTO ||
                  (int)CF_POLICY_STRICT != (int)KVM_CLOCK_POLICY_STRICT ||
                  (int)CF_POLICY_LAX != (int)KVM_CLOCK_POLICY_LAX);
QEMU_BUILD_BUG_ON((int)CF_RUNG_EXACT != (int)KVM_CLOCK_RUNG_EXACT ||
                  (int)CF_RUNG_CLOSED_LOOP !=
                  (int)KVM_CLOCK_RUNG_CLOSED_LOOP ||
                  (int)CF_RUNG_PLAIN != (int)KVM_CLOCK_RUNG_PLAIN);
QEMU_BUILD_BUG_ON((int)CF_TSC_UNCHANGED != (int)KVM_CLOCK_TSC_UNCHANGED ||
                  (int)CF_TSC_NOT_SET != (int)KVM_CLOCK_TSC_NOT_SET);

/* KVM leaves a TSC unscaled within this, unless it is told otherwise. */
#define TOLERANCE_HINT \
    "set kvm.tsc_tolerance_ppm to 0 on this host, or "

/*
 * Runs with the guest running, under the BQL: no vCPU ioctl here, it would
 * wait for the vCPU for ever.
 * @stopped: the clocks of a stopped guest, or NULL
 */
bool kvmclock_make_offer(KVMClockOffer *offer, const struct cf_tsc_freq *freq,
                         const KVMClockCarried *stopped,
                         const KVMClockConfig *config, Error **errp)
{
    const CPUX86State *env = cpu_env(first_cpu);
    KVMClockTime time;

    memset(offer, 0, sizeof(*offer));
    if (!stopped) {
        kvmclock_probe_host(0, NULL, NULL);
    }
    if (!cf_tsc_freq_valid(freq)) {
        error_setg(errp, "kvmclock: the frequency of the guest's TSC is "
                   "unknown here, so no destination can keep it; move the "
                   "guest as stock QEMU does: qom-set /machine/kvmclock "
                   "guest-clock off");
        return false;
    }
    offer->freq = *freq;
    if (stopped) {
        /* Where it ran last, which isn't here if it only passes through. */
        offer->from = *stopped;
    } else if (!kvmclock_get_anchor(&offer->from.anchor, &time, errp)) {
        return false;
    } else {
        offer->from.max_error_ns = time.max_error_ns;
        kvmclock_boot_id(&offer->from.boot_id);
        offer->from.machine = kvmclock_machine();
        offer->freq.host_khz = kvmclock_this_host()->tsc_khz;
    }
    offer->from.host_khz = offer->freq.host_khz;
    offer->promised = env->user_tsc_khz ||
                      env->features[FEAT_8000_0007_EDX] & CPUID_APM_INVTSC;
    offer->policy = config->policy;
    offer->require = config->require;
    trace_kvmclock_offer(offer->freq.host_khz, freq->ratio, freq->frac_bits,
                         offer->promised, offer->policy, offer->require);
    return true;
}

/* Of both sides. */
struct cf_policy_facts kvmclock_wishes(const KVMClockOffer *offer,
                                       const KVMClockConfig *config)
{
    return (struct cf_policy_facts) {
        .policy = cf_policy_stricter((enum cf_policy)offer->policy,
                                     (enum cf_policy)config->policy),
        .required_rung = (enum cf_rung)MIN(offer->require, config->require),
    };
}

/* May the guest go on with the plain clock value alone? */
bool kvmclock_tolerates_plain(const KVMClockConfig *config)
{
    return config->policy != KVM_CLOCK_POLICY_STRICT &&
           config->require == KVM_CLOCK_RUNG_PLAIN;
}

static void kvmclock_pretend(KVMClockHost *host, const KVMClockConfig *config)
{
    if (config->pretend_tsc_khz) {
        host->tsc_khz = config->pretend_tsc_khz;
        host->tsc_control = false;
        host->guest = (struct cf_tsc_freq) { config->pretend_tsc_khz, 0, 1 };
    }
}

/* On the guest's own host its TSC wouldn't jump: is that what isn't seen? */
static const char *kvmclock_blind(void)
{
    struct cf_anchor now;
    QemuUUID boot_id;

    return !kvmclock_boot_id(&boot_id)
           ? " (or let QEMU read /proc/sys/kernel/random/boot_id, which would "
             "tell whether this is the guest's own host)"
           : !kvmclock_get_anchor(&now, NULL, NULL)
           ? " (KVM_GET_CLOCK fails, so it can't be told whether this is the "
             "guest's own host)" : "";
}

static char *kvmclock_rate_reason(const KVMClockOffer *offer,
                                  const KVMClockHost *host,
                                  const struct cf_policy_facts *facts)
{
    uint32_t src_khz = 0, dst_khz = 0;
    bool within = facts->rate_known &&
                  ABS(facts->rate_error_ppt) <= CF_RATE_LIMIT_PPT;

    cf_tsc_freq_khz(&offer->freq, &src_khz);
    cf_tsc_freq_khz(&host->guest, &dst_khz);
    return g_strdup_printf(
        "its TSC runs at %u kHz and would run at %u kHz on this host "
        "(%+.3f ppm); %s%s", src_khz, dst_khz, facts->rate_error_ppt / 1e6,
        host->tsc_control && within ? TOLERANCE_HINT : "",
        host->tsc_control ? "choose a host with that TSC frequency"
        : "choose a host that can scale the TSC or has that frequency");
}

/* What is wrong, by how much, and what to do about it. */
static char *kvmclock_reason(enum cf_reason reason, const KVMClockOffer *offer,
                             const KVMClockHost *host,
                             const struct cf_policy_facts *facts)
{
    switch (reason) {
    case CF_REASON_RATE:
    case CF_REASON_RATE_UNKNOWN:
        return kvmclock_rate_reason(offer, host, facts);
    case CF_REASON_OFFSET_IGNORED:
        return g_strdup_printf(
            "this host's KVM ignores TSC offsets, so the guest's TSC would "
            "jump; choose a host whose KVM keeps them%s", kvmclock_blind());
    case CF_REASON_TSC_UNSTABLE:
        return g_strdup("this host's TSC is unstable, so the guest's would "
                        "be rewound again and again; choose a host with a "
                        "stable TSC");
    case CF_REASON_RUNG:
        return g_strdup_printf(
            "its clock can be restored no better than '%s' here, and '%s' is "
            "required; choose a host whose kernel can, or lower "
            "kvmclock.require or kvmclock.policy",
            KvmClockRung_str((KvmClockRung)facts->best_rung),
            KvmClockRung_str((KvmClockRung)cf_policy_required(facts)));
    case CF_REASON_OFFSET_MEASURED:
        return g_strdup("this host's kernel can set the guest's TSC only to "
                        "within microseconds; choose a host with Linux 5.16 "
                        "or later");
    case CF_REASON_TIME:
        return facts->time_bound_ns == UINT64_MAX
            ? g_strdup("how far its clocks may step isn't known, because real "
                       "time isn't synchronised on this host or on the "
                       "source; let NTP or PTP synchronise both")
            : g_strdup_printf(
                "its clocks may step by %.0f ms, because real time on the "
                "source and on this host may differ by as much; let NTP or "
                "PTP synchronise both", facts->time_bound_ns / 1e6);
    default:
        return g_strdup("it fits");
    }
}

/* From the offer to now; UINT64_MAX is what isn't known of the time. */
static struct cf_move kvmclock_offered_move(const KVMClockOffer *offer,
                                            const KVMClockConfig *config)
{
    struct cf_move move = { .time.bound_ns = UINT64_MAX };
    struct cf_anchor now;
    KVMClockTime time;

    if (kvmclock_get_anchor(&now, &time, NULL)) {
        kvmclock_begin_move(&move, &offer->from, &now, &time, config);
    }
    return move;
}

static void kvmclock_facts(const KVMClockOffer *offer,
                           const KVMClockHost *host,
                           const struct cf_move *move,
                           struct cf_policy_facts *facts)
{
    const struct cf_tsc_freq freq = cf_move_freq(move, offer->freq);

    facts->promised = offer->promised;
    facts->rate_known = cf_tsc_rate_error_ppt(&host->guest, &freq,
                                              &facts->rate_error_ppt);
    facts->offset = host->offset;
    facts->measured = host->measured;
    facts->same_host = move->same_host;
    facts->kexec = move->kexec_khz;
    facts->time_bound_ns = cf_time_bound_ns(facts, &freq,
                                            move->time.bound_ns);
    facts->best_rung = cf_expected_rung(host->best_rung, &host->guest,
                                        &offer->freq);
}

/*
 * Says what was decided, and returns whether the guest is taken.  A snapshot
 * or a file isn't refused: its disks may be those of the snapshot already, and
 * no guest would run on elsewhere.
 */
static bool kvmclock_tell_verdict(enum cf_verdict verdict,
                                  enum cf_policy policy, const char *why)
{
    const char *name = KvmClockPolicy_str((KvmClockPolicy)policy);

    if (verdict == CF_VERDICT_REFUSE && !migration_from_storage()) {
        error_report("kvmclock: refusing the guest (policy %s): %s", name,
                     why);
        return false;
    }
    if (verdict == CF_VERDICT_REFUSE) {
        warn_report("kvmclock: taking the guest all the same, for it runs "
                    "nowhere else (policy %s would refuse it): %s", name, why);
    } else if (verdict == CF_VERDICT_WARN) {
        warn_report("kvmclock: taking the guest all the same (policy %s): %s",
                    name, why);
    }
    return true;
}

/* Nothing is known of this host: only who takes everything takes that. */
static bool kvmclock_unprobed(enum cf_policy policy, Error *err)
{
    bool taken = kvmclock_tell_verdict(policy == CF_POLICY_LAX
                                       ? CF_VERDICT_WARN : CF_VERDICT_REFUSE,
                                       policy, error_get_pretty(err));

    error_free(err);
    return taken;
}

bool kvmclock_check_offer(const KVMClockOffer *offer,
                          const KVMClockConfig *config)
{
    struct cf_policy_facts facts = kvmclock_wishes(offer, config);
    struct cf_move move;
    struct cf_tsc_freq freq;
    g_autofree char *sentence = NULL;
    enum cf_verdict verdict;
    enum cf_reason reason;
    KVMClockHost host;
    Error *err = NULL;
    uint32_t wanted_khz;

    move = kvmclock_offered_move(offer, config);
    freq = cf_move_freq(&move, offer->freq);
    if (!cf_tsc_freq_khz(&freq, &wanted_khz) ||
        offer->policy >= KVM_CLOCK_POLICY__MAX ||
        offer->require >= KVM_CLOCK_RUNG__MAX) {
        error_report("kvmclock: refusing the guest: what the stream says of "
                     "its TSC is corrupt");
        return false;
    }
    if (!kvmclock_probe_host(wanted_khz, &host, &err)) {
        return kvmclock_unprobed(facts.policy, err);
    }
    kvmclock_pretend(&host, config);
    kvmclock_facts(offer, &host, &move, &facts);
    verdict = cf_policy_decide(&facts, &reason);
    trace_kvmclock_check(verdict, reason, facts.rate_error_ppt, facts.offset,
                         facts.same_host, facts.best_rung);

    sentence = kvmclock_reason(reason, offer, &host, &facts);
    return kvmclock_tell_verdict(verdict, facts.policy, sentence);
}

const VMStateDescription vmstate_kvmclock_freq = {
    .name = "kvmclock/freq",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32(host_khz, struct cf_tsc_freq),
        VMSTATE_UINT32(frac_bits, struct cf_tsc_freq),
        VMSTATE_UINT64(ratio, struct cf_tsc_freq),
        VMSTATE_END_OF_LIST()
    }
};
