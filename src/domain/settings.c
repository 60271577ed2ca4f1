/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a domain's XML itself sets for its guest's clocks. */
#include "text/names.h"
#include "xml.h"

/* QEMU drops what is less than a kHz. */
static void get_frequency(const xmlNode *root, CfDomainSettings *settings)
{
    const xmlNode *clock = cf_xml_child(root, NULL, "clock");
    g_autofree char *text =
        cf_xml_attribute(cf_xml_named(clock, "timer", "tsc"), "frequency");
    guint64 hz;

    /* libvirt takes 0 for none. */
    if (!text || (g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT64, &hz,
                                             NULL) && !hz)) {
        return;
    }
    settings->promised = true;
    if (g_ascii_string_to_unsigned(text, 10, 1, (guint64)UINT32_MAX * 1000,
                                   &hz, NULL)) {
        settings->tsc_khz = (uint32_t)(hz / 1000);
    }
}

/* A feature that is optional may well be there. */
static bool has_invtsc(const xmlNode *cpu)
{
    const xmlNode *feature = cf_xml_named(cpu, "feature", "invtsc");

    if (feature) {
        return !cf_xml_says(feature, "policy", "disable") &&
               !cf_xml_says(feature, "policy", "forbid");
    }
    /* The guest then has all that the host has. */
    return cf_xml_says(cpu, "migratable", "off");
}

static bool get_word(const CfDomain *domain, const char *name,
                      const CfNames *names, int *ret_value)
{
    g_autofree char *word = cf_commandline_get(domain, name);
    const int value = word ? cf_name_find(names, word) : -1;

    if (value >= 0) {
        *ret_value = value;
    }
    return value >= 0;
}

static bool is_on(const char *word)
{
    return !g_strcmp0(word, "on") || !g_strcmp0(word, "yes") ||
           !g_strcmp0(word, "true") || !g_strcmp0(word, "y");
}

void cf_domain_get_settings(const CfDomain *domain,
                            CfDomainSettings *ret_settings)
{
    const xmlNode *root = xmlDocGetRootElement(domain);
    g_autofree char *guest_clock = cf_commandline_get(domain, "guest-clock");
    CfDomainSettings settings = {
        .kvm = cf_xml_says(root, "type", "kvm"),
        .emulated = cf_xml_says(root, "type", "qemu"),
        .guest_clock = guest_clock ? is_on(guest_clock)
                                   : cf_machine_carries(domain),
        .arguments = cf_commandline_is_there(domain),
    };
    int policy = CF_POLICY_AUTO, require = CF_RUNG_PLAIN;

    settings.policy_known = get_word(domain, "policy", &cf_policy_names,
                                   &policy);
    settings.policy = (enum cf_policy)policy;
    settings.require_known = get_word(domain, "require", &cf_rung_names,
                                    &require);
    settings.require = (enum cf_rung)require;
    get_frequency(root, &settings);
    if (has_invtsc(cf_xml_child(root, NULL, "cpu"))) {
        settings.promised = true;
    }
    *ret_settings = settings;
}

void cf_domain_guest(const CfDomainSettings *settings, const CfHost *host,
                     CfGuest *ret_guest)
{
    const CfHost unknown = { 0 };
    CfGuest guest;

    cf_guest_from_host(host ? host : &unknown, settings->tsc_khz, &guest);
    if (!host && settings->tsc_khz) {
        guest.freq = (struct cf_tsc_freq) { settings->tsc_khz, 0, 1 };
    }
    guest.promised = settings->promised;
    guest.policy = settings->policy;
    guest.require = settings->require;
    *ret_guest = guest;
}

void cf_domain_tighten(const CfDomainSettings *settings, CfGuest *guest)
{
    guest->promised = guest->promised || settings->promised;
    if (settings->policy_known) {
        guest->policy = cf_policy_stricter(guest->policy, settings->policy);
    }
    if (settings->require_known) {
        guest->require = MIN(guest->require, settings->require);
    }
}
