/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Has a program's counters written where gcov doesn't: this is part of each
 * program and library of a build for coverage, and of no other build.
 *
 * gcov writes them when exit or fork is called. The hook's probe and a signal's
 * handler call _exit, which this wraps (ld --wrap), and tests end programs by
 * SIGTERM. Each library has counters of its own, and tells the program how to
 * write them.
 */
#include <dlfcn.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_OBJECTS 16
#define DUMP_LIMIT_S 1

typedef void Dump(void);

extern void __gcov_dump(void);
extern _Noreturn void __real__exit(int status);
extern int __real_prctl(int option, ...);
_Noreturn void __wrap__exit(int status);
int __wrap_prctl(int option, ...);
void cf_coverage_add(Dump *dump);

static Dump *dumps[MAX_OBJECTS];
static unsigned int n_dumps;

/* Only the program's own is ever called: the first that is found. */
__attribute__((visibility("default"))) void cf_coverage_add(Dump *dump)
{
    if (n_dumps < MAX_OBJECTS) {
        dumps[n_dumps++] = dump;
    }
}

/* Whoever is in a signal's handler may have been within malloc, which the dump
 * calls, too. So a copy does it, which may die of that or get stuck. */
static void dump_apart(void)
{
    const int deadly[] = { SIGALRM, SIGABRT, SIGBUS, SIGSEGV, SIGTRAP, SIGTERM };
    const pid_t copy = (pid_t)syscall(SYS_fork);
    sigset_t none;
    unsigned int i;

    if (copy > 0) {
        waitpid(copy, NULL, 0);
    }
    if (copy != 0) {
        return;
    }
    for (i = 0; i < sizeof(deadly) / sizeof(*deadly); i++) {
        signal(deadly[i], SIG_DFL);
    }
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    for (i = 0; i <= STDERR_FILENO; i++) {
        close((int)i);
    }
    alarm(DUMP_LIMIT_S);
    for (i = 0; i < n_dumps; i++) {
        dumps[i]();
    }
    syscall(SYS_exit_group, 0);
}

static void on_term(int number)
{
    dump_apart();
    raise(number);
}

/* Who has plans of his own for SIGTERM ends well. */
static void end_well(void)
{
    const struct sigaction ours = {
        .sa_handler = on_term,
        .sa_flags = (int)SA_RESETHAND,
    };
    struct sigaction before;

    if (sigaction(SIGTERM, NULL, &before) == 0 &&
        before.sa_handler == SIG_DFL) {
        sigaction(SIGTERM, &ours, NULL);
    }
}

__attribute__((constructor)) static void join(void)
{
    void *found = dlsym(RTLD_DEFAULT, "cf_coverage_add");
    void (*add)(Dump *) = cf_coverage_add;

    if (found) {
        *(void **)&add = found;
    }
    add(__gcov_dump);
    /* Tests limit open files, and read the standard error. */
    setenv("GCOV_ERROR_FILE", "/dev/null", 0);
    if (add == cf_coverage_add) {
        end_well();
    }
}

_Noreturn void __wrap__exit(int status)
{
    dump_apart();
    __real__exit(status);
}

/* Before gcov's own: a limit that the program set itself has been kept. */
__attribute__((destructor)) static void end_limit(void)
{
    alarm(0);
}

/* Else the probe would be killed while it writes its counters, and leave half a
 * file behind. */
int __wrap_prctl(int option, ...)
{
    unsigned long argument;
    va_list list;

    va_start(list, option);
    argument = va_arg(list, unsigned long);
    va_end(list);
    return option == PR_SET_PDEATHSIG && argument == SIGKILL
           ? 0 : __real_prctl(option, argument, 0ul, 0ul, 0ul);
}
