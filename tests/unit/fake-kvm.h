/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Model hosts, to put under the library: ../fake-kvm has the model.
 *
 * Every call takes a while of the true time, which nothing else moves.
 */
#ifndef CF_FAKE_KVM_H
#define CF_FAKE_KVM_H

#include "model.h"

#define FAKE_HOSTS 2
#define FAKE_PAGE 0x21000ULL

extern FakeHost fake_hosts[FAKE_HOSTS];
extern const CfKvmOps fake_ops;

/* All hosts alike: 2.5 GHz, scaling, newest kernel, no VMs. */
void fake_reset(void);

/* Both are one host: the same boot, the same TSC. */
void fake_one_host(void);

void fake_wait(uint64_t ns);

/* On which host the library runs from now on. */
void fake_enter(FakeHost *host);

/* Device paths: "0" and "1" are the hosts. */
FakeVm *fake_vm(int vm_fd);
int fake_vcpu_fd(const FakeVm *vm, uint32_t vcpu);
int fake_vm_fd(const FakeVm *vm);

/* How many VMs are open. */
int fake_open_vms(void);

/* kvmclock as the guest of a vCPU computes it at a TSC, and now. */
int64_t fake_clock_at(const FakeVm *vm, uint32_t vcpu, uint64_t guest_ticks);
int64_t fake_guest_clock(const FakeVm *vm, uint32_t vcpu);

/* All vCPUs run for a moment. */
void fake_run(FakeVm *vm);

/* Guest memory is what KVM wrote: the boot vCPU's record. */
bool fake_read_guest(uint64_t address, void *buffer, size_t size,
                     void *opaque);

#endif /* CF_FAKE_KVM_H */
