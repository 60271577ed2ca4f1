# SPDX-License-Identifier: GPL-2.0-or-later
"""A small QMP client on a connected socket."""
import json
import socket
import time

from harness.wait import LIMIT_S


class QmpError(Exception):
    """QEMU answered with an error; .kind is its class."""

    def __init__(self, command, error):
        super().__init__("%s: %s" % (command, error.get("desc")))
        self.kind = error.get("class")


class QmpClosed(Exception):
    """QEMU is gone."""


class Qmp:
    """One conversation. Events are kept in .events until forgotten."""

    def __init__(self, sock):
        self._sock = sock
        self._buffer = b""
        self._number = 0
        self.events = []
        self._receive(time.monotonic() + LIMIT_S)       # the greeting
        self.execute("qmp_capabilities")

    def execute(self, command, arguments=None, fds=(), limit_s=LIMIT_S):
        """The command's return value; QmpError if it failed.

        `fds` go with it, for getfd."""
        number = self.post(command, arguments, fds)
        deadline = time.monotonic() + limit_s
        while True:
            message = self._receive(deadline)
            if message.get("id") != number:
                continue
            if "return" in message:
                return message["return"]
            if "error" in message:
                raise QmpError(command, message["error"])

    def post(self, command, arguments=None, fds=()):
        """Send a command, whose answer nobody waits for; its number."""
        self._number += 1
        request = {"execute": command, "id": self._number}
        if arguments:
            request["arguments"] = arguments
        self._send(request, fds)
        return self._number

    def supports(self, command):
        names = self.execute("query-commands")
        return any(entry["name"] == command for entry in names)

    def event_names(self):
        """Events seen so far, and those already on their way."""
        self.execute("query-name")
        return [event["event"] for event in self.events]

    def wait_event(self, name, **data):
        """An event of this name, and with such data."""
        deadline = time.monotonic() + LIMIT_S
        while True:
            for event in self.events:
                if event["event"] == name \
                        and data.items() <= event.get("data", {}).items():
                    return event
            self._receive(deadline)

    def _send(self, request, fds):
        line = json.dumps(request).encode() + b"\n"
        try:
            if fds:
                socket.send_fds(self._sock, [line], fds)
            else:
                self._sock.sendall(line)
        except OSError as error:
            raise QmpClosed(str(error)) from error

    def _receive(self, deadline):
        """The next message; events are also put on the list."""
        message = json.loads(self._line(deadline))
        if "event" in message:
            self.events.append(message)
        return message

    def _line(self, deadline):
        while b"\n" not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("no answer on QMP")
            self._sock.settimeout(left)
            try:
                data = self._sock.recv(65536)
            except socket.timeout:
                continue
            except OSError as error:
                raise QmpClosed(str(error)) from error
            if not data:
                raise QmpClosed("QEMU closed its monitor")
            self._buffer += data
        line, self._buffer = self._buffer.split(b"\n", 1)
        return line
