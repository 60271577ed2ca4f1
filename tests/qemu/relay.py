# SPDX-License-Identifier: GPL-2.0-or-later
"""Stands between source and destination, and counts what the source sends.

QEMU itself doesn't tell how much it sent before a migration failed."""
import os
import socket
import threading


class Relay:
    """Listens beside the destination's socket; `sent` is in bytes."""

    def __init__(self, uri):
        self._target = uri.removeprefix("unix:")
        self._path = self._target + ".relay"
        self.uri = "unix:" + self._path
        self.sent = 0
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self._path)
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        try:
            source, _ = self._listener.accept()
        except OSError:
            return
        destination = socket.socket(socket.AF_UNIX)
        destination.connect(self._target)
        back = threading.Thread(target=self._pump, daemon=True,
                                args=(destination, source, False))
        back.start()
        self._pump(source, destination, True)
        back.join()
        source.close()
        destination.close()

    def _pump(self, from_, to, count):
        """Until either end closes; the other is told."""
        try:
            while data := from_.recv(1 << 16):
                to.sendall(data)
                if count:
                    self.sent += len(data)
        except OSError:
            pass
        for end in (from_, to):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listener.close()
        self._thread.join(5)
        os.unlink(self._path)
