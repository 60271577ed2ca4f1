# SPDX-License-Identifier: GPL-2.0-or-later
"""Talks to agent.c inside a host."""
import socket
import struct
import time

from harness.wait import LIMIT_S


class AgentError(Exception):
    """The agent said no."""


class Agent:
    """Requests and answers on a socket; see agent.c."""

    def __init__(self, sock, alive):
        self._sock = sock
        self._alive = alive         # says why the host is gone, or None
        self._asking = False        # still so: an answer was never read
        self._buffer = b""

    def wait_ready(self, timeout):
        """The agent's first line. Nothing else comes before."""
        line = self._line(time.monotonic() + timeout)
        if line != b"ready":
            raise AgentError("it isn't ready: %s" % line)

    def ask(self, *words, data=None, timeout=LIMIT_S):
        """The answer's bytes."""
        if self._asking:
            raise AgentError("%s: a request was interrupted before" % words[0])
        self._asking = True
        deadline = time.monotonic() + timeout
        self._send(words, data, timeout)
        answer = self._line(deadline)
        found = (self._bytes(int(answer[3:]), deadline)
                 if answer.startswith(b"ok ") else None)
        self._asking = False
        if found is not None:
            return found
        raise AgentError("%s: %s" % (words[0], answer[3:].decode("utf-8",
                                                                 "replace")))

    def _send(self, words, data, timeout):
        if data is not None:
            words += ("+%d" % len(data),)
        request = " ".join(str(word) for word in words).encode() + b"\n"
        self._sock.settimeout(timeout)
        self._sock.sendall(request + (data or b""))

    def restart(self, *words, data=None):
        """What ends all that runs there; the next agent is ready then."""
        self._send(words, data, LIMIT_S)
        self.wait_ready(LIMIT_S)

    def number(self, *words, **options):
        return int(self.ask(*words, **options))

    def _more(self, deadline):
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the host doesn't answer")
        if self._alive():
            raise AgentError(self._alive())
        self._sock.settimeout(min(left, 0.5))
        try:
            data = self._sock.recv(1 << 16)
        except socket.timeout:
            return
        if not data:
            raise AgentError("the host is gone")
        self._buffer += data

    def _line(self, deadline):
        while b"\n" not in self._buffer:
            self._more(deadline)
        line, self._buffer = self._buffer.split(b"\n", 1)
        return line

    def _bytes(self, size, deadline):
        while len(self._buffer) < size:
            self._more(deadline)
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data

    # -- what is asked often --

    def read(self, path, offset=0, size=1 << 20):
        return self.ask("get", path, offset, size)

    def text(self, path):
        return self.read(path, 0).decode("utf-8", "replace").strip()

    def read_all(self, path):
        """A file of any length."""
        data = b""
        while True:
            part = self.read(path, len(data), 1 << 19)
            if not part:
                return data
            data += part

    def write_all(self, path, data):
        for at in range(0, len(data), 1024):
            self.ask("put", path, at, data=data[at:at + 1024])

    def glob(self, pattern):
        return self.ask("glob", pattern).decode().split()

    def spawn(self, log, argv, environment=None):
        words = ["%s=%s" % pair for pair in (environment or {}).items()]
        data = b"".join(word.encode() + b"\0" for word in words + list(argv))
        return self.number("spawn", log, data=data)

    def wait(self, pid, timeout=0.0):
        """Exit status, negative for a signal, None while it runs."""
        answer = self.ask("wait", pid, int(timeout * 1000),
                          timeout=timeout + LIMIT_S)
        return None if answer == b"running" else int(answer)

    def clocks(self, count):
        """[(TSC, CLOCK_REALTIME, TSC, CLOCK_TAI)]"""
        return list(struct.iter_unpack("<QQQQ", self.ask("clocks", count)))


class Process:
    """A program in the host, with what guest.Guest uses of Popen."""

    def __init__(self, agent, pid):
        self.agent, self.pid, self.returncode = agent, pid, None

    def poll(self):
        if self.returncode is None:
            self.returncode = self.agent.wait(self.pid)
        return self.returncode

    def wait(self, timeout=LIMIT_S):
        if self.returncode is None:
            self.returncode = self.agent.wait(self.pid, timeout)
        return self.returncode

    def send_signal(self, number):
        if self.poll() is None:
            self.agent.ask("kill", self.pid, number)

    def kill(self):
        self.send_signal(9)


class Stream:
    """A unix socket in the host, with what qmp.Qmp uses of sockets."""

    def __init__(self, agent, path):
        self._agent = agent
        self._fd = agent.number("connect", path)
        self._timeout = LIMIT_S

    def settimeout(self, seconds):
        self._timeout = seconds

    def sendall(self, data):
        for at in range(0, len(data), 1024):
            self._agent.ask("send", self._fd, data=data[at:at + 1024])

    def recv(self, _size):
        try:
            data = self._agent.ask("recv", self._fd,
                                   int(min(self._timeout, 5) * 1000),
                                   timeout=LIMIT_S)
        except AgentError:
            return b""
        if not data:
            raise socket.timeout()
        return data

    def close(self):
        try:
            self._agent.ask("close", self._fd)
        except (AgentError, OSError):
            pass
