# SPDX-License-Identifier: GPL-2.0-or-later
"""Holds a migration at each of its stages, to end it there.

A stage is a context manager: stage(source, *capabilities) starts the migration
and yields the destination, or what stands for one, with the migration waiting.
Its end() lets the destination die. What may happen after the last byte is in
test_sent.py: there the source doesn't get its guest back."""
import contextlib
import os
import signal
import socket
import threading

from harness.check import patched
from harness.guest import GuestError
from harness.migrate import (incoming, set_capabilities, set_parameters,
                             status, wait_status)
from harness.wait import LIMIT_S
from relay import Relay

BALLAST = 0x100000, 16 << 20    # address, bytes: more than a socket holds
SLOW = 1 << 20                  # bytes a second
AT_ONCE_MS = 2000 * 1000        # a downtime-limit that nothing exceeds
PING = b"\x08\x00\x02\x00\x04"  # a command of 4 bytes, which are its number
LATE_EXCHANGE = PING + b"\x00\x00\x01\x04"


class Deaf:
    """A socket where nobody answers, and no more calls are taken."""

    def __init__(self, path):
        self.path = path
        self._sockets = [socket.socket(socket.AF_UNIX)]
        self._sockets[0].bind(path)
        self._sockets[0].listen(0)
        self._fill()

    def _fill(self):
        """Until the next caller would have to wait."""
        while True:
            caller = socket.socket(socket.AF_UNIX)
            caller.setblocking(False)
            self._sockets.append(caller)
            try:
                caller.connect(self.path)
            except BlockingIOError:
                return

    def end(self):
        for sock in self._sockets:
            sock.close()


class Destination:
    """A QEMU that can die."""

    def __init__(self, guest):
        self.guest = guest

    def end(self):
        self.guest.signal(signal.SIGKILL)
        self.guest.wait_exit()


@contextlib.contextmanager
def connecting(source, *_):
    """Before the destination has taken the call."""
    deaf = Deaf(source.path("deaf"))
    try:
        source.qmp.execute("migrate", {"uri": "unix:" + deaf.path})
        wait_status(source, ("setup",))
        yield deaf
    finally:
        deaf.end()
        os.unlink(deaf.path)


@contextlib.contextmanager
def _to(source, *capabilities, to=None):
    """To a destination; a lot of RAM has to go."""
    guest, uri = incoming(to or patched(), source.vcpus, capabilities)
    capabilities += "events",
    with guest:
        set_capabilities(source, *capabilities)
        address, size = BALLAST
        source.write(address, os.urandom(size))
        try:
            yield guest, uri
        finally:
            set_capabilities(source, *capabilities, state=False)


@contextlib.contextmanager
def setup(source, *capabilities):
    """The destination has the set-up sections and says nothing yet."""
    with _to(source, *capabilities) as (guest, uri):
        guest.signal(signal.SIGSTOP)
        source.qmp.execute("migrate", {"uri": uri})
        wait_status(source, ("active",))
        yield Destination(guest)
        assert _ram_sent(source) < 4096, "RAM was sent"


@contextlib.contextmanager
def ram(source, *capabilities, to=None):
    """In the first pass over RAM."""
    with _to(source, *capabilities, to=to) as (guest, uri):
        set_parameters(source, **{"max-bandwidth": SLOW})
        source.qmp.execute("migrate", {"uri": uri})
        while _ram_sent(source) < 65536:
            wait_status(source, ("setup", "active"))
        yield Destination(guest)
        set_parameters(source, **{"max-bandwidth": 0})


@contextlib.contextmanager
def exchange(source, *capabilities):
    """The guest is about to stop, and messages before that get no answer."""
    asked = threading.Event()

    def watch(back, data):
        if not back and LATE_EXCHANGE in data:
            asked.set()
        if not back or not asked.is_set():
            yield data

    with _to(source, *capabilities) as (guest, uri), Relay(uri, watch) as relay:
        source.qmp.execute("migrate", {"uri": relay.uri})
        assert asked.wait(LIMIT_S), "no messages before the guest stops"
        yield Destination(guest)


def _ram_sent(source):
    return status(source).get("ram", {}).get("transferred", 0)


def stop_at_once(source):
    """Let the next migration stop the guest before most RAM is sent."""
    set_parameters(source, **{"downtime-limit": AT_ONCE_MS,
                              "max-bandwidth": SLOW})


@contextlib.contextmanager
def switchover(source, *capabilities):
    """The guest has stopped; with nearly all RAM still to be sent."""
    with _to(source, "pause-before-switchover",
             *capabilities) as (guest, uri):
        stop_at_once(source)
        source.qmp.execute("migrate", {"uri": uri})
        wait_status(source, ("pre-switchover",))
        yield Destination(guest)
        set_parameters(source, **{"downtime-limit": 300, "max-bandwidth": 0})


@contextlib.contextmanager
def device(source, *capabilities):
    """The rest of RAM and the devices' state are being sent.

    QEMU holds its big lock then: it may not even answer, and nobody can cancel
    any more."""
    with switchover(source, *capabilities) as destination:
        destination.guest.signal(signal.SIGSTOP)
        source.qmp.events.clear()
        source.qmp.post("migrate-continue", {"state": "pre-switchover"})
        source.qmp.wait_event("MIGRATION", status="device")
        yield destination


STAGES = [connecting, setup, ram, exchange, switchover, device]


def let_fail(source, stage, destination):
    """The destination dies, and the source notices."""
    destination.end()
    if stage is switchover:
        source.qmp.execute("migrate-continue", {"state": "pre-switchover"})
    info = wait_status(source)
    if info["status"] != "failed":
        raise GuestError("the migration %s though its destination died"
                         % info["status"])


def cancel(source, _stage, _destination):
    source.qmp.execute("migrate_cancel")
    info = wait_status(source)
    if info["status"] != "cancelled":
        raise GuestError("the migration %s" % info["status"])


def ends(stage):
    """How a migration can end at a stage."""
    return [let_fail] if stage is device else [cancel, let_fail]
