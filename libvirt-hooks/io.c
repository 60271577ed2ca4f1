/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads and writes all of something. */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <clockferry/error.h>
#include "io.h"

static gboolean fail(GError **error, int code)
{
    g_set_error_literal(error, CF_ERROR, CF_ERROR_SYSTEM, g_strerror(code));
    return FALSE;
}

gboolean io_read(int fd, size_t max, char **ret_text, size_t *ret_size,
                 GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL);
    char buffer[65536];
    ssize_t n;

    do {
        n = read(fd, buffer, sizeof(buffer));
        if (n > 0) {
            g_string_append_len(text, buffer, n);
        }
    } while ((n > 0 && text->len <= max) || (n < 0 && errno == EINTR));
    if (n < 0) {
        return fail(error, errno);
    }
    if (text->len > max) {
        g_set_error(error, CF_ERROR, CF_ERROR_INVALID,
                    "it has more than %zu bytes", max);
        return FALSE;
    }
    *ret_size = text->len;
    *ret_text = g_string_free(g_steal_pointer(&text), FALSE);
    return TRUE;
}

gboolean io_write(int fd, const char *text, GError **error)
{
    size_t left = strlen(text);

    while (left) {
        const ssize_t n = write(fd, text, left);

        if (n < 0 && errno != EINTR) {
            return fail(error, errno);
        }
        if (n > 0) {
            text += n;
            left -= (size_t)n;
        }
    }
    return TRUE;
}
