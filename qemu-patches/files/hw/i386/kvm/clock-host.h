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
#include "hw/i386/kvm/clock-policy.h"

/* All that KVM_GET_CLOCK can say at one instant. */
#define KVM_CLOCK_ALL_FLAGS \
    (KVM_CLOCK_TSC_STABLE | KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC)

/*
 * One reading of kvmclock.  With all three flags the kernel read clock, real
 * time and host TSC at one instant; without, we did, within @slack_ns.
 */
typedef struct KVMClockAnchor {
    uint32_t flags;
    uint64_t clock_ns;
    uint64_t slack_ns;
    struct cf_instant at;
} KVMClockAnchor;

/* Facts of a host, found on a scratch VM. */
typedef struct KVMClockHost {
    uint32_t tsc_khz;
    bool tsc_control;           /* KVM can scale a guest's TSC */
    bool has_clock_guest;       /* KVM_GET_CLOCK_GUEST works */
    uint32_t anchor_flags;      /* of KVM_GET_CLOCK, once activated */
    uint32_t settable_flags;    /* what KVM_SET_CLOCK takes */
    enum cf_offset offset;
    enum cf_rung best_rung;
    struct cf_tsc_freq guest;   /* what a guest's TSC would really do */
} KVMClockHost;

bool kvmclock_get_anchor(KVMClockAnchor *anchor, Error **errp);
int kvmclock_set(uint64_t clock_ns, uint64_t realtime_ns);
bool kvmclock_activate(KVMClockAnchor *anchor, Error **errp);
uint32_t kvmclock_settable_flags(void);

int kvmclock_get_record(int vcpu_fd, KVMPvclockRecord *record);
int kvmclock_set_record(int vcpu_fd, const struct cf_clock_fn *fn);

int kvmclock_get_tsc(int vcpu_fd, uint64_t *ticks);
bool kvmclock_get_page(int vcpu_fd, hwaddr *page);
bool kvmclock_tsc_offset_exact(int vcpu_fd);
int kvmclock_get_tsc_offset(int vcpu_fd, const struct cf_tsc_freq *freq,
                            uint64_t *offset_ticks, uint64_t *slack_ticks);
void kvmclock_begin_tsc_offsets(int vcpu_fd);
int kvmclock_set_tsc_offset(int vcpu_fd, const struct cf_tsc_freq *freq,
                            uint64_t offset_ticks);
bool kvmclock_get_tsc_freq(int vcpu_fd, uint32_t host_khz, bool tsc_control,
                           struct cf_tsc_freq *freq);

bool kvmclock_probe_host(uint32_t wanted_khz, KVMClockHost *host,
                         Error **errp);
bool kvmclock_boot_id(QemuUUID *id);
int32_t kvmclock_tai_offset_s(void);

#endif
