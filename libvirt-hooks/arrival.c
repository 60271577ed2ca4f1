/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A guest that comes to this host: may it, and which facts are true then? */
#include "domain/domain.h"
#include "text/printable.h"
#include "arrival.h"
#include "probe-apart.h"

/* A longer name would hide what is said about the guest. */
#define NAME_MAX_CHARACTERS 100

/**
 * Evidence - what the verdict follows from
 * @settings: what the XML sets
 * @has_facts: somebody wrote facts into the XML
 * @guest: these facts, or what is known without them
 * @here: the facts about this host
 * @check: the answer
 */
typedef struct Evidence {
    CfDomainSettings settings;
    bool has_facts;
    CfGuest guest;
    CfHost here;
    CfCheck check;
} Evidence;

static char *shown_name(const char *name)
{
    char *shown = cf_printable(name);

    if (g_utf8_strlen(shown, -1) > NAME_MAX_CHARACTERS) {
        *g_utf8_offset_to_pointer(shown, NAME_MAX_CHARACTERS) = '\0';
    }
    return shown;
}

void arrival_begin(Arrival *arrival, const char *name, bool restored)
{
    arrival->guest = shown_name(name);
    arrival->host = shown_name(g_get_host_name());
    arrival->restored = restored;
}

void arrival_clear(Arrival *arrival)
{
    g_free(arrival->guest);
    g_free(arrival->host);
    g_free(arrival->xml);
    g_free(arrival->warning);
}

char *arrival_refusal(const Arrival *arrival, const char *why)
{
    g_autofree char *shown = cf_printable(why);

    return g_strdup_printf("clockferry: guest '%s' can't %s host '%s': %s\n",
                           arrival->guest,
                           arrival->restored ? "be restored on" : "come to",
                           arrival->host, shown);
}

/* Facts can be written where the guest runs, or into what was saved. */
static char *facts_cure(const Arrival *arrival)
{
    g_autofree char *quoted = g_shell_quote(arrival->guest);

    return arrival->restored
           ? g_strdup("edit the XML that was saved with it, with virsh "
                      "managedsave-edit or save-image-edit")
           : g_strdup_printf("write its facts on the host where it runs: "
                             "clockferry annotate %s", quoted);
}

static bool lacks_frequency(const Evidence *evidence, CfFindingKind kind)
{
    return kind == CF_FINDING_RATE_UNKNOWN &&
           !cf_tsc_freq_valid(&evidence->guest.freq);
}

/* It may be the very host that the guest is on. */
static bool lacks_host(const Evidence *evidence, CfFindingKind kind)
{
    return kind == CF_FINDING_OFFSET_IGNORED && !evidence->guest.boot_id[0];
}

/* libvirt stops a guest before it saves it, so time stands still for it. Or
 * nobody said anything about its host's clock, good or bad. */
static bool ignores_time(const Arrival *arrival, const Evidence *evidence,
                         CfFindingKind kind)
{
    return arrival->restored
           ? kind == CF_FINDING_TIME || kind == CF_FINDING_TIME_UNKNOWN
           : kind == CF_FINDING_TIME_UNKNOWN && !evidence->has_facts;
}

/* A QEMU that carries the clocks carries these facts as well, and refuses by
 * itself before it takes any RAM, or warns of what was saved. With policy
 * strict the hook refuses, with the better sentence; but what was saved can't
 * be given facts any more. */
static bool is_left_to_qemu(const Arrival *arrival, const Evidence *evidence,
                            CfFindingKind kind)
{
    return (lacks_frequency(evidence, kind) || lacks_host(evidence, kind)) &&
           evidence->settings.guest_clock &&
           (arrival->restored || evidence->guest.policy != CF_POLICY_STRICT);
}

/* "what is wrong (what to do)" of one finding. */
static char *explain(const Arrival *arrival, const Evidence *evidence,
                     unsigned int i)
{
    const CfCheck *check = &evidence->check;
    const CfFindingKind kind = check->findings[i].kind;
    g_autofree char *text = cf_check_text(check, i);
    g_autofree char *cure = lacks_frequency(evidence, kind)
                            ? facts_cure(arrival) : cf_check_cure(check, i);

    return cure ? g_strdup_printf("%s (%s)", text, cure)
                : g_steal_pointer(&text);
}

/* Adds one to a list in a sentence. */
static void add_reason(char **reasons, char *reason)
{
    g_autofree char *former = *reasons;
    g_autofree char *last = reason;

    *reasons = former ? g_strconcat(former, "; and ", last, NULL)
                      : g_steal_pointer(&last);
}

static gboolean weigh(Arrival *arrival, const Evidence *evidence,
                      GError **error)
{
    const CfCheck *check = &evidence->check;
    g_autofree char *against = NULL, *but = NULL;
    unsigned int i;

    for (i = 0; i < check->n_findings; i++) {
        const CfFinding *finding = &check->findings[i];

        if (finding->verdict == CF_VERDICT_GO ||
            ignores_time(arrival, evidence, finding->kind)) {
            continue;
        }
        add_reason(finding->verdict == CF_VERDICT_REFUSE &&
                   !is_left_to_qemu(arrival, evidence, finding->kind)
                   ? &against : &but, explain(arrival, evidence, i));
    }
    if (against) {
        g_set_error_literal(error, CF_ERROR, CF_ERROR_INVALID, against);
        return FALSE;
    }
    if (but) {
        g_autofree char *line =
            g_strdup_printf("guest '%s' may come to host '%s', but: %s",
                            arrival->guest, arrival->host, but);

        arrival->warning = cf_printable(line);
    }
    return TRUE;
}

/* What is true about the guest once it runs here. */
static void describe(const Evidence *evidence, CfGuest *ret_guest)
{
    cf_guest_from_host(&evidence->here, 0, ret_guest);
    ret_guest->freq = evidence->check.freq;
    ret_guest->promised = evidence->guest.promised;
    ret_guest->policy = evidence->guest.policy;
    ret_guest->require = evidence->guest.require;
}

/* Facts without a frequency are only worth writing in place of wrong ones. */
static void rewrite(Arrival *arrival, CfDomain *domain,
                    const Evidence *evidence)
{
    CfGuest guest;

    describe(evidence, &guest);
    if (evidence->has_facts || cf_tsc_freq_valid(&guest.freq)) {
        cf_domain_set_facts(domain, &guest);
        arrival->xml = cf_domain_to_xml(domain);
    }
}

/* A guest that migrates comes from another host, so facts about this host are
 * stale. Or two libvirts share a host, which only QEMU can prove. */
static void doubt_host(const Arrival *arrival, Evidence *evidence)
{
    if (!arrival->restored && !evidence->settings.guest_clock) {
        evidence->guest.boot_id[0] = '\0';
    }
}

static gboolean gather(const Arrival *arrival, const CfDomain *domain,
                       Evidence *evidence, GError **error)
{
    g_autoptr(GError) why = NULL;

    cf_domain_get_settings(domain, &evidence->settings);
    if (!evidence->settings.kvm) {
        return TRUE;
    }
    if (!cf_domain_get_facts(domain, &evidence->guest, &evidence->has_facts,
                             &why)) {
        g_autofree char *cure = facts_cure(arrival);

        g_set_error(error, why->domain, why->code, "%s (%s)", why->message,
                    cure);
        return FALSE;
    }
    if (evidence->has_facts) {
        cf_domain_tighten(&evidence->settings, &evidence->guest);
        doubt_host(arrival, evidence);
    } else {
        cf_domain_guest(&evidence->settings, NULL, &evidence->guest);
    }
    return TRUE;
}

/* Nobody ever said anything about this guest's clocks. */
static bool is_not_ours(const Evidence *evidence)
{
    return !evidence->settings.kvm ||
           (!evidence->has_facts && !evidence->settings.guest_clock &&
            !evidence->settings.promised);
}

gboolean arrival_judge(Arrival *arrival, const char *xml, size_t size,
                       GError **error)
{
    g_autoptr(CfDomain) domain = cf_domain_parse(xml, size, error);
    Evidence evidence = { 0 };

    if (!domain || !gather(arrival, domain, &evidence, error)) {
        return FALSE;
    }
    if (is_not_ours(&evidence)) {
        return TRUE;
    }
    if (!probe_apart(&evidence.here, error)) {
        return FALSE;
    }
    cf_check(&evidence.guest, &evidence.here, &evidence.check);
    if (!weigh(arrival, &evidence, error)) {
        return FALSE;
    }
    rewrite(arrival, domain, &evidence);
    return TRUE;
}
