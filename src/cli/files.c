/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files: read with a limit, written whole or not at all. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <clockferry/error.h>
#include "text/json.h"
#include "files.h"

static gboolean fail(GError **error, const char *what, const char *path,
                     int code)
{
    g_set_error(error, CF_ERROR, CF_ERROR_SYSTEM, "can't %s %s: %s", what,
                path, g_strerror(code));
    return FALSE;
}

/* To the end, or one byte beyond the limit. */
static int read_all(int fd, GByteArray *bytes)
{
    guint8 buffer[65536];
    ssize_t n;

    do {
        n = read(fd, buffer, sizeof(buffer));
        if (n > 0) {
            g_byte_array_append(bytes, buffer, (guint)n);
        }
    } while ((n > 0 && bytes->len <= CF_JSON_MAX_SIZE) ||
             (n < 0 && errno == EINTR));
    return n < 0 ? errno : 0;
}

gboolean files_read(const char *path, char **ret_text, gsize *ret_size,
                    GError **error)
{
    const bool from_stdin = !strcmp(path, "-");
    const int fd = from_stdin ? STDIN_FILENO
                              : open(path, O_RDONLY | O_CLOEXEC);
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    int code;

    if (fd < 0) {
        return fail(error, "read", path, errno);
    }
    code = read_all(fd, bytes);
    if (!from_stdin) {
        close(fd);
    }
    if (code) {
        return fail(error, "read", path, code);
    }
    if (bytes->len > CF_JSON_MAX_SIZE) {
        return fail(error, "read", path, EFBIG);
    }
    *ret_size = bytes->len;
    *ret_text = (char *)g_byte_array_free(g_steal_pointer(&bytes), FALSE);
    return TRUE;
}

static int write_all(int fd, const char *text, size_t size)
{
    while (size) {
        const ssize_t n = write(fd, text, size);

        if (n < 0 && errno != EINTR) {
            return errno;
        }
        if (n > 0) {
            text += n;
            size -= (size_t)n;
        }
    }
    return 0;
}

/* A terminal is given what it can show; files and pipes are always UTF-8. */
static char *in_charset_of(int fd, const char *text)
{
    g_autofree char *charset = NULL;
    const char *name;

    if (!isatty(fd) || g_get_charset(&name)) {
        return NULL;
    }
    charset = g_strconcat(name, "//TRANSLIT", NULL);
    return g_convert_with_fallback(text, -1, charset, "UTF-8", "?", NULL,
                                   NULL, NULL);
}

static gboolean write_stdout(const char *text, GError **error)
{
    g_autofree char *converted = in_charset_of(STDOUT_FILENO, text);
    const char *shown = converted ? converted : text;
    const int code = fflush(stdout) < 0 ? errno
                     : write_all(STDOUT_FILENO, shown, strlen(shown));

    return code == 0 || fail(error, "write to", "the standard output", code);
}

static gboolean write_in_place(const char *path, const char *text,
                               GError **error)
{
    const int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    int code;

    if (fd < 0) {
        return fail(error, "write", path, errno);
    }
    code = write_all(fd, text, strlen(text));
    if (close(fd) < 0 && !code) {
        code = errno;
    }
    return code == 0 || fail(error, "write", path, code);
}

static gboolean write_anew(const char *path, const char *text, GError **error)
{
    /* Through a link, for it is the file that was meant. */
    char *real = realpath(path, NULL);
    g_autoptr(GError) why = NULL;
    const gboolean done = g_file_set_contents_full(
        real ? real : path, text, -1,
        G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, 0644,
        &why);

    free(real);
    if (!done) {
        g_set_error(error, CF_ERROR, CF_ERROR_SYSTEM, "can't write %s: %s",
                    path, why->message);
    }
    return done;
}

gboolean files_write(const char *path, const char *text, GError **error)
{
    struct stat info;

    if (!path) {
        return write_stdout(text, error);
    }
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode)) {
        return write_in_place(path, text, error);
    }
    return write_anew(path, text, error);
}

void files_write_error(const char *line)
{
    g_autofree char *converted = in_charset_of(STDERR_FILENO, line);

    fputs(converted ? converted : line, stderr);
}
