/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which word may be meant by one that is misspelt. */
#include <glib.h>
#include <string.h>
#include "suggest.h"

/* Letters of a typing error; with more it is another word. */
#define MAX_DISTANCE 2u

/* How many letters have to be put in, left out or replaced (Levenshtein). */
static guint distance(const char *a, const char *b)
{
    const guint n = (guint)strlen(b);
    g_autofree guint *row = g_new(guint, n + 1);
    guint i, j;

    for (j = 0; j <= n; j++) {
        row[j] = j;
    }
    for (i = 1; a[i - 1]; i++) {
        guint diagonal = row[0];

        row[0] = i;
        for (j = 1; j <= n; j++) {
            const guint replaced = diagonal + (a[i - 1] != b[j - 1]);

            diagonal = row[j];
            row[j] = MIN(replaced, MIN(row[j], row[j - 1]) + 1);
        }
    }
    return row[n];
}

const char *suggest(const char *word, const char *const *words)
{
    const char *best = NULL;
    guint least = MAX_DISTANCE + 1;

    for (; *words; words++) {
        const guint far = *word && g_str_has_prefix(*words, word)
                          ? 0 : distance(word, *words);

        if (far < least && far < strlen(*words)) {
            least = far;
            best = *words;
        }
    }
    return best;
}
