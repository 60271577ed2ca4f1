/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a libvirt domain's XML says about its guest's clocks, and edits of it.
 *
 * The facts about a running guest travel in <metadata>, as one element whose
 * text is JSON of the format clockferry-guest:
 *
 *   <clockferry:facts xmlns:clockferry="urn:clockferry:facts:1">{...}
 *   </clockferry:facts>
 *
 * The XML may come from anywhere: no DTD, no entities and no network are used,
 * and size and depth are limited. What isn't edited stays as it is. Nothing
 * here talks to libvirt.
 */
#ifndef CF_DOMAIN_H
#define CF_DOMAIN_H

#include <clockferry/check.h>

/* For virDomainSetMetadata(): its uri and key. */
#define CF_DOMAIN_NAMESPACE "urn:clockferry:facts:1"
#define CF_DOMAIN_KEY "clockferry"

/* Of the XML, in bytes; libvirt's own are some ten thousand. */
#define CF_DOMAIN_MAX_SIZE (16u << 20)

/* A document of libxml2. */
typedef struct _xmlDoc CfDomain;

/* CfDomainSettings - what the XML itself sets, without any facts */
typedef struct CfDomainSettings {
    bool kvm;            /* the guest runs in KVM */
    bool emulated;       /* QEMU emulates its CPUs, without KVM */
    /* the TSC frequency that it was promised, as QEMU takes it; 0: none */
    uint32_t tsc_khz;
    bool promised;       /* it was given invtsc or a TSC frequency */
    /* a machine type such as pc-q35-10.0-clockferry, unless it is off by
     * -global kvmclock.guest-clock, or that alone */
    bool guest_clock;
    bool arguments;      /* it has arguments of its own for QEMU */
    bool policy_known;   /* @policy was given, by -global kvmclock.policy */
    /* what a destination may take; CF_POLICY_AUTO if it wasn't given */
    enum cf_policy policy;
    bool require_known;  /* @require was given, by -global kvmclock.require */
    /* the worst rung that is accepted; CF_RUNG_PLAIN if it wasn't given */
    enum cf_rung require;
} CfDomainSettings;

/* Reads a domain's XML, UTF-8, which need not end in a zero byte. To be
 * freed with cf_domain_free(). Errors: CF_ERROR_INVALID, without control
 * characters. */
CfDomain *cf_domain_parse(const char *xml, size_t size, GError **error);

void cf_domain_free(CfDomain *domain);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CfDomain, cf_domain_free)

/* UTF-8 without an XML declaration, with a final newline; to be freed with
 * g_free(). NULL if that can't be written: then leave the XML alone. */
char *cf_domain_to_xml(CfDomain *domain);

/* What the XML itself sets. What can't be read counts as not set, with one
 * exception: for a frequency that no TSC can have, @promised is true and
 * @tsc_khz is 0. */
void cf_domain_get_settings(const CfDomain *domain,
                            CfDomainSettings *ret_settings);

/* A guest about which nobody wrote facts; @host is what is known about the
 * host that it is on, or NULL. */
void cf_domain_guest(const CfDomainSettings *settings, const CfHost *host,
                     CfGuest *ret_guest);

/* Applies what the XML sets to a guest with facts: it gets the promise, the
 * stricter policy and the better rung of the two. */
void cf_domain_tighten(const CfDomainSettings *settings, CfGuest *guest);

/* The facts in the metadata; true if there are none, or if they can be used.
 * Errors: CF_ERROR_INVALID: not JSON, a version that is too new, more than one
 * element. */
gboolean cf_domain_get_facts(const CfDomain *domain, CfGuest *ret_guest,
                             bool *ret_present, GError **error);

/* Puts facts into the metadata; they replace the first ones there. */
void cf_domain_set_facts(CfDomain *domain, const CfGuest *guest);

/* The element alone, to be freed with g_free(). It has no namespace:
 * virDomainSetMetadata() gives it the one in its arguments, and fails if there
 * is one already. */
char *cf_domain_facts_to_xml(const CfGuest *guest);

/* Has QEMU carry the guest's clocks: by the machine type that it has, or else
 * by -global kvmclock.guest-clock=on in <qemu:commandline>. kvmclock.policy
 * and kvmclock.require are set there; what is NULL stays as it is. */
void cf_domain_enable(CfDomain *domain, const enum cf_policy *policy,
                      const enum cf_rung *require);

/* Gives the domain the machine type of the same version that carries clocks,
 * pc-q35-10.0-clockferry for pc-q35-10.0; cf_domain_enable() does the rest.
 * Errors: CF_ERROR_INVALID: its machine type has none. */
gboolean cf_domain_enable_machine(CfDomain *domain, GError **error);

/* Removes what these add, whatever its value, and then an empty
 * <qemu:commandline>. */
void cf_domain_disable(CfDomain *domain);

#endif /* CF_DOMAIN_H */
