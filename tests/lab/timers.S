/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A guest that always has a timer of its LAPIC armed, and notes when each was
 * due and when it came: see timers.h. By TSC deadline, or, with -DCOUNT_DOWN,
 * by the LAPIC's own count. It publishes its TSC as the test guest does
 * (tests/guest), and stays in real mode throughout. */
#include "layout.h"
#include "timers.h"

#define MSR_APIC_BASE           0x1b
#define MSR_TSC_DEADLINE        0x6e0
#define MSR_X2APIC_EOI          0x80b
#define MSR_X2APIC_SPURIOUS     0x80f
#define MSR_X2APIC_ICR          0x830
#define MSR_X2APIC_LVT_TIMER    0x832
#define MSR_X2APIC_COUNT        0x838
#define MSR_X2APIC_DIVIDE       0x83e
#define MSR_KVM_SYSTEM_TIME_NEW 0x4b564d01

#define X2APIC_ON               0xc00
#define APIC_ON                 0x1ff
#define BY_DEADLINE             0x40000
#define DIVIDE_BY_1             0xb
#define INIT_ALL_BUT_SELF       0xc4500
#define SIPI_ALL_BUT_SELF       (0xc4600 | (CF_TRAMPOLINE >> 12))
#define STACKS                  0x7000
#define STACK_SHIFT             8

        .text
        .code16
rom:
boot_vcpu:
        xorw    %ax, %ax
        movw    %ax, %ds
        movw    $(fired - rom), CF_TIMER_VECTOR * 4
        movw    $(CF_ROM_BASE >> 4), CF_TIMER_VECTOR * 4 + 2
        movb    $0xea, CF_TRAMPOLINE            # ljmpw $0xf000, $vcpu
        movw    $(vcpu - rom), CF_TRAMPOLINE + 1
        movw    $(CF_ROM_BASE >> 4), CF_TRAMPOLINE + 3

/* ---- Every vCPU. %ebp is its number; %ds its slot, %es its notes, %fs the
 * header, always. */
vcpu:
        cli
        movw    $(CF_HEADER >> 4), %ax
        movw    %ax, %fs
        movl    $1, %ebp
        lock xaddl %ebp, %fs:CF_HDR_VCPUS_UP
        cmpl    $CF_TIMER_VCPUS, %ebp
        jae     park

        xorw    %ax, %ax
        movw    %ax, %ss
        leal    1(%ebp), %eax
        shll    $STACK_SHIFT, %eax
        leal    STACKS(%eax), %esp
        movl    %ebp, %eax
        shll    $(CF_SLOT_SHIFT - 4), %eax
        addl    $(CF_SLOTS >> 4), %eax
        movw    %ax, %ds
        imull   $(CF_NOTES_SIZE >> 4), %ebp, %eax
        addl    $(CF_NOTES >> 4), %eax
        movw    %ax, %es

        movl    $MSR_APIC_BASE, %ecx
        rdmsr
        orl     $X2APIC_ON, %eax
        wrmsr
        xorl    %edx, %edx
        movl    $MSR_X2APIC_SPURIOUS, %ecx
        movl    $APIC_ON, %eax
        wrmsr

/* KVM writes its record where the test guest has it, too. */
        movl    $MSR_KVM_SYSTEM_TIME_NEW, %ecx
        movl    %ebp, %eax
        shll    $CF_SLOT_SHIFT, %eax
        addl    $(CF_SLOTS + CF_SLOT_RECORD + 1), %eax
        wrmsr

        movl    $MSR_X2APIC_LVT_TIMER, %ecx
#ifdef COUNT_DOWN
        movl    $CF_TIMER_VECTOR, %eax
        wrmsr
        movl    $MSR_X2APIC_DIVIDE, %ecx
        movl    $DIVIDE_BY_1, %eax
        wrmsr
#else
        movl    $(BY_DEADLINE | CF_TIMER_VECTOR), %eax
        wrmsr
#endif

/* Short intervals for vCPU 0, long ones for the others; the last one's first
 * is half as long. */
        movl    $CF_TIMER_SHORT, %esi
        testl   %ebp, %ebp
        jz      first_timer
        movl    $CF_TIMER_LONG, %esi
first_timer:
        movl    %esi, %es:CF_AHEAD
        cmpl    $(CF_TIMER_VCPUS - 1), %ebp
        jne     arm_first
        shrl    $1, %esi
arm_first:
        call    arm

/* The boot vCPU starts the others. */
        testl   %ebp, %ebp
        jnz     run
        movl    $MSR_X2APIC_ICR, %ecx
        xorl    %edx, %edx
        movl    $INIT_ALL_BUT_SELF, %eax
        wrmsr
        movl    $SIPI_ALL_BUT_SELF, %eax
        wrmsr
        wrmsr
        movl    $CF_LAYOUT_VERSION, %fs:CF_HDR_VERSION
        movl    $CF_MAGIC_LO, %fs:CF_HDR_MAGIC
        movl    $CF_MAGIC_HI, %fs:CF_HDR_MAGIC + 4
run:
        sti

/* ---- The loop. */
publish:
        incl    CF_SLOT_SEQ                     # odd: being written
        movl    CF_SLOT_TSC, %esi
        movl    CF_SLOT_TSC + 4, %edi
        rdtsc
        movl    %eax, CF_SLOT_TSC
        movl    %edx, CF_SLOT_TSC + 4
        movl    %eax, %ebx
        movl    %edx, %ecx
        subl    %esi, %ebx
        sbbl    %edi, %ecx
        jnz     gap
        cmpl    $CF_GAP_LEAST, %ebx
        jb      published
gap:
        movl    %es:CF_GAPS_SEEN, %ebx
        andl    $(CF_GAPS_KEPT - 1), %ebx
        shll    $CF_GAP_SHIFT, %ebx
        movl    %esi, %es:CF_GAPS + CF_GAP_BEFORE(%ebx)
        movl    %edi, %es:CF_GAPS + CF_GAP_BEFORE + 4(%ebx)
        movl    %eax, %es:CF_GAPS + CF_GAP_AFTER(%ebx)
        movl    %edx, %es:CF_GAPS + CF_GAP_AFTER + 4(%ebx)
        incl    %es:CF_GAPS_SEEN
published:
        addl    $1, CF_SLOT_HEARTBEAT
        adcl    $0, CF_SLOT_HEARTBEAT + 4
        incl    CF_SLOT_SEQ                     # even: readable
        testl   %ebp, %ebp
        jz      publish
        hlt
        jmp     publish

/* ---- The timer's interrupt. */
fired:
        pushal
        rdtsc
        movl    %es:CF_TIMERS_FIRED, %ebx
        incl    %es:CF_TIMERS_FIRED
        andl    $(CF_TIMERS_KEPT - 1), %ebx
        shll    $CF_TIMER_SHIFT, %ebx
        movl    %eax, %es:CF_TIMERS + CF_TIMER_FIRED(%ebx)
        movl    %edx, %es:CF_TIMERS + CF_TIMER_FIRED + 4(%ebx)
        movl    $MSR_X2APIC_EOI, %ecx
        xorl    %eax, %eax
        xorl    %edx, %edx
        wrmsr
        movl    %es:CF_AHEAD, %esi
        call    arm
        popal
        iretw

/* Arms a timer that is %esi ahead, and notes it down. */
arm:
        movl    %es:CF_TIMERS_FIRED, %ebx
        andl    $(CF_TIMERS_KEPT - 1), %ebx
        shll    $CF_TIMER_SHIFT, %ebx
        xorl    %eax, %eax
        movl    %eax, %es:CF_TIMERS + CF_TIMER_FIRED(%ebx)
        movl    %eax, %es:CF_TIMERS + CF_TIMER_FIRED + 4(%ebx)
        movl    %esi, %es:CF_TIMERS + CF_TIMER_AHEAD(%ebx)
        movl    %eax, %es:CF_TIMERS + CF_TIMER_AHEAD + 4(%ebx)
        rdtsc
        movl    %eax, %es:CF_TIMERS + CF_TIMER_ARMED(%ebx)
        movl    %edx, %es:CF_TIMERS + CF_TIMER_ARMED + 4(%ebx)
#ifdef COUNT_DOWN
        movl    $MSR_X2APIC_COUNT, %ecx
        movl    %esi, %eax
        xorl    %edx, %edx
#else
        movl    $MSR_TSC_DEADLINE, %ecx
        addl    %esi, %eax
        adcl    $0, %edx
#endif
        wrmsr
        ret

park:
        hlt
        jmp     park

/* ---- The reset vector, 16 bytes below the end. */
        .org    0xfff0
        ljmp    $(CF_ROM_BASE >> 4), $(boot_vcpu - rom)
        .org    CF_ROM_SIZE
