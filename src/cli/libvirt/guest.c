/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A guest and its host, as libvirt and QEMU know them. */
#include "text/printable.h"
#include "monitor.h"

gboolean libvirt_get_guest(virDomainPtr domain, const CfHost *host,
                           LibvirtGuest *ret_guest, GError **error)
{
    const char *name = libvirt.virDomainGetName(domain);
    const int active = libvirt.virDomainIsActive(domain);
    g_autofree char *shown = cf_printable(name);
    g_autoptr(CfDomain) xml = NULL;
    LibvirtGuest guest = { .host = *host };

    if (active == 0) {
        g_set_error(error, LIBVIRT_ERROR, VIR_ERR_OPERATION_INVALID,
                    "%s isn't running, so it has no clocks yet", name);
        return FALSE;
    }
    xml = libvirt_read_domain(domain, 0, NULL, error);
    if (!xml) {
        return FALSE;
    }
    cf_copy_text(guest.name, sizeof(guest.name), shown);
    cf_domain_get_settings(xml, &guest.settings);
    guest.bad_facts = !cf_domain_get_facts(xml, &guest.facts,
                                           &guest.has_facts, NULL);
    *ret_guest = guest;
    return TRUE;
}

Qmp *libvirt_open_monitor(const char *uri, const char *domain_name,
                          bool events, LibvirtGuest *ret_guest,
                          GError **error)
{
    g_autoptr(virConnect) connection = libvirt_open(uri, error);
    g_autoptr(virDomain) domain = NULL;
    CfHost host;

    if (connection) {
        domain = libvirt_find_domain(connection, domain_name, error);
    }
    if (!domain || !libvirt_get_host(connection, &host, error) ||
        !libvirt_get_guest(domain, &host, ret_guest, error)) {
        return NULL;
    }
    return libvirt_new_monitor(domain, events, error);
}

/* A guest whose clocks aren't carried as functions. Its QEMU carries the
 * frequency that it wants; on a host that can't scale the guest has another. */
static void assume_clocks(const LibvirtGuest *guest, uint32_t wanted_khz,
                          GuestClocks *ret_clocks)
{
    GuestClocks clocks = { .host_khz = guest->host.host_khz };
    CfDomainSettings settings = guest->settings;

    if (wanted_khz) {
        settings.tsc_khz = wanted_khz;
    }
    guest_clocks_name(&clocks, guest->name);
    cf_domain_guest(&settings, &guest->host, &clocks.guest);
    cf_tsc_freq_khz(&clocks.guest.freq, &clocks.guest_khz);
    *ret_clocks = clocks;
}

/* Stock QEMU doesn't know the command; ours refuses it for a guest without
 * kvmclock. */
static bool has_no_report(const GError *why)
{
    return g_error_matches(why, QMP_ERROR, QMP_ERROR_NO_COMMAND) ||
           g_error_matches(why, QMP_ERROR, QMP_ERROR_REFUSED);
}

static gboolean ask_qemu(Qmp *qmp, const LibvirtGuest *guest,
                         GuestClocks *ret_clocks, GError **error)
{
    g_autoptr(GError) why = NULL;

    if (!guest_clocks_ask(qmp, &guest->host, ret_clocks, &why)) {
        if (!has_no_report(why)) {
            g_propagate_error(error, g_steal_pointer(&why));
            return FALSE;
        }
        ret_clocks->enabled = false;
    }
    if (!ret_clocks->enabled) {
        assume_clocks(guest, guest_clocks_ask_khz(qmp), ret_clocks);
    }
    guest_clocks_name(ret_clocks, guest->name);
    /* QEMU doesn't report a promise by tsc-frequency. */
    if (guest->settings.promised) {
        ret_clocks->guest.promised = true;
    }
    return TRUE;
}

gboolean libvirt_ask_clocks(Qmp *qmp, const LibvirtGuest *guest,
                            GuestClocks *ret_clocks,
                            LibvirtSource *ret_source, GError **error)
{
    g_autoptr(GError) why = NULL;
    GuestClocks clocks;

    if (ask_qemu(qmp, guest, &clocks, &why)) {
        *ret_source = LIBVIRT_SOURCE_QEMU;
    } else if (g_error_matches(why, QMP_ERROR, QMP_ERROR_NO_MONITOR)) {
        *ret_source = LIBVIRT_SOURCE_XML;
        assume_clocks(guest, 0, &clocks);
        clocks.enabled = guest->settings.guest_clock;
    } else {
        g_propagate_error(error, g_steal_pointer(&why));
        return FALSE;
    }
    *ret_clocks = clocks;
    return TRUE;
}

gboolean libvirt_ask_destination(const char *uri, CfHost *ret_host,
                                 GError **error)
{
    g_autoptr(virConnect) connection = libvirt_open(uri, error);

    return connection && libvirt_get_host(connection, ret_host, error);
}
