/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The file of hosts: one group each, keys as below, "like" for the rest. */
#include <cpuid.h>
#include <errno.h>
#include <string.h>
#include "hosts.h"

#define LIKE_DEPTH 8
#define CPUID_SVM (1u << 2)
#define ERRNO_MAX 133

typedef enum Kind { U32, U64, I32, I64, BOOLEAN, WORD, TEXT } Kind;

/* @words: those of a WORD, whose numbers are its values. */
typedef struct Key {
    const char *name;
    Kind kind;
    size_t at;
    size_t size;
    const char *const *words;
} Key;

static const char *const offsets[] = { "sticks", "ignored", "rewinds", NULL };
static const char *const clock_guests[] = { "absent", "v6", "newest", NULL };
static const char *const master_clocks[] = { "never", "late", "early", NULL };
static const char *const pendings[] = { "nothing", "nmi", "smi", "init",
                                        "shutdown", "nested", NULL };
static const char *const leaps[] = { "none", "insert", "delete", "now", NULL };
static const char *const brinks[] = { "stays", "wakes", "moves", NULL };

#define MEMBER(member) offsetof(FakeHost, member), \
                       sizeof(((FakeHost *)NULL)->member)

static const Key keys[] = {
    { "khz", U32, MEMBER(khz), NULL },
    { "tsc-khz", U32, MEMBER(tsc_khz), NULL },
    { "rate-ppm", I32, MEMBER(rate_ppm), NULL },
    { "adjustment-ppt", I64, MEMBER(time.adjustment_ppt), NULL },
    { "tsc-start", U64, MEMBER(tsc_base_ticks), NULL },
    { "realtime", U64, MEMBER(realtime_base_ns), NULL },
    { "tai-offset", I32, MEMBER(time.tai_offset_s), NULL },
    { "max-error-ns", U64, MEMBER(time.max_error_ns), NULL },
    { "pending-ns", I64, MEMBER(pending_ns), NULL },
    { "synchronised", BOOLEAN, MEMBER(time.synchronised), NULL },
    { "leap", WORD, MEMBER(time.leap), leaps },
    { "boot-id", TEXT, MEMBER(id.boot_id), NULL },
    { "machine", TEXT, MEMBER(uuid), NULL },
    { "clocksource", TEXT, MEMBER(id.clocksource), NULL },
    { "tsc-control", BOOLEAN, MEMBER(tsc_control), NULL },
    { "frac-bits", U32, MEMBER(frac_bits), NULL },
    { "tolerance-ppm", U32, MEMBER(tolerance_ppm), NULL },
    { "scaling-fails", BOOLEAN, MEMBER(scaling_fails), NULL },
    { "tsc-offset", WORD, MEMBER(offset), offsets },
    { "tsc-offset-attribute", BOOLEAN, MEMBER(has_offset), NULL },
    { "tsc-scale-attribute", BOOLEAN, MEMBER(has_scale), NULL },
    { "clock-guest", WORD, MEMBER(clock_guest), clock_guests },
    { "clock-guest-waits", BOOLEAN, MEMBER(clock_guest_waits), NULL },
    { "master-clock", WORD, MEMBER(master_clock), master_clocks },
    { "unequal-offsets", BOOLEAN, MEMBER(unequal_offsets_allowed), NULL },
    { "clock-flags", U32, MEMBER(adjust_clock), NULL },
    { "late-ns", U64, MEMBER(bias_ns), NULL },
    { "late-noise-ns", U64, MEMBER(noise_ns), NULL },
    { "cold-ns", U64, MEMBER(cold_ns), NULL },
    { "cold-sets", I32, MEMBER(cold_sets), NULL },
    { "busy", I32, MEMBER(busy), NULL },
    { "skew", U64, MEMBER(skew_ticks), NULL },
    { "deadline", U64, MEMBER(deadline_ticks), NULL },
    { "hyperv", BOOLEAN, MEMBER(hyperv), NULL },
    { "reference-page", U64, MEMBER(reference_page), NULL },
    { "reenlightened", BOOLEAN, MEMBER(reenlightened), NULL },
    { "reference-timer", U64, MEMBER(reference_timer), NULL },
    { "xen", BOOLEAN, MEMBER(xen), NULL },
    { "xen-guest", U64, MEMBER(xen_guest), NULL },
    { "pending", WORD, MEMBER(pending), pendings },
    { "brink", WORD, MEMBER(brink), brinks },
    { "pause-ns", U64, MEMBER(pause_ns), NULL },
};

static bool fail(GError **error, const char *group, const char *key,
                 const char *what)
{
    g_set_error(error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_INVALID_VALUE,
                "fake hosts: [%s] %s: %s", group, key, what);
    return false;
}

static bool parse_number(const char *text, Kind kind, uint64_t *ret_value)
{
    char *end;
    guint64 value;

    errno = 0;
    value = kind == I32 || kind == I64
            ? (guint64)g_ascii_strtoll(text, &end, 0)
            : g_ascii_strtoull(text, &end, 0);
    if (errno || end == text || *end ||
        (kind == U32 && value > UINT32_MAX) ||
        (kind == I32 && (int64_t)value != (int32_t)value)) {
        return false;
    }
    *ret_value = value;
    return true;
}

static bool parse_word(const char *text, const char *const *words,
                       uint64_t *ret_value)
{
    uint64_t i;

    for (i = 0; words[i]; i++) {
        if (!strcmp(text, words[i])) {
            *ret_value = i;
            return true;
        }
    }
    return false;
}

static bool set_member(const Key *key, const char *text, FakeHost *host)
{
    static const char *const booleans[] = { "false", "true", NULL };
    char *member = (char *)host + key->at;
    uint64_t value;

    switch (key->kind) {
    case TEXT:
        return g_strlcpy(member, text, key->size) < key->size;
    case BOOLEAN:
        if (!parse_word(text, booleans, &value)) {
            return false;
        }
        *(bool *)member = value;
        return true;
    case WORD:
        if (!parse_word(text, key->words, &value)) {
            return false;
        }
        break;
    default:
        if (!parse_number(text, key->kind, &value)) {
            return false;
        }
    }
    /* x86 is little endian: the low bytes come first. */
    memcpy(member, &value, key->size);
    return true;
}

/* -- Faults: "KVM_SET_CLOCK#2=EINVAL KVM_GET_CLOCK#1+ KVM_RUN#1>HOST" -- */

static int errno_of(const char *name)
{
    int number;

    for (number = 1; number <= ERRNO_MAX; number++) {
        if (!g_strcmp0(strerrorname_np(number), name)) {
            return number;
        }
    }
    return 0;
}

static bool parse_fault(const char *text, GArray *faults)
{
    g_autofree char *call = NULL;
    const char *hash = strrchr(text, '#');
    FakeFault fault = { .error = EFAULT };
    char *end;

    if (!hash) {
        return false;
    }
    fault.number = (int)g_ascii_strtoull(hash + 1, &end, 10);
    if (*end == '+') {
        fault.for_ever = true;
        end++;
    }
    if (*end == '=') {
        fault.error = errno_of(end + 1);
    } else if (*end == '>') {
        fault.error = 0;
    } else if (*end) {
        return false;
    }
    if (fault.number < 1 || (!fault.error && *end != '>')) {
        return false;
    }
    fault.turns = fault.error ? NULL : g_strdup(end + 1);
    call = g_strndup(text, (gsize)(hash - text));
    fault.call = g_steal_pointer(&call);
    g_array_append_val(faults, fault);
    return true;
}

static bool parse_faults(const char *text, GArray *faults)
{
    g_auto(GStrv) words = g_strsplit_set(text, " ", -1);
    int i;

    for (i = 0; words[i]; i++) {
        if (*words[i] && !parse_fault(words[i], faults)) {
            return false;
        }
    }
    return true;
}

static void clear_fault(gpointer data)
{
    FakeFault *fault = data;

    g_free(fault->call);
    g_free(fault->turns);
    g_free(fault->turned);
}

/* -- Groups -- */

static bool take_key(const char *group, const char *name, const char *text,
                     FakeHost *host, GArray *faults, GError **error)
{
    size_t i;

    if (!strcmp(name, "fail")) {
        return parse_faults(text, faults) ||
               fail(error, group, name,
                    "not CALL#NUMBER[+][=ERRNO] or CALL#NUMBER>HOST ...");
    }
    for (i = 0; i < G_N_ELEMENTS(keys); i++) {
        if (!strcmp(name, keys[i].name)) {
            return set_member(&keys[i], text, host) ||
                   fail(error, group, name, text);
        }
    }
    return !strcmp(name, "like") ||
           fail(error, group, name, "there is no such key");
}

static GKeyFile *find_group(const char *group, const char *const *files,
                            GError **error)
{
    for (; *files; files++) {
        g_autoptr(GKeyFile) file = g_key_file_new();

        if (!g_file_test(*files, G_FILE_TEST_EXISTS)) {
            continue;
        }
        if (!g_key_file_load_from_file(file, *files, 0, error)) {
            g_prefix_error(error, "%s: ", *files);
            return NULL;
        }
        if (g_key_file_has_group(file, group)) {
            return g_steal_pointer(&file);
        }
    }
    fail(error, group, "host", "no file has it");
    return NULL;
}

/* First what it is like, then what it has of its own. */
static bool read_group(const char *group, const char *const *files, int depth,
                       FakeHost *host, GArray *faults, GError **error)
{
    g_autoptr(GKeyFile) file = find_group(group, files, error);
    g_autofree char *like = NULL;
    g_auto(GStrv) names = NULL;
    int i;

    if (!file) {
        return false;
    }
    like = g_key_file_get_string(file, group, "like", NULL);
    if (like && (depth == LIKE_DEPTH
                 ? !fail(error, group, "like", "it goes round in circles")
                 : !read_group(like, files, depth + 1, host, faults, error))) {
        return false;
    }
    names = g_key_file_get_keys(file, group, NULL, NULL);
    for (i = 0; names && names[i]; i++) {
        g_autofree char *text = g_key_file_get_string(file, group, names[i],
                                                      error);

        if (!text || !take_key(group, names[i], text, host, faults, error)) {
            return false;
        }
    }
    return true;
}

/* As programs find it out that can't ask the kernel. */
static uint32_t frac_bits_of_cpu(void)
{
    unsigned int eax, ebx, ecx, edx;

    return __get_cpuid(0x80000001, &eax, &ebx, &ecx, &edx) && ecx & CPUID_SVM
           ? CF_FRAC_BITS_AMD : CF_FRAC_BITS_INTEL;
}

/* Hosts are different ones if they have different names. */
static void complete(const char *name, FakeHost *host)
{
    g_autofree char *hex = g_compute_checksum_for_string(G_CHECKSUM_MD5, name,
                                                         -1);

    if (!*host->id.boot_id) {
        g_snprintf(host->id.boot_id, sizeof(host->id.boot_id),
                   "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12,
                   hex + 16, hex + 20);
    }
    if (!host->frac_bits) {
        host->frac_bits = frac_bits_of_cpu();
    }
    host->id.frac_bits = host->frac_bits;
}

/* What it goes on as is read beforehand: a call has no time for files. */
static bool read_turned(GArray *faults, const char *const *files,
                        GError **error)
{
    guint i;

    for (i = 0; i < faults->len; i++) {
        FakeFault *fault = &g_array_index(faults, FakeFault, i);
        g_autoptr(GArray) ignored = g_array_new(FALSE, FALSE,
                                                sizeof(FakeFault));

        g_array_set_clear_func(ignored, clear_fault);
        if (fault->turns) {
            fault->turned = g_new0(FakeHost, 1);
            if (!read_group(fault->turns, files, 0, fault->turned, ignored,
                            error)) {
                return false;
            }
        }
    }
    return true;
}

bool fake_host_read(const char *name, const char *const *files,
                    FakeHost *ret_host, GArray **ret_faults, GError **error)
{
    g_autoptr(GArray) faults = g_array_new(FALSE, FALSE, sizeof(FakeFault));
    FakeHost host = { 0 };

    g_array_set_clear_func(faults, clear_fault);
    if (!read_group(name, files, 0, &host, faults, error) ||
        !read_turned(faults, files, error)) {
        return false;
    }
    if (!host.khz) {
        return fail(error, name, "khz", "is missing");
    }
    complete(name, &host);
    *ret_host = host;
    *ret_faults = g_steal_pointer(&faults);
    return true;
}
