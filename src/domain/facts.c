/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The facts in a domain's metadata. */
#include <string.h>
#include "xml.h"

#define ELEMENT "facts"

static xmlNode *find_facts(const CfDomain *domain)
{
    const xmlNode *root = xmlDocGetRootElement(domain);

    return cf_xml_child(cf_xml_child(root, NULL, "metadata"),
                        CF_DOMAIN_NAMESPACE, ELEMENT);
}

gboolean cf_domain_get_facts(const CfDomain *domain, CfGuest *ret_guest,
                             bool *ret_present, GError **error)
{
    const xmlNode *facts = find_facts(domain);
    g_autofree char *json = facts ? cf_xml_text(facts) : NULL;

    if (json && cf_xml_next(facts, CF_DOMAIN_NAMESPACE, ELEMENT)) {
        g_set_error_literal(error, CF_ERROR, CF_ERROR_INVALID,
                            "its metadata has more than one element with "
                            "facts");
        return FALSE;
    }
    if (json && !cf_guest_from_json(json, strlen(json), ret_guest, error)) {
        g_prefix_error(error, "the facts in its metadata can't be used: ");
        return FALSE;
    }
    *ret_present = json != NULL;
    return TRUE;
}

static xmlNode *metadata_of(CfDomain *domain)
{
    xmlNode *root = xmlDocGetRootElement(domain);
    xmlNode *metadata = cf_xml_child(root, NULL, "metadata");

    if (!metadata) {
        metadata = xmlNewDocNode(domain, NULL, XML("metadata"), NULL);
        cf_xml_append(root, metadata);
    }
    return metadata;
}

/* Without a namespace. */
static xmlNode *new_facts(xmlDoc *doc, const CfGuest *guest)
{
    g_autofree char *json = cf_guest_to_json(guest);
    xmlNode *facts = xmlNewDocNode(doc, NULL, XML(ELEMENT), NULL);

    xmlAddChild(facts, xmlNewDocText(doc, XML(json)));
    return facts;
}

void cf_domain_set_facts(CfDomain *domain, const CfGuest *guest)
{
    xmlNode *facts = new_facts(domain, guest);
    xmlNode *former = find_facts(domain);

    xmlSetNs(facts, xmlNewNs(facts, XML(CF_DOMAIN_NAMESPACE),
                             XML(CF_DOMAIN_KEY)));
    if (former) {
        xmlReplaceNode(former, facts);
        xmlFreeNode(former);
    } else {
        cf_xml_append(metadata_of(domain), facts);
    }
}

char *cf_domain_facts_to_xml(const CfGuest *guest)
{
    xmlNode *facts = new_facts(NULL, guest);
    xmlBuffer *buffer = xmlBufferCreate();
    char *xml;

    xmlNodeDump(buffer, NULL, facts, 0, 0);
    xml = g_strdup((const char *)xmlBufferContent(buffer));
    xmlBufferFree(buffer);
    xmlFreeNode(facts);
    return xml;
}
