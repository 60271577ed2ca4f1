/* SPDX-License-Identifier: GPL-2.0-or-later */
/* libvirt with errors as sentences: connections, domains, their XML. */
#include <string.h>
#include "cli/cli.h"
#include "cli/hosts.h"
#include "capabilities.h"
#include "connection.h"
#include "deadline.h"

/* A libvirtd that has just been started looks at all QEMUs first; and somebody
 * may have to type a password. */
#define CONNECT_LIMIT_S 30

/* Seconds between two signs of life, and how many may be missing. */
#define KEEP_ALIVE_S 10
#define KEEP_ALIVE_MISSES 2

G_DEFINE_QUARK(libvirt-error-quark, libvirt_error)

void libvirt_set_error(GError **error, const char *format, ...)
{
    const virError *last = libvirt.virGetLastError();
    g_autofree char *what = NULL;
    va_list values;

    va_start(values, format);
    what = g_strdup_vprintf(format, values);
    va_end(values);
    g_set_error(error, LIBVIRT_ERROR, last ? last->code : VIR_ERR_OK,
                "%s: %s", what,
                last && last->message ? last->message : "no reason given");
}

/* Attempt - to connect */
typedef struct Attempt {
    char *uri;
    virConnectPtr connection;
    GError *error;
} Attempt;

static void make_attempt(void *opaque, void *unused)
{
    Attempt *attempt = opaque;

    (void)unused;
    attempt->connection = libvirt.virConnectOpenAuth(
        attempt->uri, *libvirt.virConnectAuthPtrDefault, 0);
    if (!attempt->connection) {
        libvirt_set_error(&attempt->error, "can't connect to %s",
                          attempt->uri ? attempt->uri : "libvirt");
    }
}

static void free_attempt(void *opaque)
{
    Attempt *attempt = opaque;

    g_clear_pointer(&attempt->connection, libvirt_close);
    g_clear_error(&attempt->error);
    g_free(attempt->uri);
    g_free(attempt);
}

static void explain_failure(DeadlineOutcome outcome, const char *uri,
                            GError **error)
{
    if (outcome == DEADLINE_NOT_TRIED) {
        g_set_error(error, LIBVIRT_ERROR, VIR_ERR_RESOURCE_BUSY,
                    "can't connect to %s: " DEADLINE_TOO_MANY, uri);
    } else {
        g_set_error(error, LIBVIRT_ERROR, VIR_ERR_OPERATION_TIMEOUT,
                    "can't connect to %s: it doesn't answer within %d s (is "
                    "its daemon stuck?)", uri, CONNECT_LIMIT_S);
    }
}

virConnectPtr libvirt_open(const char *uri, GError **error)
{
    virConnectPtr connection = NULL;
    DeadlineOutcome outcome;
    Attempt *attempt;

    if (!libvirt_load(error)) {
        return NULL;
    }
    attempt = g_new0(Attempt, 1);
    attempt->uri = g_strdup(uri);
    outcome = deadline_run(NULL, CONNECT_LIMIT_S, make_attempt, attempt,
                           free_attempt);
    if (outcome != DEADLINE_DONE) {
        explain_failure(outcome, uri ? uri : "libvirt", error);
        return NULL;
    }
    connection = g_steal_pointer(&attempt->connection);
    if (!connection) {
        g_propagate_error(error, g_steal_pointer(&attempt->error));
    }
    free_attempt(attempt);
    if (connection) {
        /* Not every driver can do this, and none has to. */
        libvirt.virConnectSetKeepAlive(connection, KEEP_ALIVE_S,
                                       KEEP_ALIVE_MISSES);
    }
    return connection;
}

/* Does this libvirt run on this host? Only if its URI names neither a server
 * nor a socket, which may be forwarded from anywhere. */
static bool is_here(virConnectPtr connection)
{
    g_autofree char *text = libvirt.virConnectGetURI(connection);
    g_autoptr(GUri) uri = text ? g_uri_parse(text, G_URI_FLAGS_NONE, NULL)
                               : NULL;
    const char *server = uri ? g_uri_get_host(uri) : NULL;
    const char *query = uri ? g_uri_get_query(uri) : NULL;

    return uri && (!server || !*server) &&
           (!query || !strstr(query, "socket="));
}

virDomainPtr libvirt_find_domain(virConnectPtr connection, const char *name,
                                 GError **error)
{
    virDomainPtr domain = libvirt.virDomainLookupByName(connection, name);

    if (!domain && g_uuid_string_is_valid(name)) {
        domain = libvirt.virDomainLookupByUUIDString(connection, name);
    }
    if (!domain) {
        libvirt_set_error(error, "can't find the domain %s", name);
    }
    return domain;
}

CfDomain *libvirt_read_domain(virDomainPtr domain, unsigned int flags,
                              char **ret_xml, GError **error)
{
    const char *name = libvirt.virDomainGetName(domain);
    g_autofree char *xml = libvirt.virDomainGetXMLDesc(domain, flags);
    CfDomain *parsed;

    if (!xml) {
        libvirt_set_error(error, "can't get the XML of %s", name);
        return NULL;
    }
    parsed = cf_domain_parse(xml, strlen(xml), error);
    if (!parsed) {
        g_prefix_error(error, "%s: ", name);
    } else if (ret_xml) {
        *ret_xml = g_steal_pointer(&xml);
    }
    return parsed;
}

static void get_name(virConnectPtr connection, CfHostId *id)
{
    g_autofree char *name = libvirt.virConnectGetHostname(connection);

    if (name) {
        g_strlcpy(id->name, name, sizeof(id->name));
    }
}

gboolean libvirt_get_host(virConnectPtr connection, CfHost *ret_host,
                          GError **error)
{
    const bool here = is_here(connection);
    g_autofree char *xml = NULL;
    CfHost host = { 0 };

    if (here && cf_host_probe(cf_kvm_ops(), CF_CLI_DEVICE, ret_host, NULL)) {
        return TRUE;
    }
    if (here) {
        hosts_here(&host);
    } else {
        get_name(connection, &host.id);
    }
    xml = libvirt.virConnectGetCapabilities(connection);
    if (!xml) {
        libvirt_set_error(error, "can't get a host's capabilities");
        return FALSE;
    }
    if (!libvirt_read_capabilities(xml, &host, error)) {
        return FALSE;
    }
    *ret_host = host;
    return TRUE;
}
