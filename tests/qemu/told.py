# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests that are told the time by QEMU's vmclock device, on fake hosts, and
how far from true that is."""
import time

from hosttime import REAL_NS

from harness import fakehost
from harness.binaries import start
from harness.migrate import arrive, go, incoming
from harness.pvclock import signed64
from harness.tap import note

DEVICE = ["-device", "vmclock,host-time=on"]
GOOD_NS = 100000
WRONG_NS = 10 ** 9
REFRESH_S = 16


def host(name, like="newest-amd", **keys):
    keys = dict({"realtime": REAL_NS, "max_error_ns": GOOD_NS}, **keys)
    return fakehost.declare("vmclock-" + name, like, **keys)


def off_ns(guest, name, page, after_ns=0):
    """How far the page is off some time after it was written, by the truth."""
    clocks = fakehost.clocks(fakehost.log(name, guest.pid))
    passed_ticks = signed64(page.ticks - clocks.guest_tsc(0))
    then_ns = round(passed_ticks * 10 ** 9 / clocks.true_hz())
    tsc = clocks.guest_tsc(then_ns + after_ns)
    return float(page.utc_ns(tsc) - REAL_NS - then_ns - after_ns), \
        page.bound_ns(tsc)


def judged(what, guest, name):
    """The page is right to within what it says, now and a minute later."""
    page = guest.vmclock_page()
    for after_ns in 0, 60 * 10 ** 9:
        ns, bound_ns = off_ns(guest, name, page, after_ns)
        note("%s: off by %.0f ns, bound %s" % (what, ns, bound_ns and
                                               float(bound_ns)))
        if bound_ns is not None:
            assert abs(ns) <= bound_ns, (ns, bound_ns, page)
    return page


def moved(source, there, here, extra=()):
    """The page there and here, after a migration over a socket."""
    there_page = judged("there", source, there)
    destination, uri = incoming(fakehost.side(here), extra=DEVICE + list(extra))
    with destination:
        assert go(source, uri)["status"] == "completed", destination.stderr()
        arrive(destination)
        page = judged("here", destination, here)
        assert page.marker != there_page.marker
        assert page.generation == there_page.generation
        return page


def wait_page(guest, holds, what):
    """The first of its pages for which holds() is true."""
    deadline = time.monotonic() + 3 * REFRESH_S
    while not holds(guest.vmclock_page()):
        assert time.monotonic() < deadline, (what, guest.vmclock_page())
        time.sleep(0.05)
    return guest.vmclock_page()


def started(name):
    return start(fakehost.side(name), extra=DEVICE)
