/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Makes a saved stream wrong. */
#ifndef TESTS_FUZZ_SECTIONS_EDITS_H
#define TESTS_FUZZ_SECTIONS_EDITS_H

#include "qemu/osdep.h"
#include "migration/vmstate.h"
#include "bytes.h"

typedef enum PartKind {
    PART_NUMBER, PART_SUBSECTION, PART_SECTION,
} PartKind;

/* A piece of a stream. */
typedef struct StreamPart {
    PartKind kind;
    const char *name;           /* of the field or description */
    size_t start, end;
} StreamPart;

/* A saved stream, and where in it is what. */
typedef struct Stream {
    GByteArray *data;
    GArray *parts;              /* of StreamPart */
    size_t exchange_at;         /* where their subsection belongs; 0: nowhere */
} Stream;

/* Adds a section that was just saved; it begins at @at. */
void stream_add_section(Stream *stream, const VMStateDescription *vmsd,
                        size_t at);

uint64_t stream_number(const Stream *stream, const StreamPart *part);
void stream_set_number(Stream *stream, const StreamPart *part, uint64_t value);

/* Of exchanges QEMU sends those that it had itself: none here. */
void stream_add_exchanges(Stream *stream, uint32_t n, const uint64_t *ticks,
                          unsigned int n_ticks);

/* How many edits were made; 1 is one number, 2 or more anything. */
unsigned int stream_edit(Stream *stream, Bytes *bytes);

#endif
