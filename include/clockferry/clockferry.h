/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libclockferry: a guest's clocks across live migration, for any VMM.
 *
 *   cf_host_probe()     what can this host do?              host.h
 *   cf_check()          may this guest go to that host?     check.h
 *   cf_exchange_...()   how far are the hosts' clocks off?  exchange.h
 *   cf_capture()        read the clocks of a stopped guest  vm.h
 *   cf_restore()        put them into another VM            vm.h
 *   cf_..._to_json()    and back: files, and what travels   host.h, state.h,
 *                                                           check.h
 *   cf_version()        which library is this?              here
 *
 * docs/examples/vmm.c uses everything that a VMM needs.
 *
 * The interface is stable: what is in a released version stays, under the same
 * symbol version. Structures may grow into their reserved members, so set these
 * to 0, as a designated initialiser does. Only the library allocates a CfState,
 * which may grow at its end. Enumerations may get more values. CfKvmOps, which
 * replaces the kernel in tests, is the only thing that may change.
 *
 * Returned strings are UTF-8, and the functions say which ones must be freed.
 * No function changes the host's clock, prints, logs or exits; only when memory
 * runs out GLib ends the program. None touches signals, except
 * cf_settle_vcpu(). All may be called from any thread, but not two at a time
 * for one VM.
 */
#ifndef CLOCKFERRY_CLOCKFERRY_H
#define CLOCKFERRY_CLOCKFERRY_H

#include <clockferry/check.h>
#include <clockferry/clock-math.h>
#include <clockferry/clock-policy.h>
#include <clockferry/error.h>
#include <clockferry/exchange.h>
#include <clockferry/host.h>
#include <clockferry/kvm.h>
#include <clockferry/state.h>
#include <clockferry/vm.h>

/* A version as a number, to be compared. */
#define CF_VERSION_OF(major, minor, micro) \
    ((major) << 16 | (minor) << 8 | (micro))

/* The version of these headers. */
#define CF_VERSION CF_VERSION_OF(0, 2, 0)

G_BEGIN_DECLS

/**
 * cf_version - the version of the library that is in use
 *
 * It may be newer than these headers, and have more than they promise.
 *
 * Return: as CF_VERSION_OF(). Thread: any.
 */
CF_API uint32_t cf_version(void);

G_END_DECLS

#endif /* CLOCKFERRY_CLOCKFERRY_H */
