# SPDX-License-Identifier: GPL-2.0-or-later
"""Postcopy: the guest runs on the destination before its RAM is there."""
import os
import threading
import time

from relay import Relay

from harness import fakehost, measure
from harness.binaries import start
from harness.check import Untouched, assert_carried, patched
from harness.migrate import (arrive, cross, incoming, set_capabilities,
                             set_parameters, wait_running, wait_status)
from harness.tap import note
from harness.wait import LIMIT_S

SLOW = 1 << 20              # bytes a second
BALLAST = 0x100000, 16 << 20    # address, bytes: RAM that takes a while


def started(source, capabilities=(), **options):
    """A destination, the migration in its first pass over RAM."""
    capabilities = ("postcopy-ram",) + capabilities
    destination, uri = incoming(patched(), capabilities=capabilities,
                                **options)
    set_capabilities(source, *capabilities)
    set_parameters(source, **{"max-bandwidth": SLOW,
                              "max-postcopy-bandwidth": 2 * SLOW})
    address, size = BALLAST
    source.write(address, os.urandom(size))
    source.qmp.execute("migrate", {"uri": uri})
    wait_status(source, ("active",))
    return destination


def early(*capabilities):
    """Measured while most RAM is still at the source, and after."""
    with start(patched()) as source:
        source.wait_up()
        with started(source, capabilities) as destination:
            source.qmp.execute("migrate-start-postcopy")
            arrive(destination)
            before = measure.view(source)
            info = wait_status(source, ("postcopy-active",))
            note("%d bytes of RAM missing" % info["ram"]["remaining"])
            assert info["ram"]["remaining"], "it isn't early"
            assert_carried(before, destination)
            set_parameters(source, **{"max-postcopy-bandwidth": 0})
            wait_status(source, ("completed",))
            assert_carried(before, destination)


def test_early():
    """The clocks are right while RAM is missing, and when all is there."""
    early()


def test_preempt():
    """The same with a channel of its own for urgent pages."""
    early("postcopy-preempt")


def test_not_needed():
    """With the capability, but without the switch, it is a precopy."""
    with start(patched(), vcpus=2) as source:
        source.wait_up()
        crossing = cross(source, patched(), ("postcopy-ram",), brackets=False)
        with crossing.destination as destination:
            assert_carried(crossing.source, destination)


def test_recovered():
    """A connection that breaks half-way is mended: the clocks don't notice."""
    with start(patched()) as source:
        source.wait_up()
        with started(source) as destination:
            source.qmp.execute("migrate-start-postcopy")
            arrive(destination)
            before = measure.view(source)
            source.qmp.execute("migrate-pause")
            for guest in source, destination:
                wait_status(guest, ("postcopy-paused",))
            uri = "unix:" + destination.path("again")
            destination.qmp.execute("migrate-recover", {"uri": uri})
            set_parameters(source, **{"max-postcopy-bandwidth": 0})
            source.qmp.execute("migrate", {"uri": uri, "resume": True})
            wait_status(source, ("completed",))
            destination.wait_beating()
            assert_carried(before, destination)


def test_stalled():
    """A line that stalls while the guest waits for a page: QEMU, which tells
    the guest the time again and again, answers its user all the same."""
    hosts = [fakehost.declare("stalled-%d" % number, "newest-amd",
                              max_error_ns=1000) for number in range(2)]
    extra = ["-device", "vmclock,host-time=on"]
    goes_on, stalls = threading.Event(), threading.Event()
    goes_on.set()

    def watch(back, data):
        if not back and not goes_on.is_set():
            stalls.set()
            goes_on.wait()
        yield data

    with start(fakehost.side(hosts[0]), extra=extra) as source:
        source.wait_up()
        destination, uri = incoming(fakehost.side(hosts[1]),
                                    capabilities=("postcopy-ram",),
                                    extra=extra)
        with destination, Relay(uri, watch) as relay:
            set_capabilities(source, "postcopy-ram")
            set_parameters(source, **{"max-bandwidth": SLOW,
                                      "max-postcopy-bandwidth": SLOW})
            address, size = BALLAST
            source.write(address, os.urandom(size))
            source.qmp.execute("migrate", {"uri": relay.uri})
            wait_status(source, ("active",))
            source.qmp.execute("migrate-start-postcopy")
            wait_running(destination)
            goes_on.clear()
            assert stalls.wait(LIMIT_S), "nothing was under way any more"
            try:
                for _ in range(40):     # twice as long as between two updates
                    time.sleep(0.1)
                    assert destination.running()
            finally:
                goes_on.set()
            set_parameters(source, **{"max-postcopy-bandwidth": 0})
            wait_status(source, ("completed",))
            destination.wait_beating()


def test_cancelled():
    """Cancelled before the switch, the source's clocks are left alone."""
    with start(patched()) as source:
        source.wait_up()
        untouched = Untouched(source)
        with started(source):
            source.qmp.execute("migrate_cancel")
            wait_status(source, ("cancelled",))
            wait_running(source)
            untouched.assert_still()


def test_refused():
    """A destination that can't take the guest says so before the switch."""
    with start(patched()) as source:
        source.wait_up()
        untouched = Untouched(source)
        destination, uri = incoming(patched(), capabilities=("postcopy-ram",),
                                    kvmclock={"x-pretend-tsc-khz": "1000000"})
        with destination:
            set_capabilities(source, "postcopy-ram")
            source.qmp.execute("migrate", {"uri": uri})
            info = wait_status(source)
            assert info["status"] == "failed", info
            untouched.assert_still()
