/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads all that there is, and writes all that it is given. */
#ifndef CF_IO_H
#define CF_IO_H

#include <glib.h>
#include <stddef.h>

/* Reads to the end, up to @max bytes; a zero byte is added, which isn't
 * counted. The text is to be freed with g_free(). Return: 0, or an errno;
 * EFBIG if there are more bytes. */
int cf_io_read(int fd, size_t max, char **ret_text, size_t *ret_size);

/* Writes a whole text. Return: 0, or an errno. */
int cf_io_write(int fd, const char *text);

#endif /* CF_IO_H */
