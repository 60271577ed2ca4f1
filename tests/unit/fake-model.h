/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the two files of the model share. */
#ifndef CF_FAKE_MODEL_H
#define CF_FAKE_MODEL_H

#include "fake-kvm.h"

#define MODEL_MAX_VMS 8
#define MODEL_VM_FD 1000
#define MODEL_VCPU_FD 2000
#define MODEL_CALL_NS 200

extern FakeVm model_vms[MODEL_MAX_VMS];
extern uint64_t model_true_ns;

uint32_t model_next_random(void);

/* Every call takes time, and the chosen one fails. */
bool model_fails(FakeHost *host);

FakeVm *model_vcpu_vm(int fd);
FakeVcpu *model_vcpu_of(int fd);
uint64_t model_realtime_ns(const FakeHost *host);

/* Guest TSC at a host TSC; the kHz of its pvclock record; the record. */
uint64_t model_guest_at(const FakeVm *vm, const FakeVcpu *vcpu,
                        uint64_t host_ticks);
uint32_t model_record_khz(const FakeVm *vm, const FakeVcpu *vcpu);
CfPvclockRecord model_record_of(const FakeVm *vm, const FakeVcpu *vcpu);

/* kvmclock now as KVM_GET_CLOCK computes it; a new reference for it. */
uint64_t model_kernel_clock(const FakeVm *vm);
void model_set_reference(FakeVm *vm, uint64_t ns);

/* Can there be a master clock? */
void model_update_master(FakeVm *vm);

#endif /* CF_FAKE_MODEL_H */
