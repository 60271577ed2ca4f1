/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files: read with a limit, written whole or not at all. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <clockferry/error.h>
#include "text/io.h"
#include "text/json.h"
#include "files.h"

/* As many as the kernel follows. */
#define MAX_LINKS 40

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

    return strcmp(path, "-") != 0 && stat(path, &info) == 0
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

/* Nobody else chooses where this link leads. */
static bool is_ours(const struct stat *link, const char *folder)
{
    const uid_t me = geteuid();
    struct stat info;

    return stat(folder, &info) == 0 &&
           (link->st_uid == me || link->st_uid == 0) &&
           (info.st_uid == me || info.st_uid == 0);
}

/*
 * The path at the end of links. One that another user made isn't followed: it
 * would lead root to a file that only root may write. Its target goes by its
 * folder's path, so there is no second look at the link. NULL with an error.
 */
static char *follow(const char *path, GError **error)
{
    g_autofree char *real = g_strdup(path);
    struct stat info;
    int links;

    for (links = 0; lstat(real, &info) == 0 && S_ISLNK(info.st_mode);
         links++) {
        g_autofree char *folder = g_path_get_dirname(real);
        g_autofree char *target = g_file_read_link(real, NULL);

        if (!is_ours(&info, folder)) {
            g_set_error(error, CF_ERROR, CF_ERROR_SYSTEM,
                        "can't write %s: %s is another user's symbolic link "
                        "(name the file itself)", path, real);
            return NULL;
        }
        if (!target || links == MAX_LINKS) {
            fail(error, "write", path, ELOOP);
            return NULL;
        }
        g_free(real);
        real = g_canonicalize_filename(target, folder);
    }
    return g_steal_pointer(&real);
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

/* Owner and mode of the file that is there. Services mayn't even ask for an
 * owner that a file has already. */
static bool look_like(int fd, const char *path)
{
    struct stat old, new;

    if (lstat(path, &old) < 0 || !S_ISREG(old.st_mode)) {
        return true;
    }
    if (fstat(fd, &new) < 0) {
        return false;
    }
    if ((old.st_uid != new.st_uid || old.st_gid != new.st_gid) &&
        fchown(fd, old.st_uid, old.st_gid) < 0) {
        return false;
    }
    return fchmod(fd, old.st_mode & 0777) == 0;
}

/* Who reads all of a folder's files leaves out those that begin with a dot. One
 * may stay behind, if this is killed. */
static char *temporary_beside(const char *path)
{
    g_autofree char *folder = g_path_get_dirname(path);
    g_autofree char *name = g_path_get_basename(path);
    g_autofree char *hidden = g_strconcat(".", name, ".XXXXXX", NULL);

    return g_build_filename(folder, hidden, NULL);
}

static gboolean write_anew(const char *path, const char *text, GError **error)
{
    g_autofree char *temporary = temporary_beside(path);
    const int fd = g_mkstemp_full(temporary, O_WRONLY | O_CLOEXEC, 0644);
    int code;

    if (fd < 0) {
        return fail(error, "write", path, errno);
    }
    code = cf_io_write(fd, text);
    if (!code && (!look_like(fd, path) || fsync(fd) < 0)) {
        code = errno;
    }
    if (close(fd) < 0 && !code) {
        code = errno;
    }
    if (!code && rename(temporary, path) < 0) {
        code = errno;
    }
    if (code) {
        (void)unlink(temporary);
    }
    return code == 0 || fail(error, "write", path, code);
}

gboolean files_write(const char *path, const char *text, GError **error)
{
    g_autofree char *real = NULL;
    struct stat info;

    if (files_is_stdout(path)) {
        return write_stdout(text, error);
    }
    real = follow(path, error);
    if (!real) {
        return FALSE;
    }
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode)) {
        return write_in_place(path, text, error);
    }
    return write_anew(real, text, error);
}

/* A new file takes an old one's place, so its folder must be writable. */
static int check_folder(const char *path)
{
    g_autofree char *folder = g_path_get_dirname(path);

    return access(folder, W_OK | X_OK) < 0 ? errno : 0;
}

gboolean files_check_writable(const char *path, GError **error)
{
    g_autofree char *real = NULL;
    struct stat info;
    int code;

    if (files_is_stdout(path)) {
        return TRUE;
    }
    real = follow(path, error);
    if (!real) {
        return FALSE;
    }
    if (stat(path, &info) < 0 || S_ISREG(info.st_mode)) {
        code = check_folder(real);
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
