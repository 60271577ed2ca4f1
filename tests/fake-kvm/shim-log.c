/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The log: one line for each modelled call, as "TRUE_NS vm0.1 NAME#NUMBER =
 * RESULT key=value ...", vm0.1 being vCPU 1 of the first VM. Calls that shall
 * fail, or before which the host changes, are told here, too, for they are named
 * by the log's names and numbers.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>
#include "hosts.h"
#include "shim.h"

static int log_fd = -1;
static GArray *log_faults;
static GHashTable *log_counts;

static void write_line(GString *line)
{
    g_string_append_c(line, '\n');
    if (log_fd >= 0 && write(log_fd, line->str, line->len) < 0) {
        log_fd = -1;
    }
    g_string_free(line, TRUE);
}

void shim_log_open(const char *path, const char *host_name, GArray *faults,
                   bool anew)
{
    GString *line = g_string_new(NULL);

    log_counts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    log_faults = faults;
    log_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC |
                  (anew ? O_TRUNC : 0), 0644);
    g_string_printf(line, "%" PRIu64 " host %s#0 = 0 khz=%u tsc_base=%" PRIu64
                    " realtime_base=%" PRIu64 " tai_offset=%d tsc_control=%d"
                    " frac_bits=%u rate_ppm=%d tsc_khz=%u", fake_true_ns(), host_name,
                    shim_host.khz, shim_host.tsc_base_ticks,
                    shim_host.realtime_base_ns, shim_host.time.tai_offset_s,
                    shim_host.tsc_control, shim_host.frac_bits,
                    shim_host.rate_ppm,
                    shim_host.tsc_khz ? shim_host.tsc_khz : shim_host.khz);
    write_line(line);
}

static int count(const char *name)
{
    static GMutex lock;
    int number;

    g_mutex_lock(&lock);
    number = GPOINTER_TO_INT(g_hash_table_lookup(log_counts, name)) + 1;
    g_hash_table_replace(log_counts, g_strdup(name), GINT_TO_POINTER(number));
    g_mutex_unlock(&lock);
    return number;
}

static bool concerns(const FakeFault *fault, const char *name, int number)
{
    return !strcmp(fault->call, name) &&
           (number == fault->number ||
            (fault->for_ever && number > fault->number));
}

/* Before this call: does the host change? Shall it fail? */
static int meets(const char *name, int number)
{
    int error = 0;
    guint i;

    for (i = 0; i < log_faults->len; i++) {
        const FakeFault *fault = &g_array_index(log_faults, FakeFault, i);

        if (!concerns(fault, name, number)) {
            continue;
        }
        if (fault->turned) {
            shim_turn(fault->turns, fault->turned);
        } else if (!error) {
            error = fault->error;
        }
    }
    return error;
}

ShimCall shim_call(const ShimHandle *handle, const char *name,
                   const char *part)
{
    ShimCall call = { .handle = handle };

    call.name = part ? g_strdup_printf("%s(%s)", name, part) : g_strdup(name);
    call.number = count(call.name);
    call.fault = meets(call.name, call.number);
    return call;
}

int shim_fault(const char *name)
{
    const int number = count(name), error = meets(name, number);
    GString *line = g_string_new(NULL);

    g_string_printf(line, "%" PRIu64 " file %s#%d = %s", fake_true_ns(), name,
                    number, error ? strerrorname_np(error) : "0");
    g_string_append(line, error ? " fault=1" : "");
    write_line(line);
    return error;
}

int shim_done(ShimCall *call, int rc, const char *format, ...)
{
    GString *line = g_string_new(NULL);
    va_list values;

    g_string_printf(line, "%" PRIu64 " vm%d", fake_true_ns(),
                    call->handle->vm->number);
    if (call->handle->vcpu) {
        g_string_append_printf(line, ".%u", call->handle->id);
    }
    g_string_append_printf(line, " %s#%d = ", call->name, call->number);
    if (rc < 0) {
        g_string_append(line, strerrorname_np(-rc));
    } else {
        g_string_append_printf(line, "%d", rc);
    }
    g_string_append(line, call->fault ? " fault=1 " : " ");
    va_start(values, format);
    g_string_append_vprintf(line, format, values);
    va_end(values);
    write_line(line);
    g_free(call->name);
    return rc;
}
