# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests that come to fake hosts whose real times differ: ways there, and how
far the guest's clocks are off by the truth."""
from harness import fakehost, measure
from harness.binaries import start
from harness.migrate import arrive, go, incoming, load, wait_loaded

REAL_NS = 1800000000 * 10 ** 9      # of the host "newest" at true time 0


def stepped_ns(source, destination, name, came_from="newest", which=0):
    """How far ahead of the truth the guest TSC is on that host at one of its
    runs, and kvmclock with it."""
    there = fakehost.clocks(fakehost.log(came_from, source.pid))
    here = fakehost.clocks(fakehost.log(name, destination.pid), which=which)
    assert abs(fakehost.clock_step(there, here)) <= 1
    return fakehost.tsc_step_ns(there, here)


def by_file(side):
    """Saved on "newest" and loaded there: QEMU's report."""
    with start(fakehost.side("newest")) as source:
        source.wait_up()
        uri = "file:" + source.path("stream")
        assert go(source, uri)["status"] == "completed"
        with load(side, uri) as destination:
            assert wait_loaded(destination)
            arrive(destination)
            return measure.own_report(destination)


def passed_through(second, third, **kvmclock):
    """From "newest" to the second, where it isn't started, and on to the third:
    QEMU's report there."""
    with start(fakehost.side("newest", **kvmclock)) as source:
        source.wait_up()
        between, uri = incoming(second, extra=["-S"])
        with between:
            assert go(source, uri)["status"] == "completed"
            assert wait_loaded(between)
            destination, uri = incoming(third)
            with destination:
                assert go(between, uri)["status"] == "completed", \
                    destination.stderr()
                destination.qmp.execute("cont")
                arrive(destination)
                return measure.own_report(destination)
