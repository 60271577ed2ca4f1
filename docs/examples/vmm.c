/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A small VMM that migrates its guest, clocks and all, to another process:
 *     mkfifo back
 *     vmm source before.json back | vmm destination after.json back
 *     clockferry diff before.json after.json
 * exchange(), leave() and arrive() carry the clocks; any VMM has the rest.
 */
#include <clockferry/clockferry.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define RAM_SIZE 0x10000u
#define CODE 0x1000u            /* where the guest begins */
#define ROUNDS 0x2000u          /* its count of rounds, 4 bytes */
#define PVCLOCK 0x3000u         /* its pvclock page */

/* The guest: what goes from one process to the other. */
static struct {
    uint8_t ram[RAM_SIZE];
    struct kvm_regs regs;
    struct kvm_sregs sregs;
    char clocks[4096];
} guest __attribute__((aligned(4096))) = {
    /* Count the round in memory, hand over to us by "out", and start again. */
    .ram = { [CODE] = 0x66, 0xff, 0x06, 0x00, 0x20, 0xe6, 0x10, 0xeb, 0xf7 },
};
static int vcpu;
static CfExchanges exchanges;
static GError *error;   /* the library's, if it wasn't the kernel's */

static void check(bool good, const char *what)
{
    if (!good) {
        errx(1, "%s: %s", what, error ? error->message : g_strerror(errno));
    }
}

/* Lets the library see the guest's pvclock page. */
static bool read_guest(uint64_t address, void *buffer, size_t size, void *mem)
{
    return size <= RAM_SIZE && address <= RAM_SIZE - size &&
           memcpy(buffer, (uint8_t *)mem + address, size);
}

static CfVm create(void)
{
    static CfHost host;
    const struct kvm_userspace_memory_region region = {
        .memory_size = RAM_SIZE, .userspace_addr = (uintptr_t)guest.ram,
    };
    const int vm = ioctl(open("/dev/kvm", O_RDWR), KVM_CREATE_VM, 0);

    check(ioctl(vm, KVM_SET_TSS_ADDR, 0xfffbd000) == 0 &&
          ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) == 0, "memory");
    vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
    check(cf_kvm_ops()->set_msr(vcpu, CF_MSR_KVM_SYSTEM_TIME,
                                PVCLOCK | 1) == 0, "vCPU");
    check(cf_host_probe(cf_kvm_ops(), "/dev/kvm", &host, &error), "probe");
    return (CfVm) {
        .ops = cf_kvm_ops(), .host = &host, .vm_fd = vm, .vcpu_fds = &vcpu,
        .n_vcpus = 1, .read_guest = read_guest, .opaque = guest.ram,
    };
}

static void registers(bool set)
{
    check(ioctl(vcpu, set ? KVM_SET_REGS : KVM_GET_REGS, &guest.regs) == 0 &&
          ioctl(vcpu, set ? KVM_SET_SREGS : KVM_GET_SREGS, &guest.sregs) == 0,
          "registers");
}

/* Before the guest, which runs on meanwhile where a VMM has threads. */
static void exchange(const CfKvmOps *ops, bool source, int back)
{
    for (uint32_t i, n = 0; n < 8; n++) {
        check(source ? cf_exchange_send(ops, &exchanges, &i) &&
                       write(1, &i, 4) == 4 && read(back, &i, 4) == 4 &&
                       cf_exchange_answered(ops, &exchanges, i)
                     : read(0, &i, 4) == 4 &&
                       cf_exchange_arrived(ops, &exchanges, i) &&
                       write(back, &i, 4) == 4, "exchange");
    }
}

/* Takes all of the stopped guest, and puts its clocks into a file as well. */
static void leave(const CfVm *vm, const char *path)
{
    g_autoptr(CfState) state = NULL;

    check(cf_capture(vm, &state, &error), "capture");
    state->exchanges = exchanges;
    /* of a guest that came here before and leaves again: cf_state_as_meant() */
    g_autofree char *json = cf_state_to_json(state);
    check(g_file_set_contents(path, json, -1, &error), path);
    g_strlcpy(guest.clocks, json, sizeof(guest.clocks));
    registers(false);
}

/* The clocks come last: from then on they run. */
static void arrive(const CfVm *vm)
{
    const CfRestoreOptions options = { .exchanges = &exchanges };
    g_autoptr(CfState) state = NULL;
    CfReport report;

    check(cf_state_from_json(guest.clocks, strnlen(guest.clocks, 4096),
                             &state, &error) &&
          cf_restore(vm, state, &options, &report, &error), "restore");
    printf("rung %s, tries %d, time by %s\n", cf_rung_name(report.rung),
           report.tries, cf_elapsed_from_name(report.elapsed_from));
}

int main(int argc, char **argv)
{
    const uint32_t *rounds = (uint32_t *)(guest.ram + ROUNDS);
    const bool source = argc >= 3 && !strcmp(argv[1], "source");

    if (argc != 3 && argc != 4) {
        errx(2, "usage: vmm source|destination FILE [FIFO]");
    }
    const CfVm vm = create();
    if (argc == 4) {
        exchange(vm.ops, source,
                 open(argv[3], source ? O_RDONLY : O_WRONLY));
    }
    registers(false);
    guest.regs.rip = CODE;
    guest.sregs.cs.base = guest.sregs.cs.selector = 0;
    check(source || fread(&guest, sizeof(guest), 1, stdin) == 1,
          "there is no whole guest on the standard input");
    registers(true);
    if (!source) {
        arrive(&vm);
    }
    for (int i = 0; i < 5000; i++) {
        check(ioctl(vcpu, KVM_RUN, 0) == 0, "running");
    }
    leave(&vm, argv[2]);
    check(source ? fwrite(&guest, sizeof(guest), 1, stdout) == 1
                 : printf("the guest went round %u times\n", *rounds) > 0,
          "standard output");
    return 0;
}
