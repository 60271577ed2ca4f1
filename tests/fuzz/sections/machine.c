/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What of a QEMU there is: the kvmclock device, vCPUs as the series sees them,
 * and where a stream comes from. */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "io/channel-file.h"
#include "io/channel-socket.h"
#include "migration/migration.h"
#include "migration/qemu-file.h"
#include "monitor/monitor.h"
#include "system/cpus.h"
#include "system/kvm.h"
#include "system/kvm_int.h"
#include "sections/loader.h"
#include "sections/machine.h"

KVMClockCarrier *carrier;
const VMStateDescription *kvmclock_vmsd;
X86CPU *cpus[VCPUS_MAX];
GString *said;

static QEMUFile *origins[FROM_MAX];

/* What the real vCPU has of the series; its own state isn't here. */
const VMStateDescription vmstate_cpu = {
    .name = "cpu",
    .version_id = 12,
    .minimum_version_id = 11,
    .pre_load = guest_tsc_pre_load,
    .fields = (const VMStateField[]) { VMSTATE_END_OF_LIST() },
    .subsections = (const VMStateDescription * const []) {
        &vmstate_guest_tsc, NULL
    }
};

/* In place of QEMU's, which writes to the standard error. */
int __wrap_error_vprintf(const char *format, va_list values);
int __wrap_error_vprintf(const char *format, va_list values)
{
    g_string_append_vprintf(said, format, values);
    return 0;
}

static void make_vcpus(void)
{
    int i;

    for (i = 0; i < VCPUS_MAX; i++) {
        CPUState *cpu;

        cpus[i] = g_new0(X86CPU, 1);
        cpu = (CPUState *)cpus[i];
        cpu->cpu_index = i;
        cpu->kvm_fd = model_vcpu_fd(i);
        cpu->kvm_run = g_new0(struct kvm_run, 1);
        cpus[i]->env.system_time_msr = (MODEL_PAGE + i * 64) | 1;
        QTAILQ_INSERT_TAIL(&cpus_queue, cpu, node);
        vmstate_register(NULL, i, &vmstate_cpu, cpus[i]);
    }
}

void machine_set_vcpus(unsigned int n)
{
    CPUState *second = (CPUState *)cpus[1];

    if (QTAILQ_IN_USE(second, node)) {
        QTAILQ_REMOVE(&cpus_queue, second, node);
    }
    if (n > 1) {
        QTAILQ_INSERT_TAIL(&cpus_queue, second, node);
    }
}

static void make_origin(From from, QIOChannel *channel)
{
    origins[from] = qemu_file_new_input(channel);
}

/* None of them is read: only what they are counts. */
static void make_origins(void)
{
    int pipe_fds[2];

    if (pipe(pipe_fds) < 0) {
        abort();
    }
    make_origin(FROM_SOCKET, QIO_CHANNEL(qio_channel_socket_new()));
    make_origin(FROM_PIPE, QIO_CHANNEL(qio_channel_file_new_fd(pipe_fds[0])));
    make_origin(FROM_FILE, QIO_CHANNEL(qio_channel_file_new_fd(
                                           memfd_create("stream", 0))));
}

static void make_kvmclock(void)
{
    Object *device = object_new("kvmclock");

    carrier = KVM_CLOCK_CARRIER(device);
    notifier_list_init(&carrier->changes);
    kvmclock_vmsd = DEVICE_GET_CLASS(device)->vmsd;
    migration_setup_ack_register(&vmstate_kvmclock_offer, carrier);
    vmstate_register(NULL, 0, kvmclock_vmsd, carrier);
}

unsigned int machine_begin(void)
{
    unsigned int n_hosts;

    said = g_string_new(NULL);
    error_init("fuzz-sections");
    qemu_init_cpu_list();
    qemu_init_cpu_loop();
    bql_lock();
    module_call_init(MODULE_INIT_QOM);
    qemu_init_main_loop(&error_fatal);
    monitor_init_globals();
    loader_begin();
    n_hosts = model_begin(FAKE_HOSTS);
    kvm_state = g_new0(KVMState, 1);
    kvm_state->vmfd = model_vm_fd();
    make_vcpus();
    make_kvmclock();
    make_origins();
    return n_hosts;
}

void machine_come_from(From from)
{
    MigrationIncomingState *mis = migration_incoming_get_current();

    mis->from_src_file = origins[from];
    mis->to_src_file = from == FROM_SOCKET ? origins[from] : NULL;
}

void machine_forget(void)
{
    kvmclock_carrier_drop(carrier);
    error_free(g_steal_pointer(&carrier->not_captured));
    error_free(g_steal_pointer(&carrier->not_restored));
    memset(&carrier->carried, 0, sizeof(carrier->carried));
    memset(&carrier->offer, 0, sizeof(carrier->offer));
    memset(&carrier->report, 0, sizeof(carrier->report));
    memset(&cpus[0]->env.guest_tsc, 0, sizeof(X86GuestTSC));
    memset(&cpus[1]->env.guest_tsc, 0, sizeof(X86GuestTSC));
    carrier->keep_on_resume = false;
    g_string_truncate(said, 0);
}
