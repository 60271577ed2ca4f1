/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QEMU's kvmclock settings in a domain's <qemu:commandline>. */
#include <string.h>
#include "xml.h"

#define QEMU_NAMESPACE "http://libvirt.org/schemas/domain/qemu/1.0"
#define COMMANDLINE "commandline"
#define ARGUMENT "arg"

static xmlNode *find_commandline(const CfDomain *domain)
{
    return cf_xml_child(xmlDocGetRootElement(domain), QEMU_NAMESPACE,
                        COMMANDLINE);
}

bool cf_commandline_is_there(const CfDomain *domain)
{
    return find_commandline(domain) != NULL;
}

/* The VALUE if -global kvmclock.NAME=VALUE begins at this argument, otherwise
 * NULL. To be freed with g_free(). */
static char *value_at(const xmlNode *argument, const char *name)
{
    const xmlNode *next = cf_xml_next(argument, QEMU_NAMESPACE, ARGUMENT);
    g_autofree char *text = cf_xml_attribute(next, "value");
    g_autofree char *start = g_strdup_printf("kvmclock.%s=", name);

    if (!text || !g_str_has_prefix(text, start) ||
        (!cf_xml_says(argument, "value", "-global") &&
         !cf_xml_says(argument, "value", "--global"))) {
        return NULL;
    }
    return g_strdup(text + strlen(start));
}

/* The argument that the first such setting begins with, or NULL. */
static xmlNode *find_setting(const CfDomain *domain, const char *name)
{
    xmlNode *argument = cf_xml_child(find_commandline(domain), QEMU_NAMESPACE,
                                     ARGUMENT);

    while (argument) {
        g_autofree char *value = value_at(argument, name);

        if (value) {
            break;
        }
        argument = cf_xml_next(argument, QEMU_NAMESPACE, ARGUMENT);
    }
    return argument;
}

char *cf_commandline_get(const CfDomain *domain, const char *name)
{
    const xmlNode *argument = find_setting(domain, name);
    char *last = NULL;

    while (argument) {
        char *value = value_at(argument, name);

        if (value) {
            g_free(last);
            last = value;
        }
        argument = cf_xml_next(argument, QEMU_NAMESPACE, ARGUMENT);
    }
    return last;
}

static xmlNode *new_element(CfDomain *domain, const char *name)
{
    xmlNode *root = xmlDocGetRootElement(domain);
    xmlNs *qemu = xmlSearchNsByHref(domain, root, XML(QEMU_NAMESPACE));

    if (!qemu) {
        qemu = xmlNewNs(root, XML(QEMU_NAMESPACE), XML("qemu"));
    }
    if (!qemu) {
        /* that prefix means something else there */
        qemu = xmlNewNs(root, XML(QEMU_NAMESPACE), XML("qemu-1.0"));
    }
    return xmlNewDocNode(domain, qemu, XML(name), NULL);
}

static void add_argument(CfDomain *domain, const char *value)
{
    xmlNode *commandline = find_commandline(domain);
    xmlNode *argument = new_element(domain, ARGUMENT);

    if (!commandline) {
        commandline = new_element(domain, COMMANDLINE);
        cf_xml_append(xmlDocGetRootElement(domain), commandline);
    }
    xmlNewProp(argument, XML("value"), XML(value));
    cf_xml_append(commandline, argument);
}

static void unset(CfDomain *domain, const char *name)
{
    xmlNode *argument;

    while ((argument = find_setting(domain, name))) {
        cf_xml_remove(cf_xml_next(argument, QEMU_NAMESPACE, ARGUMENT));
        cf_xml_remove(argument);
    }
}

static void remove_if_empty(CfDomain *domain)
{
    xmlNode *commandline = find_commandline(domain);

    if (commandline && !xmlChildElementCount(commandline)) {
        cf_xml_remove(commandline);
    }
}

/* A setting that has this value already keeps its place. */
static void set(CfDomain *domain, const char *name, const char *value)
{
    g_autofree char *former = cf_commandline_get(domain, name);
    g_autofree char *text = g_strdup_printf("kvmclock.%s=%s", name, value);

    if (g_strcmp0(former, value)) {
        unset(domain, name);
        add_argument(domain, "-global");
        add_argument(domain, text);
    }
}

void cf_domain_enable(CfDomain *domain, const enum cf_policy *policy,
                      const enum cf_rung *require)
{
    if (cf_machine_carries(domain)) {
        unset(domain, "guest-clock");
    } else {
        set(domain, "guest-clock", "on");
    }
    if (policy) {
        set(domain, "policy", cf_policy_name(*policy));
    }
    if (require) {
        set(domain, "require", cf_rung_name(*require));
    }
    remove_if_empty(domain);
}

void cf_domain_disable(CfDomain *domain)
{
    unset(domain, "guest-clock");
    unset(domain, "policy");
    unset(domain, "require");
    cf_machine_reset(domain);
    remove_if_empty(domain);
}
