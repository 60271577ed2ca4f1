/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the subcommands share. */
#ifndef CF_CLI_H
#define CF_CLI_H

#include <clockferry/check.h>

typedef enum CfExit {
    CF_EXIT_FINE = 0,
    CF_EXIT_FAILURE = 1,
    CF_EXIT_USAGE = 2,
    CF_EXIT_REFUSED = 3,
    CF_EXIT_INEXACT = 4,
} CfExit;

#define CF_CLI_DEVICE "/dev/kvm"

/* What a step returns in place of an exit status if the command goes on. */
#define CLI_GO_ON (-1)

/* Wishes - what a user asks of a move */
typedef struct Wishes {
    char *policy_word;   /* as given, or NULL */
    char *require_word;  /* as given, or NULL */
    char *khz_word;      /* as given, or NULL */
    gboolean promised;   /* the guest has invtsc or a tsc-frequency */
    int policy;          /* what @policy_word means */
    int require;         /* what @require_word means */
    uint32_t tsc_khz;    /* the guest's tsc-frequency; 0: it has its host's */
} Wishes;

/* CliOptions - what the options of all commands are read into */
typedef struct CliOptions {
    gboolean json;          /* print JSON */
    char *output;           /* the file to write to, or NULL */
    char *device;           /* the KVM device, or NULL */
    char *uri;              /* which libvirt, or NULL */
    Wishes wishes;          /* check, enable, matrix */
    char *destination_uri;  /* check: the libvirt of the destination, or NULL */
    char *from;             /* probe: a file to show, or NULL */
    char *format;           /* probe, state: the form to print */
    char *rom;              /* selftest: the guest's image, or NULL */
    int rounds;             /* selftest: how often */
    int vcpus;              /* selftest: how many */
    gboolean pairs;         /* matrix: list every pair */
    gboolean svg;           /* arrivals, matrix: a picture */
    gboolean html;          /* matrix: a page */
    char *socket;           /* state: of QEMU's monitor, or NULL */
    gboolean watch;         /* state: stay */
    char *via;              /* measure: what starts the other end, or NULL */
    int seconds;            /* measure: for how long */
    gboolean answer;        /* measure: be the other end */
    bool enable;            /* enable; otherwise disable */
    gboolean machine;       /* enable: by the machine type */
    gboolean yes;           /* enable: don't ask */
    gboolean all;           /* annotate: all guests */
    gboolean follow;        /* annotate: stay */
    char *metrics;          /* annotate: a file for Prometheus, or NULL */
} CliOptions;

/* Gets the arguments that aren't options, ending with NULL; NULL if there are
 * none. Returns an exit status, or CLI_GO_ON. */
typedef int CliStep(CliOptions *options, char **arguments);

/* CliSyntax - what a subcommand takes, and does */
typedef struct CliSyntax {
    /* the arguments as --help shows them, "" if there are none */
    const char *arguments;
    const char *summary;          /* some sentences for --help */
    const char *examples;         /* command lines for --help, one a line */
    int min;                      /* fewest arguments */
    int max;                      /* most arguments */
    const GOptionEntry *entries;  /* its options; ends with an empty entry */
    /* the arguments are files, of which one may be the standard input */
    gboolean files;
    /* what it does, until one of them returns an exit status */
    CliStep *steps[3];
} CliSyntax;

/* Options that many commands have, for the members of these names. */
#define JSON_ENTRY(options) \
    { "json", 0, 0, G_OPTION_ARG_NONE, &(options).json, "Print JSON", NULL }
#define OUTPUT_ENTRY(options) \
    { "output", 'o', 0, G_OPTION_ARG_FILENAME, &(options).output, \
      "Write to this file, whole or not at all", "FILE" }
#define CONNECT_ENTRY(options) \
    { "connect", 'c', 0, G_OPTION_ARG_STRING, &(options).uri, \
      "Which libvirt (default: libvirt's own)", "URI" }
#define DEVICE_ENTRY(options) \
    { "device", 0, 0, G_OPTION_ARG_FILENAME, &(options).device, \
      "The KVM device (" CF_CLI_DEVICE ")", "PATH" }

#define WISHES_ENTRIES(wishes) \
    { "policy", 'p', 0, G_OPTION_ARG_STRING, &(wishes).policy_word, \
      "auto (default), strict or lax", "POLICY" }, \
    { "require", 0, 0, G_OPTION_ARG_STRING, &(wishes).require_word, \
      "The worst rung to accept (default: plain)", \
      "RUNG" }, \
    { "promised", 0, 0, G_OPTION_ARG_NONE, &(wishes).promised, \
      "The guest was promised its TSC frequency (invtsc)", NULL }, \
    { "tsc-khz", 0, 0, G_OPTION_ARG_STRING, &(wishes).khz_word, \
      "The guest has this tsc-frequency: a promise, too", "KHZ" }

/* Parses a subcommand's options, takes its steps, and frees the options. The
 * first argument is the subcommand's name. Returns the exit status. */
int cli_run(const CliSyntax *syntax, CliOptions *options, int argc,
            char **argv);

/* A step: understands the words of the wishes. */
CliStep wishes_parse;

/* What the user asks for counts more than what a file says. */
void wishes_apply(const Wishes *wishes, CfGuest *guest);

/* Writes a text, which it frees, as files_write() does. Returns @status, or
 * says why it can't. */
int cli_print(const char *output, char *text, int status);

/* Which of @formats (ending with NULL) the options mean, into @format. */
int cli_choose_format(CliOptions *options, const char *const *formats);

/* Says in one sentence what is wrong; returns CF_EXIT_FAILURE. */
int cli_fail(const GError *error);

/* The same for a wrong argument; returns CF_EXIT_USAGE. */
int cli_usage(const char *format, ...) G_GNUC_PRINTF(1, 2);

int cli_annotate(int argc, char **argv);
int cli_arrivals(int argc, char **argv);
int cli_check(int argc, char **argv);
int cli_disable(int argc, char **argv);
int cli_diff(int argc, char **argv);
int cli_enable(int argc, char **argv);
int cli_matrix(int argc, char **argv);
int cli_measure(int argc, char **argv);
int cli_probe(int argc, char **argv);
int cli_selftest(int argc, char **argv);
int cli_state(int argc, char **argv);

#endif /* CF_CLI_H */
