# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests that use kvmclock in their own way, or not at all.

What such a guest's clock would read is known all the same: its record from
before is a function of the TSC, and after the crossing the guest asks KVM for
a new one."""
from harness import layout
from harness.binaries import start
from harness.check import WORST_NS, assert_carried, assert_unharmed, patched
from harness.measure import compare, view
from harness.migrate import cross
from harness.pvclock import Record, step_ns
from harness.tap import note

SYSTEM_TIME_MSR = 0x4b564d01
OLD_SYSTEM_TIME_MSR = 0x12
ON = 1
ELSEWHERE = 0x38000

# Without a master clock KVM sets each record anew from the host's clock, at
# every turn, so the guest's clock jumps by as much without any migration.
NO_MASTER_CLOCK_NS = 10_000

# Where no record can be, and KVM writes none: not even the guest has a clock.
NOWHERE = {
    "across two pages": 0x39000 - 16,
    "beyond RAM": 0x7fffff000,
    "in the ROM": layout.ROM_BASE + 0x100,
    "in the APIC": 0xfee00000,
    "at the end of the address space": (1 << 64) - 32,
}


def use(guest, address, vcpus=(0,), msr=SYSTEM_TIME_MSR):
    """Let vCPUs have their records at address (of each, if it's callable)."""
    for index in vcpus:
        guest.wrmsr(msr, address(index) if callable(address) else address,
                    index)


def crosses_without(address, vcpus, count=1):
    """With these vCPUs' records at `address` it crosses; then all is well."""
    with start(patched(), vcpus=count) as source:
        source.wait_up()
        before = view(source)
        use(source, address, vcpus)
        crossing = cross(source, patched(), brackets=False)
        with crossing.destination as destination:
            use(destination,
                lambda index: destination.slot_address(index) | ON, vcpus)
            destination.wait_beating()
            assert_carried(before, destination)


def test_off():
    """With kvmclock off its value is carried, and right when it's on again."""
    crosses_without(0, (0,))


def test_off_boot():
    """Off on the boot vCPU only."""
    crosses_without(0, (0,), 2)


def test_off_other():
    """Off on the other vCPU only."""
    crosses_without(0, (1,), 2)


def test_nowhere():
    """The boot vCPU's record where none can be: the clock is carried."""
    for name, address in NOWHERE.items():
        note(name)
        crosses_without(address | ON, (0,), 2)


def test_moved():
    """A record in another place is found there."""
    with start(patched()) as source:
        source.wait_up()
        use(source, ELSEWHERE | ON)
        source.wait_beating()
        before = Record.parse(source.read(ELSEWHERE, layout.PV_SIZE))
        assert before.whole, before
        crossing = cross(source, patched(), brackets=False)
        with crossing.destination as destination:
            after = Record.parse(destination.read(ELSEWHERE, layout.PV_SIZE))
            assert after.function != before.function, "KVM wrote no record"
            step = step_ns(before, after, after.tsc_timestamp)
            note("step %d ns" % step)
            assert abs(step) <= WORST_NS, "kvmclock stepped %d ns" % step


def test_shared():
    """Two vCPUs with one and the same record."""
    with start(patched(), vcpus=2) as source:
        source.wait_up()
        use(source, source.slot_address(0) | ON, (1,))
        source.wait_beating()
        before = view(source)
        crossing = cross(source, patched(), brackets=False)
        with crossing.destination as destination:
            use(destination, destination.slot_address(1) | ON, (1,))
            destination.wait_beating()
            assert_carried(before, destination)


def test_old_msr():
    """A guest of 2007, which has no master clock, arrives within 10 us."""
    with start(patched()) as source:
        source.wait_up()
        use(source, source.slot_address(0) | ON, msr=OLD_SYSTEM_TIME_MSR)
        source.wait_beating()
        crossing = cross(source, patched(), brackets=False)
        with crossing.destination:
            note("step %s ns, bound by its own word %d ns" % (
                crossing.result.steps_ns, crossing.report["bound-ns"]))
            assert_unharmed(crossing.result, worst_ns=NO_MASTER_CLOCK_NS)


def test_turned_on_there():
    """A guest that has never used kvmclock can begin where it arrived."""
    with start(patched(), vcpus=2) as source:
        source.wait_up()
        before = view(source)
        use(source, 0, (0, 1))
        second = cross(source, patched(), brackets=False).destination
        with second:
            third = cross(second, patched(), brackets=False).destination
            with third:
                use(third, lambda index: third.slot_address(index) | ON,
                    (0, 1))
                third.wait_beating()
                result = compare(before, view(third))
                note("step %s ns after two crossings" % result.steps_ns)
                assert_unharmed(result)
