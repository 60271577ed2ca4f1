# SPDX-License-Identifier: GPL-2.0-or-later
"""Settings that change while the guest runs, by qom-set."""
import hotplug
import ioctls
import stages
from harness import fakehost, measure, stream
from harness.binaries import start
from harness.check import (Untouched, assert_carried, patched, patched_off,
                           stock)
from harness.migrate import arrive, cross, go, incoming, wait_over
from harness.qmp import QmpError
from test_off import VOLATILE, record
from test_refused import FAR_KHZ, refuse_once

DEVICE = "/machine/kvmclock"
OTHERS = {"policy": "lax", "require": "realtime", "blackout": "freeze",
          "blackout-limit": 7}


def change(guest, name, value):
    guest.qmp.execute("qom-set", {"path": DEVICE, "property": name,
                                  "value": value})


def current(guest, name):
    return guest.qmp.execute("qom-get", {"path": DEVICE, "property": name})


def refused(guest, name, value, why):
    """It is, in these words, and nothing changed."""
    before = current(guest, name)
    try:
        change(guest, name, value)
    except QmpError as error:
        assert why in str(error), error
    else:
        assert False, "%s=%s was accepted" % (name, value)
    assert current(guest, name) == before


def test_all():
    """Each setting changes, without a pause, and query-kvm-clock knows."""
    with start(patched()) as guest:
        guest.wait_up()
        untouched = Untouched(guest)
        for name, value in OTHERS.items():
            change(guest, name, value)
            assert current(guest, name) == value
            assert guest.qmp.execute("query-kvm-clock")[name] == value
        untouched.assert_still()


def test_nonsense():
    """What no setting can be is refused, and nothing changes."""
    with start(patched()) as guest:
        for name, value in (("policy", "loose"), ("require", 1),
                            ("blackout", True), ("blackout-limit", -1),
                            ("blackout-limit", 2 ** 32),
                            ("guest-clock", "maybe")):
            refused(guest, name, value, "'%s'" % name)


def test_policy():
    """A guest that a destination refuses goes there after policy=lax."""
    with start(patched()) as source:
        source.wait_up()
        refuse_once(source, late=False)
        change(source, "policy", "lax")
        crossing = cross(source, patched(), brackets=False, kvmclock={
            "policy": "lax", "x-pretend-tsc-khz": FAR_KHZ})
        with crossing.destination as destination:
            assert "taking the guest all the same" in destination.stderr()


def test_strict():
    """The other way round: what was accepted is refused from then on."""
    with start(patched()) as source:
        source.wait_up()
        change(source, "require", "exact")
        untouched = Untouched(source)
        destination, uri = incoming(patched())
        with destination:
            assert go(source, uri)["status"] == "failed"
            destination.wait_exit()
            assert "'exact' is required" in destination.stderr()
        untouched.assert_still()


def test_meanwhile():
    """While a migration is active no setting changes; after a cancel each."""
    with start(patched()) as source:
        source.wait_up()
        with stages.ram(source) as destination:
            for name, value in dict(OTHERS, **{"guest-clock": False}).items():
                refused(source, name, value, "while a migration is active")
            stages.cancel(source, stages.ram, destination)
        wait_over(source)
        for name, value in OTHERS.items():
            change(source, name, value)


def test_awaited():
    """A QEMU that awaits a guest tells how to start it instead."""
    for side, value in (patched(), False), (patched_off(), True):
        with start(side, incoming="defer") as destination:
            refused(destination, "guest-clock", value, "start this QEMU with")
            change(destination, "policy", "lax")


# -- guest-clock itself --

def test_off_stream():
    """After guest-clock=off the stream is byte for byte stock's."""
    with start(patched(), extra=["-S"]) as guest:
        change(guest, "guest-clock", False)
        path = guest.path("stream")
        assert go(guest, "file:" + path)["status"] == "completed"
        with open(path, "rb") as file:
            ours = file.read()
    found = stream.difference(record(stock()), ours, VOLATILE)
    assert not found, "\n".join(found)


def off_to(side, paused):
    """A guest that ran, turned off, goes there as from stock QEMU."""
    with start(patched()) as source:
        source.wait_up()
        if paused:
            source.qmp.execute("stop")
        change(source, "guest-clock", False)
        destination, uri = incoming(side)
        with destination:
            assert go(source, uri)["status"] == "completed", \
                destination.stderr()
            if paused:
                destination.qmp.execute("cont")
            arrive(destination)
            assert not measure.own_report(destination)


def test_off_to_stock():
    """Turned off, a guest arrives at stock QEMU, running or paused."""
    for paused in False, True:
        off_to(stock(), paused)


def test_off_to_on():
    """Turned off, it leaves its host for one that had refused it."""
    with start(patched()) as source:
        source.wait_up()
        refuse_once(source, late=False)
        change(source, "guest-clock", False)
        crossing = cross(source, patched(), brackets=False,
                         kvmclock={"x-pretend-tsc-khz": FAR_KHZ})
        with crossing.destination as destination:
            assert not measure.own_report(destination)


def test_off_goes_on():
    """Turned off while paused, the guest goes on."""
    with start(patched()) as guest:
        guest.wait_up()
        guest.qmp.execute("stop")
        change(guest, "guest-clock", False)
        guest.qmp.execute("cont")
        guest.wait_beating()


def test_on():
    """Turned on as it runs, and off and on again, its clocks are carried."""
    with start(patched_off()) as source:
        source.wait_up()
        for value in True, False, True:
            change(source, "guest-clock", value)
        before = measure.view(source)
        destination, uri = incoming(patched())
        with destination:
            assert go(source, uri)["status"] == "completed", \
                destination.stderr()
            arrive(destination)
            assert_carried(before, destination)


def test_on_last():
    """Turned on, kvmclock is the last thing that is set before the guest
    runs, as if it had been on from the start: after the PIT, too."""
    for side in patched(), patched_off():
        with start(side) as guest:
            guest.wait_up()
            if side == patched_off():
                change(guest, "guest-clock", True)
            guest.qmp.execute("stop")
            with ioctls.listed(guest) as calls:
                guest.qmp.execute("cont")
                guest.wait_beating()
            calls = calls[:calls.index("KVM_RUN")]
            clock = max(index for index, call in enumerate(calls)
                        if call in ("KVM_GET_CLOCK", "KVM_SET_CLOCK"))
            assert clock > calls.index("KVM_SET_PIT2"), calls


def test_on_plugged():
    """A vCPU that is plugged in after that has the boot vCPU's TSC."""
    off = {"guest-clock": "off"}
    with start(fakehost.side("newest", **off), extra=hotplug.ROOM) as source:
        source.wait_up()
        crossing = cross(source, fakehost.side("fast", **off), brackets=False,
                         extra=hotplug.ROOM)
        with crossing.destination as guest:
            change(guest, "guest-clock", True)
            hotplug.plug(guest)
            hotplug.assert_alike("fast", guest)


def test_on_paused():
    """Not while it is paused: its clocks at the stop are gone."""
    with start(patched_off()) as guest:
        guest.wait_up()
        guest.qmp.execute("stop")
        refused(guest, "guest-clock", True, "only while the guest runs")
        guest.qmp.execute("cont")
        change(guest, "guest-clock", True)
        guest.wait_beating()
