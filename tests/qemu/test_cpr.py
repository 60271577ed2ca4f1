# SPDX-License-Identifier: GPL-2.0-or-later
"""cpr-transfer to a QEMU that refuses, or never answers: the guest runs on."""
import contextlib
import re
import socket
import tempfile

import modes
from harness.binaries import start
from harness.check import Untouched, assert_carried, patched
from harness.guest import GuestError
from harness.migrate import set_parameters, wait_status
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
