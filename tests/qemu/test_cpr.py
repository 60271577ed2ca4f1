# SPDX-License-Identifier: GPL-2.0-or-later
"""CPR to another QEMU on one host: to the tick. To one that refuses, or never
answers: the guest runs on."""
import contextlib
import re
import socket
import tempfile

import modes
from harness import fakehost, measure
from harness.binaries import start
from harness.check import Untouched, assert_carried, patched
from harness.guest import GuestError
from harness.migrate import set_parameters, wait_status
from harness.qmp import QmpError
from harness.tap import Missing
from talker import Talker


@contextlib.contextmanager
def shared_guest():
    """A guest that cpr-transfer can move, and QEMU's options for another."""
    mode = modes.MODES["cpr-transfer"]
    with tempfile.TemporaryDirectory(prefix="clockferry-") as folder:
        options = {"extra": modes.memory(mode, folder)}
        with start(patched(), vcpus=2, **options) as source:
            source.wait_up()
            yield source, Untouched(source), options


def carried(mode, kind):
    """To another QEMU on one host: 0 ticks, 0 to 2 ns."""
    side = fakehost.side(kind)
    with tempfile.TemporaryDirectory(prefix="clockferry-") as folder:
        options = {"extra": modes.memory(mode, folder)}
        with start(side, vcpus=2, **options) as source:
            source.wait_up()
            before = fakehost.log(kind, source.pid)
            _, destination = mode.move(source, side, **options)
            with destination:
                after = fakehost.log(kind, destination.pid)
                report = measure.own_report(destination)
    # Where it is the same process, both are in one log.
    begins = max(number for number, call in enumerate(after)
                 if call.where == "host")
    assert begins or mode is not modes.CPR_EXEC
    after = after[begins:]
    assert report["same-host"] and "kexec-ppt" not in report, report
    assert report["time-bound-ns"] == 0, report
    for vcpu in range(2):
        pair = (fakehost.clocks(before, vcpu),
                fakehost.clocks(after, vcpu, which=0))
        assert fakehost.tsc_step(*pair) == 0, (kind, vcpu, report)
        assert abs(fakehost.clock_step(*pair)) <= 2, (kind, vcpu, report)


def test_transfer():
    """cpr-transfer, with kernels of each kind."""
    for kind in "newest", "v6", "released":
        carried(modes.MODES["cpr-transfer"], kind)


def test_exec():
    """cpr-exec, where QEMU has it."""
    with start(patched(), extra=["-S"]) as guest:
        try:
            set_parameters(guest, mode="cpr-exec")
        except QmpError as error:
            raise Missing("cpr-exec", "this QEMU hasn't it") from error
    for kind in "newest", "v6", "released":
        carried(modes.CPR_EXEC, kind)


def hand_over(source):
    """Begin it; whoever gets CPR's state hangs up, as a QEMU that is ready."""
    channels = modes.cpr_channels(source)
    path = channels[0]["addr"]["path"]
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        set_parameters(source, mode="cpr-transfer")
        source.qmp.execute("migrate", {"channels": channels})
        listener.accept()[0].close()


def test_silent():
    """The guest runs while the new QEMU thinks, and after a cancel."""
    with shared_guest() as (source, untouched, _options), \
            Talker(source.path("main"), b""):
        hand_over(source)
        wait_status(source, ("active",))
        untouched.assert_still()
        source.qmp.execute("migrate_cancel")
        wait_status(source, ("cancelled",))
        untouched.assert_still()


def test_refused():
    """Refused by the new QEMU: never stopped, and then it moves."""
    with shared_guest() as (source, untouched, options):
        try:
            modes.cpr_transfer(source, patched(), **options,
                               kvmclock={"x-pretend-tsc-khz": "1000000"})
            raise AssertionError("it was taken")
        except GuestError as error:
            # it may have gone before it could be asked anything
            assert re.search("refused the guest before RAM|refusing the guest",
                             str(error)), error
        untouched.assert_still()
        before, destination = modes.cpr_transfer(source, patched(), **options)
        with destination:
            assert_carried(before, destination)
