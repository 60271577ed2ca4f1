/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files: read with a limit, written whole or not at all. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <clockferry/error.h>
#include "text/io.h"
#include "text/json.h"
#include "files.h"

static gboolean fail(GError **error, const char *what, const char *path,
                     int code)
{
    g_set_error(error, CF_ERROR, CF_ERROR_SYSTEM, "can't %s %s: %s", what,
                path, g_strerror(code));
    return FALSE;
}

gboolean files_read(const char *path, char **ret_text, gsize *ret_size,
                    GError **error)
{
    const bool from_stdin = !strcmp(path, "-");
    const int fd = from_stdin ? STDIN_FILENO
                              : open(path, O_RDONLY | O_CLOEXEC);
    int code;

    if (fd < 0) {
        return fail(error, "read", path, errno);
    }
    code = cf_io_read(fd, CF_JSON_MAX_SIZE, ret_text, ret_size);
    if (!from_stdin) {
        close(fd);
    }
    return code == 0 || fail(error, "read", path, code);
}

char *files_identity(const char *path)
{
    struct stat info;

    return strcmp(path, "-") && stat(path, &info) == 0
           ? g_strdup_printf("%" PRIu64 ":%" PRIu64, (uint64_t)info.st_dev,
                             (uint64_t)info.st_ino)
           : g_strdup(path);
}

bool files_is_stdout(const char *path)
{
    return !path || !strcmp(path, "-");
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
                     : cf_io_write(STDOUT_FILENO, shown);

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
    code = cf_io_write(fd, text);
    if (close(fd) < 0 && !code) {
        code = errno;
    }
    return code == 0 || fail(error, "write", path, code);
}

static gboolean write_anew(const char *path, const char *text, GError **error)
{
    /* Through a link: the file it leads to is the one that was meant. */
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

    if (files_is_stdout(path)) {
        return write_stdout(text, error);
    }
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode)) {
        return write_in_place(path, text, error);
    }
    return write_anew(path, text, error);
}

/* A new file takes an old one's place, so its folder must be writable. */
static int check_folder(const char *path)
{
    g_autofree char *folder = g_path_get_dirname(path);

    return access(folder, W_OK | X_OK) < 0 ? errno : 0;
}

gboolean files_check_writable(const char *path, GError **error)
{
    struct stat info;
    int code;

    if (files_is_stdout(path)) {
        return TRUE;
    }
    if (stat(path, &info) < 0 || S_ISREG(info.st_mode)) {
        code = check_folder(path);
    } else if (S_ISDIR(info.st_mode)) {
        code = EISDIR;
    } else {
        code = access(path, W_OK) < 0 ? errno : 0;
    }
    return code == 0 || fail(error, "write", path, code);
}

void files_write_error(const char *line)
{
    g_autofree char *converted = in_charset_of(STDERR_FILENO, line);

    fputs(converted ? converted : line, stderr);
}
