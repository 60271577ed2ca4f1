/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the host tells without KVM: TSC, real time, identity. */
#include <string.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>
#include "calls.h"

int cf_system_read_pair(uint64_t *ret_host_ticks, uint64_t *ret_realtime_ns)
{
    uint64_t narrowest_ticks = UINT64_MAX;
    int try;

    /* The narrowest try is one without an interrupt in between. */
    for (try = 0; try < 8; try++) {
        const uint64_t before_ticks = cf_system_read_tsc();
        struct timespec now;
        uint64_t width_ticks;

        if (clock_gettime(CLOCK_REALTIME, &now) < 0) {
            return -errno;
        }
        width_ticks = cf_system_read_tsc() - before_ticks;
        if (now.tv_sec < 0 || width_ticks >= narrowest_ticks) {
            continue;
        }
        narrowest_ticks = width_ticks;
        *ret_host_ticks = before_ticks + width_ticks / 2;
        *ret_realtime_ns = (uint64_t)now.tv_sec * CF_NS_PER_SEC +
                           (uint64_t)now.tv_nsec;
    }
    return narrowest_ticks == UINT64_MAX ? -EOVERFLOW : 0;
}

static CfLeap leap_of(int clock_state)
{
    switch (clock_state) {
    case TIME_INS:
        return CF_LEAP_INSERT;
    case TIME_DEL:
        return CF_LEAP_DELETE;
    case TIME_OOP:
        return CF_LEAP_NOW;
    default:
        return CF_LEAP_NONE;
    }
}

int cf_system_get_time(CfHostTime *ret_time)
{
    struct timex request = { .modes = 0 };
    const int clock_state = adjtimex(&request);

    if (clock_state < 0) {
        return -errno;
    }
    ret_time->tai_offset_s = request.tai;
    ret_time->max_error_ns = cf_clock_error_ns(request.maxerror,
                                               request.offset,
                                               request.status & STA_NANO);
    ret_time->synchronised = clock_state != TIME_ERROR;
    ret_time->leap = leap_of(clock_state);
    ret_time->adjustment_ppt = cf_clock_adjustment_ppt(request.freq,
                                                       request.tick,
                                                       sysconf(_SC_CLK_TCK));
    return 0;
}

void cf_system_read_line(const char *path, char *line, size_t size)
{
    g_autofree char *text = NULL;

    line[0] = '\0';
    if (!g_file_get_contents(path, &text, NULL, NULL)) {
        return;
    }
    g_strchomp(text);
    if (strlen(text) < size) {
        g_strlcpy(line, text, size);
    }
}

int cf_system_get_tolerance(uint32_t *ret_ppm)
{
    char text[16];
    guint64 ppm;

    cf_system_read_line("/sys/module/kvm/parameters/tsc_tolerance_ppm", text,
                        sizeof(text));
    if (!g_ascii_string_to_unsigned(text, 10, 0, UINT32_MAX, &ppm, NULL)) {
        return -ENOENT;
    }
    *ret_ppm = (uint32_t)ppm;
    return 0;
}

#define DMI "/sys/class/dmi/id/"

/* A digest, because what it is made of is nobody else's business. */
static uint64_t machine_digest(void)
{
    g_autofree char *kind = cf_cpu_kind();
    g_autofree char *text = NULL, *digest = NULL;
    char name[128];

    cf_system_read_line(DMI "product_uuid", name, sizeof(name));
    if (!name[0]) {
        cf_system_read_line(DMI "product_serial", name, sizeof(name));
    }
    if (!name[0]) {
        return 0;
    }
    text = g_strdup_printf("%s %s", name, kind);
    digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, text, -1);
    digest[16] = '\0';
    return g_ascii_strtoull(digest, NULL, 16);
}

void cf_system_get_id(CfHostId *ret_id)
{
    struct utsname names;

    *ret_id = (CfHostId) { .machine = machine_digest() };
    cf_cpu_get_id(ret_id);
    cf_system_read_line("/proc/sys/kernel/random/boot_id", ret_id->boot_id,
                        sizeof(ret_id->boot_id));
    cf_system_read_line("/sys/devices/system/clocksource/clocksource0/"
                        "current_clocksource",
                        ret_id->clocksource, sizeof(ret_id->clocksource));
    if (uname(&names) == 0) {
        g_strlcpy(ret_id->name, names.nodename, sizeof(ret_id->name));
        g_strlcpy(ret_id->kernel, names.release, sizeof(ret_id->kernel));
    }
}
