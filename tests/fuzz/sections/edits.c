/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where in a saved stream is what, by the descriptions that it was saved with;
 * and how it becomes wrong. */
#include "edits.h"

#define SUBSECTION 0x05
/* Type and number; instance and version; type and number of the footer */
#define HEADER_BYTES 5
#define NAMED_BYTES 8
#define FOOTER_BYTES 5

#define EDITS_MAX 8

/* -- Where is what -- */

static void add(Stream *stream, PartKind kind, const char *name, size_t start,
                size_t end)
{
    const StreamPart part = { kind, name, start, end };

    g_array_append_val(stream->parts, part);
}

static size_t add_fields(Stream *stream, const VMStateDescription *vmsd,
                         size_t at)
{
    const VMStateField *field;

    for (field = vmsd->fields; field && field->name; field++) {
        int n = field->flags & VMS_ARRAY ? field->num : 1;

        while (n-- > 0) {
            if (field->flags & VMS_STRUCT) {
                at = add_fields(stream, field->vmsd, at);
            } else {
                add(stream, PART_NUMBER, field->name, at, at + field->size);
                at += field->size;
            }
        }
    }
    return at;
}

static bool begins_here(const Stream *stream, const VMStateDescription *vmsd,
                        size_t at)
{
    const size_t length = strlen(vmsd->name);

    return at + 2 + length < stream->data->len &&
           stream->data->data[at] == SUBSECTION &&
           stream->data->data[at + 1] == length &&
           !memcmp(&stream->data->data[at + 2], vmsd->name, length);
}

static size_t add_body(Stream *stream, const VMStateDescription *vmsd,
                       size_t at)
{
    const VMStateDescription *const *sub;

    at = add_fields(stream, vmsd, at);
    if (!strcmp(vmsd->name, "kvmclock/guest_clock")) {
        stream->exchange_at = at;
    }
    for (sub = vmsd->subsections; sub && *sub; sub++) {
        const size_t start = at;

        if (begins_here(stream, *sub, at)) {
            at = add_body(stream, *sub, at + 2 + strlen((*sub)->name) + 4);
            add(stream, PART_SUBSECTION, (*sub)->name, start, at);
        }
    }
    return at;
}

void stream_add_section(Stream *stream, const VMStateDescription *vmsd,
                        size_t at)
{
    const size_t body = at + HEADER_BYTES + 1 + stream->data->data[at + 5] +
                        NAMED_BYTES;
    const size_t end = add_body(stream, vmsd, body) + FOOTER_BYTES;

    MUST(end == stream->data->len, "the stream of %s has %u bytes, not %zu",
         vmsd->name, stream->data->len, end);
    add(stream, PART_SECTION, vmsd->name, at, end);
}

/* -- Numbers -- */

uint64_t stream_number(const Stream *stream, const StreamPart *part)
{
    uint64_t value = 0;
    size_t i;

    for (i = part->start; i < part->end; i++) {
        value = value << 8 | stream->data->data[i];
    }
    return value;
}

void stream_set_number(Stream *stream, const StreamPart *part, uint64_t value)
{
    size_t i;

    for (i = part->end; i-- > part->start; value >>= 8) {
        stream->data->data[i] = (uint8_t)value;
    }
}

static const StreamPart *take_part_of(const Stream *stream, Bytes *bytes,
                                      bool numbers)
{
    const unsigned int n = stream->parts->len;
    unsigned int i = take_byte(bytes), left = n;

    while (left-- > 0) {
        const StreamPart *part = &g_array_index(stream->parts, StreamPart,
                                                i++ % n);

        if ((part->kind == PART_NUMBER) == numbers) {
            return part;
        }
    }
    return NULL;
}

static uint64_t take_other(Bytes *bytes, uint64_t value)
{
    switch (take_byte(bytes) % 5) {
    case 0:
        return take_u64(bytes);
    case 1:
        return value * 2;
    case 2:
        return value / 2;
    case 3:
        return 0 - value;
    default:
        return value + take_u64(bytes);
    }
}

/* One number; or two, of which the other one changes by as much. */
static void edit_number(Stream *stream, Bytes *bytes, bool two)
{
    const StreamPart *part = take_part_of(stream, bytes, true);
    const StreamPart *other = two ? take_part_of(stream, bytes, true) : NULL;
    const uint64_t was = stream_number(stream, part);
    const uint64_t is = take_other(bytes, was);

    stream_set_number(stream, part, is);
    if (other) {
        stream_set_number(stream, other,
                          stream_number(stream, other) + is - was);
    }
}

/* -- What isn't a number -- */

static void insert(GByteArray *data, size_t at, const uint8_t *piece,
                   size_t size)
{
    const guint behind = data->len - (guint)at;

    g_byte_array_set_size(data, data->len + (guint)size);
    memmove(&data->data[at + size], &data->data[at], behind);
    memcpy(&data->data[at], piece, size);
}

static void insert_any(GByteArray *data, size_t at, Bytes *bytes)
{
    uint8_t raw[16];
    const size_t n = take_byte(bytes) % sizeof(raw);
    size_t i;

    for (i = 0; i < n; i++) {
        raw[i] = take_byte(bytes);
    }
    insert(data, at, raw, n);
}

static void cut(GByteArray *data, size_t at, size_t size)
{
    g_byte_array_remove_range(data, (guint)at,
                              (guint)MIN(size, data->len - at));
}

/* A section or subsection, where it was, is cut, or comes once more: behind
 * itself, or anywhere. */
static void edit_part(GByteArray *data, const StreamPart *part, bool again,
                      size_t at)
{
    const size_t size = part->end - part->start;

    if (part->end > data->len) {
        return;
    }
    if (again) {
        g_autofree uint8_t *copy = g_memdup2(&data->data[part->start], size);

        insert(data, at ? at : part->end, copy, size);
    } else {
        cut(data, part->start, size);
    }
}

static void edit_piece(Stream *stream, Bytes *bytes)
{
    GByteArray *data = stream->data;
    const uint8_t kind = take_byte(bytes);
    const StreamPart *part = take_part_of(stream, bytes, false);
    const size_t at = data->len ? take_raw(bytes, 2) % data->len : 0;

    if (!data->len) {
        return;
    }
    switch (kind % 6) {
    case 0:
        data->data[at] ^= take_byte(bytes);
        break;
    case 1:
        g_byte_array_set_size(data, (guint)at);
        break;
    case 2:
        cut(data, at, take_byte(bytes) % 32);
        break;
    case 3:
        insert_any(data, at, bytes);
        break;
    default:
        edit_part(data, part, kind & 1, kind & 64 ? at : 0);
    }
}

static void append(GByteArray *bytes, uint64_t value, unsigned int size)
{
    const uint64_t big = GUINT64_TO_BE(value);

    g_byte_array_append(bytes, (const guint8 *)&big + 8 - size, size);
}

void stream_add_exchanges(Stream *stream, uint32_t n, const uint64_t *ticks,
                          unsigned int n_ticks)
{
    static const char name[] = "kvmclock/guest_clock/exchange";
    const size_t at = stream->exchange_at;
    g_autoptr(GByteArray) piece = g_byte_array_new();
    unsigned int i;

    if (!at) {
        return;
    }
    append(piece, SUBSECTION, 1);
    append(piece, strlen(name), 1);
    g_byte_array_append(piece, (const guint8 *)name, strlen(name));
    append(piece, 1, 4);
    append(piece, n, 4);
    for (i = 0; i < n_ticks; i++) {
        append(piece, ticks[i], 8);
    }
    insert(stream->data, at, piece->data, piece->len);
    for (i = 0; i < stream->parts->len; i++) {
        StreamPart *part = &g_array_index(stream->parts, StreamPart, i);

        part->start += part->start >= at ? piece->len : 0;
        part->end += part->end > at ? piece->len : 0;
    }
    add(stream, PART_SUBSECTION, name, at, at + piece->len);
    add(stream, PART_NUMBER, "n_exchanges", at + 6 + strlen(name),
        at + 10 + strlen(name));
    for (i = 0; i < n_ticks; i++) {
        const size_t start = at + 10 + strlen(name) + 8 * i;

        add(stream, PART_NUMBER, "ticks", start, start + 8);
    }
}

unsigned int stream_edit(Stream *stream, Bytes *bytes)
{
    const uint8_t how = take_byte(bytes);
    unsigned int numbers = (how & 15) % EDITS_MAX;
    unsigned int pieces = how >> 4 < 8 ? 0 : (how >> 4) - 8;
    const unsigned int edits = numbers + pieces * 2;
    bool two = false;

    while (numbers-- > 0) {
        edit_number(stream, bytes, two);
        two = take_bool(bytes);
    }
    while (pieces-- > 0) {
        edit_piece(stream, bytes);
    }
    return edits;
}
