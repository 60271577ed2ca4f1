/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads and writes a domain's XML. */
#include <libxml/SAX2.h>
#include <libxml/parser.h>
#include <libxml/xmlreader.h>
#include <libxml/xmlsave.h>
#include "text/printable.h"
#include "xml.h"

static xmlDoc *fail(GError **error, const char *problem)
{
    g_set_error_literal(error, CF_ERROR, CF_ERROR_INVALID, problem);
    return NULL;
}

/* Entities come only from a DTD, so parsing ends where one begins. */
static void refuse_dtd(void *context, const xmlChar *name G_GNUC_UNUSED,
                       const xmlChar *external G_GNUC_UNUSED,
                       const xmlChar *system G_GNUC_UNUSED)
{
    xmlParserCtxt *parser = context;
    bool *has_dtd = parser->_private;

    *has_dtd = true;
    xmlStopParser(parser);
}

static xmlDoc *fail_parse(xmlParserCtxt *parser, GError **error)
{
    const xmlError *why = xmlCtxtGetLastError(parser);
    g_autofree char *words = g_strdup(why && why->message ? why->message
                                                          : "it's broken");
    g_autofree char *line = cf_printable(g_strstrip(words));
    g_autofree char *problem = g_strdup_printf("line %d: %s",
                                               why ? why->line : 1, line);

    return fail(error, problem);
}

static xmlDoc *parse_with(xmlParserCtxt *parser, const char *xml, size_t size,
                          GError **error)
{
    bool has_dtd = false;
    xmlDoc *doc;

    parser->_private = &has_dtd;
    parser->sax->internalSubset = refuse_dtd;
    doc = xmlCtxtReadMemory(parser, xml, (int)size, NULL, "UTF-8",
                            XML_PARSE_NONET | XML_PARSE_NOERROR |
                            XML_PARSE_NOWARNING);
    if (has_dtd) {
        xmlFreeDoc(doc);
        return fail(error, "it has a document type, and libvirt writes none");
    }
    return doc ? doc : fail_parse(parser, error);
}

xmlDoc *cf_xml_parse(const char *xml, size_t size, GError **error)
{
    xmlParserCtxt *parser;
    xmlDoc *doc;

    if (size > CF_DOMAIN_MAX_SIZE) {
        return fail(error, "it has more than 16 MiB");
    }
    /* That excludes zero bytes, too. */
    if (!g_utf8_validate(xml, (gssize)size, NULL)) {
        return fail(error, "it isn't UTF-8");
    }
    parser = xmlNewParserCtxt();
    doc = parser ? parse_with(parser, xml, size, error)
                 : fail(error, "out of memory");
    xmlFreeParserCtxt(parser);
    return doc;
}

CfDomain *cf_domain_parse(const char *xml, size_t size, GError **error)
{
    xmlDoc *doc = cf_xml_parse(xml, size, error);
    const xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL;

    if (doc && cf_xml_child((const xmlNode *)doc, NULL, "domain") != root) {
        xmlFreeDoc(doc);
        doc = fail(error, "its root isn't <domain>");
    }
    if (!doc) {
        g_prefix_error(error, "can't read the domain's XML: ");
    }
    return doc;
}

void cf_domain_free(CfDomain *domain)
{
    xmlFreeDoc(domain);
}

static bool is_well_formed(const char *xml, int size)
{
    xmlTextReader *reader = xmlReaderForMemory(xml, size, NULL, "UTF-8",
                                               XML_PARSE_NONET |
                                               XML_PARSE_HUGE |
                                               XML_PARSE_NOERROR |
                                               XML_PARSE_NOWARNING);
    int more;

    while ((more = xmlTextReaderRead(reader)) == 1) {
        continue;
    }
    xmlFreeTextReader(reader);
    return more == 0;
}

char *cf_domain_to_xml(CfDomain *domain)
{
    xmlBuffer *buffer = xmlBufferCreate();
    xmlSaveCtxt *save = xmlSaveToBuffer(buffer, "UTF-8", XML_SAVE_NO_DECL |
                                        XML_SAVE_AS_XML);
    char *xml = NULL;

    xmlSaveDoc(save, domain);
    xmlSaveClose(save);
    /* libxml2 doesn't escape names of namespaces. */
    if (is_well_formed((const char *)xmlBufferContent(buffer),
                       xmlBufferLength(buffer))) {
        xml = g_strdup((const char *)xmlBufferContent(buffer));
    }
    xmlBufferFree(buffer);
    return xml;
}
