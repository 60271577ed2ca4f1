# SPDX-License-Identifier: GPL-2.0-or-later
"""Looks at a guest's clock all the time while it moves, through its RAM."""
import threading
import time
from collections import namedtuple

INTERVAL_S = 0.0005
AFTER_S = 0.02
KEEP_NS = 25e6
LEAST = 8       # on a busy machine the samples are far apart

# Points are (ns since the source's last sample, clock minus undisturbed ns).
Track = namedtuple("Track", "before after")


class Sampler:
    """For one crossing: start, stop, then track()."""

    def __init__(self):
        self._source = self._destination = self._thread = None
        self._ended = threading.Event()
        self._seen = ([], [])

    def start(self, source, destination):
        self._source, self._destination = source, destination
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self):
        if self._thread:
            time.sleep(AFTER_S)
            self._ended.set()
            self._thread.join()
            self._thread = None

    def _watch(self):
        while not self._ended.is_set():
            self._look(self._source, self._seen[0])
            self._look(self._destination, self._seen[1])
            time.sleep(INTERVAL_S)

    @staticmethod
    def _look(guest, seen):
        slot = guest.glance()
        if slot and slot.tsc and (not seen or slot.tsc > seen[-1][0]):
            seen.append((slot.tsc, slot.clock_ns))

    def track(self, source_slot, tsc_step):
        """The points, against source_slot's clock function running on.

        The TSC at which an undisturbed guest would have been is the seen one
        less the step the migration gave it."""
        record, end = source_slot.record, source_slot.tsc

        def point(tsc, clock):
            return (record.ticks_to_ns(tsc - end), clock - record.at(tsc))

        # The destination's RAM shows the source's samples until it runs.
        before = [point(*seen) for seen in self._seen[0]]
        after = [point(tsc - tsc_step, clock)
                 for tsc, clock in self._seen[1] if tsc > end]
        return Track(*_cut(before, after))


def _cut(before, after):
    """Only what is near the blackout."""
    late = after[0][0] + KEEP_NS if after else 0
    recent = [p for p in before if p[0] >= -KEEP_NS]
    return (recent if len(recent) >= LEAST else before[-LEAST:],
            [p for p in after if p[0] <= late])
