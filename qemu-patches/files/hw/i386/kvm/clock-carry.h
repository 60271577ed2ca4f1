/*
 * Carrying a guest's clocks over a migration: state, capture, restore
 *
 * What travels are functions, not samples: each vCPU's TSC as a function of
 * the host's (in CPUX86State.guest_tsc), kvmclock as a function of the guest
 * TSC, and one anchor that ties them to real time.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_I386_KVM_CLOCK_CARRY_H
#define HW_I386_KVM_CLOCK_CARRY_H

#include "hw/i386/kvm/clock-host.h"
#include "hw/i386/kvm/clock-utc.h"
#include "migration/setup-ack.h"
#include "migration/vmstate.h"
#include "qapi/qapi-types-kvm-clock.h"

/* KVMClockCarried.flags, as they travel */
#define KVMCLOCK_STATE_PAUSED   (1 << 0) /* stopped by its user: time froze */
#define KVMCLOCK_STATE_FN       (1 << 1) /* @fn is known */
#define KVMCLOCK_STATE_ANCHORED (1 << 2) /* the kernel read @anchor at once */
#define KVMCLOCK_STATE_UNSTABLE (1 << 3) /* reading the TSC changed it */
#define KVMCLOCK_STATE_FLAGS    15

/* The clocks of a stopped guest: captured here, or loaded from a stream. */
typedef struct KVMClockCarried {
    uint32_t flags;
    uint32_t host_khz;
    QemuUUID boot_id;
    uint64_t machine;           /* with the offer; 0: unknown */
    struct cf_clock_fn fn;
    struct cf_anchor anchor;
    uint64_t max_error_ns;      /* of its real time; UINT64_MAX: unknown */
    struct cf_host_rate rate;    /* in a section of its own; 0: unknown */
    /* in a section of their own: with the host that runs the guest next */
    uint32_t n_exchanges;
    struct cf_exchange exchanges[MIG_EXCHANGES];
    /* not sent: the guest stopped after this by get_clock(); 0: unknown */
    int64_t later_than_ns;
    /* so, too: @fn is what was meant, and kvmclock was so far ahead of it */
    bool meant;
    int64_t ahead_ns;
    int64_t at_ns;              /* not sent: get_clock() at the anchor */
    struct cf_utc utc;          /* at the anchor, if the guest is told */
} KVMClockCarried;

/* What the user chose. */
typedef struct KVMClockConfig {
    bool enabled;
    KvmClockPolicy policy;
    KvmClockRung require;
    KvmClockBlackout blackout;
    uint32_t blackout_limit_s;
    bool exchange;
    uint32_t pretend_tsc_khz;
    bool pretend_other_host;
} KVMClockConfig;

/* How a guest's clocks were restored. */
typedef struct KVMClockReport {
    bool valid;
    struct cf_move move;        /* same host?  how much time? */
    int64_t now_ns;             /* monotonic clock at the end of it */
    struct cf_result result;    /* how well */
    struct cf_clock_fn meant;   /* what kvmclock was to be, if @carried */
    uint64_t since_ticks;       /* guest TSC since when with our slope, too */
    int tries;
    bool skew_known;
    uint64_t skew_ticks;
    uint64_t time_bound_ns;     /* of the TSC's step; UINT64_MAX: unknown */
    hwaddr page;                /* the boot vCPU's pvclock record; 0: none */
    uint64_t set_ticks;         /* guest TSC when kvmclock was set last */
    uint32_t guest_khz;
    struct cf_tsc_freq freq;    /* of the boot vCPU, in force now */
    int64_t duration_ns;
} KVMClockReport;

/* The effective frequency of the boot vCPU's TSC, and what was promised. */
typedef struct KVMClockOffer {
    KVMClockCarried from;       /* host, boot id and instant; no function */
    struct cf_tsc_freq freq;
    bool promised;              /* the guest has invtsc or a tsc-frequency */
    uint8_t policy;
    uint8_t require;
    bool tells_time;            /* in a section of its own */
} KVMClockOffer;

struct cf_tsc kvmclock_carried_tsc(const KVMClockCarried *c, CPUState *cpu);
const char *kvmclock_carried_fault(const KVMClockCarried *c);
bool kvmclock_offer_good(const KVMClockCarried *c);
bool kvmclock_carried_fits(const KVMClockCarried *c,
                           const KVMClockOffer *offered);
bool kvmclock_read_page(hwaddr page, KVMPvclockRecord *record);
bool kvmclock_capture(KVMClockCarried *carried, bool paused, Error **errp);
void kvmclock_carry_as_meant(KVMClockCarried *carried,
                             const KVMClockReport *arrival);
bool kvmclock_restore(const KVMClockCarried *carried, bool here,
                      const KVMClockConfig *config, KVMClockReport *report,
                      Error **errp);
bool kvmclock_within_limit(const KVMClockCarried *carried,
                           const KVMClockConfig *config);
bool kvmclock_report_bound_ns(const KVMClockReport *report,
                              uint64_t *bound_ns);
void kvmclock_tell_restored(const KVMClockReport *report);
void kvmclock_tell_not_carried(Error **kept, Error *why, const char *so);
void kvmclock_begin_move(struct cf_move *move, const KVMClockCarried *src,
                         const struct cf_anchor *now,
                         const KVMClockTime *time,
                         const KVMClockConfig *config);

bool kvmclock_make_offer(KVMClockOffer *offer, const struct cf_tsc_freq *freq,
                         const KVMClockCarried *stopped,
                         const KVMClockConfig *config, Error **errp);
bool kvmclock_check_offer(const KVMClockOffer *offer,
                          const KVMClockConfig *config);
struct cf_policy_facts kvmclock_wishes(const KVMClockOffer *offer,
                                       const KVMClockConfig *config);
bool kvmclock_tolerates_plain(const KVMClockConfig *config);

void kvmclock_collect_exchanges(KVMClockCarried *c);
struct cf_channel kvmclock_channel(const KVMClockCarried *src);

extern const VMStateDescription vmstate_kvmclock_carried;
extern const VMStateDescription vmstate_kvmclock_exchanges;
extern const VMStateDescription vmstate_kvmclock_freq;

#endif
