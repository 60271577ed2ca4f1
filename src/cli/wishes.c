/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a user asks of a move: options that check and matrix share. */
#include "text/names.h"
#include "cli.h"

#define NOT_SAID (-1)

/* Writes the value of a word, or NOT_SAID if there is none; false if it isn't
 * one of the names. */
static bool find_word(const CfNames *names, const char *word, int *ret_value)
{
    *ret_value = word ? cf_name_find(names, word) : NOT_SAID;
    return !word || *ret_value >= 0;
}

int wishes_parse(CliOptions *options, char **arguments G_GNUC_UNUSED)
{
    Wishes *wishes = &options->wishes;
    guint64 khz = 0;

    if (!find_word(&cf_policy_names, wishes->policy_word, &wishes->policy)) {
        return cli_usage("no policy '%s': choose auto, strict or lax",
                         wishes->policy_word);
    }
    if (!find_word(&cf_rung_names, wishes->require_word, &wishes->require)) {
        return cli_usage("no rung '%s': choose exact, reanchored, "
                         "closed-loop, realtime or plain",
                         wishes->require_word);
    }
    if (wishes->khz_word &&
        !g_ascii_string_to_unsigned(wishes->khz_word, 10, 1, UINT32_MAX, &khz,
                                    NULL)) {
        return cli_usage("--tsc-khz takes a frequency in kHz, not '%s'",
                         wishes->khz_word);
    }
    wishes->tsc_khz = (uint32_t)khz;
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
