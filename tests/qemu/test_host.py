# SPDX-License-Identifier: GPL-2.0-or-later
"""A host whose clocks change while QEMU runs there: each migration asks anew."""
from harness import fakehost, measure
from harness.binaries import start
from harness.migrate import cross, wait_running
from snapshot import add_disk, monitor

# Of a TSC that the kernel found to be unstable.
UNSTABLE = {"tsc_offset": "rewinds", "master_clock": "never"}


def side(host):
    return fakehost.side(host, policy="lax")


def exact(report):
    """Is all of it known to the nanosecond, and to the tick?"""
    return "bound-ns" in report and "skew-ticks" in report


def test_source():
    """A guest arrives, the host's TSC becomes unstable, and it leaves again:
    its clocks are a guess from then on, and the next report says so."""
    host = fakehost.declare("turning", "newest-amd")
    with start(side("newest")) as source:
        source.wait_up()
        crossing = cross(source, side(host), brackets=False)
    with crossing.destination as guest:
        assert exact(crossing.report), crossing.report
        fakehost.declare(host, "newest-amd", **UNSTABLE)
        crossing = cross(guest, side("newest"), brackets=False)
        with crossing.destination:
            assert not exact(crossing.report), crossing.report


def test_destination():
    """The same for one that loads two snapshots, of a stable host."""
    host = fakehost.declare("turning-too", "newest-amd")
    with start(side(host)) as guest:
        add_disk(guest)
        guest.wait_up()
        monitor(guest, "savevm here")
        found = []
        for keys in {}, UNSTABLE:
            fakehost.declare(host, "newest-amd", **keys)
            monitor(guest, "loadvm here")
            wait_running(guest)
            found.append(measure.own_report(guest))
        assert exact(found[0]), found[0]
        assert found[1]["tsc"] == "unverified", found[1]


def test_tolerance():
    """Somebody sets kvm.tsc_tolerance_ppm after the offer, where only that
    tells whether a TSC is scaled: the guest is sent as if the clocks couldn't
    be captured, and not refused when the source has let go."""
    host = fakehost.declare("tolerant", "old", tolerance_ppm=0)
    exactly = fakehost.declare("exactly", "newest-amd", tolerance_ppm=0)
    extra = ["-cpu", "qemu64,tsc-frequency=2596380000"]     # 100 ppm more
    with start(side(host), extra=extra) as source:
        source.wait_up()
        fakehost.declare(host, "old", tolerance_ppm=250)
        crossing = cross(source, side(exactly), brackets=False, extra=extra)
        with crossing.destination as destination:
            assert not measure.own_report(destination)
            assert "another frequency than before" in source.stderr()
