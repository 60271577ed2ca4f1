# SPDX-License-Identifier: GPL-2.0-or-later
"""How far both clocks may step, because two hosts' real times differ, and no
messages on the channel tell better (test_exchange.py)."""
from math import ceil

from hosttime import REAL_NS, passed_through, stepped_ns

from harness import fakehost, measure
from harness.binaries import start
from harness.check import Untouched
from harness.migrate import arrive, go, incoming
from harness.tap import note

ERROR_NS = 100000                   # of most fake hosts
TICK_NS = 1
APART_NS = 150000
FAR = {"max_error_ns": 130 * 10 ** 6}
UNKNOWN = {"synchronised": "false"}
ALONE = {"x-exchange": "off"}       # the clocks, on the source
DOUBT = 500e-6                      # of a TSC whose rate isn't told


def host(name, **keys):
    """A host like "newest-amd" but for these keys."""
    return fakehost.declare(name, "newest-amd", **keys)


def moved(source, name, **kvmclock):
    """To that host: QEMU's report, and the TSC's true step there."""
    destination, uri = incoming(fakehost.side(name, **kvmclock))
    with destination:
        assert go(source, uri)["status"] == "completed", destination.stderr()
        arrive(destination)
        return measure.own_report(destination), \
            stepped_ns(source, destination, name)


def assert_narrow(report):
    """The bound is the clocks' error, a tick, and what a TSC may be off."""
    off_ns = (report["elapsed-ns"] + 2 * ERROR_NS) * DOUBT
    assert report["time-bound-ns"] == \
        2 * ERROR_NS + TICK_NS + ceil(off_ns) + 1, report


def test_truth():
    """The true step is inside the bound, which is no wider than it must be."""
    for name, step_ns in ("early", APART_NS), ("late", -APART_NS):
        with start(fakehost.side("newest", **ALONE)) as source:
            source.wait_up()
            report, found_ns = moved(source, host(
                "time-" + name, realtime=REAL_NS + step_ns))
        note("%s: stepped %.0f ns: %s" % (name, found_ns, report))
        assert abs(found_ns - step_ns) < 100, found_ns
        assert_narrow(report)


def test_pending():
    """What a kernel has still to correct is an error, whatever it says."""
    with start(fakehost.side("newest", **ALONE)) as source:
        source.wait_up()
        report, found_ns = moved(source, host(
            "time-pending", realtime=REAL_NS + 10 * APART_NS,
            pending_ns=-10 * APART_NS))
    assert abs(found_ns - 10 * APART_NS) < 100, found_ns
    assert found_ns <= report["time-bound-ns"], report


def test_unknown():
    """Nobody knows without synchronisation, nor where time didn't count."""
    for number, (keys, kvmclock) in enumerate((
            (UNKNOWN, {}), ({}, {"blackout": "freeze"}))):
        with start(fakehost.side("newest", **ALONE, **kvmclock)) as source:
            source.wait_up()
            report, _ = moved(source, host("unknown-%d" % number, **keys),
                              **kvmclock)
        assert "time-bound-ns" not in report, report


def test_same_host():
    """On one host nothing steps, synchronised or not."""
    name = host("time-home", **UNKNOWN)
    with start(fakehost.side(name, policy="strict")) as source:
        source.wait_up()
        destination, uri = incoming(fakehost.side(name))
        with destination:
            assert go(source, uri)["status"] == "completed"
            arrive(destination)
            report = measure.own_report(destination)
            assert report["time-bound-ns"] == 0, report


def test_through():
    """Of a guest that only passes through, its own host's error counts."""
    report = passed_through(fakehost.side(host("time-through", **FAR)),
                            fakehost.side("newest-amd", policy="strict"),
                            **ALONE)
    assert_narrow(report)


def test_policy():
    """policy=strict refuses what is far off or unknown; others report it."""
    for number, (keys, words) in enumerate((
            (FAR, "its clocks may step by 130 ms"),
            (UNKNOWN, "how far its clocks may step isn't known"))):
        name = host("time-policy-%d" % number, **keys)
        with start(fakehost.side("newest", policy="lax", **ALONE)) as source:
            source.wait_up()
            untouched = Untouched(source)
            destination, uri = incoming(fakehost.side(name, policy="strict"))
            with destination:
                assert go(source, uri)["status"] == "failed"
                destination.wait_exit()
                assert words in destination.stderr(), destination.stderr()
            untouched.assert_still()
            report, _ = moved(source, name, policy="auto")
            assert report.get("time-bound-ns", 0) != 2 * ERROR_NS + TICK_NS
