/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files: read with a limit, written whole or not at all. */
#ifndef CF_FILES_H
#define CF_FILES_H

#include <glib.h>

/**
 * files_read - a whole file
 * @path: the file; "-" is the standard input
 * @ret_text: its content, to be freed with g_free()
 * @ret_size: how many bytes
 * @error: why not
 *
 * Return: true on success; false also for more than a JSON file of ours can
 * have.
 */
gboolean files_read(const char *path, char **ret_text, gsize *ret_size,
                    GError **error);

/**
 * files_write - give a text out
 * @path: the file; NULL is the standard output
 * @text: the text
 * @error: why not
 *
 * A file has the whole text or stays as it was. What isn't a regular file (a
 * device, a pipe) is written into.
 *
 * Return: true on success.
 */
gboolean files_write(const char *path, const char *text, GError **error);

/* Gives a line out on the standard error. */
void files_write_error(const char *line);

#endif /* CF_FILES_H */
