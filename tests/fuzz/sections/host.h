/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Put before each of the series' files: all that they don't have of the real
 * host, but of one that tests/fake-kvm models. What isn't named here is QEMU's.
 */
#ifndef TESTS_FUZZ_SECTIONS_HOST_H
#define TESTS_FUZZ_SECTIONS_HOST_H

#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/timer.h"
#include "answers.h"

#define cpu_get_host_ticks host_ticks
#define get_clock host_monotonic_ns
#define qemu_clock_get_ns(clock) host_monotonic_ns()
#define clock_gettime host_clock_gettime
#define g_usleep host_sleep_us
#define adjtimex host_adjtimex
#define g_file_get_contents(path, text, length, error) host_file(path, text)
/* One process loads many streams. */
#undef warn_report_once
#define warn_report_once warn_report
/* Then a scratch VM is closed by who made it. */
#define g_thread_try_new(name, function, opaque, error) NULL

#ifdef COMPILING_PER_TARGET
#include "cpu.h"
#include "system/kvm.h"
#include "system/kvm_int.h"
#include "kvm/kvm_i386.h"
#include "hw/i386/kvm/clock-carrier.h"
#include "hw/i386/kvm/clock-compat.h"

#define host_cpuid(function, count, eax, ebx, ecx, edx) \
    (*(eax) = *(ebx) = *(edx) = 0, host_cpuid_of_model(function, ecx))
#define kvm_check_extension(state, capability) host_extension(capability)
#define kvm_ioctl(state, ...) host_call(-1, __VA_ARGS__)
#define kvm_vm_ioctl(state, ...) host_call((state)->vmfd, __VA_ARGS__)
#define kvm_vcpu_ioctl(cpu, ...) host_call((cpu)->kvm_fd, __VA_ARGS__)
#define kvm_device_ioctl host_call
#define address_space_read(space, address, attrs, buffer, size) \
    (host_read_guest(address, buffer, size) ? MEMTX_OK : MEMTX_ERROR)
/* There are no threads of vCPUs. */
#define run_on_cpu(cpu, function, data) function(cpu, data)
/* QEMU's own state of a vCPU isn't there, but for what the series adds. */
#define kvm_get_tsc(cpu) ((void)(cpu))
#define kvm_synchronize_all_tsc() ((void)0)
#define kvm_rearm_tsc_deadline(cpu) ((void)0)
#endif

#endif
