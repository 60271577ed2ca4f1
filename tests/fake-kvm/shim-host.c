/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host as programs see it without KVM: TSC, real time, boot id.
 *
 * RDTSC can't be replaced in a program, but the kernel can be told to let it
 * fail: then its signal's handler answers in its place.
 */
/* open() and open64() are two functions here, not one. */
#undef _FILE_OFFSET_BITS
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/uio.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>
#include <x86intrin.h>
#include "hosts.h"
#include "shim.h"

#define PREFIX "libfake-kvm-"
#define SUFFIX ".so"
#define GOES_ON "FAKE_KVM_LOG_OF"

FakeHost shim_host;
static int host_is_known;       /* atomic */

/* All processes on this machine agree on it, and nobody slews it. */
uint64_t fake_true_ns(void)
{
    struct timespec now;

    /* Not clock_gettime(): that is ours, and may use the TSC. */
    syscall(SYS_clock_gettime, CLOCK_MONOTONIC_RAW, &now);
    return (uint64_t)now.tv_sec * CF_NS_PER_SEC + (uint64_t)now.tv_nsec;
}

int shim_kernel(int fd, unsigned long request, void *argument)
{
    const long rc = syscall(SYS_ioctl, fd, request, argument);

    return rc < 0 ? -errno : (int)rc;
}

/* -- The TSC -- */

/* The kernel's own code in this process reads the machine's TSC. */
static bool is_vdso(uintptr_t address)
{
    const uintptr_t start = getauxval(AT_SYSINFO_EHDR);
    const ElfW(Ehdr) *header = (const ElfW(Ehdr) *)start;
    const ElfW(Phdr) *part;

    if (!start) {
        return false;
    }
    part = (const ElfW(Phdr) *)(start + header->e_phoff);
    return address - start < part->p_memsz;
}

static uint64_t machine_ticks(void)
{
    uint64_t ticks;

    prctl(PR_SET_TSC, PR_TSC_ENABLE);
    ticks = __rdtsc();
    prctl(PR_SET_TSC, PR_TSC_SIGSEGV);
    return ticks;
}

/* Length of the RDTSC or RDTSCP at an address; 0 if there is none. */
static int tsc_instruction(const unsigned char *code)
{
    return code[0] != 0x0f ? 0
           : code[1] == 0x31 ? 2
           : code[1] == 0x01 && code[2] == 0xf9 ? 3 : 0;
}

static void on_fault(int number, siginfo_t *info, void *opaque)
{
    greg_t *registers = ((ucontext_t *)opaque)->uc_mcontext.gregs;
    const uintptr_t address = (uintptr_t)registers[REG_RIP];
    const int saved_errno = errno;
    uint64_t ticks;
    int length = 0;

    /* The kernel says no address for this fault; others may not be read. */
    if (info->si_code == SI_KERNEL) {
        length = tsc_instruction((const unsigned char *)address);
    }
    if (!length) {
        signal(number, SIG_DFL);
        return;
    }
    ticks = is_vdso(address) ? machine_ticks() : fake_host_ticks(&shim_host);
    registers[REG_RAX] = (uint32_t)ticks;
    registers[REG_RDX] = ticks >> 32;
    if (length == 3) {
        registers[REG_RCX] = 0;
    }
    registers[REG_RIP] += length;
    errno = saved_errno;
}

/* Threads that begin later inherit it. */
static void take_tsc(void)
{
    const struct sigaction action = {
        .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER,
    };

    if (sigaction(SIGSEGV, &action, NULL) < 0 ||
        prctl(PR_SET_TSC, PR_TSC_SIGSEGV) < 0) {
        g_printerr("fake-kvm: this kernel doesn't let RDTSC be caught: %s\n",
                   g_strerror(errno));
        _exit(1);
    }
}

/* Numbers of processes come again. Who becomes another program by exec, as QEMU
 * does, keeps its number and goes on with its log; others begin one anew. */
static pid_t log_owner;

static void hand_on_log(void)
{
    g_autofree char *owner = g_strdup_printf("%d", (int)log_owner);

    g_setenv(GOES_ON, owner, TRUE);
}

static bool goes_on_with_log(void)
{
    const char *owner = g_getenv(GOES_ON);

    return owner && atoi(owner) == getpid();
}

/* Another program inherits it, but its loader, which has no handler yet, looks
 * at the TSC. */
SHIM_EXPORT int execve(const char *path, char *const argv[],
                       char *const environment[])
{
    prctl(PR_SET_TSC, PR_TSC_ENABLE);
    return (int)syscall(SYS_execve, path, argv, environment);
}

SHIM_EXPORT int execv(const char *path, char *const argv[])
{
    hand_on_log();
    return execve(path, argv, environ);
}

SHIM_EXPORT int execvp(const char *file, char *const argv[])
{
    g_autofree char *path = g_find_program_in_path(file);

    if (!path) {
        errno = ENOENT;
        return -1;
    }
    return execv(path, argv);
}

/* -- Which host -- */

static char *own_path(void)
{
    Dl_info info;

    return dladdr(&shim_host, &info) ? g_strdup(info.dli_fname) : NULL;
}

/* From the library's name: other variables don't get through libvirt. */
static char *host_name(const char *path)
{
    g_autofree char *base = g_path_get_basename(path);

    if (!g_str_has_prefix(base, PREFIX) || !g_str_has_suffix(base, SUFFIX)) {
        return NULL;
    }
    return g_strndup(base + strlen(PREFIX),
                     strlen(base) - strlen(PREFIX) - strlen(SUFFIX));
}

static bool read_host(const char *path, const char *name, FakeHost *ret_host,
                      GArray **ret_faults, GError **error)
{
    g_autofree char *folder = g_path_get_dirname(path);
    g_autofree char *beside = g_build_filename(folder, "hosts", NULL);
    g_autofree char *real_path = realpath(path, NULL);
    g_autofree char *real_folder = g_path_get_dirname(real_path);
    g_autofree char *common = g_build_filename(real_folder, "hosts", NULL);
    const char *const files[] = { beside, common, NULL };

    return fake_host_read(name, files, ret_host, ret_faults, error);
}

static void open_log(const char *path, const char *name, GArray *faults)
{
    g_autofree char *folder = g_path_get_dirname(path);
    g_autofree char *file = g_strdup_printf("%s/%s.%d.log", folder, name,
                                            (int)getpid());

    shim_log_open(file, name, faults, !goes_on_with_log());
    log_owner = getpid();
}

static void become_host(void)
{
    g_autofree char *path = own_path();
    g_autofree char *name = path ? host_name(path) : NULL;
    g_autoptr(GError) error = NULL;
    GArray *faults = NULL;

    if (!name) {
        g_printerr("fake-kvm: LD_PRELOAD must name the host: make a link "
                   PREFIX "HOST" SUFFIX " to this library\n");
        _exit(1);
    }
    if (!read_host(path, name, &shim_host, &faults, &error)) {
        g_printerr("%s\n", error->message);
        _exit(1);
    }
    open_log(path, name, faults);
    take_tsc();
    g_atomic_int_set(&host_is_known, 1);
}

void shim_begin(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, become_host);
}

/* What it goes on as; NULL: itself. */
static const char *turned_into;

static void change_to(const FakeHost *now)
{
    shim_host.told_khz = now->khz;
    shim_host.tsc_base_ticks = now->tsc_base_ticks;
    shim_host.realtime_base_ns = now->realtime_base_ns;
    g_strlcpy(shim_host.uuid, now->uuid, sizeof(shim_host.uuid));
    g_strlcpy(shim_host.id.clocksource, now->id.clocksource,
              sizeof(shim_host.id.clocksource));
    shim_host.offset = now->offset;
    shim_host.master_clock = now->master_clock;
    shim_host.time.synchronised = now->time.synchronised;
    shim_host.time.max_error_ns = now->time.max_error_ns;
    shim_host.tolerance_ppm = now->tolerance_ppm;
}

void shim_look_again(void)
{
    g_autofree char *path = own_path();
    g_autofree char *name = host_name(path);
    g_autoptr(GArray) faults = NULL;
    FakeHost now;

    if (read_host(path, turned_into ? turned_into : name, &now, &faults,
                  NULL)) {
        change_to(&now);
    }
}

void shim_turn(const char *name, const FakeHost *host)
{
    const struct timespec pause = {
        .tv_sec = (time_t)(host->pause_ns / CF_NS_PER_SEC),
        .tv_nsec = (long)(host->pause_ns % CF_NS_PER_SEC),
    };

    turned_into = name;
    change_to(host);
    nanosleep(&pause, NULL);
}

/* -- Time and identity: the C library's functions, replaced -- */

SHIM_EXPORT int clock_gettime(clockid_t id, struct timespec *now)
{
    uint64_t ns;

    if (id != CLOCK_REALTIME || !g_atomic_int_get(&host_is_known)) {
        return (int)syscall(SYS_clock_gettime, id, now);
    }
    ns = fake_realtime_ns(&shim_host);
    now->tv_sec = (time_t)(ns / CF_NS_PER_SEC);
    now->tv_nsec = (long)(ns % CF_NS_PER_SEC);
    return 0;
}

/* What it says of a clock that is synchronised; others have no leap seconds. */
static int clock_state(const CfHostTime *time)
{
    static const int states[] = {
        [CF_LEAP_NONE] = TIME_OK, [CF_LEAP_INSERT] = TIME_INS,
        [CF_LEAP_DELETE] = TIME_DEL, [CF_LEAP_NOW] = TIME_OOP,
    };

    return time->synchronised ? states[time->leap] : TIME_ERROR;
}

SHIM_EXPORT int adjtimex(struct timex *request)
{
    const CfHostTime *time = &shim_host.time;
    const int state = (int)syscall(SYS_adjtimex, request);

    if (state < 0 || !g_atomic_int_get(&host_is_known)) {
        return state;
    }
    shim_look_again();
    request->tai = time->tai_offset_s;
    request->maxerror = (long)(time->max_error_ns / 1000);
    request->offset = (long)shim_host.pending_ns;
    request->status |= STA_NANO;
    request->freq = (long)(time->adjustment_ppt * 65536 / 1000000);
    request->tick = 1000000 / sysconf(_SC_CLK_TCK);
    return clock_state(time);
}

/* What the model has instead of a file's contents; NULL for most files. */
static char *replaced_file(const char *path)
{
    if (!g_atomic_int_get(&host_is_known)) {
        return NULL;
    }
    if (!strcmp(path, "/proc/sys/kernel/random/boot_id")) {
        return g_strdup(shim_host.id.boot_id);
    }
    if (g_str_has_prefix(path, "/sys/class/dmi/id/product_")) {
        return g_strdup(shim_host.uuid);
    }
    if (!strcmp(path, "/sys/module/kvm/parameters/tsc_tolerance_ppm")) {
        shim_look_again();
        return g_strdup_printf("%u", shim_host.tolerance_ppm);
    }
    if (!strcmp(path, "/sys/devices/system/clocksource/clocksource0/"
                      "current_clocksource")) {
        return g_strdup(shim_host.id.clocksource);
    }
    return NULL;
}

static int open_text(const char *text)
{
    const int fd = memfd_create("fake-kvm", MFD_CLOEXEC);

    if (fd >= 0) {
        dprintf(fd, "%s\n", text);
        lseek(fd, 0, SEEK_SET);
    }
    return fd;
}

SHIM_EXPORT int open64(const char *path, int flags, ...)
{
    g_autofree char *text = replaced_file(path);
    va_list values;
    mode_t mode;

    va_start(values, flags);
    mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(values, mode_t) : 0;
    va_end(values);
    return text ? open_text(text)
                : (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

SHIM_EXPORT int open(const char *path, int flags, ...)
    __attribute__((alias("open64")));

/* -- Files: writing to them may fail, as on a disk that is full -- */

SHIM_EXPORT ssize_t writev(int fd, const struct iovec *pieces, int count)
{
    struct stat about;
    int error = 0;

    if (g_atomic_int_get(&host_is_known) && fstat(fd, &about) == 0 &&
        S_ISREG(about.st_mode)) {
        error = shim_fault("writev");
    }
    if (error) {
        errno = error;
        return -1;
    }
    return syscall(SYS_writev, fd, pieces, count);
}
