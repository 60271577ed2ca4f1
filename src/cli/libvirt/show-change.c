/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What diff(1) says about two texts. It gets one as its input, the other as a
 * file in memory. However this ends, nothing is left behind or can be read by
 * others.
 */
#include <errno.h>
#include <gio/gio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "text/io.h"
#include "text/printable.h"
#include "show-change.h"

#define AFTER_FD 3
#define DIFFERENT 1

static int make_file(const char *text, GError **error)
{
    const int fd = memfd_create("clockferry", MFD_CLOEXEC);
    const int code = fd < 0 ? errno : cf_io_write(fd, text);

    if (code) {
        g_set_error(error, G_IO_ERROR, g_io_error_from_errno(code),
                    "can't make a file in memory: %s", g_strerror(code));
        if (fd >= 0) {
            close(fd);
        }
        return -1;
    }
    return fd;
}

static GSubprocess *start(const char *name, int after_fd, GError **error)
{
    g_autoptr(GSubprocessLauncher) launcher =
        g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_STDIN_PIPE |
                                  G_SUBPROCESS_FLAGS_STDOUT_PIPE);
    g_autofree char *label_before = g_strdup_printf("%s as it is", name);
    g_autofree char *label_after = g_strdup_printf("%s as it will be", name);

    g_subprocess_launcher_take_fd(launcher, after_fd, AFTER_FD);
    return g_subprocess_launcher_spawn(launcher, error, "diff", "-u",
                                       "--label", label_before,
                                       "--label", label_after,
                                       "-", "/dev/fd/3", NULL);
}

/* Line by line: line breaks are to stay. */
static char *make_printable(const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    size_t i;

    for (i = 0; lines[i]; i++) {
        char *line = cf_printable(lines[i]);

        g_free(lines[i]);
        lines[i] = line;
    }
    return g_strjoinv("\n", lines);
}

char *show_change(const char *name, const char *before,
                  const char *after, GError **error)
{
    const int after_fd = make_file(after, error);
    g_autoptr(GSubprocess) diff = NULL;
    g_autofree char *text = NULL;

    if (after_fd < 0) {
        return NULL;
    }
    diff = start(name, after_fd, error);
    if (!diff ||
        !g_subprocess_communicate_utf8(diff, before, NULL, &text, NULL,
                                       error)) {
        g_prefix_error(error, "can't run diff to show the change: ");
        return NULL;
    }
    if (!g_subprocess_get_if_exited(diff) ||
        g_subprocess_get_exit_status(diff) > DIFFERENT) {
        g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_FAILED,
                            "diff failed, so the change can't be shown");
        return NULL;
    }
    return make_printable(text);
}
