/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the series adds to a migration stream, saved by QEMU's own code, made
 * wrong, and loaded by it: it is refused with a sentence, or what was loaded is
 * plausible, is saved and loaded again as it was, and is restored. Saved and
 * restored on hosts as tests/fake-kvm models them.
 */
#include "qemu/osdep.h"
#include <math.h>
#include "block/aio.h"
#include "io/channel-buffer.h"
#include "migration/qemu-file.h"
#include "migration/savevm.h"
#include "qemu/main-loop.h"
#include "sections/edits.h"
#include "sections/loader.h"
#include "sections/machine.h"
#include "sections/plausible.h"

#define SECOND_NS 1000000000LL
/* More than a second, and 0.1 % of what isn't old */
#define SILENT_NS (SECOND_NS + SECOND_NS / 10)

/* Story - what happens, but for what is done to the stream */
typedef struct Story {
    unsigned int host[2];
    KVMClockConfig config[2];
    unsigned int n_vcpus;
    uint32_t guest_khz;
    bool tells_time[2];
    bool stopped_before;        /* it is stopped by 'stop', and offered then */
    bool has_page;
    KVMPvclockRecord page;
    uint64_t ran_ns, offered_ns, away_ns;
    unsigned int n_exchanges;
    From from;
    unsigned int edits;
} Story;

/* What was loaded; to be compared with what is loaded again. */
typedef struct Loaded {
    KVMClockCarried carried;
    KVMClockOffer offer;
    X86GuestTSC tsc[VCPUS_MAX];
} Loaded;

static unsigned int n_hosts;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    n_hosts = machine_begin();
    return 0;
}

/* As a QEMU with the feature, or without it, starts on that host. */
static void begin_on(const Story *story, int side)
{
    machine_forget();
    model_become(story->host[side], story->n_vcpus,
                 side ? 0 : story->guest_khz);
    machine_set_vcpus(story->n_vcpus);
    carrier->config = story->config[side];
    carrier->tells_time = story->tells_time[side];
    kvmclock_probe_host(0, NULL, NULL);
    kvmclock_carrier_run(carrier);
    g_string_truncate(said, 0);
}

/* -- What happens -- */

static KVMClockConfig take_config(Bytes *bytes)
{
    const uint8_t how = take_byte(bytes);
    KVMClockConfig config = {
        .enabled = how & 15, .exchange = how & 240,
        .require = KVM_CLOCK_RUNG_PLAIN, .blackout_limit_s = 600,
    };
    const uint8_t which = take_byte(bytes);

    config.policy = which % KVM_CLOCK_POLICY__MAX;
    if (which & 128) {
        config.require = take_byte(bytes) % KVM_CLOCK_RUNG__MAX;
        config.blackout = take_byte(bytes) % KVM_CLOCK_BLACKOUT__MAX;
        config.blackout_limit_s = (uint32_t)take_u64(bytes);
    }
    return config;
}

static KVMPvclockRecord take_record(Bytes *bytes)
{
    return (KVMPvclockRecord) {
        .version = take_byte(bytes), .flags = take_byte(bytes),
        .tsc_timestamp = take_u64(bytes), .system_time = take_u64(bytes),
        .tsc_to_system_mul = (uint32_t)take_u64(bytes),
        .tsc_shift = (int8_t)take_byte(bytes),
    };
}

static Story take_story(Bytes *bytes)
{
    const uint8_t how = take_byte(bytes), more = take_byte(bytes);
    Story story = {
        .n_vcpus = 1 + (how & 1), .stopped_before = how & 2,
        .tells_time = { how & 4, (how & 4) ^ (more & 7 ? 0 : 4) },
        .from = (how >> 3) % FROM_MAX,
        .n_exchanges = how & 32 ? more >> 4 : 0,
        .has_page = how >= 240,
    };

    story.host[0] = take_byte(bytes) % n_hosts;
    story.host[1] = how & 64 ? story.host[0] : take_byte(bytes) % n_hosts;
    story.config[0] = take_config(bytes);
    story.config[0].enabled = true;
    story.config[1] = take_config(bytes);
    story.guest_khz = how & 128 ? take_usual_khz(bytes) : 0;
    story.ran_ns = take_raw(bytes, 5);
    story.offered_ns = take_raw(bytes, 5);
    story.away_ns = take_raw(bytes, 5);
    if (story.has_page) {
        story.page = take_record(bytes);
    }
    return story;
}

/* -- The source -- */

static bool save(Stream *stream, const char *name, uint32_t instance,
                 const VMStateDescription *vmsd)
{
    QIOChannelBuffer *buffer = qio_channel_buffer_new(1024);
    QEMUFile *file = qemu_file_new_output(QIO_CHANNEL(buffer));
    const bool saved = loader_save(file, name, instance);
    const size_t at = stream->data->len;

    qemu_fflush(file);
    if (saved && buffer->usage) {
        g_byte_array_append(stream->data, buffer->data,
                            (guint)buffer->usage);
        stream_add_section(stream, vmsd, at);
    }
    qemu_fclose(file);
    object_unref(OBJECT(buffer));
    return saved;
}

static bool save_offer(Stream *stream)
{
    return save(stream, "kvmclock_offer", 0, &vmstate_kvmclock_offer);
}

static bool save_clocks(Stream *stream, unsigned int n_vcpus)
{
    unsigned int i;

    for (i = 0; i < n_vcpus; i++) {
        if (!save(stream, "cpu", i, &vmstate_cpu)) {
            return false;
        }
    }
    return save(stream, "kvmclock", 0, kvmclock_vmsd);
}

/* The vmclock device's part. */
static void bring_utc(void)
{
    if (carrier->tells_time && carrier->carried_from == CARRIED_CAPTURED) {
        carrier->carried.utc = (struct cf_utc) {
            carrier->carried.anchor.instant.realtime_ns, 100000,
        };
    }
}

static void stop(const Story *story)
{
    model_stop();
    kvmclock_carrier_stop(carrier, story->stopped_before
                                   ? RUN_STATE_PAUSED
                                   : RUN_STATE_FINISH_MIGRATE);
    bring_utc();
}

static bool leave(const Story *story, Stream *stream, uint64_t *ret_stopped_ns)
{
    begin_on(story, 0);
    model_run();
    if (story->has_page) {
        model_set_page(&story->page);
    }
    model_wait_ns(story->ran_ns);
    *ret_stopped_ns = model_now_ns();
    if (story->stopped_before) {
        stop(story);
    }
    if (!save_offer(stream)) {
        return false;
    }
    model_wait_ns(story->offered_ns);
    if (!story->stopped_before) {
        *ret_stopped_ns = model_now_ns();
        stop(story);
    }
    return save_clocks(stream, story->n_vcpus);
}

/* Who a host is was read once, at the start: here, of the first one. */
static void become_another(const Story *story, Stream *stream)
{
    guint i;

    for (i = 0; story->host[0] != story->host[1] && i < stream->parts->len;
         i++) {
        const StreamPart *part = &g_array_index(stream->parts, StreamPart, i);

        if (!strcmp(part->name, "boot_id.data") ||
            !strcmp(part->name, "offer.from.machine")) {
            stream_set_number(stream, part, stream_number(stream, part) ^ 1);
        }
    }
}

/* Of messages 1 ms apart before the stop, the source's part and the other's. */
static uint64_t sent_ns(const Story *story, uint64_t stopped_ns, unsigned int i)
{
    return stopped_ns - (story->n_exchanges - i) * 1000000ULL;
}

static void add_exchanges(const Story *story, Stream *stream,
                          uint64_t stopped_ns)
{
    uint64_t ticks[2 * MIG_EXCHANGES] = { 0 };
    unsigned int i;

    for (i = 0; i < MIN(story->n_exchanges, MIG_EXCHANGES); i++) {
        const uint64_t ns = sent_ns(story, stopped_ns, i);

        ticks[2 * i] = model_ticks(ns);
        ticks[2 * i + 1] = model_ticks(ns + 100000);
    }
    if (story->n_exchanges) {
        stream_add_exchanges(stream, story->n_exchanges, ticks,
                             2 * MIG_EXCHANGES);
    }
}

static void note_arrivals(const Story *story, uint64_t stopped_ns)
{
    const uint64_t now_ns = model_now_ns();
    unsigned int i;

    for (i = 0; i < MIN(story->n_exchanges, MIG_EXCHANGES); i++) {
        model_set_now_ns(sent_ns(story, stopped_ns, i) + 30000);
        migration_exchange_arrived(QEMU_VM_PING_EXCHANGE + i);
    }
    model_set_now_ns(now_ns);
}

/* -- What was loaded -- */

static bool is_reason(const char *line)
{
    return *line && !strstr(line, "warning: ") && !strstr(line, "info: ");
}

/* What it has taken all the same, it has told of before that. */
static void must_be_refused(void)
{
    const char *taken = g_strrstr(said->str, "taking the guest all the same");
    g_auto(GStrv) lines = g_strsplit(taken ? taken : said->str, "\n", -1);
    int reasons = 0, ours = 0;
    char **line;

    for (line = taken ? lines + 1 : lines; *line; line++) {
        const bool is_ours = g_str_has_prefix(*line,
                                              "fuzz-sections: kvmclock: ");

        /* QEMU's own quote names from the stream. */
        if (is_ours) {
            must_be_line(*line);
        }
        reasons += is_reason(*line);
        ours += is_ours && is_reason(*line);
    }
    MUST(reasons, "refused without a word");
    MUST(ours <= 1, "refused in %d sentences:\n%s", ours, said->str);
}

/* -- The destination -- */

static bool load(const GByteArray *data)
{
    QIOChannelBuffer *buffer = qio_channel_buffer_new(data->len + 1);
    QEMUFile *file;
    bool loaded;

    memcpy(buffer->data, data->data, data->len);
    buffer->data[data->len] = QEMU_VM_EOF;
    buffer->usage = data->len + 1;
    file = qemu_file_new_input(QIO_CHANNEL(buffer));
    loaded = loader_load(file);
    qemu_fclose(file);
    object_unref(OBJECT(buffer));
    return loaded;
}

static Loaded loaded_now(void)
{
    Loaded loaded = {
        carrier->carried, carrier->offer,
        { cpus[0]->env.guest_tsc, cpus[1]->env.guest_tsc },
    };

    return loaded;
}

static void put_back(const Loaded *loaded)
{
    carrier->carried = loaded->carried;
    carrier->offer = loaded->offer;
    cpus[0]->env.guest_tsc = loaded->tsc[0];
    cpus[1]->env.guest_tsc = loaded->tsc[1];
}

/* Exchanges were with the host that it came from. */
static void must_be_same_state(const KVMClockCarried *a,
                               const KVMClockCarried *b)
{
#define SAME(member) \
    MUST(!memcmp(&a->member, &b->member, sizeof(a->member)), #member)
    SAME(flags);
    SAME(host_khz);
    SAME(boot_id);
    SAME(machine);
    SAME(fn.tsc_ticks);
    SAME(fn.system_ns);
    SAME(fn.mul);
    SAME(fn.shift);
    SAME(anchor.flags);
    SAME(anchor.clock_ns);
    SAME(anchor.slack_ns);
    SAME(anchor.instant.host_ticks);
    SAME(anchor.instant.realtime_ns);
    SAME(anchor.instant.tai_offset_s);
    SAME(max_error_ns);
    SAME(rate.ppt);
    SAME(rate.doubt_ppt);
    SAME(meant);
    SAME(ahead_ns);
    SAME(utc.ns);
    SAME(utc.error_ns);
#undef SAME
}

/* Who has loaded it passes it on as it came. */
static void must_load_again(const Story *story)
{
    const Loaded was = loaded_now();
    const KVMClockConfig config = carrier->config;
    Stream stream = { g_byte_array_new(),
                      g_array_new(false, false, sizeof(StreamPart)) };
    Loaded is;

    carrier->config.exchange = true;
    carrier->config.policy = KVM_CLOCK_POLICY_LAX;
    carrier->config.require = KVM_CLOCK_RUNG_PLAIN;
    machine_come_from(FROM_FILE);
    MUST(save_offer(&stream) && save_clocks(&stream, story->n_vcpus),
         "it can't be saved again: %s", said->str);
    kvmclock_carrier_drop(carrier);
    MUST(load(stream.data), "it isn't loaded again: %s", said->str);
    MUST(carrier->carried_from == CARRIED_LOADED, "it is lost: %s", said->str);
    is = loaded_now();
    must_be_same_state(&was.carried, &is.carried);
    MUST(!memcmp(was.tsc, is.tsc, sizeof(X86GuestTSC) * story->n_vcpus),
         "the TSCs");

    put_back(&was);
    carrier->config = config;
    machine_come_from(story->from);
    g_byte_array_unref(stream.data);
    g_array_unref(stream.parts);
}

/* -- It runs -- */

static bool was_said(const char *word)
{
    return strstr(said->str, word);
}

static int64_t counted_ns(const KVMClockReport *report)
{
    return report->move.frozen ? 0 : report->move.elapsed_ns;
}

/* Off by more than a second only if it was said: in a warning, or by how much
 * time counts. With more than one lie in the stream nobody could tell. */
static void must_be_right(const Story *story, uint64_t stopped_ns)
{
    const KVMClockReport *report = &carrier->report;
    const uint64_t now_ns = model_now_ns();
    const ModelClocks is = model_clocks(true, now_ns);
    const ModelClocks was = model_clocks(false, now_ns);
    const int64_t told_ns = counted_ns(report) -
                            (int64_t)(now_ns - stopped_ns);
    unsigned int i;

    if (story->edits > 1 || story->has_page || !report->valid ||
        was_said("warning: ")) {
        return;
    }
    MUST(!is.known || !was.known ||
         llabs(is.clock_ns - was.clock_ns - told_ns) <= SILENT_NS,
         "kvmclock is %.3f s off, silently",
         (is.clock_ns - was.clock_ns - told_ns) / 1e9);
    for (i = 0; i < story->n_vcpus; i++) {
        const double off_ns = (int64_t)(is.tsc_ticks[i] - was.tsc_ticks[i]) /
                              was.tsc_hz * SECOND_NS - told_ns;

        MUST(report->result.tsc == CF_TSC_NOT_SET ||
             fabs(off_ns) <= SILENT_NS, "vCPU %u: its TSC is %.3f s off, "
             "silently", i, off_ns / SECOND_NS);
    }
}

static void run(const Story *story, uint64_t stopped_ns)
{
    const KVMClockReport *report = &carrier->report;
    const bool carried = kvmclock_has_carried(carrier);

    kvmclock_carrier_run(carrier);
    aio_bh_poll(qemu_get_aio_context());
    model_run();
    MUST(!carried || report->valid || carrier->not_restored,
         "its clocks are lost without a word");
    if (report->valid) {
        MUST(counted_ns(report) >= 0 &&
             (counted_ns(report) <= carrier->config.blackout_limit_s *
              SECOND_NS || was_said("blackout-limit")), "counts %" PRId64,
             counted_ns(report));
        must_be_right(story, stopped_ns);
    }
}

static void arrive(const Story *story, const Stream *stream,
                   uint64_t stopped_ns)
{
    model_wait_ns(story->away_ns);
    begin_on(story, 1);
    note_arrivals(story, stopped_ns);
    machine_come_from(story->from);
    if (!load(stream->data)) {
        must_be_refused();
        return;
    }
    if (carrier->offered) {
        must_be_plausible_offer(carrier);
    }
    if (carrier->carried_from == CARRIED_LOADED) {
        must_be_plausible_arrival(carrier, story->n_vcpus);
        if (carrier->offered && kvmclock_has_carried(carrier)) {
            must_load_again(story);
        }
    }
    run(story, stopped_ns);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Bytes bytes = { data, size };
    Story story = take_story(&bytes);
    Stream stream = { g_byte_array_new(),
                      g_array_new(false, false, sizeof(StreamPart)) };
    uint64_t stopped_ns;

    model_set_now_ns(SECOND_NS * 1000);
    if (leave(&story, &stream, &stopped_ns)) {
        become_another(&story, &stream);
        add_exchanges(&story, &stream, stopped_ns);
        story.edits = stream_edit(&stream, &bytes);
        arrive(&story, &stream, stopped_ns);
    }
    g_byte_array_unref(stream.data);
    g_array_unref(stream.parts);
    return 0;
}
