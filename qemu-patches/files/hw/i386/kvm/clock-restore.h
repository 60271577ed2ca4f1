/*
 * The two halves of restoring a guest's clocks: TSC first, then kvmclock
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_I386_KVM_CLOCK_RESTORE_H
#define HW_I386_KVM_CLOCK_RESTORE_H

#include "cpu.h"
#include "hw/i386/kvm/clock-carry.h"

/* A restore under way. */
typedef struct KVMClockRestoring {
    const KVMClockCarried *src;
    bool here;                  /* captured by this QEMU, for this VM */
    const KVMClockConfig *config;
    KVMClockReport *report;
    KVMClockAnchor dst;         /* this host's anchor */
    uint32_t host_khz;
    struct cf_tsc_freq src_freq;        /* of the boot vCPU, there */
    struct cf_tsc_freq dst_freq;        /* and here */
    uint64_t dst_offset_ticks;          /* of the boot vCPU, in force here */
    struct cf_clock_fn fn;      /* kvmclock of the guest TSC in force here */
} KVMClockRestoring;

bool kvmclock_guest_ticks_now(const KVMClockRestoring *r,
                              const X86GuestTSC *tsc, uint64_t *guest_ticks);
bool kvmclock_restore_tsc(KVMClockRestoring *r, Error **errp);
void kvmclock_settle(KVMClockRestoring *r);
bool kvmclock_wanted_ns(const KVMClockRestoring *r, uint64_t host_ticks,
                        int64_t *ns);
bool kvmclock_restore_clock(KVMClockRestoring *r, Error **errp);

#endif
