/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The probe of this host, in a process of its own. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>
#include "text/io.h"
#include "probe-apart.h"

#define DEVICE "/dev/kvm"

/* Far more than the facts of a host have. */
#define ANSWER_MAX_SIZE 65536

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

/* Taking a VM down can take KVM long. It goes with this process, and nobody
 * waits for that. */
static void leave_open(int fd)
{
    (void)fd;
}

/* The answer: facts, which are JSON, or why there are none. */
static void probe_and_write(int fd)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *facts = NULL;
    CfKvmOps ops = *cf_kvm_ops();
    CfHost probe;

    ops.close = leave_open;
    if (cf_host_probe(&ops, DEVICE, &probe, &error)) {
        facts = cf_host_to_json(&probe);
    }
    cf_io_write(fd, facts ? facts : error->message);
    close(fd);
}

static void G_GNUC_NORETURN run_child(int fd)
{
    /* It ends with the hook, as far as KVM lets it. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    let_go_of_libvirt();
    probe_and_write(fd);
    _exit(0);
}

/* Not until the child has gone: only until it has said all. */
static gboolean ask(int fd, CfHost *ret_host, GError **error)
{
    g_autofree char *answer = NULL;
    size_t size;
    const int code = cf_io_read(fd, ANSWER_MAX_SIZE, &answer, &size);

    if (code) {
        return fail(error, "reading its facts", code);
    }
    if (!size) {
        g_set_error_literal(error, CF_ERROR, CF_ERROR_SYSTEM,
                            "the probe of this host died (run clockferry "
                            "probe there)");
        return FALSE;
    }
    if (answer[0] != '{') {
        g_set_error_literal(error, CF_ERROR, CF_ERROR_NO_KVM, answer);
        return FALSE;
    }
    return cf_host_from_json(answer, size, ret_host, error);
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
    done = ask(fds[0], ret_host, error);
    close(fds[0]);
    return done;
}
