/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VMM that carries its guest's clocks by the library, for tests/parity.
 *
 * It does what QEMU does around a migration, and no more:
 *
 *     vmm source VCPUS KHZ >STREAM
 *     vmm destination VCPUS KHZ POLICY REQUIRE count|freeze <STREAM
 *
 * KHZ is the guest's tsc-frequency; 0: nobody promised it one. The destination
 * prints a JSON object, what cf_check(), cf_restore() and cf_report_bound()
 * said. STREAM is a line for each vCPU, TSC and deadline, and the JSON state.
 * If the source's standard input is a socket, it exchanges messages with the
 * destination there first, whose STREAM they precede.
 */
#include <clockferry/clockferry.h>
#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAX_VCPUS 16u
#define RAM_SIZE 0x10000u
#define CODE 0x1000u
#define RECORDS 0x3000u         /* the vCPUs' pvclock records */
#define RECORD_SIZE 64u
#define ROUNDS 3
#define EXCHANGES 8             /* as many as QEMU's */
#define OLD_US 5000             /* a guest's record isn't of just now */

/* Hand over to us by "out", again and again. */
static const uint8_t code[] = { 0xe6, 0x10, 0xeb, 0xfc };

/* What of a vCPU travels beside its clocks. */
typedef struct Timers {
    uint64_t tsc_ticks;
    uint64_t deadline_ticks;
} Timers;

static uint8_t ram[RAM_SIZE] __attribute__((aligned(4096)));
static struct kvm_run *runs[MAX_VCPUS];
static int vcpus[MAX_VCPUS];
static CfHost host;
static CfExchanges exchanges;

static void check(bool good, const char *what)
{
    if (!good) {
        err(1, "%s", what);
    }
}

static void fail(const char *what, const GError *error)
{
    errx(1, "%s: %s", what, error->message);
}

/* -- The VM -- */

static bool read_guest(uint64_t address, void *buffer, size_t size, void *mem)
{
    if (size > RAM_SIZE || address > RAM_SIZE - size) {
        return false;
    }
    memcpy(buffer, (uint8_t *)mem + address, size);
    return true;
}

static bool settle(uint32_t i, void *opaque)
{
    (void)opaque;
    return cf_settle_vcpu(vcpus[i]);
}

static void create_vcpu(int kvm, int vm, uint32_t i, uint32_t khz)
{
    struct kvm_sregs sregs;
    const struct kvm_regs regs = { .rip = CODE, .rflags = 2 };

    vcpus[i] = ioctl(vm, KVM_CREATE_VCPU, i);
    check(vcpus[i] >= 0, "KVM_CREATE_VCPU");
    runs[i] = mmap(NULL, (size_t)ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0),
                   PROT_READ | PROT_WRITE, MAP_SHARED, vcpus[i], 0);
    check(runs[i] != MAP_FAILED && ioctl(vcpus[i], KVM_GET_SREGS, &sregs) == 0,
          "vCPU");
    sregs.cs.base = sregs.cs.selector = 0;
    check(ioctl(vcpus[i], KVM_SET_SREGS, &sregs) == 0 &&
          ioctl(vcpus[i], KVM_SET_REGS, &regs) == 0, "registers");
    check(!khz || cf_kvm_ops()->set_tsc_khz(vcpus[i], khz) == 0,
          "KVM_SET_TSC_KHZ");
}

static CfVm create(uint32_t n_vcpus, uint32_t khz)
{
    const struct kvm_userspace_memory_region region = {
        .memory_size = RAM_SIZE, .userspace_addr = (uintptr_t)ram,
    };
    g_autoptr(GError) error = NULL;
    const int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    const int vm = ioctl(kvm, KVM_CREATE_VM, 0);
    uint32_t i;

    check(ioctl(vm, KVM_SET_TSS_ADDR, 0xfffbd000) == 0 &&
          ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) == 0, "VM");
    memcpy(ram + CODE, code, sizeof(code));
    if (!cf_host_probe(cf_kvm_ops(), "/dev/kvm", &host, &error)) {
        fail("probe", error);
    }
    for (i = 0; i < n_vcpus; i++) {
        create_vcpu(kvm, vm, i, khz);
    }
    return (CfVm) {
        .ops = cf_kvm_ops(), .host = &host, .vm_fd = vm, .vcpu_fds = vcpus,
        .n_vcpus = n_vcpus, .read_guest = read_guest, .opaque = ram,
        .settle = settle,
    };
}

/* Guests turn kvmclock on by themselves; this one can't. */
static void turn_kvmclock_on(const CfVm *vm)
{
    uint32_t i;

    for (i = 0; i < vm->n_vcpus; i++) {
        check(vm->ops->set_msr(vcpus[i], CF_MSR_KVM_SYSTEM_TIME,
                               (RECORDS + i * RECORD_SIZE) | 1) == 0,
              "kvmclock");
    }
}

static void run(const CfVm *vm)
{
    uint32_t i;
    int round;

    for (round = 0; round < ROUNDS; round++) {
        for (i = 0; i < vm->n_vcpus; i++) {
            check(ioctl(vcpus[i], KVM_RUN, 0) == 0 &&
                  runs[i]->exit_reason == KVM_EXIT_IO, "KVM_RUN");
        }
    }
}

/* -- Both sides -- */

/* A message is a byte, and so is its answer. Who reads from a pipe can't write
 * to it: then there are none. */
static void exchange(const CfVm *vm)
{
    uint32_t number;
    uint8_t byte;

    while (exchanges.n < EXCHANGES &&
           cf_exchange_send(vm->ops, &exchanges, &number)) {
        byte = (uint8_t)number;
        if (write(STDIN_FILENO, &byte, 1) != 1) {
            exchanges.n = 0;
            return;
        }
        check(read(STDIN_FILENO, &byte, 1) == 1 &&
              cf_exchange_answered(vm->ops, &exchanges, byte), "exchange");
    }
}

/* The stream begins with a digit. */
static void answer(const CfVm *vm)
{
    uint8_t byte;

    while (read(STDIN_FILENO, &byte, 1) == 1) {
        if (!cf_exchange_arrived(vm->ops, &exchanges, byte)) {
            ungetc(byte, stdin);
            return;
        }
        check(write(STDIN_FILENO, &byte, 1) == 1, "answer");
    }
}

static void leave(const CfVm *vm)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(CfState) state = NULL;
    g_autofree char *json = NULL;
    uint32_t i;

    for (i = 0; i < vm->n_vcpus; i++) {
        Timers timers;

        check(vm->ops->get_msr(vcpus[i], CF_MSR_TSC,
                               &timers.tsc_ticks) == 0 &&
              vm->ops->get_msr(vcpus[i], CF_MSR_TSC_DEADLINE,
                               &timers.deadline_ticks) == 0, "MSRs");
        printf("%" PRIu64 " %" PRIu64 "\n", timers.tsc_ticks,
               timers.deadline_ticks);
    }
    if (!cf_capture(vm, &state, &error)) {
        fail("capture", error);
    }
    state->exchanges = exchanges;
    json = cf_state_to_json(state);
    fputs(json, stdout);
}

/* The last things before the clocks, as in QEMU. */
static void load(const CfVm *vm, const Timers *timers)
{
    uint32_t i;

    for (i = 0; i < vm->n_vcpus; i++) {
        check(vm->ops->set_msr(vcpus[i], CF_MSR_TSC,
                               timers[i].tsc_ticks) == 0 &&
              vm->ops->set_msr(vcpus[i], CF_MSR_TSC_DEADLINE,
                               timers[i].deadline_ticks) == 0, "MSRs");
    }
    turn_kvmclock_on(vm);
    for (i = 0; i < vm->n_vcpus; i++) {
        (void)ioctl(vcpus[i], KVM_KVMCLOCK_CTRL, 0);
    }
}

static CfState *receive(uint32_t n_vcpus, Timers *timers)
{
    g_autoptr(GError) error = NULL;
    static char json[0x10000];
    CfState *state = NULL;
    uint32_t i;

    for (i = 0; i < n_vcpus; i++) {
        check(scanf("%" SCNu64 " %" SCNu64, &timers[i].tsc_ticks,
                    &timers[i].deadline_ticks) == 2, "stream");
    }
    if (!cf_state_from_json(json, fread(json, 1, sizeof(json), stdin), &state,
                            &error)) {
        fail("state", error);
    }
    return state;
}

/* -- The destination's decisions -- */

static enum cf_policy policy_of(const char *name)
{
    int policy = CF_POLICY_AUTO;

    while (strcmp(cf_policy_name((enum cf_policy)policy), name)) {
        policy++;
    }
    return (enum cf_policy)policy;
}

static enum cf_rung rung_of(const char *name)
{
    int rung = CF_RUNG_EXACT;

    while (strcmp(cf_rung_name((enum cf_rung)rung), name)) {
        rung++;
    }
    return (enum cf_rung)rung;
}

/* The first that is as bad as the verdict. */
static CfFindingKind deciding(const CfCheck *answer)
{
    uint32_t i = 0;

    while (answer->findings[i].verdict != answer->verdict) {
        i++;
    }
    return answer->findings[i].kind;
}

/* False if it is refused. */
static bool admit(const CfState *state, bool promised, const char *policy,
                  const char *require)
{
    CfGuest guest;
    CfCheck answer;

    cf_guest_from_state(state, &guest);
    guest.promised = promised;
    guest.policy = policy_of(policy);
    guest.require = rung_of(require);
    cf_check(&guest, &host, &answer);
    printf("{\"verdict\": \"%s\", \"finding\": \"%s\"",
           cf_verdict_name(answer.verdict),
           cf_finding_name(deciding(&answer)));
    return answer.verdict != CF_VERDICT_REFUSE;
}

static void print_report(const CfReport *r)
{
    printf(", \"rung\": \"%s\", \"tries\": %d", cf_rung_name(r->rung),
           r->tries);
    if (r->residual_known) {
        printf(", \"residual-ns\": %" PRId64 ", \"residual-error-ns\": %"
               PRIu64, r->residual_ns, r->residual_error_ns);
    }
    if (r->rate_known) {
        printf(", \"rate-error-ppt\": %" PRId64, r->rate_error_ppt);
    }
    if (r->skew_known) {
        printf(", \"skew-ticks\": %" PRIu64, r->skew_ticks);
    }
    if (r->time_bound_ns != UINT64_MAX) {
        printf(", \"time-bound-ns\": %" PRIu64, r->time_bound_ns);
    }
    if (r->round_trip_ns != UINT64_MAX) {
        printf(", \"round-trip-ns\": %" PRIu64, r->round_trip_ns);
    }
    if (r->kexec) {
        printf(", \"kexec-ppt\": %" PRId64, r->kexec_ppt);
    }
    if (r->clocks_wrong_ns) {
        printf(", \"clocks-wrong-ns\": %" PRIu64, r->clocks_wrong_ns);
    }
    printf(", \"elapsed-from\": \"%s\"",
           cf_elapsed_from_name(r->elapsed_from));
    printf(", \"pending-update\": %s, \"function-carried\": %s"
           ", \"same-host\": %s, \"frozen\": %s, \"clock-behind\": %s"
           ", \"tsc\": \"%s\", \"passed-ns\": %" PRId64 ", \"elapsed-ns\": %"
           PRId64, r->pending_update ? "true" : "false",
           r->function_carried ? "true" : "false",
           r->same_host ? "true" : "false", r->frozen ? "true" : "false",
           r->clock_behind ? "true" : "false", cf_tsc_outcome_name(r->tsc),
           r->passed_ns, r->elapsed_ns);
}

static void arrive(const CfVm *vm, const CfState *state, bool freeze)
{
    const CfRestoreOptions options = {
        .freeze = freeze, .exchanges = &exchanges,
    };
    g_autoptr(GError) error = NULL;
    CfReport report;
    uint64_t bound_ns;

    if (!cf_restore(vm, state, &options, &report, &error)) {
        printf(", \"error\": \"%s\"", error->message);
        return;
    }
    run(vm);
    print_report(&report);
    if (cf_report_bound(vm, &report, &bound_ns)) {
        printf(", \"bound-ns\": %" PRIu64, bound_ns);
    }
}

int main(int argc, char **argv)
{
    const bool source = argc == 4 && !strcmp(argv[1], "source");
    Timers timers[MAX_VCPUS];
    uint32_t n_vcpus, khz;
    CfVm vm;

    if (!source && (argc != 7 || strcmp(argv[1], "destination"))) {
        errx(2, "vmm source|destination VCPUS KHZ …");
    }
    n_vcpus = (uint32_t)atoi(argv[2]);
    khz = (uint32_t)atoi(argv[3]);
    vm = create(n_vcpus, khz);
    if (source) {
        turn_kvmclock_on(&vm);
        run(&vm);
        g_usleep(OLD_US);
        exchange(&vm);
        leave(&vm);
    } else {
        g_autoptr(CfState) state = NULL;

        answer(&vm);
        state = receive(n_vcpus, timers);
        if (admit(state, khz, argv[4], argv[5])) {
            load(&vm, timers);
            arrive(&vm, state, !strcmp(argv[6], "freeze"));
        }
        puts("}");
    }
    return 0;
}
