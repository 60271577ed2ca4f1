/*
 * The two halves of restoring a guest's clocks: TSC first, then kvmclock
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_I386_KVM_CLOCK_RESTORE_H
#define HW_I386_KVM_CLOCK_RESTORE_H

#include "cpu.h"
#include "hw/i386/kvm/clock-carry.h"
#include "hw/i386/kvm/clock-ladder.h"

/* A restore under way. */
typedef struct KVMClockRestoring {
    const KVMClockCarried *src;
    bool here;                  /* captured by this QEMU, for this VM */
    const KVMClockConfig *config;
    KVMClockReport *report;
    struct cf_anchor dst;       /* this host's */
    KVMClockTime time;          /* real time's error then */
    struct cf_vcpu boot;        /* the boot vCPU's TSC */
    struct cf_ladder ladder;    /* how kvmclock is set */
} KVMClockRestoring;

bool kvmclock_restore_tsc(KVMClockRestoring *r, Error **errp);
void kvmclock_settle(KVMClockRestoring *r);
bool kvmclock_restore_clock(KVMClockRestoring *r, Error **errp);

#endif
