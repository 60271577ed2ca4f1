# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests that don't run when they are moved, and those stopped at home."""
import time

import stages
from harness import fakehost, layout, measure
from harness.binaries import start
from harness.check import Untouched, assert_carried, patched
from harness.migrate import arrive, cross, go, incoming, pause, wait_loaded
from harness.tap import note
from snapshot import monitor

LATER_S = 2

# ACPI's control register, where the guest's devices() puts it: S3, and go.
PM_CONTROL = 0x604
SLEEP_S3 = 1 << 10 | 1 << 13


def moved_paused(source, **options):
    """The QEMU to which a guest that stands still is moved."""
    destination, uri = incoming(patched(), source.vcpus, **options)
    try:
        info = go(source, uri)
        assert info["status"] == "completed", info
        assert wait_loaded(destination), destination.stderr()
    except BaseException:
        destination.close()
        raise
    return destination


def test_paused():
    """A guest paused by its user arrives paused and then counts on."""
    with start(patched()) as source:
        source.wait_up()
        pause(source)
        with moved_paused(source) as destination:
            before = measure.view(source)
            destination.qmp.execute("cont")
            arrive(destination)
            assert_carried(before, destination)


def test_paused_twice():
    """Moved paused, and moved on without having run in between."""
    with start(patched()) as source:
        source.wait_up()
        pause(source)
        with moved_paused(source) as second, moved_paused(second) as third:
            before = measure.view(source)
            third.qmp.execute("cont")
            arrive(third)
            assert_carried(before, third)


def test_paused_cancelled():
    """Paused, its migration cancelled: with cont both clocks agree."""
    with start(patched()) as source:
        source.wait_up()
        before = measure.view(source)
        pause(source)
        with stages.setup(source) as destination:
            stages.cancel(source, stages.setup, destination)
        state = source.qmp.execute("query-status")["status"]
        assert state == "paused", state
        source.qmp.execute("cont")
        source.wait_beating()
        assert_carried(before, source)


def test_autostart_off():
    """-S at the destination and cont much later: the wait counts, too."""
    with start(patched()) as source:
        source.wait_up()
        with moved_paused(source, extra=["-S"]) as destination:
            time.sleep(LATER_S)
            before = measure.view(source)
            destination.qmp.execute("cont")
            arrive(destination)
            report = assert_carried(before, destination)
            assert report["elapsed-ns"] > LATER_S * 10 ** 9, report


def test_stop_cont():
    """stop and cont keep kvmclock and TSC together, whether frozen or not."""
    with start(patched()) as guest:
        guest.wait_up()
        before = measure.view(guest)
        for _ in range(5):
            guest.qmp.execute("stop")
            time.sleep(0.1)
            guest.qmp.execute("cont")
        guest.wait_beating()
        assert_carried(before, guest)


def test_stop_cont_many():
    """255 times stop and cont at once: nothing adds up."""
    with start(patched(), vcpus=2) as guest:
        guest.wait_up()
        before = measure.view(guest)
        for _ in range(255):
            guest.qmp.execute("stop")
            guest.qmp.execute("cont")
        guest.wait_beating()
        assert_carried(before, guest)


def test_stopped_while_moving():
    """stop and cont in the first pass over RAM, then it crosses."""
    with start(patched()) as source:
        source.wait_up()
        before = measure.view(source)
        destination, uri = incoming(patched())
        with destination:
            source.qmp.execute("stop")
            source.qmp.execute("migrate", {"uri": uri})
            source.qmp.execute("cont")
            arrive(destination)
            assert_carried(before, destination)


def test_freeze():
    """With blackout=freeze, where the TSC can't stop, neither clock does."""
    freeze = {"blackout": "freeze"}
    with start(patched(), kvmclock=freeze) as source:
        source.wait_up()
        crossing = cross(source, patched(), brackets=False, kvmclock=freeze)
        with crossing.destination as destination:
            report = assert_carried(crossing.source, destination)
            note("frozen: %s" % report["frozen"])


def fall_asleep(guest):
    guest.devices()
    monitor(guest, "o/h %#x %#x" % (PM_CONTROL, SLEEP_S3))
    guest.qmp.wait_event("SUSPEND")


def test_suspended():
    """A guest in S3 arrives in S3, wakes up there, and crosses again."""
    with start(patched()) as source:
        source.wait_up()
        fall_asleep(source)
        with moved_paused(source) as destination:
            state = destination.qmp.execute("query-status")["status"]
            assert state == "suspended", state
            assert measure.own_report(destination), destination.stderr()
            destination.write(layout.HEADER, bytes(16))
            destination.qmp.execute("system_wakeup")
            destination.wait_up()
            crossing = cross(destination, patched(), brackets=False)
            with crossing.destination as third:
                assert_carried(crossing.source, third)


def test_never_run():
    """A guest that never ran arrives, and then comes up."""
    with start(patched(), extra=["-S"]) as source:
        with moved_paused(source) as destination:
            destination.qmp.execute("cont")
            destination.wait_up()


def test_never_run_crosses():
    """And then it crosses like any other."""
    with start(patched(), extra=["-S"]) as source:
        with moved_paused(source) as second:
            second.qmp.execute("cont")
            second.wait_up()
            crossing = cross(second, patched(), brackets=False)
            with crossing.destination as third:
                assert_carried(crossing.source, third)


def test_reset():
    """A guest that is reset after arriving comes up and crosses again."""
    with start(patched()) as source:
        source.wait_up()
        with cross(source, patched(), brackets=False).destination as second:
            second.reset()
            crossing = cross(second, patched(), brackets=False)
            with crossing.destination as third:
                assert_carried(crossing.source, third)


def test_reset_before():
    """A guest that is reset and moved before it runs again comes up there."""
    with start(patched()) as source:
        source.wait_up()
        source.qmp.execute("stop")
        source.begin_reset()
        with moved_paused(source) as destination:
            destination.qmp.execute("cont")
            destination.wait_up()
            Untouched(destination).assert_still()


def test_reset_there():
    """A guest that is reset where it arrived, before it runs, comes up."""
    with start(patched()) as source:
        source.wait_up()
        with moved_paused(source, extra=["-S"]) as destination:
            destination.reset()
            crossing = cross(destination, patched(), brackets=False)
            with crossing.destination as third:
                assert_carried(crossing.source, third)


def test_beyond_the_limit():
    """A long pause on a host that can't stop a TSC counts, and says so once."""
    limit = {"blackout-limit": "1"}
    with start(fakehost.side("ignoring", **limit)) as guest:
        guest.wait_up()
        for _ in range(2):
            guest.qmp.execute("stop")
            time.sleep(1.1)
            guest.qmp.execute("cont")
            guest.wait_beating()
        report = measure.own_report(guest)
        assert not report["frozen"] and report["elapsed-ns"] > 10 ** 9, report
        words = guest.stderr()
        assert words.count("more than blackout-limit (1 s); its clocks count "
                           "it all the same") == 1, words
