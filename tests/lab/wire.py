# SPDX-License-Identifier: GPL-2.0-or-later
"""The line between two hosts where it is a bad one: what comes is delivered
late, in order, and later one way than the other; it is narrow; it stalls. And
it notes when a migration's bytes came back."""
import queue
import random
import socket
import struct
import threading
import time
from collections import namedtuple

PORT = 4444                 # of the migration
TAIL_BYTES = 64             # more than any mark has

# How many ms each way takes, and how much both vary; how many bytes a second
# pass, each way; for how long it stalls, and at which mark in the migration's
# bytes: words, or their number.
Line = namedtuple("Line", "there_ms back_ms jitter_ms bytes_s stall_s stall_at",
                  defaults=(0, 0, 0, 0, 0, None))
Segment = namedtuple("Segment", "from_port to_port starts end data")


def segment(frame):
    """What an Ethernet frame has of a TCP connection, or None."""
    if frame[12:14] != b"\x08\x00" or frame[23] != socket.IPPROTO_TCP:
        return None
    size, = struct.unpack_from("!H", frame, 16)
    tcp = frame[14 + (frame[14] & 15) * 4:14 + size]
    from_port, to_port, first = struct.unpack_from("!HHI", tcp)
    data = tcp[(tcp[12] >> 4) * 4:]
    starts = bool(tcp[13] & 2)
    return Segment(from_port, to_port, starts, first + starts + len(data), data)


class Flow:
    """What one end of a migration's connection sends, each byte once."""

    def __init__(self):
        self._end = None
        self.count, self.tail = 0, b""

    def take(self, sent):
        """The new bytes of a segment."""
        if sent.starts:
            self.__init__()
            self._end = sent.end
        if self._end is None:
            return b""
        more = (sent.end - self._end + (1 << 31)) % (1 << 32) - (1 << 31)
        if more <= 0:
            return b""
        data = sent.data[-more:]
        self._end = sent.end
        self.count += len(data)
        self.tail = (self.tail + data)[-TAIL_BYTES - len(data):]
        return data


class Wire:
    """One host listens at `listener`; the other connects to `path`."""

    def __init__(self, path, listener):
        self._listener = listener
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(path)
        self._socket.listen()
        self._ends = []
        self.begin(Line())
        self._begin(self._join)

    def begin(self, line):
        """Another scenario, or another migration of it."""
        self.line = line
        self.back_ns = []           # true times at which an answer came
        self.stalled_ns = None      # and at which it stalled
        self._until = 0

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
        file, free, flows = from_.makefile("rb"), 0, (Flow(), Flow())
        try:
            while head := file.read(4):
                frame = file.read(struct.unpack("!I", head)[0])
                self._look(segment(frame), flows)
                late_s = (self.line[way]
                          + random.random() * self.line.jitter_ms) / 1000
                now = time.monotonic()
                free = max(free, now)
                if self.line.bytes_s:
                    free += len(frame) / self.line.bytes_s
                waiting.put((free + late_s, head + frame))
        except (OSError, struct.error):
            pass

    def _look(self, sent, flows):
        """Does the line stall by that? Did an answer come?"""
        if not sent or PORT not in sent[:2]:
            return
        back = sent.from_port == PORT
        data = flows[back].take(sent)
        if back and data:
            self.back_ns.append(time.monotonic_ns())
        elif data and self._is_mark(flows[back]):
            self.stalled_ns = time.monotonic_ns()
            self._until = time.monotonic() + self.line.stall_s

    def _is_mark(self, flow):
        mark = self.line.stall_at
        return self.stalled_ns is None and mark is not None and (
            flow.count > mark if isinstance(mark, int) else mark in flow.tail)

    def _deliver(self, waiting, to):
        try:
            while True:
                due, data = waiting.get()
                while (late_s := max(due, self._until) - time.monotonic()) > 0:
                    time.sleep(late_s)
                to.sendall(data)
        except OSError:
            pass
