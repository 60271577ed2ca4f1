# SPDX-License-Identifier: GPL-2.0-or-later
"""What guests do to their TSC, and what they were told about it.

Where KVM ignores TSC offsets, as in some VMs, the vCPUs' TSCs never part."""
from harness import measure
from harness.binaries import start
from harness.check import Untouched, assert_carried, patched, stock
from harness.migrate import cross, go, incoming
from harness.tap import note

TSC_MSR, TSC_ADJUST_MSR = 0x10, 0x3b
STEP_TICKS = 1 << 32
ADJUSTABLE = ["-cpu", "qemu64,+tsc-adjust"]


def shifts(guest):
    """KVM's TSC offset of each vCPU against the boot vCPU's."""
    scaling = measure.view(guest).scaling
    return {vcpu: offset - scaling[0][0]
            for vcpu, (offset, _) in scaling.items()}


def crosses_shifted(msr, values):
    """Each vCPU writes its own value; the differences stay to the tick."""
    with start(patched(), vcpus=len(values), extra=ADJUSTABLE) as source:
        source.wait_up()
        for index, value in enumerate(values):
            source.wrmsr(msr, value, index)
        source.wait_beating()
        before = shifts(source)
        note("KVM's offsets against the boot vCPU's: %s" % before)
        crossing = cross(source, patched(), brackets=False, extra=ADJUSTABLE)
        with crossing.destination as destination:
            assert shifts(destination) == before, shifts(destination)
            if not any(before.values()):
                assert_carried(crossing.source, destination)
            if msr == TSC_ADJUST_MSR:
                found = [destination.rdmsr(msr, index)
                         for index in range(len(values))]
                assert found == values, found


def test_adjusted():
    """TSC_ADJUST is carried, the same on all vCPUs."""
    crosses_shifted(TSC_ADJUST_MSR, [STEP_TICKS] * 2)


def test_adjusted_differently():
    """TSC_ADJUST that differs from vCPU to vCPU is carried."""
    crosses_shifted(TSC_ADJUST_MSR, [0, STEP_TICKS, 5 * STEP_TICKS])


def test_adjusted_back():
    """A negative TSC_ADJUST is carried."""
    crosses_shifted(TSC_ADJUST_MSR, [(1 << 64) - STEP_TICKS] * 2)


def test_written():
    """A guest that writes its TSC has it where it wants, after, too."""
    crosses_shifted(TSC_MSR, [1 << 50] * 2)


def test_written_differently():
    """vCPUs whose TSCs the guest set to different values."""
    crosses_shifted(TSC_MSR, [1 << 50, 1 << 51])


def test_promised():
    """A guest with invtsc goes to the same frequency, and nowhere else."""
    with start(stock()) as probe:
        probe.wait_up()
        khz = measure.host_khz(probe)
    promise = ["-cpu", "qemu64,+invtsc,tsc-frequency=%d" % (khz * 1000)]
    with start(patched(), extra=promise) as source:
        source.wait_up()
        untouched = Untouched(source)
        other, uri = incoming(patched(), extra=promise, kvmclock={
            "x-pretend-tsc-khz": str(round(khz * (1 + 1e-4)))})
        with other:
            assert go(source, uri)["status"] == "failed"
            other.wait_exit()
            assert "kvmclock: refusing the guest" in other.stderr()
        untouched.assert_still()
        crossing = cross(source, patched(), brackets=False, extra=promise)
        with crossing.destination as destination:
            assert_carried(crossing.source, destination)
