# SPDX-License-Identifier: GPL-2.0-or-later
"""The test guest itself, and the measurement's arithmetic against it."""
from harness import layout
from harness.binaries import start
from harness.check import stock, stock_without_kvm
from harness.hosttsc import kvm_scaling
from harness.measure import bracket, dump
from harness.pvclock import spread_ns
from harness.tap import note

LOOKS = 200


def test_emulated():
    """Without KVM 4 vCPUs come up and publish their TSC."""
    with start(stock_without_kvm(), vcpus=4, accel="tcg") as guest:
        guest.wait_up()
        slots = [guest.slot(index) for index in range(4)]
        assert sorted(slot.apic_id for slot in slots) == [0, 1, 2, 3], slots
        assert not any(slot.flags & layout.FLAG_KVMCLOCK for slot in slots)


def test_kvm():
    """With KVM 4 vCPUs have kvmclock, and their records agree."""
    with start(stock(), vcpus=4) as guest:
        guest.wait_up()
        slots = [guest.slot(index) for index in range(4)]
        assert all(slot.flags & layout.FLAG_KVMCLOCK for slot in slots)
        assert sorted(slot.apic_id for slot in slots) == [0, 1, 2, 3], slots
        records = [slot.record for slot in dump(guest)]
        assert all(record.whole for record in records), records
        assert spread_ns(records) == 0, records


def test_arithmetic():
    """The guest computes the same kvmclock as this suite does."""
    with start(stock()) as guest:
        guest.wait_up()
        for _ in range(LOOKS):
            guest.wait_beating(beats=1)
            slot = guest.slot()
            assert slot.clock_ns == slot.copy.at(slot.tsc), slot
            assert slot.copy.function == slot.record.function, slot


def test_tsc_bounds():
    """The guest's TSC offset lies within the bounds measured from outside."""
    with start(stock()) as guest:
        guest.wait_up()
        low, high = bracket(guest)[0]
        known = kvm_scaling(guest.pid).get(0)
        note("offset %d..%d ticks from the host's TSC, KVM says %s"
             % (low, high, known))
        assert low <= high
        assert known is None or known[1] or low <= known[0] <= high


def test_reset():
    """The guest comes up again after a reset."""
    with start(stock(), vcpus=2) as guest:
        guest.wait_up()
        guest.wait_beating(beats=100)
        guest.reset()
        assert guest.slot().flags & layout.FLAG_KVMCLOCK
