# SPDX-License-Identifier: GPL-2.0-or-later
"""What QEMU tells of a restore: event, query, monitor, log."""
import re

import stages
from harness import fakehost
from harness.binaries import start
from harness.check import patched, patched_off
from harness.measure import own_report
from harness.migrate import cross, wait_running
from harness.tap import note
from modes import moved
from snapshot import add_disk, monitor

EVENT = "KVM_CLOCK_RESTORED"


def restored(guest):
    """The data of all such events until now."""
    guest.qmp.event_names()
    return [event["data"] for event in guest.qmp.events
            if event["event"] == EVENT]


def tells_once(name):
    with moved(name, patched()) as (_, guest):
        guest.qmp.wait_event(EVENT)
        told = restored(guest)
        assert len(told) == 1, told
        queried = own_report(guest)
        for data in told[0], queried:
            data.pop("bound-ns")        # gets narrower when the guest has run
        assert told[0] == queried, "%s, but %s" % (told[0], queried)
        words = guest.stderr()
        assert words.count("kvmclock: restored by " + queried["rung"]) == 1, \
            words


def test_advice():
    """How a TSC gets its rate is told only where that can be had."""
    close = fakehost.declare("close", "released", khz=2596380)
    for host, scales in (close, True), ("unscaled-100-ppm", False):
        with start(fakehost.side("newest")) as source:
            source.wait_up()
            with cross(source, fakehost.side(host),
                       brackets=False).destination as guest:
                guest.qmp.wait_event(EVENT)
                words = guest.stderr()
                assert "off its rate" in words, words
                assert ("tsc_tolerance_ppm" in words) == scales, words


def test_event():
    """A guest that arrives is told of once, in the event and in the log."""
    for name in "unix", "postcopy", "file", "cpr-transfer":
        note(name)
        tells_once(name)


def test_drifts():
    """A clock that can't settle because of the rate isn't put down to load."""
    fast = fakehost.declare("much-faster", "unscaled-fast", khz=5000000)
    with start(fakehost.side("newest", policy="lax")) as source:
        source.wait_up()
        crossing = cross(source, fakehost.side(fast, policy="lax"),
                         brackets=False)
        with crossing.destination as guest:
            words, report = guest.stderr(), own_report(guest)
            assert report["rung"] == "realtime", report
            found = re.search(r"drifts by 925\.951 ns each us; it was up to "
                              r"(\d+) ns off when the guest ran first", words)
            assert found and int(found[1]) > 10, words
            assert "overloaded" not in words, words


def test_event_loadvm():
    """Each loadvm is told of once."""
    with start(patched()) as guest:
        add_disk(guest)
        guest.wait_up()
        monitor(guest, "savevm here")
        for number in 1, 2, 3:
            monitor(guest, "loadvm here")
            wait_running(guest)
            guest.wait_beating()
            assert len(restored(guest)) == number, restored(guest)


def test_no_event():
    """A guest that stays at home isn't: pause, snapshot, cancelled, failed."""
    with start(patched()) as guest:
        add_disk(guest)
        guest.wait_up()
        for command in "stop", "cont":
            guest.qmp.execute(command)
        monitor(guest, "savevm here")
        for end in stages.cancel, stages.let_fail:
            with stages.switchover(guest) as destination:
                end(guest, stages.switchover, destination)
            wait_running(guest)
        guest.wait_beating()
        assert not restored(guest), restored(guest)
        assert "kvmclock: restored" not in guest.stderr(), guest.stderr()


def test_monitor():
    """info kvm-clock says the same in words."""
    with moved("unix", patched()) as (_, guest):
        words = monitor(guest, "info kvm-clock")
        note(words.replace("\r", ""))
        rung = own_report(guest)["rung"]
        assert "guest-clock: on" in words, words
        assert "last restore: %s" % rung in words, words


def test_before():
    """Before anything was restored nothing is told of."""
    with start(patched()) as guest:
        assert own_report(guest) == {}
        assert "last restore: none" in monitor(guest, "info kvm-clock")


def test_off():
    """Off, it is off by its own word, even after a move."""
    with moved("unix", patched_off()) as (_, guest):
        assert guest.qmp.execute("query-kvm-clock")["enabled"] is False
        assert own_report(guest) == {}
        assert not restored(guest)
        words = monitor(guest, "info kvm-clock").strip()
        assert words == "guest-clock: off", words
