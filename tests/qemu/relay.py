# SPDX-License-Identifier: GPL-2.0-or-later
"""Stands between source and destination: counts what the source sends, lets
somebody look at what passes, and cuts the line.

Whatever comes is taken at once, so a source never waits for a destination that
doesn't read, and knows all that it sent."""
import os
import queue
import socket
import threading

from harness import stream

TAIL_BYTES = 1 << 19    # more than QEMU's description at the stream's end


def _shut(sock):
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


class Relay:
    """Listens beside the destination's socket; `sent` is in bytes.

    watch(back, data) gets what passes on the first connection, and yields
    what is to be delivered of it."""

    def __init__(self, uri, watch=None):
        self._target = uri.removeprefix("unix:")
        self._path = self._target + ".relay"
        self.uri = "unix:" + self._path
        self.sent = 0
        self.whole = threading.Event()      # the source has sent everything
        self._watch = watch
        self._tail = b""
        self._sources, self._destinations = [], []
        self._ways = None       # there and back, of the first connection
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self._path)
        self._listener.listen()
        self._begin(self._serve)

    def cut(self, lossy=True):
        """The source's end breaks; lossy: what is under way gets lost."""
        for sock in self._sources + (self._destinations if lossy else []):
            _shut(sock)

    def half_cut(self, back):
        """Nothing goes this way any more; the other way stays open."""
        for sock in self._sources if back else self._destinations:
            try:
                sock.shutdown(socket.SHUT_WR)
            except OSError:
                pass

    def say(self, back, data):
        """Something that nobody sent, on the first connection: before what is
        held, behind what was delivered."""
        self._ways[back].put(data)

    def _begin(self, function, *arguments):
        threading.Thread(target=function, daemon=True, args=arguments).start()

    def _serve(self):
        while True:
            try:
                source, _ = self._listener.accept()
            except OSError:
                return
            destination = socket.socket(socket.AF_UNIX)
            self._sources.append(source)
            self._destinations.append(destination)
            try:
                destination.connect(self._target)
            except OSError:
                _shut(source)
                continue
            ways = queue.SimpleQueue(), queue.SimpleQueue()
            self._ways = self._ways or ways
            self._begin(self._take, source, destination, False, ways[0])
            self._begin(self._take, destination, source, True, ways[1])

    def _take(self, from_, to, back, waiting):
        """Until one end closes; the other is told, after what was sent."""
        first = waiting in self._ways
        self._begin(self._deliver, waiting, from_, to)
        try:
            while data := from_.recv(1 << 16):
                self._count(back, first, data)
                if first and self._watch:
                    for piece in self._watch(back, data):
                        waiting.put(piece)
                else:
                    waiting.put(data)
        except OSError:
            pass
        waiting.put(None)

    def _deliver(self, waiting, from_, to):
        try:
            while (data := waiting.get()) is not None:
                to.sendall(data)
            to.shutdown(socket.SHUT_WR)
        except OSError:
            _shut(from_)

    def _count(self, back, first, data):
        if back:
            return
        self.sent += len(data)
        if first:
            self._tail = (self._tail + data)[-TAIL_BYTES:]
            if self._tail.endswith(b"}") and stream.is_whole(self._tail):
                self.whole.set()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        _shut(self._listener)
        self._listener.close()
        self.cut()
        for sock in self._sources + self._destinations:
            sock.close()
        os.unlink(self._path)
