/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ioctls: which are the model's, and which the kernel's. */
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "kvm/kvm-uapi.h"
#include "shim.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static GHashTable *handles;     /* by file descriptor */

/* -- VMs and vCPUs -- */

static ShimHandle *find(int fd)
{
    return handles ? g_hash_table_lookup(handles, GINT_TO_POINTER(fd)) : NULL;
}

static void add(int fd, ShimVm *vm, FakeVcpu *vcpu, uint32_t id)
{
    ShimHandle *handle = g_new0(ShimHandle, 1);

    handle->fd = fd;
    handle->vm = vm;
    vm->n_handles++;
    handle->vcpu = vcpu;
    handle->id = id;
    if (vcpu) {
        vm->vcpus[vcpu - vm->model.vcpus] = handle;
    }
    pthread_mutex_init(&handle->busy, NULL);
    if (!handles) {
        handles = g_hash_table_new(NULL, NULL);
    }
    g_hash_table_replace(handles, GINT_TO_POINTER(fd), handle);
}

static void forget(int fd)
{
    ShimHandle *handle = find(fd);

    if (handle) {
        g_hash_table_remove(handles, GINT_TO_POINTER(fd));
        if (handle->vcpu) {
            handle->vm->vcpus[handle->vcpu - handle->vm->model.vcpus] = NULL;
        }
        if (!--handle->vm->n_handles) {
            g_array_free(handle->vm->slots, TRUE);
            g_free(handle->vm);
        }
        g_free(handle);
    }
}

static int create_vm(int fd, void *argument)
{
    static int n_vms;
    const int vm_fd = shim_kernel(fd, KVM_CREATE_VM, argument);
    ShimVm *vm;

    if (vm_fd >= 0) {
        vm = g_new0(ShimVm, 1);
        vm->number = n_vms++;
        vm->slots = g_array_new(FALSE, FALSE,
                                sizeof(struct kvm_userspace_memory_region));
        fake_vm_create(&vm->model, &shim_host);
        add(vm_fd, vm, NULL, 0);
    }
    return vm_fd;
}

static int create_vcpu(ShimHandle *handle, void *argument)
{
    const int fd = shim_kernel(handle->fd, KVM_CREATE_VCPU, argument);

    if (fd >= 0) {
        add(fd, handle->vm, fake_vcpu_create(&handle->vm->model),
            (uint32_t)(uintptr_t)argument);
    }
    return fd;
}

/* -- Calls on a VM, or on KVM -- */

static int check_extension(uint32_t capability)
{
    int value;

    if (capability == KVM_CAP_NESTED_STATE) {
        return shim_nested_size();
    }
    return fake_check_extension(&shim_host, capability, &value) ? value
                                                                : SHIM_PASS;
}

static int get_clock(ShimHandle *handle, CfKvmClock *data)
{
    ShimCall call = shim_call(handle, "KVM_GET_CLOCK", NULL);
    CfKvmClock clock = { 0 };
    const int rc = call.fault ? -call.fault
                              : fake_get_clock(&handle->vm->model, &clock);

    if (rc == 0) {
        *data = clock;
    }
    return shim_done(&call, rc, "clock=%" PRIu64 " flags=0x%x realtime=%"
                     PRIu64 " host_tsc=%" PRIu64, clock.clock_ns, clock.flags,
                     clock.realtime_ns, clock.host_ticks);
}

static int set_clock(ShimHandle *handle, const CfKvmClock *clock)
{
    ShimCall call = shim_call(handle, "KVM_SET_CLOCK", NULL);
    const int rc = call.fault ? -call.fault
                              : fake_set_clock(&handle->vm->model, clock);

    return shim_done(&call, rc, "clock=%" PRIu64 " flags=0x%x realtime=%"
                     PRIu64, clock->clock_ns, clock->flags,
                     clock->realtime_ns);
}

static int vm_set_khz(ShimHandle *handle, uint32_t khz)
{
    ShimCall call = shim_call(handle, "KVM_SET_TSC_KHZ", "VM");
    const int rc = call.fault ? -call.fault
                              : fake_vm_set_khz(&handle->vm->model, khz);

    return shim_done(&call, rc, "khz=%u", khz);
}

static int vm_call(ShimHandle *handle, unsigned long request, void *argument)
{
    switch (request) {
    case KVM_CREATE_VCPU:
        return create_vcpu(handle, argument);
    case KVM_CHECK_EXTENSION:
        return check_extension((uint32_t)(uintptr_t)argument);
    case KVM_GET_TSC_KHZ:
        return (int)handle->vm->model.default_khz;
    case KVM_SET_TSC_KHZ:
        return vm_set_khz(handle, (uint32_t)(uintptr_t)argument);
    case KVM_GET_CLOCK:
        return argument ? get_clock(handle, argument) : -EFAULT;
    case KVM_SET_CLOCK:
        return argument ? set_clock(handle, argument) : -EFAULT;
    case KVM_SET_USER_MEMORY_REGION:
#ifdef KVM_SET_USER_MEMORY_REGION2
    case KVM_SET_USER_MEMORY_REGION2:
#endif
        shim_vm_set_memory(handle->vm, argument);
        return SHIM_PASS;
    case KVM_XEN_HVM_CONFIG:
    case KVM_XEN_HVM_SET_ATTR:
        return shim_host.xen ? 0 : SHIM_PASS;
    default:
        return SHIM_PASS;
    }
}

/* -- Calls on a vCPU -- */

static int get_khz(ShimHandle *handle)
{
    ShimCall call = shim_call(handle, "KVM_GET_TSC_KHZ", NULL);
    const int rc = call.fault ? -call.fault : (int)handle->vcpu->virtual_khz;

    return shim_done(&call, rc, " ");
}

static int set_khz(ShimHandle *handle, uint32_t khz)
{
    ShimCall call = shim_call(handle, "KVM_SET_TSC_KHZ", NULL);
    const int rc = call.fault ? -call.fault : fake_set_khz(handle->vcpu, khz);

    return shim_done(&call, rc, "khz=%u ratio=%" PRIu64, khz,
                     handle->vcpu->ratio);
}

static int offset_attribute(FakeVcpu *vcpu, unsigned long request,
                            uint64_t *value)
{
    if (request == KVM_HAS_DEVICE_ATTR) {
        return fake_has_offset(vcpu);
    }
    if (!value) {
        return -EFAULT;
    }
    return request == KVM_GET_DEVICE_ATTR ? fake_get_offset(vcpu, value)
                                          : fake_set_offset(vcpu, *value);
}

static int scale_attribute(FakeVcpu *vcpu, unsigned long request,
                           struct cf_uapi_tsc_scale *value)
{
    uint64_t ratio, frac_bits;
    int rc;

    if (request == KVM_SET_DEVICE_ATTR) {
        return fake_set_scale(vcpu);
    }
    rc = fake_get_scale(vcpu, &ratio, &frac_bits);
    if (rc == 0 && request == KVM_GET_DEVICE_ATTR) {
        if (!value) {
            return -EFAULT;
        }
        value->ratio = ratio;
        value->frac_bits = frac_bits;
    }
    return rc;
}

static int tsc_attribute(FakeVcpu *vcpu, unsigned long request,
                         const struct kvm_device_attr *attr)
{
    void *value = (void *)(uintptr_t)attr->addr;

    if (attr->group != KVM_VCPU_TSC_CTRL || attr->attr > KVM_VCPU_TSC_SCALE) {
        return -ENXIO;
    }
    return attr->attr == KVM_VCPU_TSC_OFFSET
           ? offset_attribute(vcpu, request, value)
           : scale_attribute(vcpu, request, value);
}

static int attribute(ShimHandle *handle, unsigned long request,
                     const struct kvm_device_attr *attr)
{
    const uint64_t *value = (const uint64_t *)(uintptr_t)attr->addr;
    ShimCall call = shim_call(handle,
                              request == KVM_HAS_DEVICE_ATTR
                              ? "KVM_HAS_DEVICE_ATTR"
                              : request == KVM_GET_DEVICE_ATTR
                              ? "KVM_GET_DEVICE_ATTR" : "KVM_SET_DEVICE_ATTR",
                              attr->attr == KVM_VCPU_TSC_OFFSET
                              ? "TSC_OFFSET" : "TSC_SCALE");
    const int rc = call.fault ? -call.fault
                              : tsc_attribute(handle->vcpu, request, attr);
    const bool told = value && request != KVM_HAS_DEVICE_ATTR &&
                      (rc == 0 || request == KVM_SET_DEVICE_ATTR);

    return shim_done(&call, rc, "value=%" PRIu64, told ? *value : 0);
}

static int log_record(ShimCall *call, int rc, const CfPvclockRecord *record)
{
    return shim_done(call, rc, "tsc_timestamp=%" PRIu64 " system_time=%" PRIu64
                     " mul=%u shift=%d flags=%u", record->tsc_timestamp,
                     record->system_time, record->tsc_to_system_mul,
                     record->tsc_shift, record->flags);
}

static int get_clock_guest(ShimHandle *handle, CfPvclockRecord *argument)
{
    ShimCall call = shim_call(handle, "KVM_GET_CLOCK_GUEST", NULL);
    CfPvclockRecord record = { 0 };
    int rc = call.fault ? -call.fault
                        : fake_get_clock_guest(handle->vcpu, &record);

    if (rc == 0 && !argument) {
        rc = -EFAULT;
    } else if (rc == 0) {
        *argument = record;
    }
    return log_record(&call, rc, &record);
}

static int set_clock_guest(ShimHandle *handle, const CfPvclockRecord *record)
{
    ShimCall call;

    if (!record) {
        return -EFAULT;
    }
    call = shim_call(handle, "KVM_SET_CLOCK_GUEST", NULL);
    return log_record(&call, call.fault ? -call.fault
                             : fake_set_clock_guest(handle->vcpu, record),
                      record);
}

static int kvmclock_ctrl(ShimHandle *handle)
{
    ShimCall call = shim_call(handle, "KVM_KVMCLOCK_CTRL", NULL);

    return shim_done(&call, call.fault ? -call.fault
                            : fake_kvmclock_ctrl(handle->vcpu), " ");
}

/* Of Hyper-V's interrupts the model has no more than the MSRs. */
static int enable_cap(const struct kvm_enable_cap *cap)
{
    return shim_host.hyperv && cap->cap == KVM_CAP_HYPERV_SYNIC2 ? 0
                                                                 : SHIM_PASS;
}

static int vcpu_call(ShimHandle *handle, unsigned long request, void *argument)
{
    fake_vcpu_load(handle->vcpu);
    switch (request) {
    case KVM_GET_TSC_KHZ:
        return get_khz(handle);
    case KVM_SET_TSC_KHZ:
        return set_khz(handle, (uint32_t)(uintptr_t)argument);
    case KVM_HAS_DEVICE_ATTR:
    case KVM_GET_DEVICE_ATTR:
    case KVM_SET_DEVICE_ATTR:
        return attribute(handle, request, argument);
    case KVM_GET_MSRS:
        return shim_get_msrs(handle, argument);
    case KVM_SET_MSRS:
        return shim_set_msrs(handle, argument);
    case KVM_GET_CLOCK_GUEST:
        return get_clock_guest(handle, argument);
    case KVM_SET_CLOCK_GUEST:
        return set_clock_guest(handle, argument);
    case KVM_KVMCLOCK_CTRL:
        return kvmclock_ctrl(handle);
    case KVM_GET_SUPPORTED_HV_CPUID:
        return shim_host.hyperv ? shim_hyperv_cpuid(argument) : SHIM_PASS;
    case KVM_XEN_VCPU_SET_ATTR:
        return shim_host.xen ? shim_xen_set_attr(handle, argument)
                             : SHIM_PASS;
    case KVM_ENABLE_CAP:
        return enable_cap(argument);
    case KVM_GET_VCPU_EVENTS:
        return shim_get_events(handle, argument);
    case KVM_GET_REGS:
        return shim_get_regs(handle, argument);
    case KVM_SET_MP_STATE:
        return shim_set_mp_state(handle, argument);
    case KVM_GET_NESTED_STATE:
        return shim_get_nested(argument);
    case KVM_SET_NESTED_STATE:
        return shim_set_nested();
    default:
        return SHIM_PASS;
    }
}

/* -- All together -- */

/* False: it makes a hypercall instead. */
static bool begin_run(ShimHandle *handle)
{
    bool hypercall;

    pthread_mutex_lock(&lock);
    hypercall = shim_xen_hypercall(handle);
    if (!hypercall) {
        shim_before_run(handle);
        shim_vm_refresh(handle->vm);
    }
    pthread_mutex_unlock(&lock);
    return !hypercall;
}

static int run(ShimHandle *handle)
{
    int rc;

    if (!begin_run(handle)) {
        return 0;
    }
    rc = shim_kernel(handle->fd, KVM_RUN, NULL);
    pthread_mutex_lock(&lock);
    shim_after_run(handle, rc);
    pthread_mutex_unlock(&lock);
    return rc;
}

static int system_call(int fd, unsigned long request, void *argument)
{
    switch (request) {
    case KVM_CREATE_VM:
        return create_vm(fd, argument);
    case KVM_CHECK_EXTENSION:
        return check_extension((uint32_t)(uintptr_t)argument);
    case KVM_GET_MSR_INDEX_LIST:
        return shim_host.hyperv ? shim_msr_index_list(fd, argument)
                                : SHIM_PASS;
    case KVM_GET_SUPPORTED_HV_CPUID:
        return shim_host.hyperv ? shim_hyperv_cpuid(argument) : SHIM_PASS;
    default:
        return SHIM_PASS;
    }
}

static int locked_call(ShimHandle *handle, int fd, unsigned long request,
                       void *argument)
{
    int rc;

    pthread_mutex_lock(&lock);
    rc = !handle ? system_call(fd, request, argument)
         : handle->vcpu ? vcpu_call(handle, request, argument)
                        : vm_call(handle, request, argument);
    if (handle) {
        shim_vm_refresh(handle->vm);
    }
    pthread_mutex_unlock(&lock);
    return rc;
}

static int kvm_call(int fd, unsigned long request, void *argument)
{
    ShimHandle *handle;
    int rc;

    pthread_mutex_lock(&lock);
    handle = find(fd);
    pthread_mutex_unlock(&lock);

    /* Like KVM: a call on a vCPU that runs waits until it stops. */
    if (handle && handle->vcpu) {
        pthread_mutex_lock(&handle->busy);
    }
    rc = request == KVM_RUN && handle && handle->vcpu
         ? run(handle) : locked_call(handle, fd, request, argument);
    if (rc == SHIM_PASS) {
        rc = shim_kernel(fd, request, argument);
    }
    if (handle && handle->vcpu) {
        pthread_mutex_unlock(&handle->busy);
    }
    return rc;
}

SHIM_EXPORT int close(int fd)
{
    pthread_mutex_lock(&lock);
    forget(fd);
    pthread_mutex_unlock(&lock);
    return (int)syscall(SYS_close, fd);
}

SHIM_EXPORT int ioctl(int fd, unsigned long request, ...)
{
    va_list values;
    void *argument;
    int rc;

    va_start(values, request);
    argument = va_arg(values, void *);
    va_end(values);
    if (_IOC_TYPE(request) == KVMIO) {
        shim_begin();
        if (request == KVM_CREATE_VM) {
            shim_look_again();  /* it closes files, so not with the lock */
        }
        rc = kvm_call(fd, request, argument);
    } else {
        rc = shim_kernel(fd, request, argument);
    }
    if (rc < 0) {
        errno = -rc;
        return -1;
    }
    return rc;
}
