# SPDX-License-Identifier: GPL-2.0-or-later
"""The line between two hosts where it takes time: what comes is delivered late,
in order, and later one way than the other."""
import queue
import random
import socket
import threading
import time


class Wire:
    """One host listens at `listener`; the other connects to `path`."""

    def __init__(self, path, listener):
        self.ms = (0, 0, 0)         # there, back, and what comes on top
        self._listener = listener
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(path)
        self._socket.listen()
        self._ends = []
        self._begin(self._join)

    def close(self):
        for end in [self._socket, *self._ends]:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            end.close()

    def _begin(self, function, *arguments):
        threading.Thread(target=function, daemon=True, args=arguments).start()

    def _join(self):
        try:
            second, _ = self._socket.accept()
            first = socket.socket(socket.AF_UNIX)
            self._ends = [first, second]
            while first.connect_ex(self._listener):
                time.sleep(0.01)
        except OSError:
            return
        for way, (from_, to) in enumerate(((first, second), (second, first))):
            waiting = queue.SimpleQueue()
            self._begin(self._take, way, from_, waiting)
            self._begin(self._deliver, waiting, to)

    def _take(self, way, from_, waiting):
        try:
            while data := from_.recv(1 << 16):
                late_ms = self.ms[way] + random.random() * self.ms[2]
                waiting.put((time.monotonic() + late_ms / 1000, data))
        except OSError:
            pass

    @staticmethod
    def _deliver(waiting, to):
        try:
            while True:
                due, data = waiting.get()
                time.sleep(max(0, due - time.monotonic()))
                to.sendall(data)
        except OSError:
            pass
