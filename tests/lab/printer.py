# SPDX-License-Identifier: GPL-2.0-or-later
"""How agent.py talks to an agent whose host must not notice how long that
takes: the host stands still but for the time that it works for an answer.

The agent prints its answers, into a pipe that holds one page. Behind each it
prints padding, more than two pages, which is left in the pipe: so the emulator
waits at a padding byte, always the same one, until it has its next request.
Then the rest is taken out, and the host reads that."""
import fcntl
import os
import socket
import struct
import termios
import time

PAGE = 4096
PADDING_BYTES = 8192        # as agent.c has it
NAP_S = 0.0005


class Printer:
    """With what agent.Agent uses of a socket."""

    def __init__(self, path):
        os.mkfifo(path)
        self._fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        fcntl.fcntl(self._fd, fcntl.F_SETPIPE_SZ, PAGE)
        # A writer, so that there is no end of file before there is one.
        self._writer = os.open(path, os.O_WRONLY)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._requests = self._pid = None
        self._read = self._padding = 0
        self._answer = b""
        self._deadline = self._timeout = None

    @property
    def port(self):
        return self._listener.getsockname()[1]

    def attach(self, pid, timeout):
        """The emulator, which has been started."""
        self._pid = pid
        self._listener.settimeout(timeout)
        self._requests, _ = self._listener.accept()

    def close(self):
        for part in self._listener, self._requests:
            if part:
                part.close()
        os.close(self._fd)
        os.close(self._writer)

    # -- what a socket does --

    def settimeout(self, seconds):
        self._timeout = seconds

    def sendall(self, data):
        self._deadline = time.monotonic() + self._timeout
        while not self._still():
            self._nap()
        self._requests.sendall(data)

    def recv(self, _size):
        """One answer."""
        self._deadline = time.monotonic() + self._timeout
        while self._padding:
            self._padding -= len(self._some(self._padding))
        self._fill(4)
        self._fill(4 + struct.unpack("<I", self._answer[:4])[0])
        answer, self._answer = self._answer[4:], b""
        self._padding = PADDING_BYTES
        return answer

    # -- the pipe --

    def _unread(self):
        return struct.unpack("i", fcntl.ioctl(self._fd, termios.FIONREAD,
                                              b"\0" * 4))[0]

    def _full(self, unread):
        """The writer fills the page up, however much is taken out meanwhile,
        as long as that isn't all."""
        return unread and (self._read + unread) % PAGE == 0

    def _still(self):
        with open("/proc/%d/task/%d/stat" % (self._pid, self._pid),
                  encoding="ascii", errors="replace") as stat:
            waits = stat.read().rsplit(")", 1)[1].split()[0] == "S"
        return waits and self._full(self._unread())

    def _fill(self, size):
        """Until so much of the answer is here: it may take more than one try."""
        while len(self._answer) < size:
            self._answer += self._some(size - len(self._answer))

    def _some(self, wanted):
        """At most as many bytes as are wanted, at least one."""
        unread = self._unread()
        while unread <= wanted and not self._full(unread):
            self._nap()
            unread = self._unread()
        part = os.read(self._fd, min(unread, wanted))
        self._read += len(part)
        return part

    def _nap(self):
        if time.monotonic() > self._deadline:
            raise socket.timeout()
        time.sleep(NAP_S)
