/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Calls the library with a mark before each function, for strace to see.
 *
 * "tai": the TAI offset is handed in. "probe": no more than that.
 */
#include <clockferry/clockferry.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* The next calls are this function's. */
static void mark(const char *function)
{
    if (write(-1, function, strlen(function)) < 0) {
        return;
    }
}

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "";
    const CfKvmOps *ops = cf_kvm_ops();
    g_autoptr(CfState) state = NULL;
    const CfHostTime time = { .tai_offset_s = 38 };
    CfExchanges exchanges = { 0 };
    CfReport report;
    uint32_t number;
    CfHost host;
    int vcpu;
    CfVm vm = {
        .ops = ops, .host = &host, .vcpu_fds = &vcpu, .n_vcpus = 1,
        .time = strcmp(how, "tai") ? NULL : &time,
    };

    mark("cf_host_probe");
    if (!cf_host_probe(ops, "/dev/kvm", &host, NULL)) {
        return 2;
    }
    mark("cf_exchange_send");
    cf_exchange_send(ops, &exchanges, &number);
    cf_exchange_arrived(ops, &exchanges, number);
    cf_exchange_answered(ops, &exchanges, number);
    mark("none");
    if (!strcmp(how, "probe")) {
        return 0;
    }
    vm.vm_fd = ioctl(open("/dev/kvm", O_RDWR), KVM_CREATE_VM, 0);
    vcpu = ioctl(vm.vm_fd, KVM_CREATE_VCPU, 0);
    mark("cf_capture");
    if (!cf_capture(&vm, &state, NULL)) {
        return 3;
    }
    mark("cf_restore");
    if (!cf_restore(&vm, state, NULL, &report, NULL)) {
        return 4;
    }
    mark("cf_settle_vcpu");
    cf_settle_vcpu(vcpu);
    mark("none");
    return vm.time && state->anchor.instant.tai_offset_s != 38;
}
