# SPDX-License-Identifier: GPL-2.0-or-later
"""What kvmclock was meant to be, and how far ahead of that it was: when it is
known, to whom it is sent, and what is believed. many.chain shows the use."""
import contextlib
import struct

from harness import fakehost, measure, stream
from harness.binaries import start
from harness.migrate import arrive, cross, go, load, wait_loaded
from test_hostile import SYSTEM_NS_AT

RATE = b"kvmclock/guest_clock/rate"
AHEAD = "kvmclock/guest_clock/ahead"
RATE_BYTES = 4 + 16                 # a version and two numbers
APART_NS = 4
ROUNDING_NS = 2


def saved(guest, name="stream"):
    path = guest.path(name)
    assert go(guest, "file:" + path)["status"] == "completed"
    with open(path, "rb") as file:
        return file.read()


def section(ahead_ns):
    return stream.make_subsection(AHEAD, struct.pack(">q", ahead_ns))


def with_ahead(data, ahead_ns):
    """The stream with this section, too, behind the one of the rate."""
    at = data.index(RATE) + len(RATE) + RATE_BYTES
    return data[:at] + section(ahead_ns) + data[at:]


@contextlib.contextmanager
def loaded(source, data, **kvmclock):
    path = source.path("changed")
    with open(path, "wb") as file:
        file.write(data)
    with load(fakehost.side("newest-amd", **kvmclock), "file:" + path,
              extra=["-S"]) as guest:
        assert wait_loaded(guest), guest.stderr()
        yield guest


def started(source, data):
    """Its report there, and what QEMU said."""
    with loaded(source, data) as guest:
        guest.qmp.execute("cont")
        arrive(guest)
        return measure.own_report(guest), guest.stderr()


def test_believed():
    """It goes into the bound, and is rounded itself. Much more than a rounding
    is corrupt."""
    with start(fakehost.side("newest")) as source:
        source.wait_up()
        data = saved(source)
        assert AHEAD.encode() not in data
        bound_ns = started(source, data)[0]["bound-ns"]
        for ahead_ns in 0, 1, APART_NS, -APART_NS:
            report, _ = started(source, with_ahead(data, ahead_ns))
            assert report["bound-ns"] == bound_ns + abs(ahead_ns) + \
                ROUNDING_NS, report
        for ahead_ns in APART_NS + 1, -APART_NS - 1, 2 ** 63 - 1, -2 ** 63:
            report, words = started(source, with_ahead(data, ahead_ns))
            assert not report, report
            assert "kvmclock was too far ahead of its function" in words, words


def system_ns(data):
    """Where the stream's kvmclock begins."""
    at, = [at for name, at, _ in stream.fields(data)
           if name[-2:] == ("kvmclock/guest_clock", "carried")]
    return struct.unpack_from(">Q", data, at + SYSTEM_NS_AT)[0]


def test_passed_on():
    """A guest that doesn't run here takes it along; but where older QEMUs
    follow (x-exchange=off) its clock as it was."""
    with start(fakehost.side("newest")) as source:
        source.wait_up()
        data = saved(source)
        for ahead_ns in 3, 0, -3:
            changed = with_ahead(data, ahead_ns)
            with loaded(source, changed) as guest:
                again = saved(guest)
                assert section(ahead_ns) in again
                assert system_ns(again) == system_ns(data)
            with loaded(source, changed, **{"x-exchange": "off"}) as guest:
                again = saved(guest)
                assert AHEAD.encode() not in again
                assert system_ns(again) == system_ns(data) + ahead_ns


def test_paused():
    """A pause doesn't make an arrival's error the guest's own, not even where
    the clock isn't set after it, for the host can't stop a TSC."""
    with start(fakehost.side("ignoring")) as source:
        source.wait_up()
        there = cross(source, fakehost.side("ignoring"), brackets=False,
                      extra=["-trace", "kvmclock_as_meant"]).destination
        with there as guest:
            for count in 1, 2, 3:
                guest.qmp.execute("stop")
                guest.qmp.execute("cont")
                assert guest.stderr().count("kvmclock_as_meant") == count
