# SPDX-License-Identifier: GPL-2.0-or-later
"""Every way to bring a guest from here to there.

A mode's `move` takes the QEMU where the guest runs and what the next one is.
It returns a view of the guest before, and the QEMU where it then runs, which
may be the same. Both QEMUs are the caller's. A mode's `ram` says which memory
the guests need: shared with a file, or with a memfd."""
import contextlib
import json
import os
import socket
import tempfile
import threading
import time
from collections import namedtuple

import snapshot
from harness import measure
from harness.binaries import start
from harness.guest import GuestError
from harness.migrate import (arrive, explain, set_capabilities, set_parameters,
                             status, wait_loaded, wait_running, wait_status)
from harness.qmp import QmpError
from harness.wait import LIMIT_S

Mode = namedtuple("Mode", "move ram", defaults=(None,))


def memory(mode, folder):
    """QEMU's arguments for the memory of a mode's guests."""
    if mode.ram == "file":
        backend = "memory-backend-file,mem-path=%s/ram" % folder
    elif mode.ram == "memfd":
        backend = "memory-backend-memfd"
    else:
        return []
    return ["-object", backend + ",id=ram,size=32M,share=on",
            "-machine", "memory-backend=ram,aux-ram-share=on"]


@contextlib.contextmanager
def destination_for(source, side, incoming="defer", **options):
    """A QEMU for the source's guest; closed if the move fails."""
    guest = start(side, vcpus=source.vcpus, incoming=incoming, **options)
    try:
        yield guest
    except BaseException:
        guest.close()
        raise


def completed(source, destination):
    info = wait_status(source)
    if info["status"] != "completed":
        raise GuestError(explain(source, destination, info))


def listening_at(destination):
    """The URI that leads to a destination that listens."""
    found = status(destination)["socket-address"][0]
    if found["type"] == "inet":
        return "tcp:%(host)s:%(port)s" % found
    return "unix:" + found["path"]


def live(listen, *capabilities):
    """From QEMU to QEMU through a socket; `listen` holds %s for a folder."""
    def move(source, side, **options):
        with destination_for(source, side, **options) as destination:
            for guest in source, destination:
                set_capabilities(guest, *capabilities)
            uri = listen.replace("%s", destination.dir)
            destination.qmp.execute("migrate-incoming", {"uri": uri})
            source.qmp.execute("migrate", {"uri": listening_at(destination)})
            completed(source, destination)
            before = measure.view(source)
            arrive(destination)
        return before, destination
    return move


def descriptors(pair):
    """From QEMU to QEMU through file descriptors: pair() makes both ends."""
    def move(source, side, **options):
        with destination_for(source, side, **options) as destination:
            there, here = pair()
            for guest, fd in (destination, there), (source, here):
                guest.qmp.execute("getfd", {"fdname": "way"}, fds=[fd])
                os.close(fd)
            destination.qmp.execute("migrate-incoming", {"uri": "fd:way"})
            source.qmp.execute("migrate", {"uri": "fd:way"})
            completed(source, destination)
            before = measure.view(source)
            arrive(destination)
        return before, destination
    return move


def _socketpair():
    return [sock.detach() for sock in socket.socketpair()]


def through(save, restore, *capabilities):
    """Into a file and out of it; the URIs hold %s for its path."""
    def move(source, side, **options):
        path = source.path("stream")
        set_capabilities(source, *capabilities)
        source.qmp.execute("migrate", {"uri": save.replace("%s", path)})
        completed(source, source)
        before = measure.view(source)
        with destination_for(source, side, **options) as destination:
            set_capabilities(destination, *capabilities)
            destination.qmp.execute("migrate-incoming",
                                    {"uri": restore.replace("%s", path)})
            if not wait_loaded(destination):
                raise GuestError(destination.stderr())
            if not destination.running():
                destination.qmp.execute("cont")
            arrive(destination)
        return before, destination
    return move


def postcopy(*capabilities):
    """The guest runs on the destination before its memory is there."""
    def move(source, side, **options):
        with destination_for(source, side, **options) as destination:
            for guest in source, destination:
                set_capabilities(guest, "postcopy-ram", *capabilities)
            destination.qmp.execute(
                "migrate-incoming", {"uri": "unix:" + destination.path("way")})
            set_parameters(source, **{"max-bandwidth": 1 << 20})
            source.qmp.execute("migrate", {"uri": listening_at(destination)})
            wait_status(source, ("active",))
            source.qmp.execute("migrate-start-postcopy")
            arrive(destination)
            before = measure.view(source)
            completed(source, destination)
        return before, destination
    return move


def savevm(source, _side, **_):
    """Into a disk image and out of it, in the same QEMU."""
    snapshot.add_disk(source)
    snapshot.monitor(source, "savevm here")
    before = measure.view(source)
    snapshot.monitor(source, "loadvm here")
    snapshot.monitor(source, "delvm here")
    wait_running(source)
    source.wait_beating()
    return before, source


def snapshot_job(source, _side, **_):
    """The same by QMP's jobs, the guest being paused when it is loaded."""
    snapshot.add_disk(source)
    snapshot.snapshot(source, "save", "here")
    before = measure.view(source)
    source.qmp.execute("stop")
    snapshot.snapshot(source, "load", "here")
    snapshot.snapshot(source, "delete", "here")
    source.qmp.execute("cont")
    source.wait_beating()
    return before, source


def cpr_reboot(source, side, **options):
    """Its memory stays in a file while QEMU, and maybe the host, restarts."""
    before = measure.view(source)
    path = source.path("stream")
    set_parameters(source, mode="cpr-reboot")
    set_capabilities(source, "x-ignore-shared")
    source.qmp.execute("migrate", {"uri": "file:" + path})
    completed(source, source)
    source.qmp.execute("quit")
    source.wait_exit()
    with destination_for(source, side, **options) as destination:
        set_parameters(destination, mode="cpr-reboot")
        set_capabilities(destination, "x-ignore-shared")
        destination.qmp.execute("migrate-incoming", {"uri": "file:" + path})
        arrive(destination)
    return before, destination


def _send(source, channels):
    """Migrate as soon as somebody listens."""
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        try:
            source.qmp.execute("migrate", {"channels": channels})
            return
        except QmpError:
            time.sleep(0.001)


def cpr_channels(source):
    """First CPR's state goes, then all the rest."""
    return [{"channel-type": name, "addr": {
        "transport": "socket", "type": "unix", "path": source.path(name)}}
            for name in ("cpr", "main")]


def cpr_transfer(source, side, **options):
    """A new QEMU on the same host takes over the memory."""
    before = measure.view(source)
    set_parameters(source, mode="cpr-transfer")
    channels = cpr_channels(source)

    # The new QEMU has no monitor yet while it waits for the first channel.
    sender = threading.Thread(target=_send, args=(source, channels))
    sender.start()
    options["extra"] = list(options.get("extra", ())) + [
        "-incoming", json.dumps(channels[1])]
    with destination_for(source, side, incoming=json.dumps(channels[0]),
                         **options) as destination:
        sender.join()
        completed(source, destination)
        arrive(destination)
    return before, destination


def cpr_exec(source, side, **_options):
    """QEMU becomes another one, in the same process, which has the memory."""
    before = measure.view(source)
    path, monitor = source.path("stream"), source.path("monitor")
    with open("/proc/%d/cmdline" % source.pid, encoding="utf-8") as line:
        command = line.read().split("\0")[1:-1]
    at = command.index("-chardev")      # of the monitor, with what follows
    set_parameters(source, **{
        "mode": "cpr-exec", "cpr-exec-command":
        [side.binary] + command[:at] + command[at + 4:] +
        ["-qmp", "unix:%s,server=on,wait=off" % monitor,
         "-incoming", "file:" + path]})
    source.qmp.execute("migrate", {"uri": "file:" + path})
    source.reconnect(monitor)
    wait_running(source)
    return before, source


MODES = {
    "unix": Mode(live("unix:%s/way")),
    "tcp": Mode(live("tcp:127.0.0.1:0")),
    "fd, a socket": Mode(descriptors(_socketpair)),
    "fd, a pipe": Mode(descriptors(os.pipe)),
    "multifd": Mode(live("unix:%s/way", "multifd")),
    "return-path": Mode(live("unix:%s/way", "return-path")),
    "auto-converge": Mode(live("unix:%s/way", "auto-converge")),
    "postcopy": Mode(postcopy()),
    "postcopy-preempt": Mode(postcopy("postcopy-preempt")),
    "file": Mode(through("file:%s", "file:%s")),
    "exec": Mode(through("exec:cat >%s", "exec:cat %s")),
    "mapped-ram": Mode(through("file:%s", "file:%s", "mapped-ram")),
    "mapped-ram, multifd": Mode(through("file:%s", "file:%s",
                                        "mapped-ram", "multifd")),
    "background-snapshot": Mode(through("file:%s", "file:%s",
                                        "background-snapshot")),
    "savevm": Mode(savevm),
    "snapshot-save": Mode(snapshot_job),
    "cpr-reboot": Mode(cpr_reboot, "file"),
    "cpr-transfer": Mode(cpr_transfer, "memfd"),
}
CPR_EXEC = Mode(cpr_exec, "memfd")      # not before QEMU 10.2


@contextlib.contextmanager
def moved(name, side, vcpus=1):
    """A guest that has just gone this way: (view before, its QEMU now)."""
    mode = MODES[name]
    with tempfile.TemporaryDirectory(prefix="clockferry-") as folder:
        ram = memory(mode, folder)
        with start(side, vcpus=vcpus, extra=ram) as source:
            source.wait_up()
            before, destination = mode.move(source, side, extra=ram)
            with destination:
                yield before, destination
