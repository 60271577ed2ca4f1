/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The probe of this host, in a process of its own. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "text/io.h"
#include "probe-apart.h"

#define DEVICE "/dev/kvm"

/* Far more than the facts of a host have. */
#define ANSWER_MAX_SIZE 65536

/* Exit statuses of the child: what it has written. If it fails in any other way
 * the status is smaller. */
enum {
    WROTE_FACTS = 10,
    WROTE_PROBLEM,
};

static gboolean fail(GError **error, const char *what, int code)
{
    g_set_error(error, CF_ERROR, CF_ERROR_SYSTEM,
                "can't probe this host: %s failed: %s", what,
                g_strerror(code));
    return FALSE;
}

/* The pipes that libvirt waits for to be closed. */
static void let_go_of_libvirt(void)
{
    const int null_fd = open("/dev/null", O_RDWR);
    int fd;

    for (fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (null_fd < 0 || dup2(null_fd, fd) < 0) {
            close(fd);
        }
    }
}

static int probe_and_write(int fd)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *facts = NULL;
    CfHost probe;

    if (!cf_host_probe(cf_kvm_ops(), DEVICE, &probe, &error)) {
        cf_io_write(fd, error->message);
        return WROTE_PROBLEM;
    }
    facts = cf_host_to_json(&probe);
    cf_io_write(fd, facts);
    return WROTE_FACTS;
}

static void G_GNUC_NORETURN run_child(int fd)
{
    /* It ends with the hook, as far as KVM lets it. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    let_go_of_libvirt();
    _exit(probe_and_write(fd));
}

static gboolean understand(int status, const char *answer, size_t size,
                           CfHost *ret_host, GError **error)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == WROTE_PROBLEM) {
        g_set_error_literal(error, CF_ERROR, CF_ERROR_NO_KVM, answer);
        return FALSE;
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != WROTE_FACTS) {
        g_set_error_literal(error, CF_ERROR, CF_ERROR_SYSTEM,
                            "the probe of this host died (run clockferry "
                            "probe there)");
        return FALSE;
    }
    return cf_host_from_json(answer, size, ret_host, error);
}

static gboolean ask(pid_t child, int fd, CfHost *ret_host, GError **error)
{
    g_autofree char *answer = NULL;
    size_t size;
    int code, status;

    code = cf_io_read(fd, ANSWER_MAX_SIZE, &answer, &size);
    if (code) {
        return fail(error, "reading its facts", code);
    }
    if (waitpid(child, &status, 0) < 0) {
        return fail(error, "waitpid", errno);
    }
    return understand(status, answer, size, ret_host, error);
}

gboolean probe_apart(CfHost *ret_host, GError **error)
{
    gboolean done;
    int fds[2];
    pid_t child;

    if (pipe2(fds, O_CLOEXEC) < 0) {
        return fail(error, "pipe", errno);
    }
    child = fork();
    if (child < 0) {
        const int code = errno;

        close(fds[0]);
        close(fds[1]);
        return fail(error, "fork", code);
    }
    if (child == 0) {
        run_child(fds[1]);
    }
    close(fds[1]);
    done = ask(child, fds[0], ret_host, error);
    close(fds[0]);
    return done;
}
