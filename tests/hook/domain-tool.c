/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Does one thing with domains' XML.
 * Usage: domain-tool again|settings|facts|disable|machine
 *        domain-tool enable [POLICY [REQUIRE]]
 */
#include "domain/xml.h"
#include "text/names.h"
#include "../harness/dialogue.h"

static char *settings(const CfDomain *domain)
{
    const xmlNode *name = cf_xml_child(xmlDocGetRootElement(domain), NULL,
                                       "name");
    g_autofree char *text = name ? cf_xml_text(name) : g_strdup("");
    CfDomainSettings settings;

    cf_domain_get_settings(domain, &settings);
    return g_strdup_printf(
        "name=%s kvm=%d khz=%u promised=%d on=%d policy=%s require=%s",
        text, settings.kvm, settings.tsc_khz, settings.promised,
        settings.guest_clock,
        settings.policy_known ? cf_policy_name(settings.policy) : "-",
        settings.require_known ? cf_rung_name(settings.require) : "-");
}

static char *facts(const CfDomain *domain, GError **error)
{
    bool present = false;
    CfGuest guest;

    if (!cf_domain_get_facts(domain, &guest, &present, error)) {
        return NULL;
    }
    return present ? cf_domain_facts_to_xml(&guest) : g_strdup("none");
}

static char *enable(CfDomain *domain, const char *policy_word,
                    const char *require_word)
{
    const enum cf_policy policy =
        policy_word ? (enum cf_policy)cf_name_find(&cf_policy_names,
                                                   policy_word) : 0;
    const enum cf_rung require =
        require_word ? (enum cf_rung)cf_name_find(&cf_rung_names,
                                                  require_word) : 0;

    cf_domain_enable(domain, policy_word ? &policy : NULL,
                     require_word ? &require : NULL);
    return cf_domain_to_xml(domain);
}

static char *treat(char **words, CfDomain *domain, GError **error)
{
    if (!strcmp(words[0], "settings")) {
        return settings(domain);
    }
    if (!strcmp(words[0], "facts")) {
        return facts(domain, error);
    }
    if (!strcmp(words[0], "enable")) {
        return enable(domain, words[1], words[1] ? words[2] : NULL);
    }
    if (!strcmp(words[0], "machine")) {
        return cf_domain_enable_machine(domain, error)
               ? enable(domain, NULL, NULL) : NULL;
    }
    if (!strcmp(words[0], "disable")) {
        cf_domain_disable(domain);
    }
    return cf_domain_to_xml(domain);
}

static char *treat_xml(const char *xml, size_t size, void *words,
                       GError **error)
{
    g_autoptr(CfDomain) domain = cf_domain_parse(xml, size, error);

    return domain ? treat(words, domain, error) : NULL;
}

int main(int argc, char **argv)
{
    return argc > 1 ? dialogue(treat_xml, argv + 1) : 1;
}
