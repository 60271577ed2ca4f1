/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /init of the lab's Linux guest: watches its clocks and timers, and tells
 * the console now and then what it has seen since the last time:
 *
 *   CF beat=N back=N early=NS late=NS tsc=TICKS raw=NS width=NS source=NAME
 *
 * and once, where the pvclock records of its CPUs are in its memory:
 *
 *   CF records=ADDRESS,...
 *
 * and of a vmclock page, each time when its disruption marker has changed: the
 * last reading before, the first one after, and a reading of its PTP clock:
 *
 *   CF vmclock last=TSC,PAGE first=TSC,PAGE ptp=TSC,NS,TSC
 *
 * back: how often a clock went back so far, on any CPU. early, late: by how
 * much a timer fired before and after it was due. {tsc, raw}: one reading of
 * TSC and CLOCK_MONOTONIC_RAW. Kernel messages about clocks follow "CF said". */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MSR_KVM_SYSTEM_TIME_NEW 0x4b564d01
#define PERIOD_NS       10000000
#define BEAT_US         400000
#define PAGE_BYTES      4096
#define VMCLOCK_SEQ     3       /* of 32-bit words */
#define VMCLOCK_MARKER  2       /* of 64-bit words */
#define VMCLOCK_WORDS   15
#define BAD             "unstable\0skew\0lockup\0stall\0WARNING\0BUG\0" \
                        "Oops\0hung\0clocksource: Switched\0"

static atomic_ullong last_clock, last_tsc;
static atomic_uint went_back;
static atomic_llong earliest, latest;

static uint64_t rdtsc(void)
{
    uint32_t low, high;

    __asm__ volatile("lfence; rdtsc; lfence" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

static uint64_t now_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return now.tv_sec * 1000000000ull + now.tv_nsec;
}

/* One value of all CPUs that must never fall: what the last reader saw can't
 * be above what is read now. */
static void must_rise(atomic_ullong *last, uint64_t before, uint64_t now)
{
    if (now < before) {
        atomic_fetch_add(&went_back, 1);
    }
    while (before < now && !atomic_compare_exchange_weak(last, &before, now)) {
    }
}

static void pin(long cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    sched_setaffinity(0, sizeof(set), &set);
}

static void *watch(void *cpu)
{
    pin((long)cpu);
    for (;;) {
        uint64_t before = atomic_load(&last_clock);

        must_rise(&last_clock, before, now_ns(CLOCK_MONOTONIC));
        before = atomic_load(&last_tsc);
        must_rise(&last_tsc, before, rdtsc());
        usleep(5000);
    }
    return NULL;
}

/* Timers of CLOCK_MONOTONIC: they end at the LAPIC, by TSC deadline or not. */
static void *timers(void *cpu)
{
    uint64_t due;

    pin((long)cpu);
    due = now_ns(CLOCK_MONOTONIC);
    for (;;) {
        struct timespec at;
        long long late;

        due += PERIOD_NS;
        at.tv_sec = due / 1000000000;
        at.tv_nsec = due % 1000000000;
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL)) {
        }
        late = now_ns(CLOCK_MONOTONIC) - due;
        if (late < atomic_load(&earliest)) {
            atomic_store(&earliest, late);
        }
        if (late > atomic_load(&latest)) {
            atomic_store(&latest, late);
        }
        if (late > PERIOD_NS) {
            due += late;
        }
    }
    return NULL;
}

/* The narrowest of some readings of both clocks. */
static void read_pair(uint64_t *tsc, uint64_t *raw, uint64_t *width)
{
    *width = UINT64_MAX;
    for (int i = 0; i < 200; i++) {
        uint64_t before = now_ns(CLOCK_MONOTONIC_RAW);
        uint64_t middle = rdtsc();
        uint64_t after = now_ns(CLOCK_MONOTONIC_RAW);

        if (after - before < *width) {
            *width = after - before;
            *raw = before + *width / 2;
            *tsc = middle;
        }
    }
}

static void read_file(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY);
    ssize_t done = fd < 0 ? 0 : read(fd, text, size - 1);

    text[done > 0 ? done : 0] = 0;
    text[strcspn(text, "\n")] = 0;
    if (fd >= 0) {
        close(fd);
    }
}

static void tell_messages(int kmsg)
{
    char text[2048];
    ssize_t size;

    while ((size = read(kmsg, text, sizeof(text) - 1)) > 0 || errno == EPIPE) {
        text[size > 0 ? size : 0] = 0;
        text[strcspn(text, "\n")] = 0;
        for (const char *word = BAD; *word; word += strlen(word) + 1) {
            if (strstr(text, word)) {
                printf("CF said %s\n", text);
                break;
            }
        }
        errno = 0;
    }
}

static void tell(unsigned beat)
{
    uint64_t tsc = 0, raw = 0, width;
    char source[64];

    read_pair(&tsc, &raw, &width);
    read_file("/sys/devices/system/clocksource/clocksource0/"
              "current_clocksource", source, sizeof(source));
    printf("CF beat=%u back=%u early=%lld late=%lld tsc=%llu raw=%llu "
           "width=%llu source=%s\n", beat, atomic_load(&went_back),
           (long long)atomic_exchange(&earliest, 0),
           (long long)atomic_exchange(&latest, 0),
           (unsigned long long)tsc, (unsigned long long)raw,
           (unsigned long long)width, source);
}

/* KVM gives back what the kernel told it. */
static void tell_records(long cpus)
{
    for (long cpu = 0; cpu < cpus; cpu++) {
        uint64_t address = 0;
        char path[64];
        int fd;

        sprintf(path, "/dev/cpu/%ld/msr", cpu);
        fd = open(path, O_RDONLY);
        if (pread(fd, &address, 8, MSR_KVM_SYSTEM_TIME_NEW) != 8) {
            printf("CF said %s: %s\n", path, strerror(errno));
        }
        close(fd);
        printf("%s%llx", cpu ? "," : "CF records=",
               (unsigned long long)address & ~1ull);
    }
    printf("\n");
}

/* Writes to so many MiB over and over, for as long as the guest runs. */
static void *dirty(void *mib)
{
    size_t size = (size_t)mib << 20;
    volatile char *memory = malloc(size);

    for (;;) {
        for (size_t at = 0; at < size; at += PAGE_BYTES) {
            memory[at]++;
        }
    }
    return NULL;
}

/* What Debian's kernel needs and the lab's own has built in, if it has it. */
static void load_modules(void)
{
    static const char *const names[] = { "msr", "ptp_vmclock" };

    for (unsigned i = 0; i < 2; i++) {
        char path[64];
        int fd;

        snprintf(path, sizeof(path), "/modules/%s.ko", names[i]);
        fd = open(path, O_RDONLY);
        if (fd >= 0 && syscall(SYS_finit_module, fd, "", 0)) {
            printf("CF said BUG: %s: %s\n", path, strerror(errno));
        }
        close(fd);
    }
}

struct reading {
    uint64_t tsc;
    uint64_t page[VMCLOCK_WORDS];
};

static void read_vmclock(const volatile uint64_t *page, struct reading *now)
{
    const volatile uint32_t *seq = (const volatile uint32_t *)page +
                                   VMCLOCK_SEQ;
    uint32_t before;

    do {
        before = *seq;
        now->tsc = rdtsc();
        for (int i = 0; i < VMCLOCK_WORDS; i++) {
            now->page[i] = page[i];
        }
        __asm__ volatile("" ::: "memory");
    } while (before & 1 || before != *seq);
}

static void tell_reading(const char *name, const struct reading *reading)
{
    printf(" %s=%llu,", name, (unsigned long long)reading->tsc);
    for (unsigned i = 0; i < sizeof(reading->page); i++) {
        printf("%02x", ((const unsigned char *)reading->page)[i]);
    }
}

/* The driver's clock, through the kernel. */
static void tell_ptp(int ptp)
{
    uint64_t before = rdtsc();
    uint64_t ns = ptp < 0 ? 0 : now_ns(~(clockid_t)ptp << 3 | 3);
    uint64_t after = rdtsc();

    printf(" ptp=%llu,%llu,%llu\n", (unsigned long long)before,
           (unsigned long long)ns, (unsigned long long)after);
}

static void *watch_vmclock(void *page)
{
    struct reading last = { 0 }, now;
    int ptp = open("/dev/ptp0", O_RDONLY);

    pin(0);
    read_vmclock(page, &last);
    for (;;) {
        read_vmclock(page, &now);
        if (now.page[VMCLOCK_MARKER] != last.page[VMCLOCK_MARKER]) {
            flockfile(stdout);
            printf("CF vmclock");
            tell_reading("last", &last);
            tell_reading("first", &now);
            tell_ptp(ptp);
            funlockfile(stdout);
        }
        last = now;
        usleep(1000);
    }
    return NULL;
}

static void begin_vmclock(void)
{
    int fd = open("/dev/vmclock0", O_RDONLY);
    void *page = mmap(NULL, PAGE_BYTES, PROT_READ, MAP_SHARED, fd, 0);
    pthread_t thread;

    if (page != MAP_FAILED) {
        pthread_create(&thread, NULL, watch_vmclock, page);
    }
}

int main(void)
{
    const char *mib = getenv("dirty");      /* from the command line */
    pthread_t writer;
    long cpus;
    int kmsg;

    mount("none", "/dev", "devtmpfs", 0, NULL);
    mount("none", "/proc", "proc", 0, NULL);
    mount("none", "/sys", "sysfs", 0, NULL);
    setvbuf(stdout, NULL, _IOLBF, 0);
    kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
    load_modules();
    begin_vmclock();
    cpus = sysconf(_SC_NPROCESSORS_ONLN);
    tell_records(cpus);
    for (long cpu = 0; cpu < cpus; cpu++) {
        pthread_t thread;

        pthread_create(&thread, NULL, watch, (void *)cpu);
        pthread_create(&thread, NULL, timers, (void *)cpu);
    }
    if (mib) {
        pthread_create(&writer, NULL, dirty, (void *)atol(mib));
    }
    for (unsigned beat = 1;; beat++) {
        usleep(BEAT_US);
        tell_messages(kmsg);
        tell(beat);
    }
}
