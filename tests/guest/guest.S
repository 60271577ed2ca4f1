/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Test guest: starts every vCPU, turns kvmclock on for each and publishes
 * {TSC, pvclock record} for ever. See layout.h and README.rst. */
#include "layout.h"

#define MSR_KVM_SYSTEM_TIME_NEW 0x4b564d01
#define REST_TURNS              32
#define CALM_NS                 50000000
#define APIC_EOI                0xfee000b0
#define APIC_SPURIOUS           0xfee000f0
#define APIC_TIMER              0xfee00320
#define APIC_TIMER_COUNT        0xfee00380
#define APIC_TIMER_DIVIDE       0xfee003e0
#define TIMER_VECTOR            0x20
#define HPET                    0xfed00000
#define HPET_CONFIG             0x10
#define HPET_COUNTER            0xf0
#define PCI_ADDRESS             0xcf8
#define PCI_DATA                0xcfc
#define PIIX4_PM                0x80000b00      /* 00:01.3 */
#define PIIX4_PM_BASE           0x40
#define PIIX4_PM_ENABLE         0x80
#define PM_BASE                 0x600
#define PM_TIMER                (PM_BASE + 8)
#define ICR_LOW                 0xfee00300
#define ICR_INIT_ALL_BUT_SELF   0x000c4500
#define ICR_SIPI_ALL_BUT_SELF   (0x000c4600 | (CF_TRAMPOLINE >> 12))

        .text

/* ---- Real mode: the BSP comes from the reset vector, APs by trampoline. */
        .code16
rom:
start:
        movl    $1, %esi                # 1: this is the BSP
        jmp     enter_protected
ap_start:
        xorl    %esi, %esi
enter_protected:
        cli
        lgdtl   %cs:(gdt_pointer - rom)
        movl    %cr0, %eax
        orl     $1, %eax
        movl    %eax, %cr0
        ljmpl   $8, $protected

/* ---- 32-bit flat code. Nothing here calls; only sleepers are interrupted. */
        .code32
protected:
        movw    $16, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %ss
        testl   %esi, %esi
        jz      take_slot

/* RAM survives a reset of the machine, so the BSP cleans up first, all but
 * what the host may have asked for already. */
        cld
        xorl    %eax, %eax
        movl    $CF_HEADER, %edi
        movl    $(CF_HDR_CALM / 4), %ecx
        rep stosl
        movl    $CF_SLOTS, %edi
        movl    $(CF_MAX_VCPUS * CF_SLOT_SIZE / 4), %ecx
        rep stosl

/* %ebp is this vCPU's slot from here on, %esp its stack. */
take_slot:
        movl    $1, %eax
        lock xaddl %eax, CF_HEADER + CF_HDR_VCPUS_UP
        cmpl    $CF_MAX_VCPUS, %eax
        jae     park
        leal    1(%eax), %esp
        shll    $CF_STACK_SHIFT, %esp
        addl    $CF_STACKS, %esp
        shll    $CF_SLOT_SHIFT, %eax
        leal    CF_SLOTS(%eax), %ebp
        testl   %esi, %esi
        jz      identify
        movl    $CF_LAYOUT_VERSION, CF_HEADER + CF_HDR_VERSION
        movl    $CF_MAGIC_LO, CF_HEADER + CF_HDR_MAGIC
        movl    $CF_MAGIC_HI, CF_HEADER + CF_HDR_MAGIC + 4

/* "All but self" needs no number of vCPUs. Without an irqchip these writes are
 * MMIO exits that nobody answers: harmless, and there are no APs to start. */
        movb    $0xea, CF_TRAMPOLINE            # ljmpw $0xf000, $ap_start
        movw    $(ap_start - rom), CF_TRAMPOLINE + 1
        movw    $(CF_ROM_BASE >> 4), CF_TRAMPOLINE + 3
        movl    $ICR_INIT_ALL_BUT_SELF, ICR_LOW
        movl    $ICR_SIPI_ALL_BUT_SELF, ICR_LOW
        movl    $ICR_SIPI_ALL_BUT_SELF, ICR_LOW

identify:
        movl    $1, %eax
        cpuid
        shrl    $24, %ebx
        movl    %ebx, CF_SLOT_APIC_ID(%ebp)

/* kvmclock is there if CPUID says KVM, or says nothing at all: a VMM that sets
 * no CPUID still has it. Elsewhere (TCG) the MSR might fault. */
        xorl    %eax, %eax
        cpuid
        testl   %eax, %eax
        jz      enable_kvmclock
        movl    $0x40000000, %eax
        cpuid
        cmpl    $0x4b4d564b, %ebx               # "KVMK"
        jne     publish
        cmpl    $0x564b4d56, %ecx               # "VMKV"
        jne     publish
enable_kvmclock:
        movl    $MSR_KVM_SYSTEM_TIME_NEW, %ecx
        leal    CF_SLOT_RECORD + 1(%ebp), %eax
        xorl    %edx, %edx
        wrmsr
        orl     $CF_FLAG_KVMCLOCK, CF_SLOT_FLAGS(%ebp)

/* ---- The loop. */
publish:
        incl    CF_SLOT_SEQ(%ebp)               # odd: being written
        movl    CF_HEADER + CF_HDR_PING, %eax
        movl    %eax, CF_SLOT_PONG(%ebp)

/* A consistent record and the TSC read while it was valid. */
read_record:
        movl    CF_SLOT_RECORD + CF_PV_VERSION(%ebp), %ebx
        testl   $1, %ebx
        jnz     read_record
        leal    CF_SLOT_RECORD(%ebp), %esi
        leal    CF_SLOT_COPY(%ebp), %edi
        movl    $(CF_PV_SIZE / 4), %ecx
        rep movsl
        rdtsc
        cmpl    %ebx, CF_SLOT_RECORD + CF_PV_VERSION(%ebp)
        jne     read_record

/* The TSC must not be below the last one. */
        movl    %eax, %esi
        movl    %edx, %edi
        subl    CF_SLOT_TSC(%ebp), %eax
        sbbl    CF_SLOT_TSC + 4(%ebp), %edx
        jnc     store_tsc
        incl    CF_SLOT_TSC_WARPS(%ebp)
store_tsc:
        movl    %esi, CF_SLOT_TSC(%ebp)
        movl    %edi, CF_SLOT_TSC + 4(%ebp)
        testl   $CF_FLAG_KVMCLOCK, CF_SLOT_FLAGS(%ebp)
        jz      published

/* %edi:%esi = TSC - tsc_timestamp, shifted. */
        subl    CF_SLOT_COPY + CF_PV_TSC(%ebp), %esi
        sbbl    CF_SLOT_COPY + CF_PV_TSC + 4(%ebp), %edi
        movb    CF_SLOT_COPY + CF_PV_SHIFT(%ebp), %cl
        testb   %cl, %cl
        js      shift_right
        shldl   %cl, %esi, %edi
        shll    %cl, %esi
        jmp     multiply
shift_right:
        negb    %cl
        shrdl   %cl, %edi, %esi
        shrl    %cl, %edi

/* %ecx:%ebx = (that * mul) >> 32 + system_time */
multiply:
        movl    %esi, %eax
        mull    CF_SLOT_COPY + CF_PV_MUL(%ebp)
        movl    %edx, %ebx
        movl    %edi, %eax
        mull    CF_SLOT_COPY + CF_PV_MUL(%ebp)
        movl    %edx, %ecx
        addl    %eax, %ebx
        adcl    $0, %ecx
        addl    CF_SLOT_COPY + CF_PV_SYSTEM_TIME(%ebp), %ebx
        adcl    CF_SLOT_COPY + CF_PV_SYSTEM_TIME + 4(%ebp), %ecx

/* kvmclock must not be below the last one. */
        movl    %ebx, %eax
        movl    %ecx, %edx
        subl    CF_SLOT_CLOCK_NS(%ebp), %eax
        sbbl    CF_SLOT_CLOCK_NS + 4(%ebp), %edx
        jnc     store_clock
        incl    CF_SLOT_CLOCK_WARPS(%ebp)
store_clock:
        movl    %ebx, CF_SLOT_CLOCK_NS(%ebp)
        movl    %ecx, CF_SLOT_CLOCK_NS + 4(%ebp)

published:
        addl    $1, CF_SLOT_HEARTBEAT(%ebp)
        adcl    $0, CF_SLOT_HEARTBEAT + 4(%ebp)
        incl    CF_SLOT_SEQ(%ebp)               # even: readable

/* The host may want an MSR written or read; 0 says that it is done. */
        movl    CF_SLOT_WRMSR(%ebp), %ecx
        jecxz   no_write
        movl    CF_SLOT_MSR_VALUE(%ebp), %eax
        movl    CF_SLOT_MSR_VALUE + 4(%ebp), %edx
        wrmsr
        movl    $0, CF_SLOT_WRMSR(%ebp)
no_write:
        movl    CF_SLOT_RDMSR(%ebp), %ecx
        jecxz   no_read
        rdmsr
        movl    %eax, CF_SLOT_MSR_VALUE(%ebp)
        movl    %edx, CF_SLOT_MSR_VALUE + 4(%ebp)
        movl    $0, CF_SLOT_RDMSR(%ebp)
no_read:

/* Or the timers that QEMU emulates. There is no firmware to set them up. */
        cmpl    $CF_SLOTS, %ebp
        jne     no_devices
        cmpl    $0, CF_HEADER + CF_HDR_DEVICES
        je      no_devices
        movw    $PCI_ADDRESS, %dx
        movl    $(PIIX4_PM + PIIX4_PM_BASE), %eax
        outl    %eax, %dx
        movw    $PCI_DATA, %dx
        movl    $(PM_BASE + 1), %eax
        outl    %eax, %dx
        movw    $PCI_ADDRESS, %dx
        movl    $(PIIX4_PM + PIIX4_PM_ENABLE), %eax
        outl    %eax, %dx
        movw    $PCI_DATA, %dx
        movb    $1, %al
        outb    %al, %dx
        movl    $1, HPET + HPET_CONFIG
        rdtsc
        movl    %eax, CF_HEADER + CF_HDR_TSC_BEFORE
        movl    %edx, CF_HEADER + CF_HDR_TSC_BEFORE + 4
        movw    $PM_TIMER, %dx
        inl     %dx, %eax
        movl    HPET + HPET_COUNTER, %ebx
        movl    %eax, CF_HEADER + CF_HDR_PM_TICKS
        movl    %ebx, CF_HEADER + CF_HDR_HPET_TICKS
        rdtsc
        movl    %eax, CF_HEADER + CF_HDR_TSC_AFTER
        movl    %edx, CF_HEADER + CF_HDR_TSC_AFTER + 4
        movl    $0, CF_HEADER + CF_HDR_DEVICES
no_devices:

/* Or the vmclock page, in each round from now on. */
        cmpl    $CF_SLOTS, %ebp
        jne     no_vmclock
        cmpl    $0, CF_HEADER + CF_HDR_VMCLOCK
        je      no_vmclock
read_vmclock:
        movl    CF_VMCLOCK_PAGE + CF_VMCLOCK_SEQ, %ebx
        testl   $1, %ebx
        jnz     read_vmclock
        rdtsc
        movl    %eax, CF_VMCLOCK_NEW
        movl    %edx, CF_VMCLOCK_NEW + 4
        movl    $CF_VMCLOCK_PAGE, %esi
        movl    $(CF_VMCLOCK_NEW + 8), %edi
        movl    $(CF_VMCLOCK_SIZE / 4), %ecx
        rep movsl
        cmpl    %ebx, CF_VMCLOCK_PAGE + CF_VMCLOCK_SEQ
        jne     read_vmclock
        movl    CF_VMCLOCK_NEW + 8 + CF_VMCLOCK_MARKER, %eax
        cmpl    %eax, CF_VMCLOCK_LAST + 8 + CF_VMCLOCK_MARKER
        je      same_marker
        movl    $CF_VMCLOCK_LAST, %esi
        movl    $CF_VMCLOCK_BEFORE, %edi
        movl    $(CF_VMCLOCK_READ_SIZE / 4), %ecx
        rep movsl
        movl    $CF_VMCLOCK_NEW, %esi
        movl    $CF_VMCLOCK_FIRST, %edi
        movl    $(CF_VMCLOCK_READ_SIZE / 4), %ecx
        rep movsl
same_marker:
        movl    $CF_VMCLOCK_NEW, %esi
        movl    $CF_VMCLOCK_LAST, %edi
        movl    $(CF_VMCLOCK_READ_SIZE / 4), %ecx
        rep movsl
no_vmclock:

/* Stay readable for about as long as the writing took, or much longer. */
        cmpl    $0, CF_HEADER + CF_HDR_CALM
        jne     sleep
        movl    $REST_TURNS, %ecx
rest:
        pause
        loop    rest
        jmp     publish

/* Until the APIC's timer wakes this vCPU; KVM counts it in nanoseconds. */
sleep:
        lidtl   idt_pointer
        movl    $0x1ff, APIC_SPURIOUS
        movl    $0xb, APIC_TIMER_DIVIDE
        movl    $TIMER_VECTOR, APIC_TIMER
        movl    $CALM_NS, APIC_TIMER_COUNT
        sti
        hlt
        cli
        jmp     publish

/* No iret, which some KVM hosts can't emulate, and no need of one: there is
 * only one place to come from. */
woken:
        addl    $12, %esp
        movl    $0, APIC_EOI
        jmp     publish

/* More vCPUs than slots: not an error, they are just not watched. */
park:
        hlt
        jmp     park

        .balign 8
gdt:
        .quad   0
        .quad   0x00cf9b000000ffff              # 8: flat code
        .quad   0x00cf93000000ffff              # 16: flat data
gdt_pointer:
        .word   gdt_pointer - gdt - 1
        .long   gdt

        .balign 8
idt:
        .fill   TIMER_VECTOR, 8, 0
        .word   woken - rom, 8, 0x8e00, CF_ROM_BASE >> 16
idt_pointer:
        .word   idt_pointer - idt - 1
        .long   idt

/* ---- The reset vector, 16 bytes below the end. */
        .org    0xfff0
        .code16
        ljmp    $(CF_ROM_BASE >> 4), $(start - rom)
        .org    CF_ROM_SIZE
