# SPDX-License-Identifier: GPL-2.0-or-later
"""COLO, which uses the way back for itself, doesn't go with the feature."""
from harness.binaries import start
from harness.check import Untouched, patched, patched_off
from harness.migrate import incoming, set_capabilities, wait_status
from harness.qmp import QmpError
from harness.tap import Missing


def colo(guest):
    try:
        set_capabilities(guest, "x-colo")
    except QmpError as error:
        raise Missing("qemu", str(error)) from error


def test_refused():
    """Refused in a sentence before anything happened to the guest."""
    with start(patched()) as source:
        colo(source)
        source.wait_up()
        untouched = Untouched(source)
        try:
            source.qmp.execute("migrate", {"uri": "unix:/nowhere"})
            raise AssertionError("COLO was started")
        except QmpError as error:
            assert "COLO can't be used with 'kvmclock_offer'" in str(error), \
                error
        untouched.assert_still()


def test_off():
    """With the feature off COLO starts, and both run in step."""
    with start(patched_off()) as source:
        colo(source)
        source.wait_up()
        destination, uri = incoming(patched_off(), capabilities=("x-colo",))
        with destination:
            source.qmp.execute("migrate", {"uri": uri})
            wait_status(source, ("colo",))
            wait_status(destination, ("colo",))
            for guest in source, destination:
                guest.wait_beating()
