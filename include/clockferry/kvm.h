/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the library asks of KVM and of the host, as a table of functions.
 *
 * cf_kvm_ops() is the real kernel; tests put a model of a host in its place.
 * Each function makes one call and returns 0 or -errno as the kernel gave it.
 * What an errno means depends on the call, and the caller decides it.
 */
#ifndef CLOCKFERRY_KVM_H
#define CLOCKFERRY_KVM_H

#include <clockferry/clock-fn.h>
#include <clockferry/error.h>

/* Capability numbers, as in linux/kvm.h. */
#define CF_KVM_CAP_ADJUST_CLOCK 39
#define CF_KVM_CAP_TSC_CONTROL 60
#define CF_KVM_CAP_COUNTER_OFFSET 227

#define CF_MSR_TSC 0x10u
#define CF_MSR_TSC_DEADLINE 0x6e0u
#define CF_MSR_KVM_SYSTEM_TIME 0x4b564d01u

#define CF_BOOT_ID_SIZE 37      /* 36 characters and the final 0 */
#define CF_CLOCKSOURCE_SIZE 32
#define CF_HOST_NAME_SIZE 65
#define CF_KERNEL_SIZE 65

/**
 * CfAnswer - the answer to a question that may have none
 */
typedef enum CfAnswer {
    CF_ANSWER_UNKNOWN,
    CF_ANSWER_NO,
    CF_ANSWER_YES,
} CfAnswer;

/**
 * CfArchitecture - a host's architecture, and with it its guests'
 * @CF_ARCHITECTURE_X86_64: x86-64; also of a host of which nobody said it
 * @CF_ARCHITECTURE_ARM64: arm64, whose guests have no TSC and no kvmclock, but
 *                         a counter
 */
typedef enum CfArchitecture {
    CF_ARCHITECTURE_X86_64,
    CF_ARCHITECTURE_ARM64,
} CfArchitecture;

/**
 * CfKvmClock - struct kvm_clock_data, for KVM_GET_CLOCK and KVM_SET_CLOCK
 * @clock_ns: kvmclock
 * @flags: CF_KVM_CLOCK_...: which of the next two are valid
 * @pad0: 0
 * @realtime_ns: the host's CLOCK_REALTIME; padding before 5.16
 * @host_ticks: the host's TSC; padding before 5.16
 * @pad: 0
 */
typedef struct CfKvmClock {
    uint64_t clock_ns;
    uint32_t flags;
    uint32_t pad0;
    uint64_t realtime_ns;
    uint64_t host_ticks;
    uint32_t pad[4];
} CfKvmClock;

/* CfPvclockRecord - a pvclock record as it lies in guest memory */
typedef struct cf_record CfPvclockRecord;

/**
 * CfLeap - what the kernel is going to do to the last second of the day
 * @CF_LEAP_NONE: nothing
 * @CF_LEAP_INSERT: repeat it
 * @CF_LEAP_DELETE: leave it out
 * @CF_LEAP_NOW: it is being repeated right now
 */
typedef enum CfLeap {
    CF_LEAP_NONE,
    CF_LEAP_INSERT,
    CF_LEAP_DELETE,
    CF_LEAP_NOW,
} CfLeap;

/**
 * CfHostTime - what the kernel knows about its CLOCK_REALTIME
 * @tai_offset_s: TAI - UTC in seconds; 0 when the kernel doesn't know
 * @max_error_ns: the kernel's bound of the clock's error, and what it has
 *                still to correct
 * @synchronised: a time daemon steers the clock
 * @leap: a leap second is near
 * @adjustment_ppt: by so much the kernel makes its clock faster than its
 *                  clocksource, in 10^-12; of a synchronised clock
 */
typedef struct CfHostTime {
    int32_t tai_offset_s;
    uint64_t max_error_ns;
    bool synchronised;
    CfLeap leap;
    int64_t adjustment_ppt;
} CfHostTime;

/* cf_time_error_ns - how far off it may be; UINT64_MAX: unknown, as it is for
 * a clock that isn't synchronised, and where all is 0 */
static inline uint64_t cf_time_error_ns(const CfHostTime *time)
{
    return time->synchronised ? time->max_error_ns : UINT64_MAX;
}

/**
 * CfHostId - what distinguishes a host, and a boot of it, from others
 * @boot_id: /proc/sys/kernel/random/boot_id; empty when it can't be read
 * @clocksource: the current clocksource; empty when it can't be read
 * @name: the host's name; empty when unknown
 * @kernel: the kernel's release; empty when unknown
 * @frac_bits: fraction bits of the CPU's TSC scaling: 32 (SVM, AMD) or 48
 *             (VMX, Intel); 0 when unknown
 * @invariant_tsc: the CPU says that its TSC never changes its rate or stops
 * @is_guest: this host is itself a virtual machine
 * @machine: digest of what its firmware and its CPU say about which machine it
 *           is; 0 when unknown, as it is where only root may read that
 */
typedef struct CfHostId {
    char boot_id[CF_BOOT_ID_SIZE];
    char clocksource[CF_CLOCKSOURCE_SIZE];
    char name[CF_HOST_NAME_SIZE];
    char kernel[CF_KERNEL_SIZE];
    uint32_t frac_bits;
    CfAnswer invariant_tsc;
    CfAnswer is_guest;
    uint64_t machine;
} CfHostId;

/**
 * CfKvmOps - the calls
 * @open: open a KVM device node, check that it speaks the KVM API
 * @close: close any of the descriptors; a VM's can take a busy kernel long
 * @create_vm: KVM_CREATE_VM
 * @create_vcpu: KVM_CREATE_VCPU
 * @check_extension: KVM_CHECK_EXTENSION on a device or VM
 * @has_clock_guest: KVM_CAP_CLOCK_GUEST of a VM; -ENOSYS where the library
 *                   was built without knowing its number
 * @get_tsc_khz: KVM_GET_TSC_KHZ of a vCPU; it may be a refused value
 * @set_tsc_khz: KVM_SET_TSC_KHZ of a vCPU; never without TSC control, where
 *               it switches catch-up mode on for the vCPU's life
 * @get_tsc_offset: KVM_VCPU_TSC_OFFSET; -ENXIO where the kernel lacks it
 * @set_tsc_offset: the same; success doesn't mean that it took effect
 * @get_tsc_scale: KVM_VCPU_TSC_SCALE; -ENXIO where the kernel lacks it
 * @get_msr: KVM_GET_MSRS with one MSR; -EIO if KVM doesn't know that MSR
 * @set_msr: KVM_SET_MSRS, with the same error
 * @get_clock: KVM_GET_CLOCK of a VM
 * @set_clock: KVM_SET_CLOCK of a VM
 * @get_clock_guest: KVM_GET_CLOCK_GUEST of a vCPU; -EINVAL where the kernel
 *                   lacks it
 * @set_clock_guest: KVM_SET_CLOCK_GUEST of a vCPU, with the same error
 * @read_tsc: the host's TSC, on arm64 its counter, ordered with earlier and
 *            later instructions
 * @read_pair: what that reads, and the CLOCK_REALTIME that goes with it, to within
 *             some tens of nanoseconds
 * @get_host_time: read-only adjtimex
 * @get_tolerance: module parameter kvm.tsc_tolerance_ppm
 * @get_host_id: which host this is; never fails, but members may be unknown
 * @architecture: whose calls these are. Those of other architectures are NULL:
 *                from @has_clock_guest to @set_clock_guest and @get_tolerance
 *                on arm64, and what follows on x86-64
 * @get_counter_hz: frequency of the host's counter, CNTFRQ_EL0; -ENOENT if
 *                  firmware didn't write it
 * @get_counter: KVM_GET_ONE_REG of KVM_REG_ARM_TIMER_CNT
 * @set_counter: KVM_SET_ONE_REG of it; ignored once @set_counter_offset was
 *               called for the VM
 * @set_counter_offset: KVM_ARM_SET_COUNTER_OFFSET of a VM: host's counter -
 *                      guest's
 */
typedef struct CfKvmOps {
    int (*open)(const char *path, int *ret_kvm_fd);
    void (*close)(int fd);
    int (*create_vm)(int kvm_fd, int *ret_vm_fd);
    int (*create_vcpu)(int vm_fd, uint32_t id, int *ret_vcpu_fd);
    int (*check_extension)(int fd, uint32_t capability, uint32_t *ret_value);
    int (*has_clock_guest)(int vm_fd, uint32_t *ret_value);
    int (*get_tsc_khz)(int vcpu_fd, uint32_t *ret_khz);
    int (*set_tsc_khz)(int vcpu_fd, uint32_t khz);
    int (*get_tsc_offset)(int vcpu_fd, uint64_t *ret_offset_ticks);
    int (*set_tsc_offset)(int vcpu_fd, uint64_t offset_ticks);
    int (*get_tsc_scale)(int vcpu_fd, uint64_t *ret_ratio,
                         uint64_t *ret_frac_bits);
    int (*get_msr)(int vcpu_fd, uint32_t msr, uint64_t *ret_value);
    int (*set_msr)(int vcpu_fd, uint32_t msr, uint64_t value);
    int (*get_clock)(int vm_fd, CfKvmClock *ret_clock);
    int (*set_clock)(int vm_fd, const CfKvmClock *clock);
    int (*get_clock_guest)(int vcpu_fd, CfPvclockRecord *ret_record);
    int (*set_clock_guest)(int vcpu_fd, const CfPvclockRecord *record);
    uint64_t (*read_tsc)(void);
    int (*read_pair)(uint64_t *ret_host_ticks, uint64_t *ret_realtime_ns);
    int (*get_host_time)(CfHostTime *ret_time);
    int (*get_tolerance)(uint32_t *ret_ppm);
    void (*get_host_id)(CfHostId *ret_id);
    CfArchitecture architecture;
    int (*get_counter_hz)(uint32_t *ret_hz);
    int (*get_counter)(int vcpu_fd, uint64_t *ret_ticks);
    int (*set_counter)(int vcpu_fd, uint64_t ticks);
    int (*set_counter_offset)(int vm_fd, uint64_t offset_ticks);
} CfKvmOps;

G_BEGIN_DECLS

/**
 * cf_kvm_ops - the calls of the running kernel
 *
 * Return: a static table, never NULL. Thread: any.
 */
CF_API const CfKvmOps *cf_kvm_ops(void);

G_END_DECLS

#endif /* CLOCKFERRY_KVM_H */
