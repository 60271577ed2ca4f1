# SPDX-License-Identifier: GPL-2.0-or-later
"""Monitors that aren't quite QEMU's, and QEMU itself."""
import json
import socket
import tempfile
import threading

from harness import binaries, places

GREETING = {"QMP": {"version": {}, "capabilities": []}}


# What a QEMU with the series says of a guest's clocks.
CLOCKS = {"enabled": True, "policy": "auto", "require": "plain",
          "blackout": "count", "blackout-limit": 600, "host-tsc-khz": 2500000,
          "guest-tsc-khz": 2000000}


def clocks(restore=None, name="vm-7", **changes):
    """A Monitor's answers about a running guest and its last restore."""
    info = dict(CLOCKS, **changes)
    if restore:
        info["restore"] = restore
    return {"query-kvm-clock": info, "query-name": {"name": name},
            "query-status": {"status": "running"}}


class Monitor:
    """A socket that greets and then answers each command as it is told.

    answers: command -> what it returns; an Exception's text is an error. What
    isn't named isn't known. raw: sent instead of all that. chatter: called with
    the client instead of an answer to the first command."""

    def __init__(self, answers=None, raw=None, silent=False, events=(),
                 chatter=None):
        self._folder = tempfile.TemporaryDirectory()
        self.path = self._folder.name + "/qmp"
        self._answers, self._raw = answers or {}, raw
        self._silent, self._events = silent, events
        self._chatter, self._id = chatter, None
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(self.path)
        self._server.listen(1)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def __enter__(self):
        return self.path

    def __exit__(self, *why):
        self._server.close()
        self._folder.cleanup()

    def _serve(self):
        try:
            client, _ = self._server.accept()
            with client:
                self._talk(client)
        except OSError:
            pass

    def _talk(self, client):
        if self._silent:
            client.recv(1)
            return
        if self._raw is not None:
            client.sendall(self._raw)
            client.recv(65536)
            return
        self._say(client, GREETING)
        decoder, text = json.JSONDecoder(), ""
        while True:
            data = client.recv(65536).decode()
            if not data:
                return
            text = (text + data).lstrip()
            while text:
                try:
                    request, end = decoder.raw_decode(text)
                except ValueError:
                    break
                text = text[end:].lstrip()
                self._id = request.get("id")
                if self._chatter:
                    self._chatter(client)
                    return
                self._reply(client, {"return": {"enabled": "late"}}, "late")
                self._answer(client, request["execute"])

    def _answer(self, client, command):
        answer = self._answers.get(command)
        if command == "qmp_capabilities":
            self._reply(client, {"return": {}})
        elif isinstance(answer, Exception):
            self._reply(client, {"error": {"class": "GenericError",
                                           "desc": str(answer)}})
        elif answer is None:
            self._reply(client, {"error": {
                "class": "CommandNotFound",
                "desc": "The command %s has not been found" % command}})
        else:
            self._say(client, {"event": "RTC_CHANGE", "data": {}})
            self._reply(client, {"return": answer})
            if command == "query-cpus-fast":
                for event in self._events:
                    self._say(client, event)

    def _reply(self, client, message, to=None):
        self._say(client, {**message, "id": to or self._id})

    @staticmethod
    def _say(client, message):
        client.sendall(json.dumps(message).encode() + b"\r\n")


class Qemu:
    """A real QEMU with a monitor for us: (guest, path of the monitor)."""

    def __init__(self, side, **options):
        places.need_kvm()
        self._side = getattr(binaries, side)()
        self._folder = tempfile.TemporaryDirectory()
        self.path = self._folder.name + "/qmp"
        self.guest = binaries.start(self._side, extra=[
            "-qmp", "unix:%s,server=on,wait=off" % self.path,
            "-name", "vm-7"], **options)

    def __enter__(self):
        return self.guest, self.path

    def __exit__(self, *why):
        self.guest.close()
        self._folder.cleanup()
