/* SPDX-License-Identifier: GPL-2.0-or-later */
/* clockferry selftest: carries clocks between two VMs, there and back. */
#include <time.h>
#include "cli/cli.h"
#include "cli/files.h"
#include "cli/screen.h"
#include "results.h"
#include "test-vm.h"

#define MAX_ROUNDS 1000000

extern const unsigned char guest_rom[];
extern const size_t guest_rom_size;

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC_RAW, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Measured without the restore's report: by both guests' pages, at a TSC that
 * the destination's guest has just published. */
static gboolean measure_vcpus(TestVm *from, TestVm *to, uint32_t n_vcpus,
                              int64_t *ret_worst_ns, GError **error)
{
    const uint64_t guest_ticks = test_vm_published_ticks(to);
    int64_t worst_ns = 0;
    uint32_t i;

    for (i = 0; i < n_vcpus; i++) {
        CfPvclockRecord source, destination;
        int64_t step_ns;

        if (!test_vm_record(from, i, &source) ||
            !test_vm_record(to, i, &destination) ||
            !measure_step(&source, &destination, guest_ticks, &step_ns)) {
            g_set_error(error, CF_ERROR, CF_ERROR_SYSTEM,
                        "the test guest shows no usable kvmclock on vCPU %u",
                        i);
            return FALSE;
        }
        if (cf_magnitude(step_ns) > cf_magnitude(worst_ns)) {
            worst_ns = step_ns;
        }
    }
    *ret_worst_ns = worst_ns;
    return TRUE;
}

static uint64_t tsc_step(const CfVm *from, const CfVm *to)
{
    uint64_t worst_ticks = 0;
    uint32_t i;

    for (i = 0; i < from->n_vcpus; i++) {
        uint64_t here_ticks, there_ticks;

        if (to->ops->get_tsc_offset(to->vcpu_fds[i], &here_ticks) < 0 ||
            from->ops->get_tsc_offset(from->vcpu_fds[i], &there_ticks) < 0) {
            continue;
        }
        worst_ticks = MAX(worst_ticks,
                          cf_magnitude((int64_t)(here_ticks - there_ticks)));
    }
    return worst_ticks;
}

static gboolean carry(const CfVm *from, const CfVm *to, Results *results,
                      GError **error)
{
    g_autoptr(CfState) state = NULL;
    int64_t start_ns, captured_ns, restored_ns;
    CfReport report;

    start_ns = now_ns();
    if (!cf_capture(from, &state, error)) {
        return FALSE;
    }
    captured_ns = now_ns();
    if (!cf_restore(to, state, NULL, &report, error)) {
        return FALSE;
    }
    restored_ns = now_ns();

    captured_ns -= start_ns;
    restored_ns -= start_ns + captured_ns;
    g_array_append_val(results->captures_ns, captured_ns);
    g_array_append_val(results->restores_ns, restored_ns);
    g_array_append_val(results->residuals_ns, report.residual_ns);
    results->rungs[report.rung]++;
    results->tries += report.tries;
    results->tsc = report.tsc;
    return TRUE;
}

/* Puts a clock an hour ahead and lets the guest see it. A restore that does
 * nothing, or a page that isn't renewed, can't look like success then. */
static gboolean disturb(TestVm *vm, const CfVm *described, GError **error)
{
    CfKvmClock clock = { 0 };
    bool done = described->ops->get_clock(described->vm_fd, &clock) == 0;

    clock.clock_ns += 3600 * CF_NS_PER_SEC;
    clock.flags = 0;
    done = done && described->ops->set_clock(described->vm_fd, &clock) == 0;
    if (!done) {
        g_set_error_literal(error, CF_ERROR, CF_ERROR_SYSTEM,
                            "the destination's clock can't be set");
        return FALSE;
    }
    return test_vm_run(vm, error);
}

/* In the first round the destination has never run, like a fresh QEMU's. */
static gboolean one_round(TestVm *from, TestVm *to, bool first,
                          const CfHost *host, Results *results,
                          GError **error)
{
    const CfVm source = test_vm_describe(from, host);
    const CfVm destination = test_vm_describe(to, host);
    int64_t step_ns;

    if ((!first && !disturb(to, &destination, error)) ||
        !carry(&source, &destination, results, error) ||
        !test_vm_run(to, error) ||
        !measure_vcpus(from, to, source.n_vcpus, &step_ns, error)) {
        return FALSE;
    }
    g_array_append_val(results->steps_ns, step_ns);
    results->tsc_step_ticks = MAX(results->tsc_step_ticks,
                                  tsc_step(&source, &destination));
    return TRUE;
}

static gboolean run_rounds(const CliOptions *options, const char *device,
                           const CfHost *host, const unsigned char *rom,
                           size_t rom_size, Results *results, GError **error)
{
    const uint32_t n_vcpus = (uint32_t)options->vcpus;
    g_autoptr(TestVm) a = test_vm_new(device, rom, rom_size, n_vcpus, error);
    g_autoptr(TestVm) b = NULL;
    Progress progress = progress_begin("rounds");
    gboolean done;
    int i;

    if (!a) {
        return FALSE;
    }
    b = test_vm_new(device, rom, rom_size, n_vcpus, error);
    done = b && test_vm_run(a, error);
    for (i = 0; done && i < options->rounds; i++) {
        done = i % 2 ? one_round(b, a, false, host, results, error)
                     : one_round(a, b, i == 0, host, results, error);
        progress_show(&progress, (guint64)i + 1, (guint64)options->rounds);
    }
    progress_end(&progress);
    return done;
}

static int print(Results *results, const CliOptions *options)
{
    return cli_print(options->output,
                     (options->json ? results_to_json : results_to_text)(
                         results, options->rounds, options->vcpus),
                     results_goal_met(results) ? CF_EXIT_FINE
                                               : CF_EXIT_INEXACT);
}

static int selftest(CliOptions *options, char **arguments G_GNUC_UNUSED)
{
    const char *device = options->device ? options->device : CF_CLI_DEVICE;
    g_autofree char *rom = NULL;
    g_autoptr(GError) error = NULL;
    Results results = { 0 };
    CfHost host;
    gsize rom_size = guest_rom_size;
    int status;

    if (!files_check_writable(options->output, &error) ||
        !cf_host_probe(cf_kvm_ops(), device, &host, &error) ||
        (options->rom &&
         !files_read(options->rom, &rom, &rom_size, &error))) {
        return cli_fail(error);
    }
    results_init(&results);
    if (run_rounds(options, device, &host,
                   rom ? (const unsigned char *)rom : guest_rom, rom_size,
                   &results, &error)) {
        status = print(&results, options);
    } else {
        status = cli_fail(error);
    }
    results_deinit(&results);
    return status;
}

static int check_numbers(CliOptions *options, char **arguments G_GNUC_UNUSED)
{
    if (options->rounds < 1 || options->rounds > MAX_ROUNDS ||
        options->vcpus < 1 || options->vcpus > (int)TEST_VM_MAX_VCPUS) {
        return cli_usage("--rounds takes 1 to %d, --vcpus 1 to %u",
                         MAX_ROUNDS, TEST_VM_MAX_VCPUS);
    }
    return CLI_GO_ON;
}

int cli_selftest(int argc, char **argv)
{
    CliOptions options = { .rounds = 200, .vcpus = 1 };
    const GOptionEntry entries[] = {
        { "rounds", 0, 0, G_OPTION_ARG_INT, &options.rounds,
          "How often to carry the clocks (200)", "N" },
        { "vcpus", 0, 0, G_OPTION_ARG_INT, &options.vcpus,
          "vCPUs of the test guest (1)", "N" },
        { "rom", 0, 0, G_OPTION_ARG_FILENAME, &options.rom,
          "Another image of the test guest", "FILE" },
        JSON_ENTRY(options),
        OUTPUT_ENTRY(options),
        DEVICE_ENTRY(options),
        { 0 },
    };
    const CliSyntax syntax = {
        .arguments = "",
        .summary = "Carries the clocks of a test guest between two VMs on "
                   "this host, there and back,\nand measures how far they "
                   "step. Exit status 4: by more than 3 ns.",
        .examples = "clockferry selftest --rounds=50",
        .entries = entries,
        .steps = { check_numbers, selftest },
    };

    return cli_run(&syntax, &options, argc, argv);
}
