/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A domain's XML from anywhere, and edits of it: what comes out is XML again, an
 * edit made twice is made once, and one that is refused changes nothing. A zero
 * byte and three more after the XML choose policy, rung and edit.
 */
#include <libxml/parser.h>
#include "domain/domain.h"
#include "fuzz.h"
#include "silence.h"

/* Wishes - what the last bytes choose */
typedef struct Wishes {
    bool has_policy;
    bool has_require;
    enum cf_policy policy;
    enum cf_rung require;
} Wishes;

static Wishes choose(const uint8_t *data, size_t size)
{
    const Wishes wishes = {
        .has_policy = size > 0 && data[0] % 4 < 3,
        .policy = size > 0 ? (enum cf_policy)(data[0] % 4) : CF_POLICY_AUTO,
        .has_require = size > 1 && data[1] % 6 < 5,
        .require = size > 1 ? (enum cf_rung)(data[1] % 6) : CF_RUNG_EXACT,
    };

    return wishes;
}

static CfDomain *parse(const char *xml)
{
    g_autoptr(GError) error = NULL;
    CfDomain *domain = cf_domain_parse(xml, strlen(xml), &error);

    MUST(domain, "what came out isn't taken: %s\n%s", error->message, xml);
    return domain;
}

static void must_be_same_settings(const CfDomain *a, const CfDomain *b)
{
    CfDomainSettings x, y;

    memset(&x, 0, sizeof(x));
    memset(&y, 0, sizeof(y));
    cf_domain_get_settings(a, &x);
    cf_domain_get_settings(b, &y);
    MUST(x.kvm == y.kvm && x.emulated == y.emulated &&
         x.tsc_khz == y.tsc_khz && x.promised == y.promised &&
         x.guest_clock == y.guest_clock &&
         x.policy_known == y.policy_known && x.policy == y.policy &&
         x.require_known == y.require_known && x.require == y.require,
         "it says something else when it is read again");
}

/* What comes out, which must be XML that says the same; NULL if it can't be
 * written. */
static char *print(CfDomain *domain)
{
    char *xml = cf_domain_to_xml(domain);

    if (xml) {
        g_autoptr(CfDomain) same = parse(xml);
        g_autofree char *again = cf_domain_to_xml(same);

        must_be_same(xml, again);
        must_be_same_settings(domain, same);
    }
    return xml;
}

static void enable(CfDomain *domain, const Wishes *wishes)
{
    cf_domain_enable(domain, wishes->has_policy ? &wishes->policy : NULL,
                     wishes->has_require ? &wishes->require : NULL);
}

static void check_enabled(const CfDomain *domain, const Wishes *wishes)
{
    CfDomainSettings settings;

    cf_domain_get_settings(domain, &settings);
    MUST(settings.guest_clock, "enabled, and off");
    MUST(!wishes->has_policy || (settings.policy_known &&
                                 settings.policy == wishes->policy),
         "another policy");
    MUST(!wishes->has_require || (settings.require_known &&
                                  settings.require == wishes->require),
         "another rung");
}

static void check_enable(const char *xml, const Wishes *wishes)
{
    g_autoptr(CfDomain) domain = parse(xml);
    g_autofree char *once = NULL, *twice = NULL;

    enable(domain, wishes);
    check_enabled(domain, wishes);
    once = print(domain);
    enable(domain, wishes);
    twice = print(domain);
    must_be_same(once, twice);
}

static void check_machine(const char *xml, const Wishes *wishes)
{
    g_autoptr(CfDomain) domain = parse(xml);
    g_autoptr(GError) error = NULL;
    g_autofree char *once = NULL, *twice = NULL;

    if (!cf_domain_enable_machine(domain, &error)) {
        must_be_error(error);
        once = print(domain);
        must_be_same(once, xml);
        return;
    }
    once = print(domain);
    MUST(cf_domain_enable_machine(domain, NULL), "not a second time");
    twice = print(domain);
    must_be_same(once, twice);
    enable(domain, wishes);
    check_enabled(domain, wishes);
}

/* Off, whatever it was; and what was enabled leaves nothing behind. */
static void check_disable(const char *xml, const Wishes *wishes)
{
    g_autoptr(CfDomain) domain = parse(xml);
    g_autofree char *once = NULL, *twice = NULL, *back = NULL;
    CfDomainSettings settings;

    cf_domain_disable(domain);
    cf_domain_get_settings(domain, &settings);
    MUST(!settings.guest_clock && !settings.policy_known &&
         !settings.require_known, "disabled, and on");
    once = print(domain);
    cf_domain_disable(domain);
    twice = print(domain);
    must_be_same(once, twice);
    enable(domain, wishes);
    cf_domain_disable(domain);
    cf_domain_get_settings(domain, &settings);
    MUST(!settings.guest_clock, "enabled, disabled, and on");
    back = print(domain);
}

static void check_facts(const char *xml, const Wishes *wishes)
{
    g_autoptr(CfDomain) domain = parse(xml);
    g_autoptr(GError) error = NULL, why = NULL;
    g_autofree char *once = NULL, *twice = NULL, *wrote = NULL, *read = NULL;
    CfDomainSettings settings;
    bool present = false;
    CfGuest guest, found;

    if (!cf_domain_get_facts(domain, &found, &present, &error)) {
        must_be_error(error);
    }
    cf_domain_get_settings(domain, &settings);
    if (present) {
        guest = found;
        cf_domain_tighten(&settings, &guest);
    } else {
        cf_domain_guest(&settings, NULL, &guest);
    }
    guest.require = MIN(guest.require, wishes->require);
    cf_domain_set_facts(domain, &guest);
    once = print(domain);
    cf_domain_set_facts(domain, &guest);
    twice = print(domain);
    must_be_same(once, twice);
    /* More than one element is still refused. */
    present = false;
    if (cf_domain_get_facts(domain, &found, &present, &why)) {
        MUST(present, "facts were written, and there are none");
        wrote = cf_guest_to_json(&guest);
        read = cf_guest_to_json(&found);
        must_be_same(wrote, read);
    } else {
        MUST(error, "facts were written, and can't be read: %s",
             why->message);
    }
}

static void (*const edits[])(const char *, const Wishes *) = {
    check_enable, check_machine, check_disable, check_facts,
};

/* Is each prefix that is used bound to a namespace? libvirt writes no others,
 * except what its users put into the metadata, which it doesn't read. An edit
 * may bind them. */
static bool binds_prefixes(const char *xml)
{
    xmlParserCtxt *parser = xmlNewParserCtxt();
    xmlDoc *doc = xmlCtxtReadMemory(parser, xml, (int)strlen(xml), NULL,
                                    "UTF-8", XML_PARSE_NONET |
                                    XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    const bool binds = parser->nsWellFormed;

    xmlFreeDoc(doc);
    xmlFreeParserCtxt(parser);
    return binds;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const Part part = take_part(&data, &size);
    const Wishes wishes = choose(data, size);
    g_autoptr(GError) error = NULL;
    g_autoptr(CfDomain) domain = NULL;
    g_autofree char *xml = NULL;

    silence_libxml();
    domain = cf_domain_parse(part.text, part.size, &error);
    if (!domain) {
        must_be_error(error);
        return 0;
    }
    xml = print(domain);
    if (xml && binds_prefixes(xml)) {
        edits[size > 2 ? data[2] % G_N_ELEMENTS(edits) : 0](xml, &wishes);
    }
    return 0;
}
