/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Steps through a domain's XML, and edits that keep its layout. */
#include <glib.h>
#include "xml.h"

static bool is_element(const xmlNode *node, const char *uri, const char *name)
{
    const char *has = node->ns ? (const char *)node->ns->href : NULL;

    return node->type == XML_ELEMENT_NODE && !g_strcmp0(has, uri) &&
           xmlStrEqual(node->name, XML(name));
}

static xmlNode *find(xmlNode *node, const char *uri, const char *name)
{
    while (node && !is_element(node, uri, name)) {
        node = node->next;
    }
    return node;
}

xmlNode *cf_xml_child(const xmlNode *parent, const char *uri,
                      const char *name)
{
    return parent ? find(parent->children, uri, name) : NULL;
}

xmlNode *cf_xml_next(const xmlNode *node, const char *uri, const char *name)
{
    return find(node->next, uri, name);
}

xmlNode *cf_xml_named(const xmlNode *parent, const char *name,
                      const char *value)
{
    xmlNode *node = cf_xml_child(parent, NULL, name);

    while (node && !cf_xml_says(node, "name", value)) {
        node = cf_xml_next(node, NULL, name);
    }
    return node;
}

/* libxml2 has its own free(). */
static char *adopt(xmlChar *text)
{
    char *copy = g_strdup((const char *)text);

    xmlFree(text);
    return copy;
}

char *cf_xml_attribute(const xmlNode *node, const char *name)
{
    return node ? adopt(xmlGetNoNsProp(node, XML(name))) : NULL;
}

bool cf_xml_says(const xmlNode *node, const char *name, const char *value)
{
    g_autofree char *is = cf_xml_attribute(node, name);

    return !g_strcmp0(is, value);
}

char *cf_xml_text(const xmlNode *node)
{
    return adopt(xmlNodeGetContent(node));
}

/* This node's text if it is a line break with indentation, otherwise NULL. */
static const char *indentation(const xmlNode *node)
{
    return node && xmlNodeIsText(node) && xmlIsBlankNode(node) &&
           xmlStrchr(node->content, '\n') ? (const char *)node->content : NULL;
}

static void add_text(xmlNode *parent, const char *text)
{
    xmlAddChild(parent, xmlNewDocText(parent->doc, XML(text)));
}

void cf_xml_append(xmlNode *parent, xmlNode *element)
{
    const char *line = indentation(parent->last ? parent->last
                                                : parent->prev);
    g_autofree char *outer = g_strdup(line);
    g_autofree char *inner = line ? g_strconcat(line, "  ", NULL) : NULL;

    /* Before the parent's end tag, whose indentation is replaced. */
    if (outer && parent->last) {
        xmlNode *former = parent->last;

        xmlUnlinkNode(former);
        xmlFreeNode(former);
    }
    if (outer) {
        add_text(parent, inner);
    }
    xmlAddChild(parent, element);
    if (outer) {
        add_text(parent, outer);
    }
}

void cf_xml_remove(xmlNode *element)
{
    xmlNode *before = element->prev;

    if (indentation(before)) {
        xmlUnlinkNode(before);
        xmlFreeNode(before);
    }
    xmlUnlinkNode(element);
    xmlFreeNode(element);
}
