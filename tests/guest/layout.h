/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the test guest publishes what it sees. Read by guest.S, by C tests
 * and by tests/harness/layout.py: plain "#define NAME number" lines only. */
#ifndef CF_GUEST_LAYOUT_H
#define CF_GUEST_LAYOUT_H

/* The 64 KiB image: mapped here and, for the reset vector, below 4 GiB. */
#define CF_ROM_BASE             0xf0000
#define CF_ROM_SIZE             0x10000

/* APs start here by SIPI; the page holds one jump into the ROM. */
#define CF_TRAMPOLINE           0x8000

/* Header, one per guest. The magic is written last, "CLKFERRY". */
#define CF_HEADER               0x10000
#define CF_HDR_MAGIC            0
#define CF_HDR_VERSION          8
#define CF_HDR_VCPUS_UP         12
#define CF_HDR_PING             16      /* u32, written by the host */
#define CF_HDR_CALM             20      /* u32, host wants its CPUs back */
#define CF_HDR_DEVICES          24      /* u32, host wants the next four */
#define CF_HDR_PM_TICKS         28      /* u32, the ACPI PM timer, 24 bits */
#define CF_HDR_HPET_TICKS       32      /* u32, the HPET's lower half */
#define CF_HDR_TSC_BEFORE       40      /* u64, the BSP's TSC before both */
#define CF_HDR_TSC_AFTER        48      /* u64, and after both */
#define CF_HDR_VMCLOCK          56      /* u32, host wants the page read */
#define CF_MAGIC_LO             0x464b4c43
#define CF_MAGIC_HI             0x59525245
#define CF_LAYOUT_VERSION       1

/* The vmclock page, where QEMU has it, and what the BSP read there: each time
 * the TSC, then the page. */
#define CF_VMCLOCK_PAGE         0xfeffb000
#define CF_VMCLOCK_SIZE         120
#define CF_VMCLOCK_SEQ          12
#define CF_VMCLOCK_MARKER       16
#define CF_VMCLOCK_BEFORE       0x11000 /* the last one by the old marker */
#define CF_VMCLOCK_FIRST        0x11100 /* the first one by this marker */
#define CF_VMCLOCK_LAST         0x11200
#define CF_VMCLOCK_NEW          0x11300 /* while it is being read */
#define CF_VMCLOCK_READ_SIZE    128

/* One slot per vCPU, in the order in which they came up; slot 0 is the BSP. */
#define CF_SLOTS                0x20000
#define CF_SLOT_SIZE            128
#define CF_SLOT_SHIFT           7
#define CF_MAX_VCPUS            255

#define CF_SLOT_RECORD          0       /* pvclock record, KVM writes it */
#define CF_SLOT_SEQ             32      /* u32, odd while the guest writes */
#define CF_SLOT_APIC_ID         36      /* u32, initial APIC id */
#define CF_SLOT_TSC             40      /* u64 */
#define CF_SLOT_COPY            48      /* the record that went with TSC */
#define CF_SLOT_HEARTBEAT       80      /* u64, one per publication */
#define CF_SLOT_CLOCK_NS        88      /* u64, kvmclock at TSC by COPY */
#define CF_SLOT_TSC_WARPS       96      /* u32, TSC was seen to go back */
#define CF_SLOT_CLOCK_WARPS     100     /* u32, kvmclock was seen to go back */
#define CF_SLOT_PONG            104     /* u32, HDR_PING as read before TSC */
#define CF_SLOT_FLAGS           108     /* u32, CF_FLAG_... */
#define CF_FLAG_KVMCLOCK        1
#define CF_SLOT_WRMSR           112     /* u32, host wants this MSR written */
#define CF_SLOT_RDMSR           116     /* u32, host wants this MSR read */
#define CF_SLOT_MSR_VALUE       120     /* u64, what to write, what was read */

/* A stack per slot, for the frame of one interrupt. */
#define CF_STACKS               0x30000
#define CF_STACK_SHIFT          4

/* pvclock record, as in the kernel's asm/pvclock-abi.h. */
#define CF_PV_VERSION           0
#define CF_PV_TSC               8
#define CF_PV_SYSTEM_TIME       16
#define CF_PV_MUL               24
#define CF_PV_SHIFT             28
#define CF_PV_FLAGS             29
#define CF_PV_SIZE              32

#endif
