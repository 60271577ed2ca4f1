/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an x86-64 processor tells: its TSC, and what it is. */
#include <cpuid.h>
#include <x86intrin.h>
#include "kvm/calls.h"

uint64_t cf_system_read_tsc(void)
{
    uint64_t ticks;

    /* RDTSC alone may run ahead of what stands before it, or behind. */
    _mm_lfence();
    ticks = __rdtsc();
    _mm_lfence();
    return ticks;
}

/* Registers of the CPUID instruction. */
enum { ECX = 2, EDX = 3 };

/* A bit of a leaf; false for a processor that lacks the leaf. */
static bool cpu_has(unsigned int leaf, int reg, unsigned int bit)
{
    unsigned int regs[4];

    return __get_cpuid(leaf, &regs[0], &regs[1], &regs[2], &regs[3]) &&
           regs[reg] & 1u << bit;
}

/* By registers of a leaf. */
char *cf_cpu_kind(void)
{
    unsigned int vendor[4] = { 0 }, kind[4] = { 0 };

    (void)__get_cpuid(0, &vendor[0], &vendor[1], &vendor[2], &vendor[3]);
    (void)__get_cpuid(1, &kind[0], &kind[1], &kind[2], &kind[3]);
    return g_strdup_printf("%08x %08x %08x %08x", vendor[1], vendor[2],
                           vendor[3], kind[0]);
}

void cf_cpu_get_id(CfHostId *id)
{
    /* SVM's ratios have 32 fraction bits, VMX's 48. */
    id->frac_bits = cpu_has(0x80000001, ECX, 2) ? CF_FRAC_BITS_AMD
                                                : CF_FRAC_BITS_INTEL;
    id->invariant_tsc = cf_answer(cpu_has(0x80000007, EDX, 8));
    id->is_guest = cf_answer(cpu_has(1, ECX, 31));
}
