/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What libvirt's capabilities say about a host's TSC:
 *
 *   <host><cpu>
 *     <vendor>Intel</vendor>
 *     <counter name='tsc' frequency='2500000000' scaling='yes'/>
 *
 * GLib's parser knows neither DTDs nor entities, so they can do no harm.
 */
#include <string.h>
#include "capabilities.h"

/* Is the parser in an element of <host><cpu>? */
static bool is_in_cpu(GMarkupParseContext *context)
{
    const GSList *here = g_markup_parse_context_get_element_stack(context);
    const GSList *cpu = here->next;
    const GSList *host = cpu ? cpu->next : NULL;
    const GSList *root = host ? host->next : NULL;

    return root && !root->next && !strcmp(cpu->data, "cpu") &&
           !strcmp(host->data, "host");
}

static void set_frequency(CfHost *host, const char *hz_text)
{
    guint64 hz;

    /* KVM knows it in kHz, and libvirt multiplied that. */
    if (g_ascii_string_to_unsigned(hz_text, 10, 1000, UINT32_MAX * 1000ULL,
                                   &hz, NULL)) {
        host->host_khz = (uint32_t)(hz / 1000);
        /* Otherwise libvirt doesn't show the counter. */
        host->id.invariant_tsc = CF_ANSWER_YES;
    }
}

static void set_scaling(CfHost *host, const char *word)
{
    if (!strcmp(word, "yes")) {
        host->scaling = CF_SCALING_WORKS;
    } else if (!strcmp(word, "no")) {
        host->scaling = CF_SCALING_NONE;
    }
}

static void start_element(GMarkupParseContext *context, const char *element,
                          const char **names, const char **values,
                          gpointer opaque, GError **error)
{
    const char *counter = "", *frequency = "", *scaling = "";
    size_t i;

    (void)error;
    if (strcmp(element, "counter") || !is_in_cpu(context)) {
        return;
    }
    for (i = 0; names[i]; i++) {
        if (!strcmp(names[i], "name")) {
            counter = values[i];
        } else if (!strcmp(names[i], "frequency")) {
            frequency = values[i];
        } else if (!strcmp(names[i], "scaling")) {
            scaling = values[i];
        }
    }
    if (!strcmp(counter, "tsc")) {
        set_frequency(opaque, frequency);
        set_scaling(opaque, scaling);
    }
}

/* Which of both ways to scale a processor has, its maker settings. */
static void set_vendor(CfHost *host, const char *vendor)
{
    if (!strcmp(vendor, "Intel")) {
        host->frac_bits = CF_FRAC_BITS_INTEL;
    } else if (!strcmp(vendor, "AMD") || !strcmp(vendor, "Hygon")) {
        host->frac_bits = CF_FRAC_BITS_AMD;
    }
}

static void read_text(GMarkupParseContext *context, const char *text,
                      gsize size, gpointer opaque, GError **error)
{
    (void)error;
    if (!strcmp(g_markup_parse_context_get_element(context), "vendor") &&
        is_in_cpu(context)) {
        g_autofree char *vendor = g_strndup(text, size);

        set_vendor(opaque, vendor);
    }
}

gboolean libvirt_read_capabilities(const char *xml, CfHost *host,
                                   GError **error)
{
    static const GMarkupParser parser = {
        .start_element = start_element,
        .text = read_text,
    };
    g_autoptr(GMarkupParseContext) context =
        g_markup_parse_context_new(&parser, 0, host, NULL);

    if (!g_markup_parse_context_parse(context, xml, -1, error) ||
        !g_markup_parse_context_end_parse(context, error)) {
        g_prefix_error(error, "can't read the host's capabilities: ");
        return FALSE;
    }
    return TRUE;
}
