/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A guest that crosses from model host 0 to model host 1. */
#include "crossing.h"

#define BOOTED_AT_TICKS 123456789012ULL
#define UPTIME_NS (3600 * CF_NS_PER_SEC)
#define BLACKOUT_NS (10 * CF_NS_PER_SEC)

static FakeVm *begin_vm(Crossing *crossing, int host, uint32_t n_vcpus,
                        CfVm *ret_vm)
{
    const char device[] = { (char)('0' + host), '\0' };
    GError *error = NULL;
    int vm_fd;
    uint32_t i;

    fake_enter(&fake_hosts[host]);
    cf_host_probe(&fake_ops, device, &crossing->hosts[host], &error);
    g_assert_no_error(error);
    g_assert_cmpint(fake_ops.create_vm(host, &vm_fd), ==, 0);
    for (i = 0; i < n_vcpus; i++) {
        g_assert_cmpint(fake_ops.create_vcpu(vm_fd, i,
                                             &crossing->fds[host][i]), ==, 0);
    }
    *ret_vm = (CfVm) {
        .ops = &fake_ops,
        .host = &crossing->hosts[host],
        .vm_fd = vm_fd,
        .vcpu_fds = crossing->fds[host],
        .n_vcpus = n_vcpus,
        .read_guest = fake_read_guest,
        .opaque = fake_vm(vm_fd),
    };
    fake_hosts[host].calls = 0;
    fake_hosts[host].khz_writes = 0;
    fake_hosts[host].offset_writes = 0;
    return fake_vm(vm_fd);
}

static void boot_vcpu(FakeVm *vm, uint32_t vcpu, uint32_t khz)
{
    const CfKvmOps *ops = &fake_ops;

    if (khz != vm->host->khz) {
        g_assert_cmpint(ops->set_tsc_khz(fake_vcpu_fd(vm, vcpu), khz), ==, 0);
    }
    vm->vcpus[vcpu].offset_ticks = 0 - BOOTED_AT_TICKS;
    vm->vcpus[vcpu].system_time_msr = FAKE_PAGE | 1;
}

void crossing_begin_khz(Crossing *crossing, uint32_t n_vcpus, uint32_t khz)
{
    const CfKvmClock zero = { .clock_ns = 0 };
    uint32_t i;

    *crossing = (Crossing) { 0 };
    crossing->to = begin_vm(crossing, 1, n_vcpus, &crossing->destination);
    crossing->from = begin_vm(crossing, 0, n_vcpus, &crossing->source);
    for (i = 0; i < n_vcpus; i++) {
        boot_vcpu(crossing->from, i, khz);
        crossing->to->vcpus[i].system_time_msr = FAKE_PAGE | 1;
    }
    g_assert_cmpint(fake_ops.set_clock(crossing->source.vm_fd, &zero), ==, 0);
    fake_run(crossing->from);
    fake_wait(UPTIME_NS);
}

void crossing_begin(Crossing *crossing, uint32_t n_vcpus)
{
    crossing_begin_khz(crossing, n_vcpus, fake_hosts[0].khz);
}

void crossing_capture(Crossing *crossing)
{
    GError *error = NULL;

    fake_enter(&fake_hosts[0]);
    cf_capture(&crossing->source, &crossing->state, &error);
    g_assert_no_error(error);
}

void crossing_restore(Crossing *crossing)
{
    GError *error = NULL;

    fake_wait(BLACKOUT_NS);
    fake_enter(&fake_hosts[1]);
    cf_restore(&crossing->destination, crossing->state, &crossing->options,
               &crossing->report, &error);
    g_assert_no_error(error);
    fake_wait(crossing->run_after_ns);
    fake_run(crossing->to);
}

void crossing_cross(Crossing *crossing)
{
    crossing_capture(crossing);
    crossing_restore(crossing);
}

void crossing_end(Crossing *crossing)
{
    cf_state_free(crossing->state);
}

int64_t crossing_step_ns(const Crossing *crossing)
{
    return fake_guest_clock(crossing->to, 0) -
           fake_guest_clock(crossing->from, 0);
}

int64_t crossing_tsc_step(const Crossing *crossing, uint32_t vcpu)
{
    return (int64_t)(fake_guest_ticks(&crossing->to->vcpus[vcpu]) -
                     fake_guest_ticks(&crossing->from->vcpus[vcpu]));
}

void assert_within(int64_t value, int64_t limit)
{
    g_assert_cmpint(value, >=, -limit);
    g_assert_cmpint(value, <=, limit);
}
