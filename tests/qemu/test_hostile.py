# SPDX-License-Identifier: GPL-2.0-or-later
"""Neither guest memory nor the stream can make QEMU crash."""
import os
import random
import struct
import tempfile

import hotplug
from harness import fakehost, layout, measure, stream
from harness.binaries import start
from harness.check import WORST_NS, crashed, patched, patched_off, tries
from harness.guest import GuestError
from harness.migrate import arrive, go, incoming, load, wait_loaded
from harness.pvclock import signed64
from harness.tap import note
from test_off import record as record_never_run

# Offset in the record and what the guest puts there.
LIES = {
    "TSC of 2^64-1": (layout.PV_TSC, struct.pack("<Q", (1 << 64) - 1)),
    "TSC of 2^63": (layout.PV_TSC, struct.pack("<Q", 1 << 63)),
    "TSC of 0": (layout.PV_TSC, bytes(8)),
    "time of 2^64-1": (layout.PV_SYSTEM_TIME, b"\xff" * 8),
    "time of 146 years": (layout.PV_SYSTEM_TIME, struct.pack("<Q", 1 << 62)),
    "mul 0": (layout.PV_MUL, bytes(4)),
    "mul 1": (layout.PV_MUL, struct.pack("<I", 1)),
    "mul 2^32-1": (layout.PV_MUL, b"\xff" * 4),
    "shift 127": (layout.PV_SHIFT, b"\x7f"),
    "shift -128": (layout.PV_SHIFT, b"\x80"),
    "shift -32": (layout.PV_SHIFT, b"\xe0"),
    "shift 31": (layout.PV_SHIFT, b"\x1f"),
    "odd version": (layout.PV_VERSION, struct.pack("<I", 7)),
    "flags all set": (layout.PV_FLAGS, b"\xff"),
    "all zero": (0, bytes(layout.PV_SIZE)),
    "all ones": (0, b"\xff" * layout.PV_SIZE),
}

# Where fn.system_ns and anchor.clock_ns are in vmstate_kvmclock_carried, and a
# clock that has one more millisecond.
SYSTEM_NS_AT = 32
CLOCK_NS_AT = 52
LAST_NS = 2 ** 63 - 10 ** 6


def lie(guest, offset, value):
    for index in range(guest.vcpus):
        at = guest.slot_address(index) + layout.SLOT_RECORD + offset
        guest.write(at, value)


def cross_lying(side, name, kvmclock):
    """The guest arrives, or is refused and lives on: no QEMU crashes.

    Returns how far its clock is off then, or None if it was refused."""
    with start(side, kvmclock=kvmclock) as source:
        source.wait_up()
        destination, uri = incoming(side, kvmclock=kvmclock)
        with destination:
            honest = source.slot().record
            lie(source, *LIES[name])
            info = go(source, uri)
            if info["status"] != "completed":
                ended = destination.wait_exit()
                assert not crashed(ended), destination.stderr()
                source.qmp.execute("query-status")
                return None
            assert wait_loaded(destination), \
                "the guest is lost: " + destination.stderr()
            # KVM writes the record anew, so the guest sees a good one again.
            destination.wait_beating()
            slot = destination.slot()
            return signed64(slot.record.at(slot.tsc) - honest.at(slot.tsc))


def all_lies(side, kvmclock=None, limit_ns=None):
    """limit_ns: how far off the true clock a lie may lead."""
    failures = []
    for name in LIES:
        try:
            found = cross_lying(side, name, kvmclock or {})
            note("%s: %s ns off" % (name, found))
            assert limit_ns is None or abs(found or 0) <= limit_ns, \
                "the lie was believed: %d ns off" % found
        except (AssertionError, GuestError) as error:
            failures.append("%s: %s" % (name, error))
    assert not failures, "\n".join(failures)


def test_memory_on():
    """A lying pvclock page, feature on: no crash, and the lie isn't believed."""
    all_lies(patched(), limit_ns=WORST_NS)


def test_memory_off():
    """A lying pvclock page, feature off."""
    all_lies(patched_off())


def test_memory_unreliable():
    """A lying pvclock page where QEMU trusts the page most: stock aborts."""
    all_lies(patched_off(), {"x-mach-use-reliable-get-clock": "off"})


def saved(side):
    with start(side, vcpus=2) as source:
        source.wait_up()
        path = source.path("stream")
        info = go(source, "file:" + path)
        assert info["status"] == "completed", info
        with open(path, "rb") as file:
            return file.read()


def our_fields(data):
    """Fields that only a QEMU with the feature on sends."""
    known = {path for path, _, _ in
             stream.fields(record_never_run(patched_off(), vcpus=2))}
    return [field for field in stream.fields(data)
            if field[0] not in known and field[2]]


def whole_field_changes(fields):
    for path, at, size in fields:
        name = "/".join(path)
        for value in b"\x00" * size, b"\xff" * size, b"\x80" + bytes(size - 1):
            yield "%s = %s" % (name, value[:8].hex()), at, value


def byte_changes(data, fields):
    for path, at, size in fields:
        for place in range(at, at + size):
            for mask in 0x01, 0x80, 0xff:
                yield ("%s byte %d ^ %#x" % ("/".join(path), place - at, mask),
                       place, bytes([data[place] ^ mask]))


def load_changed(data, at, value, path):
    """Ends cleanly or runs; anything else is an error."""
    with open(path, "wb") as file:
        file.write(data[:at] + value + data[at + len(value):])
    with load(patched(), "file:" + path, vcpus=2) as guest:
        if wait_loaded(guest):
            guest.qmp.execute("query-status")
            return "runs"
        ended = guest.wait_exit()
        assert not crashed(ended), "signal %d: %s" % (-ended, guest.stderr())
        assert ended == 1, "exit status %s" % ended
        assert guest.stderr().strip(), "it ended without a word"
        return "refused"


def test_stream():
    """Our sections with each field and byte changed: run or a clean error."""
    seed = int(os.environ.get("CLOCKFERRY_SEED", random.randrange(1 << 32)))
    note("CLOCKFERRY_SEED=%d" % seed)
    data = saved(patched())
    fields = our_fields(data)
    assert fields, "the stream has nothing of ours"
    some = list(byte_changes(data, fields))
    random.Random(seed).shuffle(some)
    changes = list(whole_field_changes(fields)) + some[:tries(150)]
    count = {"runs": 0, "refused": 0}
    failures = []
    with tempfile.TemporaryDirectory(prefix="clockferry-") as folder:
        path = os.path.join(folder, "stream")
        for name, at, value in changes:
            try:
                count[load_changed(data, at, value, path)] += 1
            except (AssertionError, GuestError) as error:
                failures.append("%s: %s" % (name, error))
    note("%d fields, %d changes: %s" % (len(fields), len(changes), count))
    assert not failures, "\n".join(failures)


def one_faster(plugged):
    """A guest's stream in which the last vCPU's TSC is 1 % faster, and what
    QEMU needs to load it."""
    with start(patched(), vcpus=1 if plugged else 2,
               extra=hotplug.ROOM if plugged else []) as guest:
        guest.wait_up()
        if plugged:
            hotplug.plug(guest)
        path = guest.path("stream")
        assert go(guest, "file:" + path)["status"] == "completed"
        with open(path, "rb") as file:
            data = bytearray(file.read())
        extra = hotplug.plugged(guest) if plugged else []
    at = [at for name, at, _ in stream.fields(data)
          if name[-2] == "cpu/guest_tsc" and name[-1].endswith("ratio")][-1]
    ratio, = struct.unpack_from(">Q", data, at)
    struct.pack_into(">Q", data, at, ratio + ratio // 100 + 1)
    return data, extra


def test_one_faster():
    """If one vCPU's TSC has another frequency, no clock is carried; nor if it
    was plugged in, and so is loaded after the clocks."""
    for plugged in False, True:
        data, extra = one_faster(plugged)
        with tempfile.NamedTemporaryFile() as file:
            file.write(data)
            file.flush()
            with load(patched(), "file:" + file.name, 2,
                      extra=extra) as guest:
                assert wait_loaded(guest), guest.stderr()
                arrive(guest)
                words = guest.stderr()
                assert not measure.own_report(guest), plugged
                assert "different frequencies" in words, words
                assert "as if guest-clock was off" in words, words
                assert measure.not_carried(guest), words


def test_out_of_range():
    """A clock that would leave its range in the blackout: none is carried, and
    no TSC is touched before that is known."""
    side = fakehost.side("newest")
    with start(side) as guest:
        guest.wait_up()
        path = guest.path("stream")
        assert go(guest, "file:" + path)["status"] == "completed"
        with stream.edited(path) as data:
            start_at, = [at for name, at, _ in stream.fields(data)
                         if name[-2:] == ("kvmclock/guest_clock", "carried")]
            now, = struct.unpack_from(">Q", data, start_at + CLOCK_NS_AT)
            for at in start_at + CLOCK_NS_AT, start_at + SYSTEM_NS_AT:
                value, = struct.unpack_from(">Q", data, at)
                struct.pack_into(">Q", data, at, LAST_NS - now + value)
        with load(side, "file:" + path) as there:
            assert wait_loaded(there), there.stderr()
            arrive(there)
            assert "as if guest-clock was off" in there.stderr()
            written = [call for call in fakehost.log("newest", there.pid)
                       if call.where.startswith("vm0.") and
                       call.name == "KVM_SET_DEVICE_ATTR(TSC_OFFSET)"]
            assert not written, written
