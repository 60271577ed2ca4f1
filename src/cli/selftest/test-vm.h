/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A VM without QEMU that runs the test guest. */
#ifndef CF_TEST_VM_H
#define CF_TEST_VM_H

#include <clockferry/vm.h>

#define TEST_VM_MAX_VCPUS 64u

typedef struct TestVm TestVm;

/* A VM with the test guest, which hasn't run yet, of 1 to TEST_VM_MAX_VCPUS
 * vCPUs; to be freed with test_vm_free(). The ROM has the size that
 * tests/guest/layout.h says. */
TestVm *test_vm_new(const char *device, const unsigned char *rom,
                    size_t rom_size, uint32_t n_vcpus, GError **error);

void test_vm_free(TestVm *vm);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(TestVm, test_vm_free)

/* Runs the guest until every vCPU has published again, and stops it. */
gboolean test_vm_run(TestVm *vm, GError **error);

/* The VM as the library wants it; valid as long as the VM. */
CfVm test_vm_describe(TestVm *vm, const CfHost *host);

/* The pvclock record of a vCPU of a stopped VM in its memory; false if the
 * guest hasn't turned kvmclock on. */
bool test_vm_record(TestVm *vm, uint32_t vcpu, CfPvclockRecord *ret_record);

/* The latest TSC that any vCPU of the guest published. */
uint64_t test_vm_published_ticks(TestVm *vm);

#endif /* CF_TEST_VM_H */
