/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hosts as tests/fake-kvm models them, and a guest on one of them. */
#ifndef TESTS_FUZZ_SECTIONS_MODELLED_H
#define TESTS_FUZZ_SECTIONS_MODELLED_H

#include <inttypes.h>
#include <stdbool.h>

#define VCPUS_MAX 2
/* Where its pvclock record is. */
#define MODEL_PAGE 0x7000

/* What the guest's clocks show at an instant, by the model. */
typedef struct ModelClocks {
    bool known;
    int64_t clock_ns;
    uint64_t tsc_ticks[VCPUS_MAX];
    double tsc_hz;
} ModelClocks;

/* Reads the hosts; how many there are. */
unsigned int model_begin(const char *file);

/* This process is on that host from now on, with a new VM. The one before
 * stays as it was. */
void model_become(unsigned int host, unsigned int n_vcpus, uint32_t guest_khz);

/* The guest runs, until it stops. */
void model_run(void);
void model_stop(void);

/* Time passes. */
void model_wait_ns(uint64_t ns);
uint64_t model_now_ns(void);
void model_set_now_ns(uint64_t ns);

/* What is on the guest's page instead of what KVM wrote; NULL: that. */
void model_set_page(const void *record);

/* The guest's clocks here, or on the host before, at a true time. */
ModelClocks model_clocks(bool here, uint64_t true_ns);

/* The host's TSC at a true time. */
uint64_t model_ticks(uint64_t true_ns);

/* File descriptors of the VM and its vCPUs. */
int model_vm_fd(void);
int model_vcpu_fd(unsigned int vcpu);

#endif
