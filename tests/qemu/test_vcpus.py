# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests with many vCPUs, and with vCPUs that come and go."""
import hotplug
from harness import measure
from harness.binaries import start
from harness.check import assert_carried, assert_unharmed, patched
from harness.migrate import (arrive, cross, incoming, set_capabilities,
                             wait_running, wait_status)
from harness.qmp import QmpError
from harness.tap import note


def crossings(vcpus, rounds):
    """Idle guests: more busy vCPUs than CPUs would wait for each other."""
    source = start(patched(), vcpus=vcpus, extra=["-S"])
    try:
        source.calm()
        source.qmp.execute("cont")
        source.wait_up(60)
        for _ in range(rounds):
            crossing = cross(source, patched(), brackets=False)
            source.close()
            source = crossing.destination
            note("%d vCPUs, restored in %.3f ms" % (
                vcpus, crossing.report["duration-ns"] / 1e6))
            report = assert_carried(crossing.source, source, busy=True)
            assert report["skew-ticks"] == 0, report
    finally:
        source.close()


def test_two():
    """2 vCPUs cross 10 times: the clocks of both, and both alike."""
    crossings(2, 10)


def test_sixty_four():
    """64 vCPUs cross 3 times."""
    crossings(64, 3)


def test_255():
    """255 vCPUs cross twice."""
    crossings(255, 2)


def test_busy():
    """8 vCPUs that never sleep, on however few CPUs there are."""
    with start(patched(), vcpus=8) as source:
        source.wait_up(60)
        crossing = cross(source, patched(), brackets=False)
        with crossing.destination as destination:
            assert_carried(crossing.source, destination, busy=True)


def test_plugged_before():
    """A vCPU plugged in at the source crosses with the others."""
    with start(patched(), extra=hotplug.ROOM) as source:
        source.wait_up()
        hotplug.plug(source)
        crossing = cross(source, patched(), brackets=False,
                         extra=hotplug.plugged(source))
        with crossing.destination as destination:
            report = assert_carried(crossing.source, destination)
            assert report["skew-ticks"] == 0, report


def test_plugged_after():
    """vCPUs plugged in where the guest arrived have the others' clocks."""
    with start(patched(), extra=hotplug.ROOM) as source:
        source.wait_up()
        crossing = cross(source, patched(), brackets=False,
                         extra=hotplug.ROOM)
        with crossing.destination as destination:
            while destination.vcpus < hotplug.MAX_VCPUS:
                hotplug.plug(destination)
            alike(crossing.source, destination)


def alike(before, guest):
    """All vCPUs' clocks are that of the boot vCPU in `before`."""
    now = measure.view(guest)
    boot = before._replace(slots=before.slots[:1] * guest.vcpus)
    assert_unharmed(measure.compare(boot, now))
    offsets = set(now.scaling.values())
    assert len(offsets) <= 1, "KVM's TSC offsets differ: %s" % offsets


def test_plugged_during():
    """QEMU takes no vCPU while it migrates; afterwards it does."""
    with start(patched(), extra=hotplug.ROOM) as source:
        source.wait_up()
        destination, uri = incoming(patched(), extra=hotplug.ROOM,
                                    capabilities=["pause-before-switchover"])
        with destination:
            set_capabilities(source, "pause-before-switchover")
            source.qmp.execute("migrate", {"uri": uri})
            wait_status(source, ("pre-switchover",))
            try:
                hotplug.plug(source)
                assert False, "QEMU took a vCPU while it migrated"
            except QmpError as error:
                assert "migrat" in str(error), error
            source.qmp.execute("migrate-continue",
                               {"state": "pre-switchover"})
            wait_status(source, ("completed",))
            arrive(destination)
            before = measure.view(source)
            hotplug.plug(destination)
            alike(before, destination)


def test_plugged_after_cancel():
    """The same at the source, when the migration was cancelled."""
    with start(patched(), extra=hotplug.ROOM) as source:
        source.wait_up()
        before = measure.view(source)
        destination, uri = incoming(patched(), extra=hotplug.ROOM,
                                    capabilities=["pause-before-switchover"])
        with destination:
            set_capabilities(source, "pause-before-switchover")
            source.qmp.execute("migrate", {"uri": uri})
            wait_status(source, ("pre-switchover",))
            source.qmp.execute("migrate_cancel")
            wait_status(source, ("cancelled",))
        wait_running(source)
        hotplug.plug(source)
        alike(before, source)


def test_parked():
    """A vCPU that was pulled out, which KVM still has, is no obstacle."""
    with start(patched(), extra=hotplug.ROOM) as source:
        source.wait_up()
        hotplug.plug(source)
        hotplug.unplug(source)
        before = measure.view(source)
        for command in "stop", "cont":
            source.qmp.execute(command)
        source.wait_beating()
        assert_carried(before, source)
        crossing = cross(source, patched(), brackets=False,
                         extra=hotplug.ROOM)
        with crossing.destination as destination:
            assert_carried(crossing.source, destination)
