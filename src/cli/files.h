/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files: read with a limit, written whole or not at all. */
#ifndef CF_FILES_H
#define CF_FILES_H

#include <glib.h>
#include <stdbool.h>

/* Reads a whole file; "-" is the standard input. The text is to be freed with
 * g_free(). Fails for a file that is larger than any JSON file of ours. */
gboolean files_read(const char *path, char **ret_text, gsize *ret_size,
                    GError **error);

/* Writes a text; NULL and "-" are the standard output. A file has the whole
 * text afterwards, or is as it was; it keeps its owner and mode. What isn't a
 * regular file (a device, a pipe) is written into. Symbolic links of other
 * users, except root's, aren't followed. */
gboolean files_write(const char *path, const char *text, GError **error);

/* Will files_write() be able to write there, as far as can be known now? For
 * commands that would find out too late. */
gboolean files_check_writable(const char *path, GError **error);

/* Does this path mean the standard output? */
bool files_is_stdout(const char *path);

/* A text that is the same for all paths to one file; to be freed with
 * g_free(). */
char *files_identity(const char *path);

/* Writes a line to the standard error. */
void files_write_error(const char *line);

#endif /* CF_FILES_H */
