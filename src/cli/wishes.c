/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a user wishes of a move: options that check and matrix share. */
#include "text/names.h"
#include "cli.h"
#include "wishes.h"

#define NOT_SAID (-1)

/* NOT_SAID if there is no word, -2 if it is a wrong one. */
static int find_word(const CfNames *names, const char *word)
{
    const int value = word ? cf_name_find(names, word) : 0;

    return !word ? NOT_SAID : value < 0 ? -2 : value;
}

int wishes_parse(Wishes *wishes)
{
    wishes->policy = find_word(&cf_policy_names, wishes->policy_word);
    if (wishes->policy < NOT_SAID) {
        return cli_usage("no policy '%s': there are auto, strict and lax",
                         wishes->policy_word);
    }
    wishes->require = find_word(&cf_rung_names, wishes->require_word);
    if (wishes->require < NOT_SAID) {
        return cli_usage("no rung '%s': there are exact, reanchored, "
                         "closed-loop, realtime and plain",
                         wishes->require_word);
    }
    if (wishes->tsc_khz < 0) {
        return cli_usage("--tsc-khz takes a frequency in kHz");
    }
    return CLI_GO_ON;
}

void wishes_apply(const Wishes *wishes, CfGuest *guest)
{
    if (wishes->policy != NOT_SAID) {
        guest->policy = (enum cf_policy)wishes->policy;
    }
    if (wishes->require != NOT_SAID) {
        guest->require = (enum cf_rung)wishes->require;
    }
    if (wishes->promised || wishes->tsc_khz) {
        guest->promised = true;
    }
}

void wishes_clear(Wishes *wishes)
{
    g_free(wishes->policy_word);
    g_free(wishes->require_word);
}
