# SPDX-License-Identifier: GPL-2.0-or-later
"""A host whose clock is minutes ahead isn't believed more than was seen: where
messages on the channel don't tell better (test_exchange.py)."""
import re
import time

from hosttime import REAL_NS, by_file, passed_through, stepped_ns

from harness import fakehost, measure
from harness.binaries import start
from harness.check import sentences
from harness.migrate import arrive_late, go, incoming
from harness.tap import note

MINUTES_S = 540
WAIT_S = 1
WARNED = (r"by real time the guest left the source (\d+\.\d+) s ago, but this "
          r"host saw it come in (\d+\.\d+) s")


def ahead(seconds):
    """A host like "newest-amd", but for its real time."""
    return fakehost.side(fakehost.declare(
        "ahead-%d" % seconds, "newest-amd",
        realtime=REAL_NS + seconds * 10 ** 9))


def come_to(seconds):
    """Moved to such a host, where it may wait; how that went."""
    side = ahead(seconds)
    with start(fakehost.side("newest", **{"x-exchange": "off"})) as source:
        source.wait_up()
        began = time.monotonic()
        destination, uri = incoming(side, extra=["-S"])
        with destination:
            assert go(source, uri)["status"] == "completed"
            arrive_late(destination, WAIT_S)
            took_ns = (time.monotonic() - began) * 10 ** 9
            step_ns = stepped_ns(source, destination, side.name)
            note("%d s ahead: stepped %.3f s: %s" % (
                seconds, step_ns / 1e9, sentences(destination.stderr())))
            return (measure.own_report(destination), destination.stderr(),
                    step_ns, took_ns)


def test_ahead():
    """What counts is at most what the destination saw; both are told."""
    for seconds in MINUTES_S, 2 * MINUTES_S:    # more than the blackout-limit
        report, words, step_ns, took_ns = come_to(seconds)
        assert not report["frozen"], report
        assert "time-bound-ns" not in report, report
        assert WAIT_S * 10 ** 9 < report["elapsed-ns"] < took_ns, report
        assert 0 <= step_ns < took_ns - WAIT_S * 10 ** 9
        by_clock, seen = map(float, re.search(WARNED, words).groups())
        assert seconds + WAIT_S < by_clock < seconds + took_ns / 1e9
        assert abs(seen * 10 ** 9 - report["elapsed-ns"]) < 10 ** 6


def test_in_time():
    """Of a host that is in time all is believed, and nothing said."""
    report, words, step_ns, took_ns = come_to(0)
    assert WAIT_S * 10 ** 9 < report["elapsed-ns"] < took_ns, report
    assert abs(step_ns) < 100, step_ns
    assert report["time-bound-ns"] >= abs(step_ns), report
    assert not sentences(words), words


def test_file():
    """Whoever loads a file saw nothing: there the clocks decide."""
    report = by_file(ahead(MINUTES_S + 1))
    assert report["elapsed-ns"] > MINUTES_S * 10 ** 9, report


def test_stopped_before():
    """Nor what was stopped when it was offered, and goes on by a third QEMU."""
    report = passed_through(fakehost.side("v6"), ahead(MINUTES_S + 2))
    assert report["elapsed-ns"] > MINUTES_S * 10 ** 9, report
