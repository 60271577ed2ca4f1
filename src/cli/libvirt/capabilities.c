/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What libvirt's capabilities say about a host's TSC, and whether it has one:
 *
 *   <host><cpu>
 *     <arch>x86_64</arch>
 *     <vendor>Intel</vendor>
 *     <counter name='tsc' frequency='2500000000' scaling='yes'/>
 */
#include <string.h>
#include "domain/xml.h"
#include "capabilities.h"

static void set_frequency(CfHost *host, const char *hz_text)
{
    guint64 hz;

    /* KVM knows it in kHz, and libvirt multiplied that. */
    if (hz_text &&
        g_ascii_string_to_unsigned(hz_text, 10, 1000, UINT32_MAX * 1000ULL,
                                   &hz, NULL)) {
        host->host_khz = (uint32_t)(hz / 1000);
        /* Otherwise libvirt doesn't show the counter. */
        host->id.invariant_tsc = CF_ANSWER_YES;
    }
}

static void set_scaling(CfHost *host, const char *word)
{
    if (!g_strcmp0(word, "yes")) {
        host->scaling = CF_SCALING_WORKS;
    } else if (!g_strcmp0(word, "no")) {
        host->scaling = CF_SCALING_NONE;
    }
}

/* Of its counter they say nothing. */
static void set_architecture(CfHost *host, const char *name)
{
    if (!g_strcmp0(name, "aarch64")) {
        host->architecture = CF_ARCHITECTURE_ARM64;
    }
}

/* Which of both ways to scale a processor has, its maker settings. */
static void set_vendor(CfHost *host, const char *vendor)
{
    if (!g_strcmp0(vendor, "Intel")) {
        host->frac_bits = CF_FRAC_BITS_INTEL;
    } else if (!g_strcmp0(vendor, "AMD") || !g_strcmp0(vendor, "Hygon")) {
        host->frac_bits = CF_FRAC_BITS_AMD;
    }
}

gboolean libvirt_read_capabilities(const char *xml, CfHost *host,
                                   GError **error)
{
    xmlDoc *doc = cf_xml_parse(xml, strlen(xml), error);
    const xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL;
    const xmlNode *cpu = cf_xml_child(cf_xml_child(root, NULL, "host"), NULL,
                                      "cpu");
    const xmlNode *arch = cf_xml_child(cpu, NULL, "arch");
    const xmlNode *vendor = cf_xml_child(cpu, NULL, "vendor");
    const xmlNode *counter = cf_xml_named(cpu, "counter", "tsc");
    g_autofree char *architecture = arch ? cf_xml_text(arch) : NULL;
    g_autofree char *maker = vendor ? cf_xml_text(vendor) : NULL;
    g_autofree char *frequency = cf_xml_attribute(counter, "frequency");
    g_autofree char *scaling = cf_xml_attribute(counter, "scaling");

    if (!doc) {
        g_prefix_error(error, "can't read the host's capabilities: ");
        return FALSE;
    }
    set_architecture(host, architecture);
    set_vendor(host, maker);
    set_frequency(host, frequency);
    set_scaling(host, scaling);
    xmlFreeDoc(doc);
    return TRUE;
}
