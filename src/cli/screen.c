/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text for people: in columns, in colour, and wrapped to their terminal. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "files.h"
#include "screen.h"

/* "Best rung        : closed-loop" */
#define FACT_INDENT 18

/* "  WARN  the host's clock isn't synchronised" */
#define FINDING_INDENT 8

/* Narrower than this, wrapped text can't be read either. */
#define MIN_COLUMNS 20u

static guint columns_of(int fd)
{
    struct winsize size;

    return ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col
           ? MAX(size.ws_col, MIN_COLUMNS) : 0;
}

static bool wants_colour(void)
{
    const char *no_colour = getenv("NO_COLOR"), *term = getenv("TERM");

    return (!no_colour || !*no_colour) &&
           (!term || strcmp(term, "dumb") != 0);
}

Screen screen_begin(const char *output)
{
    const bool terminal = files_is_stdout(output) && isatty(STDOUT_FILENO);

    return (Screen) {
        .text = g_string_new(NULL),
        .columns = terminal ? columns_of(STDOUT_FILENO) : 0,
        .colour = terminal && wants_colour(),
    };
}

char *screen_end(Screen *screen)
{
    return g_string_free(g_steal_pointer(&screen->text), FALSE);
}

void screen_add(Screen *screen, const char *format, ...)
{
    va_list values;

    va_start(values, format);
    g_string_append_vprintf(screen->text, format, values);
    va_end(values);
}

static guint width_of(gunichar character)
{
    return g_unichar_iszerowidth(character) ? 0
           : g_unichar_iswide(character) ? 2 : 1;
}

guint screen_width(const char *text)
{
    guint width = 0;

    for (; *text; text += g_utf8_skip[(guchar)*text]) {
        width += width_of(g_utf8_get_char(text));
    }
    return width;
}

void screen_pad(Screen *screen, const char *text, guint width)
{
    const guint own = screen_width(text);

    screen_add(screen, "%s%*s", text, (int)(width > own ? width - own : 0),
               "");
}

/* A number stays in the line of its unit. */
static bool has_unit(char **words)
{
    const size_t size = strlen(words[0]);

    return words[1] && size && g_ascii_isdigit(words[0][size - 1]) &&
           (g_ascii_isalpha(words[1][0]) || words[1][0] == '%');
}

/* Of a word, with those that it must not be parted from. */
static guint width_from(char **words)
{
    guint width = screen_width(*words);

    for (; has_unit(words); words++) {
        width += 1 + screen_width(words[1]);
    }
    return width;
}

/* A word that is wider than the terminal has a line of its own. */
void screen_wrap(Screen *screen, const char *text, guint indent)
{
    g_auto(GStrv) words = g_strsplit(text, " ", -1);
    guint column = indent, i;

    for (i = 0; words[i]; i++) {
        if (i && screen->columns && !has_unit(&words[i - 1]) &&
            column + 1 + width_from(&words[i]) > screen->columns) {
            screen_add(screen, "\n%*s", (int)indent, "");
            column = indent;
        } else if (i) {
            screen_add(screen, " ");
            column++;
        }
        screen_add(screen, "%s", words[i]);
        column += screen_width(words[i]);
    }
    screen_add(screen, "\n");
}

static void G_GNUC_PRINTF(3, 0) add_fact(Screen *screen, const char *name,
                                         const char *format, va_list values)
{
    g_autofree char *value = g_strdup_vprintf(format, values);

    screen_add(screen, "%-16s: ", name);
    screen_wrap(screen, value, FACT_INDENT);
}

void screen_fact(Screen *screen, const char *name, const char *format, ...)
{
    va_list values;

    va_start(values, format);
    add_fact(screen, name, format, values);
    va_end(values);
}

void screen_known(Screen *screen, const char *name, bool known,
                  const char *format, ...)
{
    va_list values;

    va_start(values, format);
    add_fact(screen, name, known ? format : "unknown", values);
    va_end(values);
}

void screen_colour(Screen *screen, Level level, const char *word)
{
    static const char *const colours[] = {
        [LEVEL_PASS] = "\033[32m",
        [LEVEL_WARN] = "\033[33m",
        [LEVEL_FAIL] = "\033[31m",
        [LEVEL_NOTE] = "\033[36m",
    };

    screen_add(screen, "%s%s%s", screen->colour ? colours[level] : "", word,
               screen->colour ? "\033[0m" : "");
}

void screen_finding(Screen *screen, Level level, const char *text,
                    const char *cure)
{
    static const char *const names[] = {
        [LEVEL_PASS] = "PASS",
        [LEVEL_WARN] = "WARN",
        [LEVEL_FAIL] = "FAIL",
        [LEVEL_NOTE] = "NOTE",
    };

    screen_add(screen, "  ");
    screen_colour(screen, level, names[level]);
    screen_add(screen, "  ");
    screen_wrap(screen, text, FINDING_INDENT);
    if (cure) {
        g_autofree char *line = g_strconcat("Cure: ", cure, NULL);

        screen_add(screen, "%*s", FINDING_INDENT, "");
        screen_wrap(screen, line, FINDING_INDENT);
    }
}

/* GDateTime ends with the year 9999. */
char *screen_time(gint64 seconds)
{
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_local(
        CLAMP(seconds, 0, G_GINT64_CONSTANT(253370764800)));

    return g_date_time_format(time, "%Y-%m-%d %H:%M:%S");
}

Progress progress_begin(const char *what)
{
    return (Progress) { what, g_get_monotonic_time(), FALSE };
}

void progress_show(Progress *progress, guint64 done, guint64 all)
{
    const gint64 now_us = g_get_monotonic_time();

    if (now_us - progress->last_us >= PROGRESS_US &&
        isatty(STDERR_FILENO)) {
        progress->last_us = now_us;
        progress->shown = TRUE;
        fprintf(stderr, "\r%" PRIu64 " of %" PRIu64 " %s ", done, all,
                progress->what);
        fflush(stderr);
    }
}

void progress_end(const Progress *progress)
{
    if (progress->shown) {
        fprintf(stderr, "\r%60s\r", "");
    }
}
