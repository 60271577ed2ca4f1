# SPDX-License-Identifier: GPL-2.0-or-later
"""TSCs that run faster or slower than their kernels say: the guest's goes on
as fast as it really was."""
import time

from hosttime import REAL_NS, stepped_ns

from harness import fakehost, measure, stream
from harness.binaries import start
from harness.check import crashed
from harness.migrate import (arrive, arrive_late, go, incoming, load,
                             wait_loaded, wait_running)
from harness.tap import note
from snapshot import add_disk, disk_of, monitor

PPM = 40                            # 40 us a second
AWAY_S = 1.5
RATE = b"kvmclock/guest_clock/rate"
VERSION_BYTES = 4


def host(name, like, rate_ppm, told_ppm=0, **keys):
    """A host whose TSC is that much faster than its kHz; its kernel makes its
    clock that much faster than it would be by them."""
    return fakehost.declare("rate-" + name, like, rate_ppm=rate_ppm,
                            adjustment_ppt=told_ppm * 10 ** 6, **keys)


def judged(what, step_ns, report):
    note("%s: stepped %.0f ns, bound %s ns, elapsed %.3f s" % (
        what, step_ns, report["time-bound-ns"], report["elapsed-ns"] / 1e9))
    assert abs(step_ns) <= report["time-bound-ns"], (step_ns, report)
    return abs(step_ns), report["time-bound-ns"]


def saved(there, here, **kvmclock):
    """Saved, and loaded a while later: how far off, and the bound."""
    with start(fakehost.side(there, **kvmclock)) as source:
        source.wait_up()
        time.sleep(1)
        uri = "file:" + source.path("stream")
        assert go(source, uri)["status"] == "completed"
        time.sleep(AWAY_S)
        with load(fakehost.side(here), uri) as destination:
            assert wait_loaded(destination)
            arrive(destination)
            return judged(there, stepped_ns(source, destination, here, there),
                          measure.own_report(destination))


def test_measured():
    """With good clocks the rate is measured, whatever the kernel says of it."""
    for number, (rate_ppm, told_ppm) in enumerate(((PPM, 0), (-PPM, PPM),
                                                   (PPM, PPM))):
        there = host("measured-%d" % number, "newest", rate_ppm, told_ppm,
                     max_error_ns=1000)
        here = host("quiet-%d" % number, "newest-amd", 0, max_error_ns=1000)
        step_ns, bound_ns = saved(there, here)
        assert step_ns < PPM * AWAY_S * 1000 / 4, step_ns
        assert bound_ns < PPM * AWAY_S * 1000 / 2, bound_ns


def test_told():
    """With clocks that are too wrong for that, the kernel's word is taken."""
    for number, rate_ppm in enumerate((PPM, -PPM)):
        there = host("told-%d" % number, "newest", rate_ppm, -rate_ppm,
                     max_error_ns=10 ** 9)
        step_ns, _ = saved(there, "newest-amd")
        assert step_ns < PPM * AWAY_S * 1000 / 10, step_ns


def test_turned():
    """A daemon that turns the clock as fast as it may costs no clocks."""
    there = host("turned", "newest", PPM, -500, max_error_ns=10 ** 10)
    saved(there, "newest-amd")


def test_loaded_without():
    """loadvm of a snapshot without a rate, where another guest ran: that
    host's rate isn't taken for it."""
    there = host("loaded", "newest", PPM, max_error_ns=1000)
    here = host("loader", "newest-amd", 0, max_error_ns=1000)
    with start(fakehost.side(there, **{"x-exchange": "off"})) as source:
        add_disk(source)
        source.wait_up()
        monitor(source, "savevm here")
        with start(fakehost.side(here)) as other:
            other.wait_up()
            source.qmp.execute("quit")
            source.wait_exit()
            other.qmp.execute("blockdev-add", disk_of(source))
            time.sleep(AWAY_S)
            monitor(other, "loadvm here")
            wait_running(other)
            other.wait_beating()
            judged(there, stepped_ns(source, other, here, there, which=-1),
                   measure.own_report(other))


def test_not_sent():
    """From a QEMU that sends no rate: the bound has room for any."""
    there = host("not-sent", "newest", PPM, -PPM, max_error_ns=1000)
    step_ns, _ = saved(there, "newest-amd", **{"x-exchange": "off"})
    assert step_ns > PPM * AWAY_S * 1000 / 2, step_ns


def test_over_a_socket():
    """Both TSCs are off, and the guest is started late: the bound holds."""
    for there_ppm, here_ppm in ((PPM, -PPM), (-PPM, PPM)):
        there = host("from-%d" % there_ppm, "newest", there_ppm, -there_ppm,
                     max_error_ns=1000)
        here = host("to-%d" % here_ppm, "newest-amd", here_ppm, -here_ppm,
                    max_error_ns=1000, realtime=REAL_NS)
        with start(fakehost.side(there)) as source:
            source.wait_up()
            destination, uri = incoming(fakehost.side(here), extra=["-S"])
            with destination:
                info = go(source, uri)
                assert info["status"] == "completed", destination.stderr()
                arrive_late(destination, AWAY_S)
                step_ns, bound_ns = judged(
                    there, stepped_ns(source, destination, here, there),
                    measure.own_report(destination))
                assert step_ns < PPM * AWAY_S * 1000 / 4, step_ns
                assert bound_ns < PPM * AWAY_S * 10 ** 4, bound_ns


def test_absurd():
    """A rate that no TSC has is corrupt, in a sentence."""
    there = host("absurd", "newest", PPM, -PPM)
    with start(fakehost.side(there)) as source:
        source.wait_up()
        path = source.path("stream")
        assert go(source, "file:" + path)["status"] == "completed"
        for rate in ((10 ** 12, 1), (-2 ** 63, 1), (0, -1), (0, 10 ** 12),
                     (1, 0)):
            with stream.edited(path) as data:
                at = data.index(RATE) + len(RATE) + VERSION_BYTES
                for index, number in enumerate(rate):
                    data[at + 8 * index:at + 8 * (index + 1)] = \
                        number.to_bytes(8, "big", signed=True)
            with load(fakehost.side("newest-amd"), "file:" + path) as loaded:
                assert wait_loaded(loaded), loaded.stderr()
                assert "the rate of its TSC can't be true" in loaded.stderr(), \
                    loaded.stderr()
                loaded.qmp.execute("quit")
                assert not crashed(loaded.wait_exit())
