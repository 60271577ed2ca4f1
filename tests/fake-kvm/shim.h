/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The shim, libfake-kvm-HOST.so, to be named in LD_PRELOAD: the program runs
 * on this machine's KVM, but TSCs and clocks are those of the modelled HOST.
 *
 * shim.c sorts the ioctls, shim-vm.c knows VMs and how they run, shim-hyperv.c
 * what makes them look like Hyper-V's and shim-xen.c like Xen's, shim-pending.c
 * what they have pending besides clocks, shim-host.c is the host as seen without
 * KVM, and shim-log.c writes down what happens.
 */
#ifndef FAKE_KVM_SHIM_H
#define FAKE_KVM_SHIM_H

#include <inttypes.h>
#include <linux/kvm.h>
#include <pthread.h>
#include "model.h"

#define SHIM_EXPORT __attribute__((visibility("default")))

/* What a function of the shim returns that leaves a call to the kernel. */
#define SHIM_PASS INT32_MIN

struct ShimHandle;

/**
 * ShimVm - a VM of the program
 * @number: VMs count from 0 in the order of their creation
 * @n_handles: file descriptors of it and its vCPUs
 * @vcpus: the latter; NULL when they are closed
 * @slots: the guest's memory, array of struct kvm_userspace_memory_region
 */
typedef struct ShimVm {
    FakeVm model;
    int number;
    int n_handles;
    struct ShimHandle *vcpus[FAKE_MAX_VCPUS];
    GArray *slots;
} ShimVm;

/**
 * ShimHandle - what a file descriptor stands for
 * @vcpu: NULL for the VM itself
 * @id: the vCPU's
 * @at_brink: its last run turned back
 * @xen_records: where a guest of Xen's has its record, too; 0: not there
 * @busy: held while the vCPU runs or is called, as KVM does
 */
typedef struct ShimHandle {
    int fd;
    ShimVm *vm;
    FakeVcpu *vcpu;
    uint32_t id;
    bool at_brink;
    uint64_t xen_records[2];
    pthread_mutex_t busy;
} ShimHandle;

/* -- shim-host.c -- */

/* The host, after shim_begin(). */
extern FakeHost shim_host;

/* To be called at each use of KVM; the first makes this process the host's. */
void shim_begin(void);

/* What may change on a host, as the file of hosts has it now. */
void shim_look_again(void);

/* From now on this host is as that one, in what may change on a host. */
void shim_turn(const char *name, const FakeHost *host);

/* The kernel's own call; -errno if it fails. */
int shim_kernel(int fd, unsigned long request, void *argument);

/* -- shim-vm.c -- */

void shim_vm_set_memory(ShimVm *vm,
                        const struct kvm_userspace_memory_region *region);

/* Where the guest's memory is in this process; NULL: nowhere. */
void *shim_guest_memory(const ShimVm *vm, uint64_t address, size_t size);

int shim_get_msrs(ShimHandle *handle, struct kvm_msrs *list);
int shim_set_msrs(ShimHandle *handle, const struct kvm_msrs *list);

/* Around the kernel's KVM_RUN, which returned @rc. */
void shim_before_run(ShimHandle *handle);
void shim_after_run(ShimHandle *handle, int rc);

/* After each call: what it changed for vCPUs that run. */
void shim_vm_refresh(const ShimVm *vm);

/* -- shim-hyperv.c -- */

int shim_msr_index_list(int fd, struct kvm_msr_list *list);
int shim_hyperv_cpuid(struct kvm_cpuid2 *cpuid);

/* The reference page moves to the guest's memory, if it is due. */
void shim_hyperv_write_page(const ShimHandle *handle);

/* The timers of a vCPU that runs. */
void shim_hyperv_run_timers(const ShimHandle *handle);

/* -- shim-xen.c -- */

int shim_xen_set_attr(ShimHandle *handle,
                      const struct kvm_xen_vcpu_attr *attr);

/* The guest makes a hypercall, if it has one to make, and doesn't run. */
bool shim_xen_hypercall(const ShimHandle *handle);

/* -- shim-pending.c -- */

int shim_get_events(const ShimHandle *handle, struct kvm_vcpu_events *events);
int shim_get_regs(const ShimHandle *handle, struct kvm_regs *regs);
int shim_set_mp_state(const ShimHandle *handle, struct kvm_mp_state *state);

/* Of guests that nest. */
int shim_nested_size(void);
int shim_get_nested(struct kvm_nested_state *state);
int shim_set_nested(void);

/* -- shim-log.c -- */

/**
 * ShimCall - a call under way
 * @name: with the attribute or MSR in brackets, if it has one
 * @number: which one of this name in this process, from 1
 * @fault: errno with which it shall fail, 0: it shan't
 */
typedef struct ShimCall {
    const ShimHandle *handle;
    char *name;
    int number;
    int fault;
} ShimCall;

/* Opens the log; faults as of fake_host_read(). */
void shim_log_open(const char *path, const char *host_name, GArray *faults,
                   bool anew);

/* A call begins; @part stands in brackets or is NULL. */
ShimCall shim_call(const ShimHandle *handle, const char *name,
                   const char *part);

/* The errno with which this one of a host's other calls shall fail, or 0. */
int shim_fault(const char *name);

/* It ends; frees it. Arguments and results are words like "khz=1". */
int shim_done(ShimCall *call, int rc, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif /* FAKE_KVM_SHIM_H */
