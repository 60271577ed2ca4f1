/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A small VMM that migrates its guest, clocks and all, to another process:
 *
 *     vmm source before.json | vmm destination after.json
 *     clockferry diff before.json after.json
 *
 * leave() and arrive() carry the clocks; any VMM has the rest.
 */
#include <clockferry/clockferry.h>
#include <err.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#define RAM_SIZE 0x10000u
#define CODE 0x1000u            /* where the guest begins */
#define ROUNDS 0x2000u          /* its count of rounds, 4 bytes */
#define PVCLOCK 0x3000u         /* its pvclock page */

/* Count the round in memory, hand over to us by "out", and start again. */
static const uint8_t code[] = {
    0x66, 0xff, 0x06, 0x00, 0x20, 0xe6, 0x10, 0xeb, 0xf7,
};

/* What goes from one process to the other. */
typedef struct Stream {
    struct kvm_regs regs;
    struct kvm_sregs sregs;
    char clocks[4096];
    uint8_t ram[RAM_SIZE];
} Stream;

static uint8_t ram[RAM_SIZE] __attribute__((aligned(4096)));
static struct kvm_run *run;
static int vcpu;

static void check(bool good, const char *what)
{
    if (!good) {
        errx(1, "%s failed", what);
    }
}

/* Lets the library see the guest's pvclock page. */
static bool read_guest(uint64_t address, void *buffer, size_t size, void *mem)
{
    if (size > RAM_SIZE || address > RAM_SIZE - size) {
        return false;
    }
    memcpy(buffer, (uint8_t *)mem + address, size);
    return true;
}

static CfVm create(CfHost *host)
{
    const struct kvm_userspace_memory_region region = {
        .memory_size = RAM_SIZE, .userspace_addr = (uintptr_t)ram,
    };
    const int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    const int vm = ioctl(kvm, KVM_CREATE_VM, 0);

    check(ioctl(vm, KVM_SET_TSS_ADDR, 0xfffbd000) == 0 &&
          ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) == 0, "memory");
    vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
    run = mmap(NULL, (size_t)ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0),
               PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
    check(run != MAP_FAILED &&
          cf_kvm_ops()->set_msr(vcpu, CF_MSR_KVM_SYSTEM_TIME, PVCLOCK | 1) == 0,
          "vCPU");
    check(cf_host_probe(cf_kvm_ops(), "/dev/kvm", host, NULL), "probe");
    return (CfVm) {
        .ops = cf_kvm_ops(), .host = host, .vm_fd = vm, .vcpu_fds = &vcpu,
        .n_vcpus = 1, .read_guest = read_guest, .opaque = ram,
    };
}

static void registers(Stream *s, bool set)
{
    check(ioctl(vcpu, set ? KVM_SET_REGS : KVM_GET_REGS, &s->regs) == 0 &&
          ioctl(vcpu, set ? KVM_SET_SREGS : KVM_GET_SREGS, &s->sregs) == 0,
          "registers");
}

static void go_round(void)
{
    for (int i = 0; i < 5000; i++) {
        check(ioctl(vcpu, KVM_RUN, 0) == 0 &&
              run->exit_reason == KVM_EXIT_IO, "running");
    }
}

/* Puts the whole stopped guest into the stream, and its clocks into a file. */
static void leave(const CfVm *vm, Stream *s, const char *path)
{
    g_autoptr(CfState) state = NULL;
    g_autofree char *json = NULL;

    check(cf_capture(vm, &state, NULL), "capture");
    json = cf_state_to_json(state);
    check(g_file_set_contents(path, json, -1, NULL), path);
    g_strlcpy(s->clocks, json, sizeof(s->clocks));
    memcpy(s->ram, ram, RAM_SIZE);
    registers(s, false);
}

/* The clocks come last: from then on they run. */
static void arrive(const CfVm *vm, Stream *s)
{
    g_autoptr(CfState) state = NULL;
    CfReport report;

    memcpy(ram, s->ram, RAM_SIZE);
    registers(s, true);
    check(cf_state_from_json(s->clocks, strnlen(s->clocks, sizeof(s->clocks)),
                             &state, NULL) &&
          cf_restore(vm, state, NULL, &report, NULL), "restore");
    printf("rung %s, tries %d\n", cf_rung_name(report.rung), report.tries);
}

int main(int argc, char **argv)
{
    static Stream stream;
    CfHost host;
    const CfVm vm = create(&host);

    check(argc == 3, "vmm source|destination FILE");
    if (!strcmp(argv[1], "source")) {
        memcpy(ram + CODE, code, sizeof(code));
        registers(&stream, false);
        stream.regs.rip = CODE;
        stream.sregs.cs.base = stream.sregs.cs.selector = 0;
        registers(&stream, true);
        go_round();
        leave(&vm, &stream, argv[2]);
        check(fwrite(&stream, sizeof(stream), 1, stdout) == 1, "sending");
    } else {
        check(fread(&stream, sizeof(stream), 1, stdin) == 1, "receiving");
        arrive(&vm, &stream);
        go_round();
        leave(&vm, &stream, argv[2]);
        printf("the guest went round %u times\n", *(uint32_t *)&ram[ROUNDS]);
    }
    return 0;
}
