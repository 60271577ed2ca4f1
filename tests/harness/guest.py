# SPDX-License-Identifier: GPL-2.0-or-later
"""One QEMU running the test guest, started and ended here."""
import atexit
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

from harness import process
from harness.published import GuestError, Published
from harness.qmp import Qmp, QmpClosed, QmpError
from harness.tap import Missing
from harness.wait import LIMIT_S

PR_SET_PDEATHSIG = 1

# What is raised where a guest or its QEMU isn't what it should be.
WENT_WRONG = (GuestError, QmpClosed, QmpError, OSError)

_running = set()


def _die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


@atexit.register
def stop_all():
    for guest in list(_running):
        guest.close()


def exit_on_signal():
    """Let SIGTERM run the clean-up too; for programs, not for modules."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def run_program(main):
    """Ends this program with main()'s status, or 77 if something is missing;
    its guests end before."""
    exit_on_signal()
    sys.stdout.reconfigure(line_buffering=True)
    try:
        sys.exit(main())
    except Missing as missing:
        print(missing, file=sys.stderr)
        sys.exit(77)
    finally:
        stop_all()


class Guest(Published):
    """Use as a context manager; close() kills QEMU and removes its files."""

    def __init__(self, binary, rom, vcpus=1, incoming=None, kvmclock=None,
                 extra=(), accel="kvm"):
        self.vcpus = vcpus
        self.dir = tempfile.mkdtemp(prefix="clockferry-")
        self._proc = self.qmp = None
        self._sockets = []
        _running.add(self)
        try:
            self._start([binary] + self._arguments(
                rom, incoming, kvmclock or {}, extra, accel))
            self._open_ram()
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # -- life --

    def _arguments(self, rom, incoming, kvmclock, extra, accel):
        args = ["-machine", "pc", "-accel", accel, "-m", "32",
                "-nodefaults", "-display", "none", "-bios", rom, "-smp", str(self.vcpus)]
        if incoming:
            args += ["-incoming", incoming]
        for name, value in kvmclock.items():
            args += ["-global", "kvmclock.%s=%s" % (name, value)]
        return args + list(extra)

    def _start(self, command):
        ours, theirs = socket.socketpair()
        self._sockets = [ours]
        command += ["-chardev", "socket,id=qmp,fd=%d" % theirs.fileno(),
                    "-mon", "chardev=qmp,mode=control"]
        with open(self.path("stderr"), "wb") as stderr:
            self._proc = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=stderr,
                stderr=stderr, pass_fds=[theirs.fileno()],
                preexec_fn=_die_with_parent)
        theirs.close()
        try:
            self.qmp = Qmp(ours)
        except (QmpClosed, TimeoutError) as error:
            raise GuestError("QEMU didn't start: %s"
                             % self.last_words()) from error

    def reconnect(self, path):
        """QEMU has become another one, with a monitor there."""
        deadline = time.monotonic() + LIMIT_S
        for sock in self._sockets:
            sock.close()
        self._sockets = [socket.socket(socket.AF_UNIX)]
        while self._sockets[0].connect_ex(path):
            if self.why_gone() or time.monotonic() > deadline:
                raise GuestError("the new QEMU doesn't start: %s"
                                 % self.last_words())
            time.sleep(0.01)
        self.qmp = Qmp(self._sockets[0])
        self._close_ram()
        self._open_ram()

    def close(self):
        _running.discard(self)
        if self._proc and self._proc.poll() is None:
            process.end(self._proc)
        for sock in self._sockets:
            sock.close()
        self._close_ram()
        shutil.rmtree(self.dir, ignore_errors=True)

    @property
    def pid(self):
        return self._proc.pid

    def signal(self, number):
        self._proc.send_signal(number)

    def wait_exit(self, timeout=LIMIT_S):
        """Exit status, negative for a signal; None if it still runs."""
        try:
            return self._proc.wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    def why_gone(self):
        """None while QEMU is there."""
        if self._proc.poll() is None:
            return None
        return "QEMU ended with %d" % self._proc.returncode

    def path(self, name):
        return os.path.join(self.dir, name)

    def stderr(self):
        with open(self.path("stderr"), encoding="utf-8",
                  errors="replace") as log:
            return log.read()

    def last_words(self):
        """The end of stderr, what was said for each vCPU only once."""
        lines = dict.fromkeys(self.stderr().splitlines())
        return "\n".join(list(lines)[-10:])
