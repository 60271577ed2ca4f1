/*
 * The TSC of a vCPU as a function of its host's, and how that travels
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef I386_GUEST_TSC_H
#define I386_GUEST_TSC_H

/*
 * The TSC of a stopped KVM vCPU as a function of its host's:
 * ((host * ratio) >> frac_bits) + offset.  Kept only with guest-clock=on.
 */
typedef struct X86GuestTSC {
    bool valid;
    uint32_t frac_bits;
    uint64_t ratio;
    uint64_t offset;
} X86GuestTSC;

/* Subsection of the vCPU, and what has to be called before it is loaded. */
extern const VMStateDescription vmstate_guest_tsc;
int guest_tsc_pre_load(void *opaque);

#endif
