/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libclockferry: a guest's clocks across live migration, for any VMM.
 *
 *   cf_host_probe()     what can this host do?              host.h
 *   cf_check()          may this guest go to that host?     check.h
 *   cf_capture()        read the clocks of a stopped guest  vm.h
 *   cf_restore()        put them into another VM            vm.h
 *   cf_..._to_json()    and back: files, and what travels   host.h, state.h,
 *                                                           check.h
 *
 * docs/examples/vmm.c uses all that a VMM needs.
 *
 * The interface is stable: what is in a released version stays, under the
 * same symbol version. Structures may grow into their reserved members, so
 * set these to 0, as an initialiser with names does. A CfState is the
 * library's to allocate, and may grow at its end. Enumerations may get more
 * values. Only CfKvmOps, which stands for the kernel in tests, may change.
 *
 * Strings that are returned are UTF-8; those that need freeing say so. No
 * function changes the host's clock, prints, logs, exits, or touches signals,
 * but for cf_settle_vcpu(). All may be called from any thread, but not two at
 * once for one VM.
 */
#ifndef CLOCKFERRY_CLOCKFERRY_H
#define CLOCKFERRY_CLOCKFERRY_H

#include <clockferry/check.h>
#include <clockferry/clock-math.h>
#include <clockferry/clock-policy.h>
#include <clockferry/error.h>
#include <clockferry/host.h>
#include <clockferry/kvm.h>
#include <clockferry/state.h>
#include <clockferry/vm.h>

#endif /* CLOCKFERRY_CLOCKFERRY_H */
