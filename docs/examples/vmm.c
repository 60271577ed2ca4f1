/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A small VMM that migrates its guest, clocks and all, to another process:
 *     vmm source before.json | vmm destination after.json
 *     clockferry diff before.json after.json
 * leave() and arrive() carry the clocks; any VMM has the rest.
 */
#include <clockferry/clockferry.h>
#include <err.h>
#include <errno.h>
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
    g_autofree struct kvm_msrs *pvclock =
        g_malloc0(sizeof(*pvclock) + sizeof(pvclock->entries[0]));
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
    pvclock->nmsrs = 1;
    pvclock->entries[0].index = CF_MSR_KVM_SYSTEM_TIME;
    pvclock->entries[0].data = PVCLOCK | 1;
    check(run != MAP_FAILED && ioctl(vcpu, KVM_SET_MSRS, pvclock) == 1,
          "vCPU");
    check(cf_host_probe(cf_kvm_ops(), "/dev/kvm", &host, &error), "probe");
    return (CfVm) {
        .ops = cf_kvm_ops(), .host = &host, .vm_fd = vm, .vcpu_fds = &vcpu,
        .n_vcpus = 1, .read_guest = read_guest, .opaque = ram,
    };
}

static void registers(Stream *s, bool set)
{
    check(ioctl(vcpu, set ? KVM_SET_REGS : KVM_GET_REGS, &s->regs) == 0 &&
          ioctl(vcpu, set ? KVM_SET_SREGS : KVM_GET_SREGS, &s->sregs) == 0,
          "registers");
}

/* Puts the whole stopped guest into the stream, and its clocks into a file. */
static void leave(const CfVm *vm, Stream *s, const char *path)
{
    g_autoptr(CfState) state = NULL;

    check(cf_capture(vm, &state, &error), "capture");
    g_autofree char *json = cf_state_to_json(state);
    check(g_file_set_contents(path, json, -1, &error), path);
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
                             &state, &error) &&
          cf_restore(vm, state, NULL, &report, &error), "restore");
    printf("rung %s, tries %d\n", cf_rung_name(report.rung), report.tries);
}

int main(int argc, char **argv)
{
    const bool source = argc == 3 && !strcmp(argv[1], "source");
    static Stream s;

    if (argc != 3) {
        errx(2, "usage: vmm source|destination FILE");
    }
    const CfVm vm = create();
    if (source) {
        memcpy(ram + CODE, code, sizeof(code));
        registers(&s, false);
        s.regs.rip = CODE;
        s.sregs.cs.base = s.sregs.cs.selector = 0;
        registers(&s, true);
    } else {
        if (fread(&s, sizeof(s), 1, stdin) != 1) {
            errx(1, "there is no whole guest on the standard input");
        }
        arrive(&vm, &s);
    }
    for (int i = 0; i < 5000; i++) {
        check(ioctl(vcpu, KVM_RUN, 0) == 0 &&
              run->exit_reason == KVM_EXIT_IO, "running");
    }
    leave(&vm, &s, argv[2]);
    if (source) {
        check(fwrite(&s, sizeof(s), 1, stdout) == 1, "sending");
    } else {
        printf("the guest went round %u times\n", *(uint32_t *)&ram[ROUNDS]);
    }
    return 0;
}
