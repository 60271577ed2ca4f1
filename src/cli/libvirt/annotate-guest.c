/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Facts about a running guest in its libvirt metadata. */
#include <string.h>
#include "annotate.h"
#include "monitor.h"

/* It is leaving, or is being saved. */
static bool has_job(virDomainPtr domain)
{
    virDomainJobInfo job;

    return libvirt.virDomainGetJobInfo(domain, &job) == 0 &&
           (job.type == VIR_DOMAIN_JOB_BOUNDED ||
            job.type == VIR_DOMAIN_JOB_UNBOUNDED);
}

/* It hasn't arrived or started yet, so its QEMU doesn't know its clocks. */
static bool is_arriving(virDomainPtr domain)
{
    int state, reason;

    return libvirt.virDomainGetState(domain, &state, &reason, 0) == 0 &&
           state == VIR_DOMAIN_PAUSED &&
           (reason == VIR_DOMAIN_PAUSED_MIGRATION ||
            reason == VIR_DOMAIN_PAUSED_STARTING_UP);
}

/* While libvirt moves a guest, writing its metadata would block for half a
 * minute and then fail. */
static gboolean check_idle(virDomainPtr domain, GError **error)
{
    const char *name = libvirt.virDomainGetName(domain);

    if (has_job(domain) || is_arriving(domain)) {
        g_set_error(error, LIBVIRT_ERROR, VIR_ERR_OPERATION_TIMEOUT,
                    "%s is being migrated or saved: annotate it afterwards",
                    name);
        return FALSE;
    }
    return TRUE;
}

static bool is_same_freq(const struct cf_tsc_freq *a,
                         const struct cf_tsc_freq *b)
{
    return a->host_khz == b->host_khz && a->ratio == b->ratio &&
           a->frac_bits == b->frac_bits;
}

/* Any instant of a host proves which host it is, so an old one will do. The
 * bound of its clock's error changes with every reading. */
static bool is_same(const CfGuest *a, const CfGuest *b)
{
    return is_same_freq(&a->freq, &b->freq) && a->promised == b->promised &&
           a->policy == b->policy && a->require == b->require &&
           a->host_khz == b->host_khz && !strcmp(a->host, b->host) &&
           !strcmp(a->boot_id, b->boot_id) &&
           a->instant_known == b->instant_known &&
           (a->max_error_ns == UINT64_MAX) ==
           (b->max_error_ns == UINT64_MAX) &&
           a->tai_offset_s == b->tai_offset_s && a->leap == b->leap;
}

/*
 * Only the running guest gets them, not its definition: they are about this
 * run, on this host. In the definition they would be in the way of the next
 * start, or be mistaken for facts about another host.
 */
static gboolean write_facts(virDomainPtr domain, const CfGuest *facts,
                            GError **error)
{
    const char *name = libvirt.virDomainGetName(domain);
    g_autofree char *xml = cf_domain_facts_to_xml(facts);

    if (libvirt.virDomainSetMetadata(domain, VIR_DOMAIN_METADATA_ELEMENT, xml,
                                     CF_DOMAIN_KEY, CF_DOMAIN_NAMESPACE,
                                     VIR_DOMAIN_AFFECT_LIVE) < 0) {
        libvirt_set_error(error, "can't write the facts about %s into its "
                          "metadata", name);
        return FALSE;
    }
    return TRUE;
}

/* libvirt marks a guest as tainted when its QEMU is asked: one that has
 * nothing to do with us isn't. What its arguments do only QEMU knows, and
 * libvirt has marked it for these already. */
static bool may_concern_us(const LibvirtGuest *guest)
{
    const CfDomainSettings *settings = &guest->settings;

    return guest->has_facts || guest->bad_facts || settings->arguments ||
           (!settings->emulated &&
            (settings->guest_clock || settings->promised));
}

static gboolean ask(virDomainPtr domain, const LibvirtGuest *guest,
                    GuestClocks *ret_clocks, GError **error)
{
    g_autoptr(Qmp) qmp = libvirt_new_monitor(domain, false, error);
    LibvirtSource source;

    return qmp && libvirt_ask_clocks(qmp, guest, ret_clocks, &source, error);
}

gboolean annotate_guest(virDomainPtr domain, const CfHost *host, bool wanted,
                        AnnotateOutcome *ret_outcome, GuestClocks *ret_clocks,
                        GError **error)
{
    LibvirtGuest guest;

    *ret_clocks = (GuestClocks) { 0 };
    *ret_outcome = ANNOTATE_SKIPPED;
    if (!libvirt_get_guest(domain, host, &guest, error)) {
        return FALSE;
    }
    if (!wanted && !may_concern_us(&guest)) {
        return TRUE;
    }
    if (!check_idle(domain, error) ||
        !ask(domain, &guest, ret_clocks, error)) {
        return FALSE;
    }
    if (!wanted && !ret_clocks->enabled && !ret_clocks->guest.promised &&
        !guest.has_facts && !guest.bad_facts) {
        return TRUE;
    }
    if (guest.has_facts && is_same(&guest.facts, &ret_clocks->guest)) {
        *ret_outcome = ANNOTATE_UNCHANGED;
        return TRUE;
    }
    if (!write_facts(domain, &ret_clocks->guest, error)) {
        return FALSE;
    }
    *ret_outcome = ANNOTATE_WRITTEN;
    return TRUE;
}
