/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an arm64 processor and its firmware tell: its counter, and what it is. */
#include <string.h>
#include "kvm/calls.h"

/* A host of guests has no offset of its own, so this is the physical one. */
uint64_t cf_system_read_tsc(void)
{
    uint64_t ticks;

    /* The counter may be read ahead of what stands before it. */
    __asm__ volatile("isb\n\tmrs %0, cntvct_el0\n\tisb" : "=r"(ticks)
                     : : "memory");
    return ticks;
}

int cf_system_get_counter_hz(uint32_t *ret_hz)
{
    uint64_t hz;

    __asm__("mrs %0, cntfrq_el0" : "=r"(hz));
    if (!hz || hz > UINT32_MAX) {
        return -ENOENT;
    }
    *ret_hz = (uint32_t)hz;
    return 0;
}

/* By MIDR_EL1. */
char *cf_cpu_kind(void)
{
    char midr[32];

    cf_system_read_line("/sys/devices/system/cpu/cpu0/regs/identification/"
                        "midr_el1", midr, sizeof(midr));
    return g_strdup(midr);
}

/* Firmware that says so; what says nothing may still be a guest. */
static bool firmware_is_virtual(void)
{
    char vendor[64], machine[64];

    cf_system_read_line("/sys/class/dmi/id/sys_vendor", vendor,
                        sizeof(vendor));
    cf_system_read_line("/proc/device-tree/compatible", machine,
                        sizeof(machine));
    return !strcmp(vendor, "QEMU") || !strcmp(machine, "linux,dummy-virt");
}

/* Its counter never stops or changes its rate: the architecture says so. */
void cf_cpu_get_id(CfHostId *id)
{
    id->is_guest = firmware_is_virtual() ? CF_ANSWER_YES : CF_ANSWER_UNKNOWN;
}
