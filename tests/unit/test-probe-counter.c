/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Test of cf_host_probe() on a model of arm64 hosts: what is found out about
 * the counter, on any machine.
 */
#include <errno.h>
#include <string.h>
#include <clockferry/check.h>
#include <clockferry/vm.h>

#define HZ 62500000u
#define CAP_COUNTER_OFFSET 227u
#define KVM_FD 1
#define VM_FD 2
#define VCPU_FD 3

/* Model - one host with one VM: its counter, and what KVM does */
typedef struct Model {
    uint64_t ticks;         /* the host's counter; each call takes some */
    uint64_t offset_ticks;  /* host - guest */
    uint32_t hz;            /* 0: the register has none */
    uint32_t capability;    /* of KVM_ARM_SET_COUNTER_OFFSET */
    bool ioctl_ignored;     /* the call succeeds, and does nothing */
    bool ioctl_fails;
    bool register_ignored;  /* so it is once the call was made, too */
    bool was_set;
    int calls;
    int fail_call;          /* which one fails, counted from 1 */
    int fail_errno;
    int open;               /* descriptors */
} Model;

static Model model;

static void reset(void)
{
    model = (Model) {
        .ticks = 5ULL * HZ,     /* a host that has just been started */
        .offset_ticks = 4ULL * HZ,
        .hz = HZ,
        .capability = 1,
        .fail_errno = EIO,
    };
}

static bool fails(void)
{
    model.ticks += 30 + (uint64_t)model.calls % 7;
    return ++model.calls == model.fail_call;
}

static int opened(int fd, int *ret_fd)
{
    if (fails()) {
        return -model.fail_errno;
    }
    model.open++;
    *ret_fd = fd;
    return 0;
}

static int model_open(const char *path, int *ret_fd)
{
    g_assert_cmpstr(path, ==, "/dev/kvm");
    return opened(KVM_FD, ret_fd);
}

static void model_close(int fd)
{
    g_assert_cmpint(fd, >=, KVM_FD);
    model.open--;
}

static int model_create_vm(int fd, int *ret_fd)
{
    g_assert_cmpint(fd, ==, KVM_FD);
    return opened(VM_FD, ret_fd);
}

static int model_create_vcpu(int fd, uint32_t id, int *ret_fd)
{
    g_assert_cmpint(fd, ==, VM_FD);
    g_assert_cmpuint(id, ==, 0);
    return opened(VCPU_FD, ret_fd);
}

static int model_check_extension(int fd, uint32_t capability,
                                 uint32_t *ret_value)
{
    g_assert_cmpint(fd, ==, VM_FD);
    g_assert_cmpuint(capability, ==, CAP_COUNTER_OFFSET);
    if (fails()) {
        return -model.fail_errno;
    }
    *ret_value = model.capability;
    return 0;
}

static uint64_t model_read(void)
{
    return model.ticks += 3;
}

static int model_get_counter(int fd, uint64_t *ret_ticks)
{
    g_assert_cmpint(fd, ==, VCPU_FD);
    if (fails()) {
        return -model.fail_errno;
    }
    *ret_ticks = model.ticks - model.offset_ticks;
    model.ticks += 20;
    return 0;
}

static int model_set_counter(int fd, uint64_t ticks)
{
    g_assert_cmpint(fd, ==, VCPU_FD);
    if (fails()) {
        return -model.fail_errno;
    }
    if (!model.register_ignored && !model.was_set) {
        model.offset_ticks = model.ticks - ticks;
    }
    model.ticks += 20;
    return 0;
}

static int model_set_offset(int fd, uint64_t offset_ticks)
{
    g_assert_cmpint(fd, ==, VM_FD);
    if (fails() || model.ioctl_fails) {
        return -model.fail_errno;
    }
    g_assert_cmpuint(model.capability, >, 0);
    if (!model.ioctl_ignored) {
        model.was_set = true;
        model.offset_ticks = offset_ticks;
    }
    return 0;
}

static int model_get_hz(uint32_t *ret_hz)
{
    *ret_hz = model.hz;
    return model.hz ? 0 : -ENOENT;
}

static int model_read_pair(uint64_t *ret_ticks, uint64_t *ret_realtime_ns)
{
    *ret_ticks = model.ticks;
    *ret_realtime_ns = 1800000000000000000;
    return 0;
}

static int model_get_time(CfHostTime *ret_time)
{
    *ret_time = (CfHostTime) { .synchronised = true, .max_error_ns = 1000 };
    return 0;
}

static void model_get_id(CfHostId *ret_id)
{
    *ret_id = (CfHostId) { .clocksource = "arch_sys_counter" };
}

/* What x86-64 has isn't there to be called. */
static const CfKvmOps ops = {
    .open = model_open,
    .close = model_close,
    .create_vm = model_create_vm,
    .create_vcpu = model_create_vcpu,
    .check_extension = model_check_extension,
    .read_tsc = model_read,
    .read_pair = model_read_pair,
    .get_host_time = model_get_time,
    .get_host_id = model_get_id,
    .architecture = CF_ARCHITECTURE_ARM64,
    .get_counter_hz = model_get_hz,
    .get_counter = model_get_counter,
    .set_counter = model_set_counter,
    .set_counter_offset = model_set_offset,
};

static CfHost probe(void)
{
    g_autoptr(GError) error = NULL;
    CfHost host;

    g_assert_true(cf_host_probe(&ops, "/dev/kvm", &host, &error));
    g_assert_no_error(error);
    g_assert_cmpint(model.open, ==, 0);
    return host;
}

static void test_newest(void)
{
    CfHost host;

    reset();
    host = probe();
    g_assert_cmpint(host.architecture, ==, CF_ARCHITECTURE_ARM64);
    g_assert_cmpuint(host.counter_hz, ==, HZ);
    g_assert_cmpint(host.counter_offset, ==, CF_COUNTER_OFFSET_IOCTL);
    g_assert_true(host.offset_known);
    g_assert_cmpint(host.offset, ==, CF_OFFSET_STICKS);
    g_assert_true(host.time_known && host.time.synchronised);
    g_assert_true(host.instant_known);
    g_assert_cmpstr(host.id.clocksource, ==, "arch_sys_counter");
    /* what there is none of on arm64 */
    g_assert_cmpuint(host.host_khz, ==, 0);
    g_assert_cmpint(host.scaling, ==, CF_SCALING_UNKNOWN);
    g_assert_cmpint(host.has_offset, ==, CF_ANSWER_UNKNOWN);
    g_assert_cmpint(host.clock_guest, ==, CF_CLOCK_GUEST_UNKNOWN);
    g_assert_false(host.tolerance_known);
    g_assert_false(host.rung_known);
    /* a guest could have run longer than this host, and it was tried */
    g_assert_true(model.was_set);
    g_assert_cmpuint(model.offset_ticks, >, INT64_MAX);
}

static CfCounterOffset how(enum cf_offset wanted)
{
    const CfHost host = probe();

    g_assert_cmpint(host.offset, ==, wanted);
    return host.counter_offset;
}

/* Before 6.4; and kernels that say more than they do. */
static void test_older(void)
{
    reset();
    model.capability = 0;
    g_assert_cmpint(how(CF_OFFSET_STICKS), ==, CF_COUNTER_OFFSET_REGISTER);
    reset();
    model.capability = 0;
    model.register_ignored = true;
    g_assert_cmpint(how(CF_OFFSET_IGNORED), ==, CF_COUNTER_OFFSET_NONE);
    reset();
    model.ioctl_ignored = true;
    g_assert_cmpint(how(CF_OFFSET_STICKS), ==, CF_COUNTER_OFFSET_REGISTER);
    reset();
    model.ioctl_fails = true;
    g_assert_cmpint(how(CF_OFFSET_STICKS), ==, CF_COUNTER_OFFSET_REGISTER);
    reset();
    model.ioctl_ignored = model.register_ignored = true;
    g_assert_cmpint(how(CF_OFFSET_IGNORED), ==, CF_COUNTER_OFFSET_NONE);
}

static void assert_fails(CfError code, const char *words)
{
    g_autoptr(GError) error = NULL;
    CfHost host;

    g_assert_false(cf_host_probe(&ops, "/dev/kvm", &host, &error));
    g_assert_error(error, CF_ERROR, (int)code);
    g_assert_nonnull(strstr(error->message, words));
    g_assert_cmpint(model.open, ==, 0);
}

static void test_no_frequency(void)
{
    reset();
    model.hz = 0;
    assert_fails(CF_ERROR_SYSTEM, "CNTFRQ_EL0");
}

static void test_no_kvm(void)
{
    reset();
    model.fail_call = 1;
    model.fail_errno = ENOENT;
    assert_fails(CF_ERROR_NO_KVM, "EL2");
}

/* A sandbox must not look like a host that can't do much. */
static void test_sandbox(void)
{
    static const char *const calls[] = {
        "KVM_CHECK_EXTENSION", "KVM_GET_ONE_REG", "KVM_ARM_SET_COUNTER_OFFSET",
    };
    int i;

    for (i = 0; i < (int)G_N_ELEMENTS(calls); i++) {
        reset();
        model.fail_call = 4 + i;
        model.fail_errno = EPERM;
        assert_fails(CF_ERROR_NO_KVM, calls[i]);
    }
    reset();
    model.capability = 0;
    model.fail_call = 6;
    model.fail_errno = EPERM;
    assert_fails(CF_ERROR_NO_KVM, "KVM_SET_ONE_REG");
}

/* Each call fails once: an error, or facts; and nothing stays open. */
static void test_any_failure(void)
{
    int failures = 0;
    int k;

    for (k = 1; ; k++) {
        g_autoptr(GError) error = NULL;
        CfHost host;

        reset();
        model.fail_call = k;
        failures += !cf_host_probe(&ops, "/dev/kvm", &host, &error);
        g_assert_cmpint(model.open, ==, 0);
        if (model.calls < k) {
            break;
        }
    }
    /* open, VM and vCPU */
    g_assert_cmpint(failures, ==, 3);
    g_assert_cmpint(k, >, 15);
}

/* Nothing carries a counter: that is said before anything is tried. */
static void test_not_carried(void)
{
    const int vcpu_fd = VCPU_FD;
    g_autoptr(GError) error = NULL;
    CfState *state;
    CfHost host;
    CfVm vm = { .ops = &ops, .host = &host, .vm_fd = VM_FD,
                .vcpu_fds = &vcpu_fd, .n_vcpus = 1 };

    reset();
    host = probe();
    g_assert_false(cf_capture(&vm, &state, &error));
    g_assert_error(error, CF_ERROR, CF_ERROR_INVALID);
    g_assert_nonnull(strstr(error->message, "x86-64"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/probe-counter/newest", test_newest);
    g_test_add_func("/probe-counter/older", test_older);
    g_test_add_func("/probe-counter/no-frequency", test_no_frequency);
    g_test_add_func("/probe-counter/no-kvm", test_no_kvm);
    g_test_add_func("/probe-counter/sandbox", test_sandbox);
    g_test_add_func("/probe-counter/any-failure", test_any_failure);
    g_test_add_func("/probe-counter/not-carried", test_not_carried);
    return g_test_run();
}
