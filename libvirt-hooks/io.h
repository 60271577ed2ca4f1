/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads and writes all of something. */
#ifndef IO_H
#define IO_H

#include <glib.h>
#include <stddef.h>

/**
 * io_read - read to the end
 * @fd: from here
 * @max: so many bytes at most
 * @ret_text: what was there, with a final zero byte; to be freed with g_free()
 * @ret_size: its size in bytes, without that
 * @error: why not
 *
 * Return: true on success; false also if there is more.
 */
gboolean io_read(int fd, size_t max, char **ret_text, size_t *ret_size,
                 GError **error);

/* Writes a text; true only if all of it was taken. */
gboolean io_write(int fd, const char *text, GError **error);

#endif /* IO_H */
