/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The machine types of QEMU that carry a guest's clocks. */
#include <string.h>
#include "text/printable.h"
#include "xml.h"

/* pc-q35-10.0-clockferry is pc-q35-10.0 with guest-clock=on. */
#define WITH_GUEST_CLOCK "-clockferry"
#define MACHINE "machine"

static xmlNode *find_type(const CfDomain *domain)
{
    const xmlNode *root = xmlDocGetRootElement(domain);

    return cf_xml_child(cf_xml_child(root, NULL, "os"), NULL, "type");
}

static void set_machine(xmlNode *type, const char *machine)
{
    xmlSetNsProp(type, NULL, XML(MACHINE), XML(machine));
}

bool cf_machine_carries(const CfDomain *domain)
{
    g_autofree char *machine = cf_xml_attribute(find_type(domain), MACHINE);

    return machine && g_str_has_suffix(machine, WITH_GUEST_CLOCK);
}

void cf_machine_reset(CfDomain *domain)
{
    xmlNode *type = find_type(domain);
    g_autofree char *machine = cf_xml_attribute(type, MACHINE);

    while (machine && g_str_has_suffix(machine, WITH_GUEST_CLOCK)) {
        machine[strlen(machine) - strlen(WITH_GUEST_CLOCK)] = 0;
        set_machine(type, machine);
    }
}

/* A machine of a distribution's own has none beside it. */
static bool has_version(const char *machine)
{
    return g_regex_match_simple("^pc-(q35|i440fx)-[0-9]+(\\.[0-9]+)+$", machine,
                                G_REGEX_DOLLAR_ENDONLY, 0);
}

gboolean cf_domain_enable_machine(CfDomain *domain, GError **error)
{
    xmlNode *type = find_type(domain);
    g_autofree char *machine = cf_xml_attribute(type, MACHINE);
    g_autofree char *carries = NULL;

    if (cf_machine_carries(domain)) {
        return TRUE;
    }
    if (!machine || !has_version(machine)) {
        g_autofree char *shown = cf_printable(machine ? machine : "none");

        g_set_error(error, CF_ERROR, CF_ERROR_INVALID,
                    "its machine type is %s, and only those of QEMU itself, "
                    "such as pc-q35-10.0 and pc-i440fx-10.0, have one with "
                    "carried clocks beside them: leave out --machine", shown);
        return FALSE;
    }
    carries = g_strconcat(machine, WITH_GUEST_CLOCK, NULL);
    set_machine(type, carries);
    return TRUE;
}
