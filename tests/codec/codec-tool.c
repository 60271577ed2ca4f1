/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads texts as one of the formats and writes again what it understood.
 * Usage: codec-tool probe|state|guest; on the standard input any number of texts,
 * each after a line with its size. Answers each with a line "ok SIZE" and so
 * many bytes, or with a line "error SENTENCE".
 */
#include <stdio.h>
#include <string.h>
#include <clockferry/check.h>

static char *probe_again(const char *text, size_t size, GError **error)
{
    CfProbe probe;

    return cf_probe_from_json(text, size, &probe, error)
           ? cf_probe_to_json(&probe) : NULL;
}

static char *state_again(const char *text, size_t size, GError **error)
{
    g_autoptr(CfState) state = NULL;

    return cf_state_from_json(text, size, &state, error)
           ? cf_state_to_json(state) : NULL;
}

static char *guest_again(const char *text, size_t size, GError **error)
{
    CfGuest guest;

    return cf_guest_from_json(text, size, &guest, error)
           ? cf_guest_to_json(&guest) : NULL;
}

typedef char *(*Again)(const char *text, size_t size, GError **error);

static void answer(const char *text, size_t size, Again do_again)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *again = do_again(text, size, &error);

    if (again) {
        printf("ok %zu\n%s", strlen(again), again);
    } else {
        printf("error %s\n", error->message);
    }
    fflush(stdout);
}

int main(int argc, char **argv)
{
    const char *kind = argc > 1 ? argv[1] : "";
    const Again again = !strcmp(kind, "state") ? state_again
                        : !strcmp(kind, "guest") ? guest_again : probe_again;
    size_t size;

    while (scanf("%zu", &size) == 1 && getchar() == '\n') {
        /* exactly so large, so that a sanitizer sees any byte beyond */
        g_autofree char *text = g_malloc(size);

        if (fread(text, 1, size, stdin) != size) {
            return 1;
        }
        answer(text, size, again);
    }
    return !feof(stdin);
}
