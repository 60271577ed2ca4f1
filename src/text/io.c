/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads all that there is, and writes all that it is given. */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "io.h"

int cf_io_read(int fd, size_t max, char **ret_text, size_t *ret_size)
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
        return errno;
    }
    if (text->len > max) {
        return EFBIG;
    }
    *ret_size = text->len;
    *ret_text = g_string_free(g_steal_pointer(&text), FALSE);
    return 0;
}

int cf_io_write(int fd, const char *text)
{
    size_t left = strlen(text);

    while (left) {
        const ssize_t n = write(fd, text, left);

        if (n < 0 && errno != EINTR) {
            return errno;
        }
        if (n > 0) {
            text += n;
            left -= (size_t)n;
        }
    }
    return 0;
}
