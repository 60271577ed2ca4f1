/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libvirt's hook decides about a guest that arrives. The input is its XML, the
 * facts about this host (or why there are none), and the guest's name, with
 * zero bytes in between; one more byte says whether it was saved.
 */
#include "../../libvirt-hooks/arrival.h"
#include "../../libvirt-hooks/probe-apart.h"
#include "domain/domain.h"
#include "fuzz.h"
#include "silence.h"

/* What the probe of this host will say. */
static Part answer;

/* In place of the real one, which asks KVM in a child. */
gboolean probe_apart(CfHost *ret_host, GError **error)
{
    if (answer.size && answer.text[0] != '{') {
        g_autofree char *why = g_strndup(answer.text, answer.size);

        g_set_error_literal(error, CF_ERROR, CF_ERROR_NO_KVM, why);
        return FALSE;
    }
    return cf_host_from_json(answer.text, answer.size, ret_host, error);
}

/* As hook.c ends. */
static void check_refusal(const Arrival *arrival, const GError *error)
{
    g_autofree char *line = NULL;
    size_t end;

    MUST(error, "refused without a reason");
    MUST(!arrival->xml && !arrival->warning, "refused, and taken");
    line = arrival_refusal(arrival, error->message);
    end = strlen(line) - 1;
    MUST(line[end] == '\n', "without an end: %s", line);
    line[end] = '\0';
    must_be_line(line);
}

/* The facts in what libvirt gets back. */
static CfGuest facts_in(const char *xml)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(CfDomain) domain = cf_domain_parse(xml, strlen(xml), &error);
    bool present = false;
    CfGuest guest;

    MUST(domain, "libvirt can't read it: %s\n%s", error->message, xml);
    MUST(cf_domain_get_facts(domain, &guest, &present, &error) && present,
         "no facts: %s\n%s", error ? error->message : "", xml);
    return guest;
}

/* What was wished and promised where it came from holds here, too. */
static void check_wishes(const Part *xml, const CfGuest *here)
{
    g_autoptr(CfDomain) domain = cf_domain_parse(xml->text, xml->size, NULL);
    CfDomainSettings settings;
    bool present = false;
    CfGuest came;

    cf_domain_get_settings(domain, &settings);
    cf_domain_guest(&settings, NULL, &came);
    if (cf_domain_get_facts(domain, &came, &present, NULL) && present) {
        cf_domain_tighten(&settings, &came);
    }
    MUST(here->policy == came.policy && here->require == came.require &&
         here->promised == came.promised, "a wish or promise is lost");
}

/* Who comes once more finds the same. */
static void check_again(const Arrival *first, const char *name,
                        const CfGuest *facts)
{
    g_auto(Arrival) arrival = { 0 };

    arrival_begin(&arrival, name, first->restored);
    if (arrival_judge(&arrival, first->xml, strlen(first->xml), NULL) &&
        arrival.xml) {
        const CfGuest again = facts_in(arrival.xml);
        g_autofree char *once = cf_guest_to_json(facts);
        g_autofree char *twice = cf_guest_to_json(&again);

        must_be_same(once, twice);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const Part xml = take_part(&data, &size);
    const Part host = take_part(&data, &size);
    const Part name_part = take_part(&data, &size);
    g_autofree char *name = g_strndup(name_part.text, name_part.size);
    g_auto(Arrival) arrival = { 0 };
    g_autoptr(GError) error = NULL;

    silence_libxml();
    answer = host;
    arrival_begin(&arrival, name, size && data[0] & 1);
    if (!arrival_judge(&arrival, xml.text, xml.size, &error)) {
        check_refusal(&arrival, error);
        return 0;
    }
    MUST(!error, "taken, and refused: %s", error->message);
    if (arrival.warning) {
        must_be_line(arrival.warning);
    }
    if (arrival.xml) {
        const CfGuest facts = facts_in(arrival.xml);

        check_wishes(&xml, &facts);
        check_again(&arrival, name, &facts);
    }
    return 0;
}
