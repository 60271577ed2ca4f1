/*
 * The TSC of a vCPU as a function of its host's, and how that travels
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "cpu.h"
#include "migration/vmstate.h"

int guest_tsc_pre_load(void *opaque)
{
    X86CPU *cpu = opaque;

    cpu->env.guest_tsc.valid = false;
    return 0;
}

static bool guest_tsc_needed(void *opaque)
{
    X86CPU *cpu = opaque;

    return cpu->env.guest_tsc.valid;
}

static int guest_tsc_post_load(void *opaque, int version_id)
{
    X86CPU *cpu = opaque;
    X86GuestTSC *tsc = &cpu->env.guest_tsc;

    if (!tsc->ratio || tsc->frac_bits > 63) {
        error_report("The TSC ratio of vCPU %d in the migration stream is "
                     "corrupt; the guest is not started here",
                     CPU(cpu)->cpu_index);
        return -EINVAL;
    }
    tsc->valid = true;
    return 0;
}

const VMStateDescription vmstate_guest_tsc = {
    .name = "cpu/guest_tsc",
    .version_id = 1,
    .minimum_version_id = 1,
    .needed = guest_tsc_needed,
    .post_load = guest_tsc_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32(env.guest_tsc.frac_bits, X86CPU),
        VMSTATE_UINT64(env.guest_tsc.ratio, X86CPU),
        VMSTATE_UINT64(env.guest_tsc.offset, X86CPU),
        VMSTATE_END_OF_LIST()
    }
};
