# SPDX-License-Identifier: GPL-2.0-or-later
"""Stands for a destination, and is none."""
import contextlib
import os
import socket
import threading


class Talker:
    """A destination that says its piece at once, and reads what comes."""

    def __init__(self, path, words):
        self.uri = "unix:" + path
        self._path, self._words = path, words
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with contextlib.suppress(OSError):
            source, _ = self._listener.accept()
            with source:
                source.sendall(self._words)
                while source.recv(1 << 16):
                    pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        os.unlink(self._path)
