/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Steps through a domain's XML, and edits that keep its layout. */
#ifndef CF_DOMAIN_XML_H
#define CF_DOMAIN_XML_H

#include <libxml/tree.h>
#include <stdbool.h>
#include "domain.h"

#define XML(text) ((const xmlChar *)(text))

/* Parses a text from anywhere, which must have no more than CF_DOMAIN_MAX_SIZE
 * bytes and no document type. NULL on error. */
xmlDoc *cf_xml_parse(const char *xml, size_t size, GError **error);

/* The first such child element, with this namespace (NULL: none); or NULL. */
xmlNode *cf_xml_child(const xmlNode *parent, const char *uri,
                      const char *name);

/* The next such element after this one; or NULL. */
xmlNode *cf_xml_next(const xmlNode *node, const char *uri, const char *name);

/* The first such child element without a namespace whose attribute "name" has
 * this value; or NULL. */
xmlNode *cf_xml_named(const xmlNode *parent, const char *name,
                      const char *value);

/* An attribute without a namespace, to be freed with g_free(); or NULL. */
char *cf_xml_attribute(const xmlNode *node, const char *name);

/* Is there such an attribute, with this value? */
bool cf_xml_says(const xmlNode *node, const char *name, const char *value);

/* All text in an element, to be freed with g_free(). */
char *cf_xml_text(const xmlNode *node);

/* Adds a new element as the last child, indented as its neighbours are. */
void cf_xml_append(xmlNode *parent, xmlNode *element);

/* Removes an element, and the white space before it. */
void cf_xml_remove(xmlNode *element);

/* Does it give QEMU arguments of its own? */
bool cf_commandline_is_there(const CfDomain *domain);

/* The value of -global kvmclock.NAME=VALUE, or NULL. Of several the last one
 * counts, as in QEMU. To be freed with g_free(). */
char *cf_commandline_get(const CfDomain *domain, const char *name);

/* Is it a machine type that turns guest-clock on? */
bool cf_machine_carries(const CfDomain *domain);

/* Back to the machine type without. */
void cf_machine_reset(CfDomain *domain);

#endif /* CF_DOMAIN_XML_H */
