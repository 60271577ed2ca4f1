# SPDX-License-Identifier: GPL-2.0-or-later
"""Whose stop was it? Who saves or moves a guest may stop it first: its clocks
go on. One that its user stopped well before that stands."""
import time

import stages
from harness import fakehost, measure
from harness.binaries import start
from harness.migrate import (arrive, go, load, pause, set_parameters, status,
                             wait_loaded, wait_status)
from snapshot import add_disk, monitor
from test_paused import LATER_S, fall_asleep

LATER_NS = LATER_S * 10 ** 9

PANICS = ("-device", "pvpanic", "-action", "panic=pause")
PANIC_PORT = 0x505


def stop(guest):
    """As management does, just before it goes on."""
    guest.qmp.execute("stop")


def panic(guest):
    """The guest says that it has crashed, and QEMU stops it."""
    monitor(guest, "o/b %#x 1" % PANIC_PORT)
    guest.qmp.wait_event("STOP")


def here(**options):
    return start(fakehost.side("newest"), **options)


def clocks(guest, which=-1, host="newest"):
    return fakehost.clocks(fakehost.log(host, guest.pid), which=which)


def counts(report):
    """All the time since the stop."""
    assert not report["frozen"] and report["elapsed-ns"] > LATER_NS, report


def stands(report):
    assert report["frozen"] and report["elapsed-ns"] == 0, report


def assert_went_on(before, after):
    """To the tick: all of it is on one host."""
    step = fakehost.tsc_step(before, after)
    assert step == 0, "the TSC stepped %d ticks" % step


def saved_and_loaded(how, extra=()):
    """Stopped, saved to a file, loaded a while later; the report, and the
    clocks before and after."""
    with here(extra=extra) as source:
        source.wait_up()
        how(source)
        uri = "file:" + source.path("stream")
        assert go(source, uri)["status"] == "completed", source.stderr()
        time.sleep(LATER_S)
        with load(fakehost.side("newest"), uri, extra=extra) as destination:
            assert wait_loaded(destination), destination.stderr()
            destination.qmp.execute("cont")
            arrive(destination)
            return (measure.own_report(destination), clocks(source),
                    clocks(destination, 0))


def test_to_save():
    """Stopped and saved: as if QEMU itself had stopped it."""
    report, before, after = saved_and_loaded(stop)
    counts(report)
    assert_went_on(before, after)


def test_long_before():
    """Stopped by its user, and saved later: it stands."""
    report, before, after = saved_and_loaded(pause)
    stands(report)
    assert fakehost.tsc_step_ns(before, after) < -LATER_NS


def test_panicked():
    """Stopped by QEMU, and saved at once: nobody stopped it for that."""
    stands(saved_and_loaded(panic, PANICS)[0])


def test_suspended():
    """In S3, stopped and saved: like one that is moved in S3."""
    with here() as source:
        source.wait_up()
        fall_asleep(source)
        stop(source)
        uri = "file:" + source.path("stream")
        assert go(source, uri)["status"] == "completed", source.stderr()
        time.sleep(LATER_S)
        with load(fakehost.side("newest"), uri) as destination:
            assert wait_loaded(destination), destination.stderr()
            destination.qmp.execute("cont")
            counts(measure.own_report(destination))


def in_time():
    """A host whose real time is this machine's, or a bit late: QEMU 10.2
    waits by it when it limits its rate."""
    return fakehost.declare("in-time", "newest", realtime=time.time_ns() -
                            time.monotonic_ns() - 10 ** 9)


def test_meanwhile():
    """Stopped because it takes too long to move (libvirt's --timeout)."""
    host = in_time()
    with start(fakehost.side(host)) as source:
        source.wait_up()
        with stages.ram(source, to=fakehost.side(host)) as moving:
            stop(source)
            set_parameters(source, **{"max-bandwidth": 0})
            assert wait_status(source)["status"] == "completed", status(source)
            time.sleep(LATER_S)
            moving.guest.qmp.execute("cont")
            arrive(moving.guest)
            counts(measure.own_report(moving.guest))
            assert_went_on(clocks(source, host=host),
                           clocks(moving.guest, 0, host))


def goes_on(save):
    """Stopped, saved, and let go on: it wasn't paused for its user."""
    with here() as guest:
        add_disk(guest)
        guest.wait_up()
        stop(guest)
        before = clocks(guest)
        save(guest)
        time.sleep(LATER_S)
        guest.qmp.execute("cont")
        guest.wait_beating()
        assert_went_on(before, clocks(guest))


def test_goes_on():
    """A guest of which a file was made, as libvirt makes snapshots."""
    goes_on(lambda guest: go(guest, "file:" + guest.path("stream")))


def test_savevm():
    """One of which a snapshot was made, with its disks."""
    goes_on(lambda guest: monitor(guest, "savevm here"))


def test_save_failed():
    """One that couldn't be saved."""
    goes_on(lambda guest: go(guest, "exec:exit 1"))
