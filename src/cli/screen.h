/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text for people: in columns, in colour, and wrapped to their terminal. And a
 * sign of life there, for what takes long. */
#ifndef CF_SCREEN_H
#define CF_SCREEN_H

#include <glib.h>
#include <stdbool.h>

/* Level - how good something is */
typedef enum Level {
    LEVEL_PASS,     /* as good as can be */
    LEVEL_WARN,     /* it works, but not exactly, or not for everybody */
    LEVEL_FAIL,     /* it doesn't work */
    LEVEL_NOTE,     /* nothing depends on it, but it is worth knowing */
} Level;

/* Screen - a text, and what it is written for */
typedef struct Screen {
    GString *text;  /* what was written so far */
    /* how wide the terminal is; 0 where nothing is to be wrapped */
    guint columns;
    bool colour;    /* it shows colours */
} Screen;

/**
 * screen_begin - an empty text
 * @output: the file that it will be written to, as files_write() takes it
 *
 * Only the standard output is wrapped and has colours, and only if it is a
 * terminal. NO_COLOR, if it isn't empty, and TERM=dumb turn colours off.
 */
Screen screen_begin(const char *output);

/* Ends a text; to be freed with g_free(). */
char *screen_end(Screen *screen);

void screen_add(Screen *screen, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* A line with a fact: its name, a colon, and what it is. */
void screen_fact(Screen *screen, const char *name, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

/* The same for a fact that may be unknown. */
void screen_known(Screen *screen, const char *name, bool known,
                  const char *format, ...) G_GNUC_PRINTF(4, 5);

/* Something that was found, in one line, and in the next what to do about it
 * (NULL: nothing). */
void screen_finding(Screen *screen, Level level, const char *text,
                    const char *cure);

/* The rest of a line of which @indent columns are written already; what doesn't
 * fit into the line goes into others, indented as far. */
void screen_wrap(Screen *screen, const char *text, guint indent);

/* A word in the colour of a level. */
void screen_colour(Screen *screen, Level level, const char *word);

/* A text, and spaces up to that width. */
void screen_pad(Screen *screen, const char *text, guint width);

/* How many columns a terminal takes for a text: some characters take two, and
 * some none. */
guint screen_width(const char *text);

/* A time of the clock here, from seconds since 1970: "2026-11-28 10:02:11"; to
 * be freed with g_free(). */
char *screen_time(gint64 seconds);

/* Whatever takes less time than this is over before anybody wonders. */
#define PROGRESS_US (G_USEC_PER_SEC / 2)

/* Progress - how far it is */
typedef struct Progress {
    const char *what;  /* what is counted, such as "rounds" */
    gint64 last_us;    /* when that was shown last */
    gboolean shown;    /* it was shown at all */
} Progress;

Progress progress_begin(const char *what);

/* "5 of 200 rounds" on the standard error, now and then, if that is a
 * terminal. */
void progress_show(Progress *progress, guint64 done, guint64 all);

/* Wipes it away. */
void progress_end(const Progress *progress);

#endif /* CF_SCREEN_H */
