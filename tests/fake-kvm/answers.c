/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Prints what KVM answers to calls about clocks, one line each, as words and
 * errnos that are the same on every run. Run bare it tells what the kernel
 * does, run under the shim what the model does: suite compares the two.
 * The first lines are the parameters that the model gets to know.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "kvm/kvm-uapi.h"

#define FAR_TICKS (1ULL << 42)
#define SECOND_NS 1000000000ULL
#define HOUR_NS (3600 * SECOND_NS)
#define MAX_CPUID 256
#define MSR_TSC 0x10
#define MSR_SYSTEM_TIME_OLD 0x12
#define MSR_TSC_ADJUST 0x3b
#define MSR_TSC_DEADLINE 0x6e0
#define MSR_SYSTEM_TIME 0x4b564d01

static int kvm, vm, vcpu[2];

static const char *outcome(int rc)
{
    return rc < 0 ? strerrorname_np(errno) : "ok";
}

static void say(const char *name, const char *answer)
{
    printf("%s: %s\n", name, answer);
}

static void say_number(const char *name, long number)
{
    printf("%s: %ld\n", name, number);
}

static void begin(int n_vcpus)
{
    int i;

    vm = ioctl(kvm, KVM_CREATE_VM, 0);
    for (i = 0; i < n_vcpus; i++) {
        vcpu[i] = ioctl(vm, KVM_CREATE_VCPU, i);
    }
}

static void end(int n_vcpus)
{
    while (n_vcpus-- > 0) {
        close(vcpu[n_vcpus]);
    }
    close(vm);
}

/* -- Calls -- */

static int attribute(int which, unsigned long call, uint64_t attr, void *value)
{
    struct kvm_device_attr request = {
        .group = KVM_VCPU_TSC_CTRL, .attr = attr, .addr = (uintptr_t)value,
    };

    return ioctl(vcpu[which], call, &request);
}

static int set_offset(int which, uint64_t offset)
{
    return attribute(which, KVM_SET_DEVICE_ATTR, KVM_VCPU_TSC_OFFSET, &offset);
}

static uint64_t get_offset(int which)
{
    uint64_t offset = 0;

    attribute(which, KVM_GET_DEVICE_ATTR, KVM_VCPU_TSC_OFFSET, &offset);
    return offset;
}

static int msr_call(unsigned long call, uint32_t index, uint64_t *value)
{
    struct {
        struct {
            __u32 nmsrs;
            __u32 pad;
        } head;
        struct kvm_msr_entry entry;
    } msr = { .head.nmsrs = 1, .entry = { .index = index, .data = *value } };
    const int rc = ioctl(vcpu[0], call, &msr);

    *value = msr.entry.data;
    return rc;
}

static uint64_t get_msr(uint32_t index)
{
    uint64_t value = 0;

    msr_call(KVM_GET_MSRS, index, &value);
    return value;
}

static int set_msr(uint32_t index, uint64_t value)
{
    return msr_call(KVM_SET_MSRS, index, &value);
}

static CfKvmClock get_clock(void)
{
    CfKvmClock clock = { 0 };

    ioctl(vm, KVM_GET_CLOCK, &clock);
    return clock;
}

static int set_clock(uint64_t ns, uint32_t flags, uint64_t realtime_ns)
{
    CfKvmClock clock = {
        .clock_ns = ns, .flags = flags, .realtime_ns = realtime_ns,
    };

    return ioctl(vm, KVM_SET_CLOCK, &clock);
}

/* -- The questions -- */

/* How far something went that was told to go far. */
static const char *way(uint64_t ticks)
{
    return ticks == FAR_TICKS ? "all of it"
           : ticks - FAR_TICKS / 2 < FAR_TICKS ? "nearly" : "not at all";
}

static void ask_parameters(void)
{
    struct cf_uapi_tsc_scale scale;
    CfPvclockRecord record;
    uint64_t before, offset;

    begin(1);
    say_number("TSC control", ioctl(vm, KVM_CHECK_EXTENSION,
                                    KVM_CAP_TSC_CONTROL));
    say_number("clock flags", ioctl(vm, KVM_CHECK_EXTENSION,
                                    KVM_CAP_ADJUST_CLOCK));
    say("offset attribute", outcome(attribute(0, KVM_HAS_DEVICE_ATTR,
                                              KVM_VCPU_TSC_OFFSET, NULL)));
    say("scale attribute", outcome(attribute(0, KVM_GET_DEVICE_ATTR,
                                             KVM_VCPU_TSC_SCALE, &scale)));
    say("KVM_GET_CLOCK_GUEST", outcome(ioctl(vcpu[0], KVM_GET_CLOCK_GUEST,
                                             &record)));
    offset = get_offset(0);
    before = get_msr(MSR_TSC);
    set_offset(0, offset + FAR_TICKS);
    say("an offset reads back", way(get_offset(0) - offset));
    say("an offset moves the TSC", way(get_msr(MSR_TSC) - before));
    set_clock(SECOND_NS, 0, 0);
    say_number("flags with the clock set", get_clock().flags);
    end(1);
}

static void ask_attributes(void)
{
    struct cf_uapi_tsc_scale scale = { 0 };

    begin(1);
    say("SET of the scale", outcome(attribute(0, KVM_SET_DEVICE_ATTR,
                                              KVM_VCPU_TSC_SCALE, &scale)));
    say("an offset from nowhere", outcome(attribute(0, KVM_SET_DEVICE_ATTR,
                                                    KVM_VCPU_TSC_OFFSET,
                                                    NULL)));
    say("an unknown attribute", outcome(attribute(0, KVM_HAS_DEVICE_ATTR, 9,
                                                  NULL)));
    say_number("attributes", ioctl(vm, KVM_CHECK_EXTENSION, 127));
    end(1);
}

/* Two vCPUs, whose offsets part and meet again. */
static void ask_master_clock(void)
{
    begin(2);
    say_number("flags at first", get_clock().flags);
    set_clock(SECOND_NS, 0, 0);
    say_number("flags then", get_clock().flags);
    set_offset(0, 1000);
    set_offset(1, 1000);
    set_clock(SECOND_NS, 0, 0);
    say_number("flags with equal offsets", get_clock().flags);
    set_offset(1, 2000);
    say_number("flags with unequal ones", get_clock().flags);
    set_clock(SECOND_NS, 0, 0);
    say_number("flags then", get_clock().flags);
    set_offset(1, 1000);
    set_clock(SECOND_NS, 0, 0);
    say_number("flags with one put back", get_clock().flags);
    set_offset(0, 1000);
    set_clock(SECOND_NS, 0, 0);
    say_number("flags with both written anew", get_clock().flags);
    end(2);
}

/* On a vCPU of its own: one request may mark it for life. */
static void ask_frequency(const char *name, double factor)
{
    uint32_t host_khz, khz;
    char words[80];
    int rc;

    begin(1);
    host_khz = (uint32_t)ioctl(vcpu[0], KVM_GET_TSC_KHZ, 0);
    khz = (uint32_t)(host_khz * factor);
    rc = ioctl(vcpu[0], KVM_SET_TSC_KHZ, (unsigned long)khz);
    snprintf(words, sizeof(words), "%s, tells %s", outcome(rc),
             (uint32_t)ioctl(vcpu[0], KVM_GET_TSC_KHZ, 0) != khz ? "another"
             : khz == host_khz ? "the host's" : "what was asked");
    say(name, words);
    end(1);
}

static void ask_vm_frequency(void)
{
    int host_khz;

    begin(0);
    host_khz = ioctl(vm, KVM_GET_TSC_KHZ, 0);
    say("a VM's TSC at the host's kHz",
        outcome(ioctl(vm, KVM_SET_TSC_KHZ, (unsigned long)host_khz)));
    vcpu[0] = ioctl(vm, KVM_CREATE_VCPU, 0);
    say("its vCPU's", ioctl(vcpu[0], KVM_GET_TSC_KHZ, 0) == host_khz
                      ? "the same" : "another");
    say("and after it has a vCPU",
        outcome(ioctl(vm, KVM_SET_TSC_KHZ, (unsigned long)host_khz)));
    end(1);
}

static const char *seconds_on(uint64_t from_ns)
{
    const uint64_t ns = get_clock().clock_ns - from_ns;

    return ns < SECOND_NS ? "goes on from there"
           : ns - HOUR_NS < SECOND_NS ? "is an hour further" : "is elsewhere";
}

static void ask_clock(void)
{
    uint64_t realtime_ns;

    begin(1);
    set_clock(SECOND_NS, 0, 0);
    realtime_ns = get_clock().realtime_ns;
    say("the clock that was set", seconds_on(SECOND_NS));
    say("unknown flag", outcome(set_clock(SECOND_NS, 0x10, 0)));
    say("all flags", outcome(set_clock(SECOND_NS, 0xe, realtime_ns)));
    say("with real time of an hour ago",
        outcome(set_clock(SECOND_NS, 4, realtime_ns - HOUR_NS)));
    say("the clock then", seconds_on(SECOND_NS));
    say("with real time of the future",
        outcome(set_clock(SECOND_NS, 4, realtime_ns + HOUR_NS)));
    say("the clock then", seconds_on(SECOND_NS));
    say("KVM_KVMCLOCK_CTRL without a page",
        outcome(ioctl(vcpu[0], KVM_KVMCLOCK_CTRL, 0)));
    end(1);
}

/* TSC_ADJUST is only for guests that were told of it. */
static void give_cpuid(void)
{
    struct kvm_cpuid2 *cpuid =
        calloc(1, sizeof(*cpuid) + MAX_CPUID * sizeof(*cpuid->entries));

    cpuid->nent = MAX_CPUID;
    if (ioctl(kvm, KVM_GET_SUPPORTED_CPUID, cpuid) < 0 ||
        ioctl(vcpu[0], KVM_SET_CPUID2, cpuid) < 0) {
        perror("answers: CPUID");
    }
    free(cpuid);
}

static void ask_msrs(void)
{
    uint64_t before;

    begin(1);
    give_cpuid();
    before = get_msr(MSR_TSC);
    say_number("writing the TSC", set_msr(MSR_TSC, before + FAR_TICKS));
    say("it moves", way(get_msr(MSR_TSC) - before));
    before = get_msr(MSR_TSC);
    say_number("writing it within a second", set_msr(MSR_TSC, before - 1000));
    say("it moves", way(get_msr(MSR_TSC) - before));
    before = get_offset(0);
    say_number("writing TSC_ADJUST", set_msr(MSR_TSC_ADJUST, FAR_TICKS));
    say("it moves the offset", way(get_offset(0) - before));
    say("it reads back", way(get_msr(MSR_TSC_ADJUST)));
    say_number("a deadline without its timer", set_msr(MSR_TSC_DEADLINE, 1));
    say_number("it reads back", (long)get_msr(MSR_TSC_DEADLINE));
    say_number("kvmclock's page", set_msr(MSR_SYSTEM_TIME, 0x1001));
    say_number("by its old number", (long)get_msr(MSR_SYSTEM_TIME_OLD));
    say_number("moved by its old number", set_msr(MSR_SYSTEM_TIME_OLD, 0x2001));
    say_number("by its new one", (long)get_msr(MSR_SYSTEM_TIME));
    end(1);
}

int main(void)
{
    kvm = open("/dev/kvm", O_RDWR);
    if (kvm < 0) {
        perror("answers: /dev/kvm");
        return 1;
    }
    ask_parameters();
    ask_attributes();
    ask_master_clock();
    ask_frequency("the host's frequency", 1);
    ask_frequency("10 % more", 1.1);
    ask_frequency("10 % less", 0.9);
    ask_frequency("100 ppm more", 1.0001);
    ask_frequency("100 ppm less", 0.9999);
    ask_frequency("385 ppm more", 1.000385);
    ask_frequency("385 ppm less", 0.999615);
    ask_frequency("no frequency", 0);
    ask_vm_frequency();
    ask_clock();
    ask_msrs();
    return 0;
}
