# SPDX-License-Identifier: GPL-2.0-or-later
"""One live migration between two QEMUs."""
import time
from collections import namedtuple

from harness import measure
from harness.binaries import start
from harness.guest import GuestError
from harness.qmp import QmpClosed
from harness.wait import LIMIT_S, until

# A guest that was stopped no longer ago was stopped to be saved or moved.
STOP_TO_SAVE_S = 5
HOPS = 5        # as many hops of one guest in a chain, then a new guest
DONE = ("completed", "failed", "cancelled")

Crossing = namedtuple("Crossing", "result report downtime_ms total_ms "
                                  "source destination")


def pause(guest):
    """As its user does, long before it is saved or moved."""
    guest.qmp.execute("stop")
    time.sleep(STOP_TO_SAVE_S + 0.1)


def set_capabilities(guest, *names, state=True):
    wanted = [{"capability": name, "state": state} for name in names]
    if wanted:
        guest.qmp.execute("migrate-set-capabilities", {"capabilities": wanted})


def set_parameters(guest, **parameters):
    guest.qmp.execute("migrate-set-parameters", parameters)


def status(guest):
    """query-migrate; its status is "none" before any migration."""
    return guest.qmp.execute("query-migrate")


def wait_status(guest, wanted=DONE):
    """Until query-migrate shows one of the wanted states."""
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        info = status(guest)
        if info.get("status") in wanted:
            return info
        time.sleep(0.001)
    raise GuestError("migration stays %r" % info.get("status"))


def wait_over(guest):
    """Until a migration that ended has tidied up, and another can begin."""
    until(lambda: not any(instance["type"] == "migration"
                          for instance in guest.qmp.execute("query-yank")),
          "the migration doesn't tidy up")


def listen(guest):
    """A destination listens from now on; its URI."""
    uri = "unix:" + guest.path("migration")
    guest.qmp.execute("migrate-incoming", {"uri": uri})
    return uri


def incoming(side, vcpus=1, capabilities=(), **options):
    """A destination that listens; its URI."""
    guest = start(side, vcpus=vcpus, incoming="defer", **options)
    set_capabilities(guest, *capabilities)
    return guest, listen(guest)


def load(side, uri, vcpus=1, **options):
    """A QEMU that is about to load a saved guest; it may refuse and end."""
    guest = start(side, vcpus=vcpus, incoming="defer", **options)
    try:
        guest.qmp.execute("migrate-incoming", {"uri": uri})
    except QmpClosed:
        pass
    return guest


def wait_loaded(guest):
    """True once the guest is all there; False when QEMU ended instead."""
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        try:
            state = guest.qmp.execute("query-status")["status"]
        except (QmpClosed, TimeoutError):
            guest.wait_exit()
            return False
        if state in ("running", "paused", "prelaunch", "suspended",
                     "guest-panicked"):
            return True
        time.sleep(0.001)
    raise GuestError("loading never ends")


def wait_running(guest):
    deadline = time.monotonic() + LIMIT_S
    while not guest.running():
        if time.monotonic() > deadline:
            raise GuestError("the guest doesn't run: %s"
                             % guest.qmp.execute("query-status")["status"])
        time.sleep(0.001)


def go(source, uri):
    """Migrate to uri and wait for the end; the last query-migrate."""
    source.qmp.execute("migrate", {"uri": uri})
    return wait_status(source)


def explain(source, destination, info):
    try:
        destination.wait_exit(2)
        words = destination.last_words()
    except QmpClosed:
        words = ""
    return "migration %s: %s; destination says: %s" % (
        info.get("status"), info.get("error-desc", ""), words)


def arrive(destination):
    """Until the guest runs there: only then is KVM's record its own."""
    wait_running(destination)
    destination.wait_beating()


def arrive_late(destination, wait_s):
    """The same on a QEMU that was started with -S, and kept waiting."""
    assert wait_loaded(destination), destination.stderr()
    time.sleep(wait_s)
    destination.qmp.execute("cont")
    arrive(destination)


def cross(source, side, capabilities=(), brackets=True, sampler=None,
          **options):
    """Move source's guest to a new QEMU of `side`, and measure.

    The caller owns both QEMUs afterwards; on an error only the source."""
    bounds = measure.bracket(source) if brackets else None
    destination, uri = incoming(side, source.vcpus, capabilities, **options)
    try:
        set_capabilities(source, *capabilities)
        if sampler:
            sampler.start(source, destination)
        info = go(source, uri)
        if info["status"] != "completed":
            raise GuestError(explain(source, destination, info))
        arrive(destination)
        if sampler:
            sampler.stop()
        before = measure.view(source, bounds)
        after = measure.view(destination, measure.bracket(destination)
                             if brackets else None)
        return Crossing(measure.compare(before, after),
                        measure.own_report(destination),
                        info.get("downtime"), info.get("total-time"),
                        before, destination)
    except BaseException:
        if sampler:
            sampler.stop()
        destination.close()
        raise


def chain(side, vcpus, rounds, **options):
    """Crossings one after the other, the destination being the next source."""
    source = None
    for number in range(rounds):
        if number % HOPS == 0:
            if source:
                source.close()
            source = start(side, vcpus=vcpus)
            source.wait_up()
        crossing = cross(source, side, **options)
        source.close()
        source = crossing.destination
        yield crossing
    source.close()
