# SPDX-License-Identifier: GPL-2.0-or-later
"""How far both clocks may step, because two hosts' real times differ, and no
messages on the channel tell better (test_exchange.py)."""
from harness import fakehost, measure
from harness.binaries import start
from harness.check import Untouched
from harness.migrate import arrive, go, incoming, wait_loaded
from harness.tap import note

REAL_NS = 1800000000 * 10 ** 9      # of the host "newest" at true time 0
ERROR_NS = 100000                   # of most fake hosts
TICK_NS = 1
APART_NS = 150000
FAR = {"max_error_ns": 130 * 10 ** 6}
UNKNOWN = {"synchronised": "false"}
ALONE = {"x-exchange": "off"}       # the clocks, on the source


def host(name, **keys):
    """A host like "newest-amd" but for these keys."""
    return fakehost.declare(name, "newest-amd", **keys)


def moved(source, name, **kvmclock):
    """To that host: QEMU's report, and the TSC's true step there."""
    destination, uri = incoming(fakehost.side(name, **kvmclock))
    with destination:
        assert go(source, uri)["status"] == "completed", destination.stderr()
        arrive(destination)
        there = fakehost.clocks(fakehost.log("newest", source.pid))
        here = fakehost.clocks(fakehost.log(name, destination.pid), which=0)
        return measure.own_report(destination), \
            fakehost.tsc_step_ns(there, here)


def test_truth():
    """The true step is inside the bound, which is no wider than it must be."""
    for name, step_ns in ("early", APART_NS), ("late", -APART_NS):
        with start(fakehost.side("newest", **ALONE)) as source:
            source.wait_up()
            report, found_ns = moved(source, host(
                "time-" + name, realtime=REAL_NS + step_ns))
        note("%s: stepped %.0f ns: %s" % (name, found_ns, report))
        assert abs(found_ns - step_ns) < 100, found_ns
        assert report["time-bound-ns"] == 2 * ERROR_NS + TICK_NS, report


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
    with start(fakehost.side("newest")) as source:
        source.wait_up()
        second, uri = incoming(fakehost.side(host("time-through", **FAR)),
                               extra=["-S"])
        with second:
            assert go(source, uri)["status"] == "completed"
            assert wait_loaded(second)
            third, uri = incoming(fakehost.side("newest-amd",
                                                policy="strict"))
            with third:
                assert go(second, uri)["status"] == "completed", \
                    third.stderr()
                third.qmp.execute("cont")
                arrive(third)
                report = measure.own_report(third)
                assert report["time-bound-ns"] == 2 * ERROR_NS + TICK_NS, \
                    report


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
