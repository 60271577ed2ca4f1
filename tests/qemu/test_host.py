# SPDX-License-Identifier: GPL-2.0-or-later
"""A host whose clocks change while QEMU runs there: each migration asks anew,
and so does each stop, of what it must know."""
import os
import socket
import tempfile

from harness import fakehost, measure
from harness.binaries import start
from harness.check import patched
from harness.migrate import (arrive, cross, go, incoming, pause, wait_loaded,
                             wait_running)
from harness.pvclock import signed64
from harness.tap import Missing
from snapshot import add_disk, monitor

# Of a TSC that the kernel found to be unstable.
UNSTABLE = {"tsc_offset": "rewinds", "master_clock": "never"}

# Each vCPU's TSC is rounded when KVM lets it catch up.
ROUNDED_TICKS = 2


def side(host):
    return fakehost.side(host, policy="lax")


def exact(report):
    """Is all of it known to the nanosecond, and to the tick?"""
    return "bound-ns" in report and "skew-ticks" in report


def turn(guest, host, like):
    """A host's TSC becomes unstable, seen by programs that run there as soon
    as one of them reads KVM's parameter."""
    fakehost.declare(host, like, **UNSTABLE)
    guest.qmp.execute("chardev-add", {"id": "reader", "backend": {
        "type": "file", "data": {
            "out": "/dev/null",
            "in": "/sys/module/kvm/parameters/tsc_tolerance_ppm"}}})


def apart(host, pid):
    """By how many ticks the TSCs of two vCPUs differ when both run."""
    calls = fakehost.log(host, pid)
    first, second = (fakehost.clocks(calls, vcpu) for vcpu in range(2))
    now = max(first.run.true_ns, second.run.true_ns)
    return signed64(second.guest_tsc(now) - first.guest_tsc(now))


def turned(name, like, steps):
    """A guest of two vCPUs that goes through these steps; what it says."""
    host = fakehost.declare(name, like)
    with start(side(host), vcpus=2) as guest:
        guest.wait_up()
        for step in steps:
            if step == "turn":
                turn(guest, host, like)
            else:
                guest.qmp.execute(step)
        guest.wait_beating()
        ticks = apart(host, guest.pid)
        assert abs(ticks) <= ROUNDED_TICKS, (ticks, guest.stderr())
        report = measure.own_report(guest)
        assert report["tsc"] == "unverified", report


def test_pause():
    """The TSC becomes unstable, and the guest is paused: no TSC is where it
    was captured any more, and the vCPUs' stay together all the same."""
    turned("turns", "released", ("turn", "stop", "cont"))


def test_pause_old():
    """The same before Linux 5.16, which doesn't tell offsets."""
    turned("turns-old", "old", ("turn", "stop", "cont"))


def test_pause_meanwhile():
    """It becomes so while the guest stands."""
    turned("turns-meanwhile", "released", ("stop", "turn", "cont"))


def test_paused_move():
    """Paused after that, and moved to a stable host."""
    host = fakehost.declare("turns-left", "released")
    with start(side(host), vcpus=2) as guest:
        guest.wait_up()
        turn(guest, host, "released")
        pause(guest)
        destination, uri = incoming(side("newest"), vcpus=2)
        with destination:
            assert go(guest, uri)["status"] == "completed", guest.stderr()
            assert wait_loaded(destination), destination.stderr()
            destination.qmp.execute("cont")
            arrive(destination)
            ticks = apart("newest", destination.pid)
            assert abs(ticks) <= ROUNDED_TICKS, (ticks, guest.stderr())
            report = measure.own_report(destination)
            assert not exact(report), report


def readings(host, pid):
    """How often the boot vCPU was asked for its TSC's offset, from the last
    time on that somebody else's was."""
    names = [call.where for call in fakehost.log(host, pid)
             if call.name == "KVM_GET_DEVICE_ATTR(TSC_OFFSET)"]
    names.reverse()
    return next(n for n, name in enumerate(names) if name != "vm0.0")


def test_readings():
    """While the guest waits its TSC is read twice more than if no TSC could
    become unstable, before and after its clocks; where it was written once
    more, and to see that."""
    with start(side("newest")) as source:
        source.wait_up()
        destination, uri = incoming(side("newest-amd"))
        with destination:
            assert go(source, uri)["status"] == "completed", source.stderr()
            arrive(destination)
            assert readings("newest", source.pid) == 3
            assert readings("newest-amd", destination.pid) == 3


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


def test_refined():
    """A kernel measured its TSC's frequency better since the guest started:
    that is what is offered, and the clocks that are captured fit it."""
    host = fakehost.declare("refined", "newest-amd")
    with start(side(host)) as source:
        source.wait_up()
        fakehost.declare(host, "newest-amd", khz=fakehost.KHZ + 1)
        crossing = cross(source, side("newest"), brackets=False)
        with crossing.destination as destination:
            assert measure.own_report(destination), source.stderr()


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


def test_chroot():
    """With -run-with chroot= there is no /proc; it was asked before."""
    if os.geteuid():
        raise Missing("root", "only root may chroot")
    with tempfile.TemporaryDirectory(prefix="clockferry-") as folder, \
            start(patched(), extra=["-run-with", "chroot=" + folder]) as guest:
        guest.wait_up()
        destination, uri = incoming(patched())
        with destination, socket.socket(socket.AF_UNIX) as way:
            way.connect(uri[len("unix:"):])
            guest.qmp.execute("getfd", {"fdname": "way"}, fds=[way.fileno()])
            way.close()
            assert go(guest, "fd:way")["status"] == "completed", \
                destination.stderr()
            arrive(destination)
            report = measure.own_report(destination)
            assert report["same-host"], report
