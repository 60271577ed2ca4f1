/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libvirt's functions, looked up when they are first needed.
 *
 * libvirt brings some fifty libraries, and most commands need none of them.
 * Linked, it would make every start take five times as long, and hosts that are
 * only probed would need its package.
 */
#ifndef CF_LIBVIRT_CALLS_H
#define CF_LIBVIRT_CALLS_H

#include <glib.h>
#include <libvirt/libvirt-qemu.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

/* An event's callback of any type, by a cast that compilers let pass. */
#define LIBVIRT_CALLBACK(function) \
    VIR_DOMAIN_EVENT_CALLBACK((void (*)(void))(function))

#define LIBVIRT_CALLS(call) \
    call(virConnectAuthPtrDefault) \
    call(virConnectClose) \
    call(virConnectDomainEventDeregisterAny) \
    call(virConnectDomainEventRegisterAny) \
    call(virConnectGetCapabilities) \
    call(virConnectGetHostname) \
    call(virConnectGetURI) \
    call(virConnectIsAlive) \
    call(virConnectListAllDomains) \
    call(virConnectOpenAuth) \
    call(virConnectSetKeepAlive) \
    call(virDomainDefineXML) \
    call(virDomainFree) \
    call(virDomainGetConnect) \
    call(virDomainGetJobInfo) \
    call(virDomainGetName) \
    call(virDomainGetState) \
    call(virDomainGetUUIDString) \
    call(virDomainGetXMLDesc) \
    call(virDomainHasManagedSaveImage) \
    call(virDomainIsActive) \
    call(virDomainIsPersistent) \
    call(virDomainLookupByName) \
    call(virDomainLookupByUUIDString) \
    call(virDomainRef) \
    call(virDomainSetMetadata) \
    call(virEventAddTimeout) \
    call(virEventRegisterDefaultImpl) \
    call(virEventRunDefaultImpl) \
    call(virEventUpdateTimeout) \
    call(virGetLastError) \
    call(virSetErrorFunc)

#define LIBVIRT_QEMU_CALLS(call) \
    call(virConnectDomainQemuMonitorEventDeregister) \
    call(virConnectDomainQemuMonitorEventRegister) \
    call(virDomainQemuMonitorCommand)

typedef struct LibvirtCalls {
#define LIBVIRT_MEMBER(name) __typeof__(name) *name;
    LIBVIRT_CALLS(LIBVIRT_MEMBER)
    LIBVIRT_QEMU_CALLS(LIBVIRT_MEMBER)
#undef LIBVIRT_MEMBER
} LibvirtCalls;

/* Usable after libvirt_load(): libvirt.virDomainGetName(domain). */
extern LibvirtCalls libvirt;

/* Loads libvirt, once; false if it can't be loaded. */
gboolean libvirt_load(GError **error);

#endif /* CF_LIBVIRT_CALLS_H */
