# SPDX-License-Identifier: GPL-2.0-or-later
"""All RAM first, then the rest: over each channel, through each file."""
from harness import measure
from harness.binaries import start
from harness.check import assert_carried, patched, patched_off, stock
from harness.migrate import cross
from harness.tap import note
from modes import MODES, moved

STOCK_LEAST_NS = 100_000


def crosses(name):
    with moved(name, patched(), vcpus=2) as (before, guest):
        report = assert_carried(before, guest)
        assert report["same-host"] is True, report


def crosses_on_and_off(name):
    """With the feature off the guest arrives, too, its clock behind."""
    with moved(name, patched_off()) as (before, guest):
        result = measure.compare(before, measure.view(guest))
        note("off: step %d ns" % measure.worst(result.steps_ns))
        assert measure.own_report(guest) == {}
    crosses(name)


def test_unix():
    """unix: carries both clocks, of 2 vCPUs."""
    crosses("unix")


def test_tcp():
    """tcp: does, too."""
    crosses("tcp")


def test_fd_socket():
    """fd: with a socket does, too."""
    crosses("fd, a socket")


def test_fd_pipe():
    """fd: with a pipe does, though nobody can answer there."""
    crosses("fd, a pipe")


def test_multifd():
    """multifd does, too."""
    crosses("multifd")


def test_return_path():
    """With the capability return-path nothing is answered twice."""
    crosses("return-path")


def test_auto_converge():
    """auto-converge does, too."""
    crosses("auto-converge")


def test_dirty_limit():
    """dirty-limit does, too; it needs KVM's dirty ring."""
    ring = {"accel": "kvm,dirty-ring-size=4096"}
    with start(patched(), vcpus=2, **ring) as source:
        source.wait_up()
        crossing = cross(source, patched(), ("dirty-limit",), brackets=False,
                         **ring)
        with crossing.destination as destination:
            assert_carried(crossing.source, destination)


def test_file():
    """file: saves and loads, with the feature on and off."""
    crosses_on_and_off("file")


def test_exec():
    """exec: saves and loads, with the feature on and off."""
    crosses_on_and_off("exec")


def test_mapped_ram():
    """file: with mapped-ram carries both clocks."""
    crosses("mapped-ram")


def test_mapped_ram_multifd():
    """file: with mapped-ram and multifd carries both clocks."""
    crosses("mapped-ram, multifd")


def test_stock():
    """Stock steps the clock by more than 100 us on each of the ways."""
    for name in MODES:
        with moved(name, stock()) as (before, guest):
            result = measure.compare(before, measure.view(guest))
            step = measure.worst(result.steps_ns)
            note("%s: stock's step %.3f ms" % (name, step / 1e6))
            assert abs(step) > STOCK_LEAST_NS, \
                "%s: %d ns: is this measurement right?" % (name, step)
