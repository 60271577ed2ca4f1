# SPDX-License-Identifier: GPL-2.0-or-later
"""A recorded stream, and how it can be wrong: numbers that lie, and parts that
are damaged, missing, doubled, or not where they belong.

Only what the series adds to streams is changed, and the headers around it."""
import functools
import json
import struct
from collections import namedtuple

from harness import stream
from harness.fakehost import KHZ

SECOND_NS = 10 ** 9
YEAR_S = 365 * 86400
# By how much a number may be off, as a time in ns, in ticks and in s.
STEPS = (1, 2, SECOND_NS, 3600 * SECOND_NS, YEAR_S * SECOND_NS,
         100 * YEAR_S * SECOND_NS, KHZ * 1000, KHZ * 1000 * YEAR_S, 3600,
         100 * YEAR_S)
NANS = {4: (0x7fc00000, 0xffc00001, 0x7f800000),
        8: (0x7ff8 << 48, 0xfff8 << 48 | 1, 0x7ff0 << 48)}

# A description that says nothing: QEMU only reads past it.
NO_DESCRIPTION = bytes([stream.VMDESCRIPTION, 0, 0, 0, 0])
# Sections of which only the series' part is ours.
SHARED = "cpu."
OURS = ("kvmclock_offer.0", "kvmclock.0")

# What was done, in words, and the stream.
Changed = namedtuple("Changed", "name data")
Part = namedtuple("Part", "name start end")


def _fields(*sizes):
    return [{"name": name, "size": size} for name, size in sizes]


EXCHANGES = 8
# What streams have only sometimes: in which vmsd, its own one, and good data.
SOMETIMES = (
    ("kvmclock_offer/machine", _fields(("offer.from.machine", 8)),
     struct.pack(">Q", 1 << 40)),
    ("kvmclock_offer/time", _fields(("offer.tells_time", 1)), bytes(1)),
    ("kvmclock/guest_clock/exchange",
     _fields(("n_exchanges", 4), *(
         ("%s%d" % (what, i), 8) for i in range(EXCHANGES)
         for what in ("sent", "back"))), bytes(4 + 16 * EXCHANGES)),
    ("kvmclock/guest_clock/rate",
     _fields(("carried.rate.ppt", 8), ("carried.rate.doubt_ppt", 8)),
     struct.pack(">qq", 1000, 10 ** 7)),
    ("kvmclock/guest_clock/ahead", _fields(("carried.ahead_ns", 8)),
     struct.pack(">q", 2)),
    ("kvmclock/guest_clock/utc",
     _fields(("carried.utc.ns", 8), ("carried.utc.error_ns", 8)),
     struct.pack(">QQ", 1800000000 * SECOND_NS, 10 ** 8)),
)


def complete(data):
    """The stream with everything of ours that streams have only sometimes."""
    for name, fields, content in SOMETIMES:
        data = _with(data, name, fields, content)
    return data


def _with(data, name, fields, content):
    description = stream.describe(data)
    kinds = [(path, start, end) for kind, path, start, end in
             stream.parts(data) if kind != "number"]
    owner = name.rsplit("/", 1)[0]
    if any(path[-1] == name for path, _, _ in kinds):
        return data
    path, _, end = next(part for part in kinds
                        if part[0][-1].partition(".")[0] == owner)
    if len(path) == 1:
        end -= stream.FOOTER_BYTES
    section = next(device for device in description["devices"]
                   if device["name"] == path[0].partition(".")[0])
    vmsd = section if len(path) == 1 else next(
        one for one in section["subsections"] if one["vmsd_name"] == owner)
    vmsd.setdefault("subsections", []).append(
        {"vmsd_name": name, "version": 1, "fields": fields})
    text = json.dumps(description).encode()
    return data[:end] + stream.make_subsection(name, content) + \
        data[end:stream.description_start(data)] + \
        bytes([stream.VMDESCRIPTION]) + struct.pack(">I", len(text)) + text


class Recorded:
    """A good stream, and where our parts of it stand."""

    def __init__(self, data):
        parts = [("/".join(path), path, kind, start, end) for
                 kind, path, start, end in stream.parts(data)]
        self.data = data[:stream.description_start(data)] + NO_DESCRIPTION

        def ours(*kinds):
            return [Part(name, start, end)
                    for name, path, kind, start, end in parts
                    if kind in kinds and (path[0] in OURS or
                                          "cpu/guest_tsc" in path)]

        self.numbers = ours("number")
        self.subsections = ours("subsection")
        self.sections = [Part(name, start, end)
                         for name, path, kind, start, end in parts
                         if kind == "section" and
                         (path[0] in OURS or path[0].startswith(SHARED))]
        self.spans = [part for part in self.sections if part.name in OURS] + \
            [part for part in self.subsections
             if part.name.startswith(SHARED)]

    def number(self, name):
        """The first one whose name ends so."""
        return next(part for part in self.numbers if part.name.endswith(name))

    def get(self, part):
        return int.from_bytes(self.data[part.start:part.end], "big")

    def put(self, data, part, value):
        size = part.end - part.start
        value &= (1 << 8 * size) - 1
        return data[:part.start] + value.to_bytes(size, "big") + \
            data[part.end:]

    def twin(self, part):
        """The same number in the offer or with the clocks, if there is one. If
        both tell of another host TSC, nothing contradicts, where no function
        of kvmclock is known: then that is the source's word."""
        one, other = ("/offer.from/",
                      "/kvmclock/guest_clock/carried/")
        name = part.name.replace(OURS[0] + one, OURS[1] + other) \
            if one in part.name else \
            part.name.replace(OURS[1] + other, OURS[0] + one)
        return next((found for found in self.numbers
                     if found.name == name != part.name and
                     not name.endswith("host_ticks")), None)


# -- Numbers --

def extremes(value, size):
    """Well-formed values that are far off, or just off."""
    bits = 8 * size
    if size > 8:
        return [0, (1 << bits) - 1]
    found = [0, 1, (1 << bits) - 1, 1 << bits - 1, (1 << bits - 1) - 1,
             value * 2, value // 2, value ^ 1 << bits - 1]
    found += NANS.get(size, ())
    for step in STEPS:
        if step < 1 << bits:
            found += [value + step, value - step]
    mask = (1 << bits) - 1
    return list(dict.fromkeys(one & mask for one in found
                              if one & mask != value))


def each_extreme(recorded):
    """Each number of ours at each of them, one at a time: as functions, for
    what is true of one such stream is true of the next one."""
    for index, part in enumerate(recorded.numbers):
        for which in range(len(extremes(recorded.get(part),
                                        part.end - part.start))):
            yield functools.partial(_extreme, index, which)


def _extreme(index, which, recorded):
    part = recorded.numbers[index]
    found = extremes(recorded.get(part), part.end - part.start)
    value = found[which % len(found)]
    return Changed("%s = %#x" % (part.name, value),
                   recorded.put(recorded.data, part, value))


def _any_value(rng, value, size):
    bits = 8 * size
    how = rng.random()
    if how < 0.5:
        return rng.choice(extremes(value, size))
    if how < 0.7:
        return value + rng.choice((-1, 1)) * (1 << rng.randrange(bits))
    if how < 0.85:
        return value ^ 1 << rng.randrange(bits)
    return rng.randrange(1 << bits) >> rng.randrange(bits)


def some_numbers(rng, recorded):
    """Several at once; offer and clocks may tell the same lie."""
    data, said = recorded.data, []
    both = rng.random() < 0.5
    for part in rng.sample(recorded.numbers, rng.choice((1, 2, 2, 3, 5))):
        value = _any_value(rng, recorded.get(part), part.end - part.start)
        said.append("%s = %#x" % (part.name, value & (1 << 64) - 1))
        data = recorded.put(data, part, value)
        twin = both and recorded.twin(part)
        if twin:
            data = recorded.put(data, twin, value)
            said[-1] += " in both"
    return Changed(", ".join(said), data)


# -- Bytes --

def flipped(rng, recorded):
    data, said = bytearray(recorded.data), []
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        span = rng.choice(recorded.spans)
        at, bit = rng.randrange(span.start, span.end), rng.randrange(8)
        data[at] ^= 1 << bit
        said.append("%d of %s" % (at - span.start, span.name))
    return Changed("flipped byte " + ", ".join(said), bytes(data))


def inserted(rng, recorded):
    span = rng.choice(recorded.spans)
    at, count = rng.randrange(span.start, span.end), rng.choice((1, 4, 8, 100))
    if rng.random() < 0.5:
        what, data = "left out", b""
        end = min(at + count, span.end)
    else:
        what, data = "put in", rng.randbytes(count)
        end = at
    return Changed("%s %d bytes at %d of %s" % (what, count, at - span.start,
                                                span.name),
                   recorded.data[:at] + data + recorded.data[end:])


def cut_off(rng, recorded):
    """The stream ends in a section of ours."""
    span = rng.choice(recorded.spans)
    at = rng.randrange(span.start, span.end)
    return Changed("ends at byte %d of %s" % (at - span.start, span.name),
                   recorded.data[:at])


# -- Parts --

def _spliced(data, *pieces):
    """Each (start, end, bytes) replaced; they don't overlap."""
    for start, end, new in sorted(pieces, reverse=True):
        data = data[:start] + new + data[end:]
    return data


def doubled(rng, recorded):
    part = rng.choice(recorded.sections + recorded.subsections)
    count = rng.choice((1, 1, 2, 20))
    content = recorded.data[part.start:part.end]
    return Changed("%s comes %d times" % (part.name, 1 + count),
                   _spliced(recorded.data,
                            (part.end, part.end, content * count)))


def left_out(rng, recorded):
    """A vCPU's own section isn't ours to leave out: it would never run."""
    part = rng.choice(recorded.subsections +
                      [part for part in recorded.sections
                       if part.name in OURS])
    return Changed("no %s" % part.name,
                   _spliced(recorded.data, (part.start, part.end, b"")))


def moved(rng, recorded):
    """To the end of another part of its kind, also of another device's."""
    parts = rng.choice((recorded.sections, recorded.subsections))
    part, to = rng.choice(parts), rng.choice(parts)
    if part.start <= to.end <= part.end:
        return doubled(rng, recorded)
    content = recorded.data[part.start:part.end]
    return Changed("%s behind %s" % (part.name, to.name),
                   _spliced(recorded.data, (part.start, part.end, b""),
                            (to.end, to.end, content)))


def swapped(rng, recorded):
    parts = rng.choice((recorded.sections, recorded.subsections))
    one, other = sorted(rng.sample(parts, 2), key=lambda part: part.start)
    if one.end > other.start:
        return moved(rng, recorded)
    return Changed("%s and %s swapped" % (one.name, other.name), _spliced(
        recorded.data,
        (one.start, one.end, recorded.data[other.start:other.end]),
        (other.start, other.end, recorded.data[one.start:one.end])))


def header(rng, recorded):
    """Another version, instance, identity, or length of a name; but a vCPU
    that gets another's state never runs, as with QEMU without the series."""
    part = rng.choice(recorded.sections + recorded.subsections)
    section = part in recorded.sections
    at = part.start + (5 if section else 1)         # the name's length
    size = recorded.data[at]
    what, at, width = rng.choice(
        [("length of the name", at, 1),
         ("version", at + 1 + size + (4 if section else 0), 4)] +
        ([("instance", at + 1 + size, 4), ("identity", part.start + 1, 4),
          ("kind", part.start, 1)] if part.name in OURS else []))
    value = rng.choice((0, 1, 2, 3, 11, 12, 13, 255, 0x7fffffff, 0xffffffff,
                        rng.randrange(1 << 32))) & (1 << 8 * width) - 1
    return Changed("%s of %s is %d" % (what, part.name, value), _spliced(
        recorded.data, (at, at + width, value.to_bytes(width, "big"))))


WAYS = ((some_numbers, 50), (flipped, 15), (inserted, 5), (doubled, 8),
        (left_out, 4), (moved, 6), (swapped, 4), (header, 8))


def random(rng, recorded, ends=False):
    """Any of these; ends: a stream may also end too early."""
    ways = WAYS + ((cut_off, 8),) if ends else WAYS
    way, = rng.choices([way for way, _ in ways], [often for _, often in ways])
    return way(rng, recorded)
