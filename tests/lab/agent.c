/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The lab's hand inside a host: it is /init there, or a service of tests/hosts'
 * Debians, and does what agent.py asks over a serial port. Above each do_
 * function stands its request.
 *
 * A request is a line "verb argument...", and if a number of bytes follows
 * it, "verb argument... +NUMBER". An answer is "ok NUMBER" and as many bytes,
 * or "no SENTENCE".
 *
 * With AGENT_PRINTS in its environment it answers by the parallel port; see
 * bochs.py. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <net/if.h>
#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define MAX_ARGS        16
#define MAX_BYTES       (1 << 20)
#define PORT            "/dev/ttyS1"
#define CLAIM_US        20000
/* The parallel port, and how much more than an answer is printed each time */
#define LPT             0x378
#define LPT_BITS        0x0c
#define LPT_STROBE      0x01
#define PADDING_BYTES   8192

static int port;
static bool prints;
static char printed[MAX_BYTES + 1024];
static size_t printed_size;
static char line[4096];
static char payload[MAX_BYTES + 1];
static size_t payload_size;

/* ---- The port. */

static void put_all(int fd, const void *data, size_t size)
{
    const char *at = data;

    while (size) {
        ssize_t done = write(fd, at, size);

        if (done < 0 && errno != EINTR) {
            return;
        }
        at += done > 0 ? done : 0;
        size -= done > 0 ? done : 0;
    }
}

/* What is said is printed when all of it is known. */
static void say(const void *data, size_t size)
{
    if (!prints) {
        put_all(port, data, size);
    } else if (size <= sizeof(printed) - printed_size) {
        memcpy(printed + printed_size, data, size);
        printed_size += size;
    }
}

static void print_byte(uint8_t byte)
{
    outb(byte, LPT);
    outb(LPT_BITS | LPT_STROBE, LPT + 2);
    outb(LPT_BITS, LPT + 2);
}

static void print_bytes(const void *data, size_t size)
{
    const uint8_t *at = data;

    while (size--) {
        print_byte(*at++);
    }
}

/* Its length, and then the padding, of which the reader leaves as much as the
 * printer's line has room for: so this host stands still until it is asked. */
static void print_all(void)
{
    const uint32_t size = printed_size;

    if (prints) {
        print_bytes(&size, sizeof(size));
        print_bytes(printed, printed_size);
        printed_size = 0;
        for (int i = 0; i < PADDING_BYTES; i++) {
            print_byte(0);
        }
    }
}

static void answer(const void *data, size_t size)
{
    char head[32];

    say(head, sprintf(head, "ok %zu\n", size));
    say(data, size);
}

static void answer_number(long long number)
{
    char text[32];

    answer(text, sprintf(text, "%lld", number));
}

static void refuse(const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    say("no ", 3);
    say(text, strlen(text));
    say("\n", 1);
}

static void refuse_errno(const char *what)
{
    refuse("%s: %s", what, strerror(errno));
}

static void get_all(void *data, size_t size)
{
    char *at = data;

    while (size) {
        ssize_t done = read(port, at, size);

        if (done > 0) {
            at += done;
            size -= done;
        }
    }
}

static void get_line(void)
{
    size_t used = 0;

    do {
        get_all(line + used, 1);
    } while (line[used++] != '\n' && used < sizeof(line));
    line[used - 1] = 0;
}

/* ---- Files. Any file: debugfs, and /proc/PID/mem for a guest's memory. */

static uint64_t number(const char *text)
{
    return strtoull(text, NULL, 0);
}

/* get PATH OFFSET SIZE */
static void do_get(char **args)
{
    uint64_t offset = number(args[2]);
    size_t size = number(args[3]);
    int fd = open(args[1], O_RDONLY | O_CLOEXEC);
    ssize_t done = 0, now = 1;

    /* Only if it must: some files of debugfs can't seek. */
    if (fd < 0 || (offset && lseek64(fd, offset, SEEK_SET) < 0)) {
        refuse_errno(args[1]);
        close(fd);
        return;
    }
    size = size < MAX_BYTES ? size : MAX_BYTES;
    while (now > 0 && (size_t)done < size) {
        now = read(fd, payload + done, size - done);
        done += now > 0 ? now : 0;
    }
    close(fd);
    if (now < 0 && !done) {
        refuse_errno(args[1]);
    } else {
        answer(payload, done);
    }
}

/* steady PATH OFFSET SIZE: memory that somebody else writes, read twice alike */
static void do_steady(char **args)
{
    char first[4096], second[4096];
    size_t size = number(args[3]);
    int fd = open(args[1], O_RDONLY | O_CLOEXEC);
    int tries;

    if (fd < 0 || size > sizeof(first)) {
        refuse_errno(args[1]);
        return;
    }
    for (tries = 0; tries < 10000; tries++) {
        if (pread(fd, first, size, number(args[2])) == (ssize_t)size &&
            pread(fd, second, size, number(args[2])) == (ssize_t)size &&
            !memcmp(first, second, size)) {
            break;
        }
    }
    close(fd);
    if (tries == 10000) {
        refuse("it never comes to rest");
    } else {
        answer(first, size);
    }
}

/* put PATH OFFSET +SIZE: a new file, or bytes into an old one */
static void do_put(char **args)
{
    int fd = open(args[1], O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    ssize_t done;

    if (fd < 0) {
        refuse_errno(args[1]);
        return;
    }
    done = pwrite(fd, payload, payload_size, number(args[2]));
    close(fd);
    if (done != (ssize_t)payload_size) {
        refuse_errno(args[1]);
    } else {
        answer_number(done);
    }
}

/* glob PATTERN: the names, one a line */
static void do_glob(char **args)
{
    glob_t found;
    size_t used = 0;

    if (glob(args[1], 0, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc && used < MAX_BYTES - 4096; i++) {
            used += sprintf(payload + used, "%s\n", found.gl_pathv[i]);
        }
        globfree(&found);
    }
    answer(payload, used);
}

/* remove PATH */
static void do_remove(char **args)
{
    unlink(args[1]);
    answer_number(0);
}

/* ---- Processes. */

/* spawn LOG +SIZE: the bytes are the program and its arguments, or NAME=VALUE
 * for its environment, each ended by a zero byte. */
static void do_spawn(char **args)
{
    char *argv[128], *end = payload + payload_size;
    int count = 0;
    pid_t pid = fork();

    if (pid) {
        answer_number(pid);
        return;
    }
    for (char *at = payload; at < end && count < 127; at += strlen(at) + 1) {
        if (count == 0 && strchr(at, '=')) {
            putenv(at);
        } else {
            argv[count++] = at;
        }
    }
    argv[count] = NULL;
    setsid();
    int log = open(args[1], O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0644);
    int none = open("/dev/null", O_RDONLY);
    dup2(none, 0);
    dup2(log, 1);
    dup2(log, 2);
    closefrom(3);
    execv(argv[0], argv);
    dprintf(2, "%s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

/* wait PID MILLISECONDS: exit status, -SIGNAL, or "running" */
static void do_wait(char **args)
{
    int status, left = number(args[2]);
    pid_t pid;

    while ((pid = waitpid(number(args[1]), &status, WNOHANG)) == 0 &&
           left-- > 0) {
        usleep(1000);
    }
    if (pid < 0) {
        refuse_errno("wait");
    } else if (pid == 0) {
        answer("running", 7);
    } else if (WIFSIGNALED(status)) {
        answer_number(-WTERMSIG(status));
    } else {
        answer_number(WEXITSTATUS(status));
    }
}

/* kill PID SIGNAL */
static void do_kill(char **args)
{
    answer_number(kill(number(args[1]), number(args[2])));
}

/* sample PID ADDRESS SIZE COUNT MICROSECONDS FILE: a process's memory, over
 * and over, by a child that ends by itself */
static void do_sample(char **args)
{
    char name[64], data[4096];
    size_t size = number(args[3]);
    pid_t pid = fork();

    if (pid) {
        answer_number(pid);
        return;
    }
    sprintf(name, "/proc/%d/mem", (int)number(args[1]));
    int memory = open(name, O_RDONLY);
    int out = open(args[6], O_WRONLY | O_CREAT | O_TRUNC, 0644);
    for (long left = number(args[4]); left > 0 && size <= sizeof(data); left--) {
        if (pread(memory, data, size, number(args[2])) != (ssize_t)size) {
            break;
        }
        put_all(out, data, size);
        usleep(number(args[5]));
    }
    _exit(0);
}

/* ---- Sockets: QEMU's monitor. */

/* connect PATH: the socket's number */
static void do_connect(char **args)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    strncpy(address.sun_path, args[1], sizeof(address.sun_path) - 1);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address))) {
        refuse_errno(args[1]);
        close(fd);
    } else {
        answer_number(fd);
    }
}

/* send FD +SIZE */
static void do_send(char **args)
{
    put_all(number(args[1]), payload, payload_size);
    answer_number(payload_size);
}

/* recv FD MILLISECONDS: nothing means that time is up, "no" that it ended */
static void do_recv(char **args)
{
    struct pollfd wanted = { .fd = number(args[1]), .events = POLLIN };
    ssize_t done = 0;

    if (poll(&wanted, 1, number(args[2])) > 0) {
        done = read(wanted.fd, payload, 65536);
        if (done <= 0) {
            refuse("end of file");
            return;
        }
    }
    answer(payload, done);
}

/* close FD */
static void do_close(char **args)
{
    answer_number(close(number(args[1])));
}

/* ---- Clocks. */

static uint64_t rdtsc(void)
{
    uint32_t low, high;

    __asm__ volatile("lfence; rdtsc; lfence" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return now.tv_sec * 1000000000ull + now.tv_nsec;
}

/* clocks COUNT: {TSC, CLOCK_REALTIME, TSC, CLOCK_TAI} */
static void do_clocks(char **args)
{
    uint64_t *at = (uint64_t *)payload;
    size_t count = number(args[1]);

    count = count < 4096 ? count : 4096;
    for (size_t i = 0; i < count; i++, at += 4) {
        at[0] = rdtsc();
        at[1] = clock_ns(CLOCK_REALTIME);
        at[2] = rdtsc();
        at[3] = clock_ns(CLOCK_TAI);
    }
    answer(payload, count * 32);
}

static void adjust(struct timex *request)
{
    if (adjtimex(request) < 0) {
        refuse_errno("adjtimex");
    } else {
        answer_number(0);
    }
}

/* step NANOSECONDS: move CLOCK_REALTIME by as much */
static void do_step(char **args)
{
    long long ns = strtoll(args[1], NULL, 0);
    struct timex request = { .modes = ADJ_SETOFFSET | ADJ_NANO };

    request.time.tv_sec = ns / 1000000000;
    request.time.tv_usec = ns % 1000000000;
    if (request.time.tv_usec < 0) {
        request.time.tv_sec--;
        request.time.tv_usec += 1000000000;
    }
    adjust(&request);
}

/* tai SECONDS: TAI minus UTC */
static void do_tai(char **args)
{
    struct timex request = { .modes = ADJ_TAI, .constant = number(args[1]) };

    adjust(&request);
}

/* rate SCALED_PPM: make CLOCK_REALTIME so much faster, in 2^-16 ppm */
static void do_rate(char **args)
{
    struct timex request = {
        .modes = ADJ_FREQUENCY, .freq = strtol(args[1], NULL, 0),
    };

    adjust(&request);
}

static void set_status(int flag, bool on)
{
    struct timex request = { 0 };

    adjtimex(&request);
    request.modes = ADJ_STATUS;
    request.status = on ? request.status | flag : request.status & ~flag;
    adjust(&request);
}

/* leap 0|1: whether the UTC day ends with an inserted second */
static void do_leap(char **args)
{
    set_status(STA_INS, number(args[1]));
}

/* claim MICROSECONDS: CLOCK_REALTIME is right to within these; -1: nobody
 * knows. A child repeats it, as a time daemon does: the kernel adds 500 us a
 * second. */
static void do_claim(char **args)
{
    static pid_t child;
    long us = strtol(args[1], NULL, 0);

    if (child) {
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        child = 0;
    }
    if (us >= 0 && (child = fork()) == 0) {
        for (;;) {
            struct timex request = { .modes = ADJ_MAXERROR, .maxerror = us };

            adjtimex(&request);
            usleep(CLAIM_US);
        }
    }
    set_status(STA_UNSYNC, us < 0);
}

/* ---- The host. */

/* bind FILE OVER: let one file be seen in place of another, or no longer */
static void do_bind(char **args)
{
    umount2(args[2], MNT_DETACH);
    if (strcmp(args[1], "-") && mount(args[1], args[2], NULL, MS_BIND, NULL)) {
        refuse_errno(args[2]);
    } else {
        answer_number(0);
    }
}

/* copy FROM TO SIZE: a file or a disk; no more than so many bytes. How many */
static void do_copy(char **args)
{
    int from = open(args[1], O_RDONLY | O_CLOEXEC);
    int to = open(args[2], O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    size_t left = number(args[3]), done = 0;
    ssize_t now = 1;

    for (; left && now > 0; left -= now, done += now) {
        now = read(from, payload, left < MAX_BYTES ? left : MAX_BYTES);
        if (now < 0) {
            break;
        }
        put_all(to, payload, now);
    }
    close(from);
    close(to);
    if (now < 0) {
        refuse_errno(args[1]);
    } else {
        answer_number(done);
    }
}

/* kexec KERNEL INITRAMFS +SIZE: another kernel, with the command line that
 * follows. No answer: the next agent says "ready". */
static void do_kexec(char **args)
{
    int kernel = open(args[1], O_RDONLY | O_CLOEXEC);
    int initramfs = open(args[2], O_RDONLY | O_CLOEXEC);

    sync();
    if (syscall(SYS_kexec_file_load, kernel, initramfs, payload_size + 1,
                payload, 0UL) < 0 || reboot(RB_KEXEC) < 0) {
        refuse_errno("kexec");
    }
    close(kernel);
    close(initramfs);
}

/* reset: of the machine. No answer, as above. */
static void do_reset(char **args)
{
    (void)args;
    sync();
    reboot(RB_AUTOBOOT);
    refuse_errno("reset");
}

/* net INTERFACE ADDRESS: up, in a network of 256 */
static void do_net(char **args)
{
    struct ifreq request = { 0 };
    struct sockaddr_in *address = (struct sockaddr_in *)&request.ifr_addr;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int failed;

    strncpy(request.ifr_name, args[1], IFNAMSIZ - 1);
    address->sin_family = AF_INET;
    address->sin_addr.s_addr = inet_addr(args[2]);
    failed = ioctl(fd, SIOCSIFADDR, &request);
    address->sin_addr.s_addr = inet_addr("255.255.255.0");
    failed |= ioctl(fd, SIOCSIFNETMASK, &request);
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    failed |= ioctl(fd, SIOCSIFFLAGS, &request);
    if (failed) {
        refuse_errno(args[1]);
    } else {
        answer_number(0);
    }
    close(fd);
}

static const struct {
    const char *verb;
    int args;
    void (*run)(char **args);
} commands[] = {
    { "bind", 2, do_bind }, { "claim", 1, do_claim },
    { "clocks", 1, do_clocks }, { "close", 1, do_close },
    { "connect", 1, do_connect }, { "copy", 3, do_copy },
    { "get", 3, do_get }, { "glob", 1, do_glob },
    { "kexec", 2, do_kexec }, { "kill", 2, do_kill }, { "leap", 1, do_leap }, { "net", 2, do_net },
    { "put", 2, do_put }, { "rate", 1, do_rate }, { "recv", 2, do_recv },
    { "remove", 1, do_remove }, { "reset", 0, do_reset },
    { "sample", 6, do_sample },
    { "send", 1, do_send }, { "spawn", 1, do_spawn },
    { "steady", 3, do_steady }, { "step", 1, do_step }, { "tai", 1, do_tai },
    { "wait", 2, do_wait },
};

/* Splits the line; takes the bytes that follow it. The number of words. */
static int parse(char **args)
{
    int count = 0;

    payload_size = 0;
    for (char *word = strtok(line, " "); word && count < MAX_ARGS;
         word = strtok(NULL, " ")) {
        args[count++] = word;
    }
    if (count > 1 && args[count - 1][0] == '+') {
        payload_size = number(args[--count] + 1);
        payload_size = payload_size < MAX_BYTES ? payload_size : MAX_BYTES;
        get_all(payload, payload_size);
    }
    payload[payload_size] = 0;
    return count;
}

static void serve(void)
{
    char *args[MAX_ARGS];
    int count;

    get_line();
    count = parse(args);
    for (size_t i = 0; count && i < sizeof(commands) / sizeof(*commands); i++) {
        if (!strcmp(commands[i].verb, args[0]) && commands[i].args == count - 1) {
            commands[i].run(args);
            return;
        }
    }
    refuse("the agent doesn't know this");
}

static void mount_all(void)
{
    mkdir("/proc", 0755);
    mkdir("/sys", 0755);
    mkdir("/dev", 0755);
    mkdir("/run", 0755);
    mkdir("/tmp", 0755);
    mount("none", "/dev", "devtmpfs", 0, NULL);
    mount("none", "/proc", "proc", 0, NULL);
    mount("none", "/sys", "sysfs", 0, NULL);
    mount("none", "/sys/kernel/debug", "debugfs", 0, NULL);
}

/* On machines as small as these the kernel gives nobody huge pages. But each
 * page that a guest touches first is a costly fault under TCG. */
static void allow_huge_pages(void)
{
    int fd = open("/sys/kernel/mm/transparent_hugepage/enabled", O_WRONLY);

    put_all(fd, "madvise", 7);
    close(fd);
}

/* Bytes as they are, in both directions. */
static void open_port(void)
{
    struct termios settings;

    port = open(PORT, O_RDWR | O_NOCTTY | O_CLOEXEC);
    tcgetattr(port, &settings);
    cfmakeraw(&settings);
    cfsetspeed(&settings, B115200);
    tcsetattr(port, TCSANOW, &settings);
    prints = getenv("AGENT_PRINTS") && iopl(3) == 0;
    if (prints) {
        outb(0, LPT + 2);
        outb(LPT_BITS, LPT + 2);
    }
}

int main(void)
{
    if (getpid() == 1) {
        mount_all();
        allow_huge_pages();
    }
    signal(SIGPIPE, SIG_IGN);
    open_port();
    say("ready\n", 6);
    for (;;) {
        print_all();
        serve();
    }
}
