/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A test program that answers any number of texts, for dialogue.py. On the
 * standard input each comes after a line with its size. Each is answered with
 * a line "ok SIZE" and so many bytes, or with a line "error SENTENCE".
 */
#ifndef CF_DIALOGUE_H
#define CF_DIALOGUE_H

#include <stdio.h>
#include <string.h>
#include <glib.h>

/* The answer to a text, to be freed with g_free(); NULL on error. */
typedef char *(*Treat)(const char *text, size_t size, void *opaque,
                       GError **error);

static inline void dialogue_answer(const char *text, size_t size, Treat treat,
                                   void *opaque)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *answer = treat(text, size, opaque, &error);

    if (answer) {
        printf("ok %zu\n%s", strlen(answer), answer);
    } else {
        printf("error %s\n", error->message);
    }
    fflush(stdout);
}

/* Until the input ends; the exit status. */
static inline int dialogue(Treat treat, void *opaque)
{
    size_t size;

    while (scanf("%zu", &size) == 1 && getchar() == '\n') {
        /* exactly so large, so that a sanitizer sees any byte beyond */
        g_autofree char *text = g_malloc(size);

        if (fread(text, 1, size, stdin) != size) {
            return 1;
        }
        dialogue_answer(text, size, treat, opaque);
    }
    return !feof(stdin);
}

#endif /* CF_DIALOGUE_H */
