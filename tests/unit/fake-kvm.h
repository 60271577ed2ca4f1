/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A model of KVM hosts, to put under the library.
 *
 * One true time drives all hosts. Every call takes a while of it, TSCs and
 * real times follow from it, so the truth of every clock is known.
 */
#ifndef CF_FAKE_KVM_H
#define CF_FAKE_KVM_H

#include <clockferry/vm.h>

#define FAKE_HOSTS 2
#define FAKE_MAX_VCPUS 4
#define FAKE_PAGE 0x21000ULL

typedef enum FakeClockGuest {
    FAKE_CLOCK_GUEST_ABSENT,
    FAKE_CLOCK_GUEST_V6,        /* EINVAL for everything that is transient */
    FAKE_CLOCK_GUEST_NEWEST,    /* EBUSY and ENODATA */
} FakeClockGuest;

/**
 * FakeHost - one host; tests change what they want after fake_reset()
 * @master_clock_late: it isn't there before KVM_SET_CLOCK or the first run
 * @capability_known: the library knows the number of its capability
 * @scaling_fails: a frequency that is set isn't taken
 * @noise_ns: KVM_SET_CLOCK misses by @bias_ns plus up to this, at random
 * @cold_ns: the next @cold_sets of them miss by this, too
 * @busy: how many CLOCK_GUEST calls will still be answered with "busy"
 * @fail_call: which call of the table, counted from 1, fails; 0 for none
 * @calls: calls so far, of those that can fail
 */
typedef struct FakeHost {
    uint32_t khz;
    uint64_t tsc_base_ticks;
    uint64_t realtime_base_ns;
    CfHostTime time;
    CfHostId id;
    bool tsc_control;
    bool has_offset;
    bool has_scale;
    uint32_t frac_bits;
    uint32_t tolerance_ppm;
    bool scaling_fails;
    enum cf_offset offset;
    FakeClockGuest clock_guest;
    bool capability_known;
    bool master_clock;
    bool master_clock_late;
    bool unequal_offsets_allowed;
    uint32_t adjust_clock;
    uint64_t bias_ns;
    uint64_t noise_ns;
    uint64_t cold_ns;
    int cold_sets;
    int busy;
    int fail_call;
    int calls;
    int khz_writes;
    int deadline_writes;
    int offset_writes;
} FakeHost;

typedef struct FakeVcpu {
    uint32_t virtual_khz;
    uint64_t ratio;
    uint64_t offset_ticks;
    uint64_t deadline_ticks;
    uint64_t system_time_msr;
} FakeVcpu;

/**
 * FakeVm - one VM; kvmclock is @ref_ns at host TSC @ref_ticks
 * @written_ticks: offset that the last write of MSR_IA32_TSC led to
 * @pending: an update will re-base kvmclock at the first run
 * @page: the boot vCPU's pvclock record in guest memory
 */
typedef struct FakeVm {
    FakeHost *host;
    bool open;
    bool master;
    bool pending;
    uint64_t ref_ticks;
    uint64_t ref_ns;
    uint64_t written_ticks;
    uint32_t n_vcpus;
    FakeVcpu vcpus[FAKE_MAX_VCPUS];
    CfPvclockRecord page;
} FakeVm;

extern FakeHost fake_hosts[FAKE_HOSTS];
extern const CfKvmOps fake_ops;

/* All hosts alike: 2.5 GHz, scaling, newest kernel, no VMs. */
void fake_reset(void);

void fake_wait(uint64_t ns);
uint64_t fake_now_ns(void);
uint64_t fake_host_ticks(const FakeHost *host);

/* On which host the library runs from now on. */
void fake_enter(FakeHost *host);

/* Device paths: "0" and "1" are the hosts. */
FakeVm *fake_vm(int vm_fd);
int fake_vcpu_fd(const FakeVm *vm, uint32_t vcpu);
int fake_vm_fd(const FakeVm *vm);

/* How many VMs are open. */
int fake_open_vms(void);

/* Guest TSC of a vCPU now, and kvmclock as its guest computes it now. */
uint64_t fake_guest_ticks(const FakeVm *vm, uint32_t vcpu);
int64_t fake_guest_clock(const FakeVm *vm, uint32_t vcpu);

/* What the first KVM_RUN does to the clock and to the page. */
void fake_run(FakeVm *vm);

bool fake_read_guest(uint64_t address, void *buffer, size_t size,
                     void *opaque);

#endif /* CF_FAKE_KVM_H */
