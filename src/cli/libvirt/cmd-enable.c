/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clockferry enable and disable: have libvirt start a guest with its clocks
 * carried, or without.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "text/json.h"
#include "text/printable.h"
#include "cli/cli.h"
#include "show-change.h"
#include "cli/files.h"
#include "connection.h"

/* What virDomainDefineXML() can take back unchanged: with passwords. */
#define DEFINITION (VIR_DOMAIN_XML_INACTIVE | VIR_DOMAIN_XML_SECURE)

/* Change - of a domain's definition */
typedef struct Change {
    char *name;        /* the domain's name, fit to be printed */
    bool is_active;    /* the domain runs */
    bool is_saved;     /* it has a saved image */
    char *definition;  /* libvirt's XML of it as it was read */
    char *before;      /* the same, formatted like @after */
    char *after;       /* the XML as it will be */
} Change;

static void clear_change(Change *change)
{
    g_free(change->name);
    g_free(change->definition);
    g_free(change->before);
    g_free(change->after);
}

static bool is_needed(const Change *change)
{
    return strcmp(change->before, change->after) != 0;
}

static gboolean check_persistent(virDomainPtr domain, const char *name,
                                 GError **error)
{
    if (libvirt.virDomainIsPersistent(domain) == 0) {
        g_set_error(error, LIBVIRT_ERROR, VIR_ERR_OPERATION_INVALID,
                    "%s isn't persistent, so it has no definition to change: "
                    "change what creates it", name);
        return FALSE;
    }
    return TRUE;
}

static gboolean check_kvm(const CfDomain *xml, const char *name,
                          GError **error)
{
    CfDomainSettings settings;

    cf_domain_get_settings(xml, &settings);
    if (settings.emulated) {
        g_set_error(error, LIBVIRT_ERROR, VIR_ERR_OPERATION_INVALID,
                    "QEMU emulates the CPUs of %s, and only guests that run "
                    "in KVM have clocks to carry: make it a <domain "
                    "type='kvm'> first", name);
        return FALSE;
    }
    return TRUE;
}

static gboolean edit(const CliOptions *options, CfDomain *xml, GError **error)
{
    const enum cf_policy policy = (enum cf_policy)options->wishes.policy;
    const enum cf_rung require = (enum cf_rung)options->wishes.require;

    if (options->machine && !cf_domain_enable_machine(xml, error)) {
        return FALSE;
    }
    if (options->enable) {
        cf_domain_enable(xml, options->wishes.policy_word ? &policy : NULL,
                         options->wishes.require_word ? &require : NULL);
    } else {
        cf_domain_disable(xml);
    }
    return TRUE;
}

static gboolean plan(const CliOptions *options, virDomainPtr domain,
                     Change *change, GError **error)
{
    g_autoptr(CfDomain) xml = NULL;

    change->name = cf_printable(libvirt.virDomainGetName(domain));
    change->is_active = libvirt.virDomainIsActive(domain) == 1;
    change->is_saved = libvirt.virDomainHasManagedSaveImage(domain, 0) == 1;
    if (!check_persistent(domain, change->name, error)) {
        return FALSE;
    }
    xml = libvirt_read_domain(domain, DEFINITION, &change->definition, error);
    if (!xml || (options->enable && !check_kvm(xml, change->name, error))) {
        return FALSE;
    }
    change->before = cf_domain_to_xml(xml);
    if (!edit(options, xml, error)) {
        g_prefix_error(error, "can't change %s: ", change->name);
        return FALSE;
    }
    change->after = cf_domain_to_xml(xml);
    if (!change->before || !change->after) {
        g_set_error(error, LIBVIRT_ERROR, VIR_ERR_XML_ERROR,
                    "the XML of %s has a namespace that can't be written "
                    "back: edit it with virsh edit", change->name);
        return FALSE;
    }
    return TRUE;
}

static bool is_agreed(const Change *change)
{
    g_autofree char *question = g_strdup_printf(
        "Change the definition of %s? [y/N] ", change->name);
    char answer[8] = "";

    if (!files_write(NULL, question, NULL)) {
        return false;
    }
    /* After Ctrl-D the cursor is still behind the question. */
    if (!fgets(answer, sizeof(answer), stdin)) {
        files_write(NULL, "\n", NULL);
        return false;
    }
    return !g_ascii_strcasecmp(answer, "y\n") ||
           !g_ascii_strcasecmp(answer, "yes\n");
}

/* Somebody else may have changed it while the user was thinking. */
static gboolean check_unchanged(const Change *change, virDomainPtr domain,
                                GError **error)
{
    g_autofree char *now = libvirt.virDomainGetXMLDesc(domain, DEFINITION);

    if (!now) {
        libvirt_set_error(error, "can't get the XML of %s", change->name);
        return FALSE;
    }
    if (strcmp(now, change->definition) != 0) {
        g_set_error(error, LIBVIRT_ERROR, VIR_ERR_OPERATION_INVALID,
                    "somebody else has just changed the definition of %s, so "
                    "it was left alone; try again", change->name);
        return FALSE;
    }
    return TRUE;
}

/* Not every driver of libvirt keeps QEMU's arguments. */
static gboolean check_kept(const CliOptions *options, const Change *change,
                           virDomainPtr domain, GError **error)
{
    g_autoptr(CfDomain) xml = libvirt_read_domain(domain, DEFINITION, NULL,
                                                  error);
    CfDomainSettings settings;

    if (!xml) {
        return FALSE;
    }
    cf_domain_get_settings(xml, &settings);
    if (settings.guest_clock != options->enable) {
        g_set_error(error, LIBVIRT_ERROR, VIR_ERR_OPERATION_INVALID,
                    "libvirt took the definition of %s, but didn't keep the "
                    "change: is it a guest of QEMU?", change->name);
        return FALSE;
    }
    return TRUE;
}

static gboolean apply(const CliOptions *options, const Change *change,
                      virDomainPtr domain, GError **error)
{
    virConnectPtr connection = libvirt.virDomainGetConnect(domain);
    g_autoptr(virDomain) defined = NULL;

    if (!check_unchanged(change, domain, error)) {
        return FALSE;
    }
    defined = libvirt.virDomainDefineXML(connection, change->after);
    if (!defined) {
        libvirt_set_error(error, "libvirt rejects the changed definition "
                          "of %s%s", change->name,
                          options->machine ? ", for which its QEMU must have "
                          "the Clockferry series" : "");
        return FALSE;
    }
    return check_kept(options, change, domain, error);
}

static char *result_to_json(const CliOptions *options, const Change *change)
{
    g_autoptr(CfJson) json = cf_json_new_format("clockferry-enable", 1, 1);

    cf_json_add_text(json, "name", change->name);
    cf_json_add_bool(json, "enabled", options->enable);
    cf_json_add_bool(json, "changed", is_needed(change));
    cf_json_add_bool(json, "active", change->is_active);
    return cf_json_print(json);
}

static char *result_to_text(const CliOptions *options, const Change *change)
{
    const char *state = options->enable ? "carried" : "not carried";
    const char *saved = change->is_saved
                        ? "But it has a saved image, which starts as it was "
                          "saved: start it, shut it down and start it again\n"
                        : "";

    if (!is_needed(change)) {
        return g_strdup_printf("%s: nothing to change; its definition says "
                               "already that its clocks are %s\n%s",
                               change->name, state, saved);
    }
    return g_strdup_printf(
        "%s: its clocks are %s from its next start on%s\n%s%s", change->name,
        state, options->enable ? ", with a QEMU that has the Clockferry series"
                               : "", saved,
        change->is_active ? "It is running: shut it down and start it again (a "
                            "reboot from inside isn't enough)\n" : "");
}

static gboolean show_difference(const Change *change, GError **error)
{
    g_autofree char *text = show_change(change->name, change->before,
                                             change->after, error);

    return text && files_write(NULL, text, error);
}

/* CLI_GO_ON when the user wants it. */
static int agree(const CliOptions *options, const Change *change)
{
    g_autoptr(GError) error = NULL;

    if (!options->json && !show_difference(change, &error)) {
        return cli_fail(error);
    }
    if (!options->yes && !is_agreed(change)) {
        return files_write(NULL, "Nothing was changed.\n", &error)
               ? CF_EXIT_FAILURE : cli_fail(error);
    }
    return CLI_GO_ON;
}

static int carry_out(const CliOptions *options, virDomainPtr domain,
                     Change *change)
{
    g_autoptr(GError) error = NULL;

    if (!plan(options, domain, change, &error)) {
        return cli_fail(error);
    }
    if (is_needed(change)) {
        const int status = agree(options, change);

        if (status != CLI_GO_ON) {
            return status;
        }
        if (!apply(options, change, domain, &error)) {
            return cli_fail(error);
        }
    }
    return cli_print(NULL, options->json ? result_to_json(options, change)
                                         : result_to_text(options, change),
                     CF_EXIT_FINE);
}

static int change_domain(CliOptions *options, char **domains)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(virConnect) connection = libvirt_open(options->uri, &error);
    g_autoptr(virDomain) domain = NULL;
    Change change = { .name = NULL };
    int status;

    if (connection) {
        domain = libvirt_find_domain(connection, *domains, &error);
    }
    if (!domain) {
        return cli_fail(error);
    }
    status = carry_out(options, domain, &change);
    clear_change(&change);
    return status;
}

static int check_options(CliOptions *options, char **domains G_GNUC_UNUSED)
{
    if (!options->yes && (options->json || !isatty(STDIN_FILENO))) {
        return cli_usage("give --yes: %s",
                         options->json ? "with --json nothing is asked"
                                       : "there is no terminal to ask on");
    }
    return CLI_GO_ON;
}

#define COMMON_ENTRIES(options) \
    CONNECT_ENTRY(options), \
    { "yes", 'y', 0, G_OPTION_ARG_NONE, &(options).yes, \
      "Don't ask", NULL }, \
    { "json", 0, 0, G_OPTION_ARG_NONE, &(options).json, \
      "Print JSON instead of the change and the result", NULL }, \
    { 0 }

int cli_enable(int argc, char **argv)
{
    CliOptions options = { .enable = true };
    const GOptionEntry entries[] = {
        { "policy", 'p', 0, G_OPTION_ARG_STRING, &options.wishes.policy_word,
          "What a destination may take: auto, strict or lax", "POLICY" },
        { "require", 0, 0, G_OPTION_ARG_STRING, &options.wishes.require_word,
          "The worst rung to accept", "RUNG" },
        { "machine", 'm', 0, G_OPTION_ARG_NONE, &options.machine,
          "By the machine type, such as pc-q35-10.0-clockferry",
          NULL },
        COMMON_ENTRIES(options),
    };
    const CliSyntax syntax = {
        .arguments = "DOMAIN",
        .summary = "Has libvirt start a guest with its clocks carried over "
                   "migrations. Shows the\nchange to its definition and asks "
                   "first. For a running guest it counts from the\nnext start "
                   "on.",
        .examples = "clockferry enable vm-7\n"
                    "clockferry enable --yes --policy=strict vm-7",
        .min = 1,
        .max = 1,
        .entries = entries,
        .steps = { check_options, wishes_parse, change_domain },
    };

    return cli_run(&syntax, &options, argc, argv);
}

int cli_disable(int argc, char **argv)
{
    CliOptions options = { .enable = false };
    const GOptionEntry entries[] = { COMMON_ENTRIES(options) };
    const CliSyntax syntax = {
        .arguments = "DOMAIN",
        .summary = "Undoes clockferry enable. Shows the change to the guest's "
                   "definition and asks\nfirst. For a running guest it counts "
                   "from the next start on.",
        .examples = "clockferry disable vm-7",
        .min = 1,
        .max = 1,
        .entries = entries,
        .steps = { check_options, change_domain },
    };

    return cli_run(&syntax, &options, argc, argv);
}
