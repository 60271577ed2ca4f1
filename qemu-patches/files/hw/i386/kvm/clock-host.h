/*
 * What this host's KVM says of clocks: TSC of a vCPU, anchor, abilities
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_I386_KVM_CLOCK_HOST_H
#define HW_I386_KVM_CLOCK_HOST_H

#include "exec/hwaddr.h"
#include "qemu/uuid.h"
#include "hw/i386/kvm/clock-abi.h"

/* Facts of a host, found on a scratch VM. */
typedef struct KVMClockHost {
    uint32_t tsc_khz;
    bool tsc_control;           /* KVM can scale a guest's TSC */
    bool has_clock_guest;       /* KVM_GET_CLOCK_GUEST works */
    uint32_t anchor_flags;      /* of KVM_GET_CLOCK, once activated */
    enum cf_offset offset;
    bool measured;              /* it can't be read to the tick */
    enum cf_rung best_rung;
    struct cf_tsc_freq guest;   /* what a guest's TSC would really do */
} KVMClockHost;

/* Real time, as this host's kernel knows it (clock-time.c). */
typedef struct KVMClockTime {
    int state;                  /* adjtimex: TIME_INS and others */
    int32_t tai_offset_s;       /* 0: unknown */
    uint64_t max_error_ns;      /* UINT64_MAX: unknown, it isn't synchronised */
    int64_t adjustment_ppt;     /* by so much it is faster than its source */
} KVMClockTime;

int kvmclock_read_anchor(struct cf_anchor *anchor);
bool kvmclock_get_anchor(struct cf_anchor *anchor, KVMClockTime *ret_time,
                         Error **errp);
int kvmclock_set(uint64_t clock_ns, uint64_t realtime_ns);
bool kvmclock_activate(struct cf_anchor *anchor, KVMClockTime *ret_time,
                       Error **errp);

int kvmclock_get_fn(int vcpu_fd, struct cf_clock_fn *fn);
int kvmclock_set_fn(int vcpu_fd, const struct cf_clock_fn *fn);

bool kvmclock_get_tsc_and_page(int vcpu_fd, uint64_t *tsc, hwaddr *page);
bool kvmclock_get_tsc(int vcpu_fd, const KVMClockHost *host,
                      struct cf_tsc *tsc);
void kvmclock_begin_tsc_offsets(int vcpu_fd, const struct cf_tsc *tsc);
int kvmclock_set_tsc_offset(int vcpu_fd, const struct cf_tsc *tsc,
                            uint64_t offset_ticks);

bool kvmclock_probe_host(uint32_t wanted_khz, KVMClockHost *ret_host,
                         Error **errp);
const KVMClockHost *kvmclock_this_host(void);
bool kvmclock_offset_is(int vcpu_fd, uint64_t offset_ticks);
void kvmclock_look_again(int vcpu_fd, struct cf_tsc *tsc);
bool kvmclock_boot_id(QemuUUID *id);
uint64_t kvmclock_machine(void);

uint64_t kvmclock_realtime_ns(void);
KVMClockTime kvmclock_time(void);
struct cf_host_rate kvmclock_learn_rate(const struct cf_anchor *now,
                                       const KVMClockTime *time);

#endif
