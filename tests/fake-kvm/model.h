/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A model of KVM's clocks on any host: what it keeps, and what the calls do.
 *
 * It is put under the library as a table of functions (tests/unit), and under
 * whole programs as an ioctl shim (shim.c). One true time drives all hosts:
 * their TSCs and real times follow from it, so the truth of every clock is
 * known. README.rst tells what is modelled, and what isn't.
 *
 * Calls return 0 or -errno, as the kernel's do.
 */
#ifndef FAKE_KVM_MODEL_H
#define FAKE_KVM_MODEL_H

#include <clockferry/vm.h>
#include "model-hyperv.h"

#define FAKE_MAX_VCPUS 256
#define FAKE_MSR_TSC_ADJUST 0x3b

/* No number has been given out yet; this is the lab's, too. */
#define FAKE_CAP_CLOCK_GUEST 25200

typedef enum FakeClockGuest {
    FAKE_CLOCK_GUEST_ABSENT,
    FAKE_CLOCK_GUEST_V6,        /* EINVAL for everything that is transient */
    FAKE_CLOCK_GUEST_NEWEST,    /* EBUSY and ENODATA, and a capability */
} FakeClockGuest;

typedef enum FakeMasterClock {
    FAKE_MASTER_CLOCK_NEVER,    /* the host's clocksource isn't the TSC */
    FAKE_MASTER_CLOCK_LATE,     /* from the first KVM_RUN or KVM_SET_CLOCK on */
    FAKE_MASTER_CLOCK_EARLY,    /* from the VM's creation on */
} FakeMasterClock;

typedef enum FakePending {
    FAKE_PENDING_NOTHING,
    FAKE_PENDING_NMI,
    FAKE_PENDING_SMI,
    FAKE_PENDING_INIT,
    FAKE_PENDING_SHUTDOWN,      /* a triple fault */
    FAKE_PENDING_NESTED,        /* it is in a guest of its own */
} FakePending;

typedef enum FakeBrink {
    FAKE_BRINK_STAYS,
    FAKE_BRINK_WAKES,           /* an interrupt is taken up */
    FAKE_BRINK_MOVES,           /* the instruction pointer isn't what it was */
} FakeBrink;

/**
 * FakeHost - one host
 * @told_khz: what the kernel takes @khz for in new VMs; 0: for what it is
 * @tsc_khz: the TSC's frequency, if the kernel takes it for @khz but it isn't
 * @rate_ppm: by how much the host's TSC is faster than that
 * @pending_ns: so much its kernel has still to add to real time
 * @tsc_base_ticks: host TSC at true time 0
 * @realtime_base_ns: CLOCK_REALTIME at true time 0
 * @uuid: what its firmware says of which machine it is
 * @tsc_control: it can scale TSCs
 * @has_offset: KVM_VCPU_TSC_OFFSET exists (Linux 5.16)
 * @has_scale: KVM_VCPU_TSC_SCALE exists, if there is something to scale
 * @tolerance_ppm: kvm.tsc_tolerance_ppm
 * @scaling_fails: though a frequency is accepted, nothing is scaled
 * @clock_guest_waits: the CLOCK_GUEST calls don't start the master clock
 * @unequal_offsets_allowed: the master clock needs equal frequencies only
 * @adjust_clock: KVM_CAP_ADJUST_CLOCK: flags that the clock calls know
 * @bias_ns: KVM_SET_CLOCK is late by this,
 * @noise_ns: and by up to this more, at random;
 * @cold_ns: the next @cold_sets of them by this much more
 * @call_ns: how long a call takes, at least; for who has no other time
 * @busy: how many CLOCK_GUEST calls will still find the CPU's kHz unknown
 * @deadline_ticks: guests arm their TSC deadline timer this far ahead when
 *                  they run first; 0: they don't use it
 * @skew_ticks: and each vCPU puts its TSC so far ahead of the one before it
 * @hyperv: KVM has Hyper-V's enlightenments
 * @reference_page: guests put the reference TSC page there when they run
 *                  first; 0: they don't believe to be on Hyper-V
 * @reenlightened: and want to be told when their TSC's frequency changes
 * @reference_timer: they start a timer that expires so many units of 100 ns
 *                   later; 0: they don't
 * @xen: KVM has Xen's interface
 * @xen_guest: guests have their vcpu_info there; 0: they don't believe to be
 *             on Xen
 * @pending: what vCPUs have pending until they run
 * @brink: what a KVM_RUN does to them that turns back
 * @pause_ns: so long nothing happens when a host turns into this one
 * @khz_writes: calls of this kind so far, as of the next two
 * @calls: all calls so far, which of them fails, and at which the TSC becomes
 *         unstable; for who counts them
 * @capability_known: for who has to know the number of the capability
 */
typedef struct FakeHost {
    uint32_t khz;
    uint32_t told_khz;
    uint32_t tsc_khz;
    int32_t rate_ppm;
    int64_t pending_ns;
    uint64_t tsc_base_ticks;
    uint64_t realtime_base_ns;
    CfHostTime time;
    CfHostId id;
    char uuid[CF_BOOT_ID_SIZE];
    bool tsc_control;
    bool has_offset;
    bool has_scale;
    uint32_t frac_bits;
    uint32_t tolerance_ppm;
    bool scaling_fails;
    enum cf_offset offset;
    FakeClockGuest clock_guest;
    bool clock_guest_waits;
    FakeMasterClock master_clock;
    bool unequal_offsets_allowed;
    uint32_t adjust_clock;
    uint64_t bias_ns;
    uint64_t noise_ns;
    uint64_t cold_ns;
    int cold_sets;
    uint64_t call_ns;
    uint32_t random_state;
    int busy;
    uint64_t deadline_ticks;
    uint64_t skew_ticks;
    bool hyperv;
    uint64_t reference_page;
    bool reenlightened;
    uint64_t reference_timer;
    bool xen;
    uint64_t xen_guest;
    FakePending pending;
    FakeBrink brink;
    uint64_t pause_ns;
    int khz_writes;
    int deadline_writes;
    int offset_writes;
    int calls;
    int fail_call;
    int unstable_call;
    bool capability_known;
} FakeHost;

/* A TSC that was written: which value, when, and with which offset. */
typedef struct FakeTscWrite {
    uint64_t ticks;
    uint64_t ns;
    uint64_t offset_ticks;
    uint32_t khz;
} FakeTscWrite;

/**
 * FakeVcpu - one vCPU
 * @virtual_khz: what was asked for last, even if it was refused
 * @ratio: 0 if not even the first frequency could be had
 * @catches_up: it was asked to be faster than the host; for life
 * @generation: that of the last TSC write, to be compared with the VM's
 * @baseline: where catching up starts from
 * @last_ticks: guest TSC at the end of the last run or at the last write
 * @update_pending: an update of the master clock comes with the next run
 * @record_pending: the guest's record will be written with the next run
 * @was_loaded: there was a vCPU call before
 * @ran: there was a run before
 * @running: it runs now
 * @deadline_armed_ticks: offset with which the deadline's timer was armed
 * @paused: the record will tell the guest that it was paused
 * @record: the guest's record as KVM wrote it last
 */
typedef struct FakeVcpu {
    struct FakeVm *vm;
    uint32_t virtual_khz;
    uint64_t ratio;
    uint64_t offset_ticks;
    bool catches_up;
    uint64_t generation;
    FakeTscWrite baseline;
    uint64_t last_ticks;
    bool update_pending;
    bool record_pending;
    bool was_loaded;
    bool ran;
    bool running;
    uint64_t tsc_adjust;
    uint64_t deadline_ticks;
    uint64_t deadline_armed_ticks;
    uint64_t system_time_msr;
    bool paused;
    FakeHvVcpu hyperv;
    CfPvclockRecord record;
} FakeVcpu;

/**
 * FakeVm - one VM
 * @default_khz: what vCPUs get that are created from now on
 * @master: the master clock is on, and kvmclock is a line through
 *          {@ref_ticks, @ref_ns + @clock_offset_ns}, since @ref_true_ns
 * @all_equal: at the last update all vCPUs had one TSC
 * @generation: TSC writes that don't fit the former ones begin a new one;
 *              0: none yet
 * @first: the write that began it
 * @last: the last write
 * @n_matched: how many vCPUs followed the first one of this generation
 */
typedef struct FakeVm {
    FakeHost *host;
    uint32_t default_khz;
    bool master;
    bool all_equal;
    uint64_t ref_ticks;
    uint64_t ref_ns;
    uint64_t ref_true_ns;
    uint64_t clock_offset_ns;
    uint64_t generation;
    FakeTscWrite first;
    FakeTscWrite last;
    uint32_t n_matched;
    FakeHyperv hyperv;
    uint32_t n_vcpus;
    FakeVcpu vcpus[FAKE_MAX_VCPUS];
} FakeVm;

/* The true time in ns: from who uses the model. */
uint64_t fake_true_ns(void);

uint64_t fake_host_ticks(const FakeHost *host);
uint64_t fake_realtime_ns(const FakeHost *host);

/* Guest TSC of a vCPU now. */
uint64_t fake_guest_ticks(const FakeVcpu *vcpu);

/* What an update of the guest's record would give, made now. */
CfPvclockRecord fake_record(const FakeVcpu *vcpu);

void fake_vm_create(FakeVm *vm, FakeHost *host);
FakeVcpu *fake_vcpu_create(FakeVm *vm);

/* Before each call on a vCPU: on hosts with an unstable TSC it does harm. */
void fake_vcpu_load(FakeVcpu *vcpu);

/* What KVM_RUN does to the clocks before the guest runs, and after.
 * Entering tells whether the guest's record was written. */
bool fake_vcpu_enter(FakeVcpu *vcpu);
void fake_vcpu_leave(FakeVcpu *vcpu);

/* A vCPU that runs and whose record is due is interrupted for it, if another
 * call made it due. Tells whether it was. */
bool fake_vcpu_refresh(FakeVcpu *vcpu);

/* The calls. @capability: as the kernel's number; false: not modelled. */
bool fake_check_extension(const FakeHost *host, uint32_t capability,
                          int *ret_value);
int fake_vm_set_khz(FakeVm *vm, uint32_t khz);
int fake_set_khz(FakeVcpu *vcpu, uint32_t khz);
int fake_has_offset(const FakeVcpu *vcpu);
int fake_get_offset(const FakeVcpu *vcpu, uint64_t *ret_offset_ticks);
int fake_set_offset(FakeVcpu *vcpu, uint64_t offset_ticks);
int fake_get_scale(const FakeVcpu *vcpu, uint64_t *ret_ratio,
                   uint64_t *ret_frac_bits);
int fake_set_scale(const FakeVcpu *vcpu);
bool fake_get_msr(const FakeVcpu *vcpu, uint32_t msr, uint64_t *ret_value);
bool fake_set_msr(FakeVcpu *vcpu, uint32_t msr, uint64_t value);
int fake_get_clock(const FakeVm *vm, CfKvmClock *ret_clock);
int fake_set_clock(FakeVm *vm, const CfKvmClock *clock);
int fake_get_clock_guest(FakeVcpu *vcpu, CfPvclockRecord *ret_record);
int fake_set_clock_guest(FakeVcpu *vcpu, const CfPvclockRecord *record);
int fake_kvmclock_ctrl(FakeVcpu *vcpu);

/* -- What model.c and model-calls.c share -- */

/* A vCPU is asked for a frequency: 0 if it can be had. */
int fake_take_khz(FakeVcpu *vcpu, uint32_t khz);

/* Host TSC, and how long that took by its printed frequency; guest TSC;
 * kvmclock as KVM_GET_CLOCK computes it, at a time. */
uint64_t fake_raw_ns_at(const FakeHost *host, uint64_t true_ns);
uint64_t fake_host_ticks_at(const FakeHost *host, uint64_t true_ns);
uint64_t fake_guest_ticks_at(const FakeVcpu *vcpu, uint64_t host_ticks);
uint64_t fake_clock_ns_at(const FakeVm *vm, uint64_t true_ns);

/* A new reference, and the master clock if there can be one. */
void fake_take_reference(FakeVm *vm);

/* An update of the master clock that is due; all records are due then. */
void fake_consume_update(FakeVcpu *vcpu);
void fake_request_records(FakeVm *vm);

/* A TSC is written, as an offset or as a value. */
void fake_write_offset(FakeVcpu *vcpu, uint64_t offset_ticks);
void fake_write_tsc(FakeVcpu *vcpu, uint64_t ticks);

/* KVM takes a deadline only from guests that use that timer. */
void fake_arm_deadline(FakeVcpu *vcpu, uint64_t deadline_ticks);

#endif /* FAKE_KVM_MODEL_H */
