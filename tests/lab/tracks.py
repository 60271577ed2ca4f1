# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest's true clock error over time, from samples of its memory."""
from harness.sampler import Track

KEEP_NS = 60e6
LEAST = 8


def _seen(guest, path):
    """[(TSC, kvmclock)], whole samples only, each once."""
    points = []
    for slot in guest.samples(path):
        if slot.seq % 2 == 0 and slot.tsc and (
                not points or slot.tsc > points[-1][0]):
            points.append((slot.tsc, slot.clock_ns))
    return points


def track_of(samplers, source, destination, before):
    """Points are (true ns since the source's last publication, kvmclock minus
    the one of a guest that was never moved)."""
    for process, _ in samplers:
        process.kill()
        process.wait()
    record, maps = source.slots()[0].record, destination.scaling()
    end = before.maps[0].when(source.slots()[0].tsc)

    def point(clock_map, tsc, clock_ns):
        when = clock_map.when(tsc)
        undisturbed = record.at(int(before.maps[0].at(when)))
        return float(when - end), clock_ns - undisturbed

    old = _seen(source, samplers[0][1])
    last = old[-1][0] if old else 0
    left = [point(before.maps[0], *seen) for seen in old]
    # The destination's memory shows the source's samples until it runs.
    arrived = source.slots()[0].tsc
    right = [point(maps[0], *seen)
             for seen in _seen(destination, samplers[1][1])
             if seen[0] > max(last, arrived)]
    near = [p for p in left if p[0] >= -KEEP_NS]
    until = (right[0][0] if right else 0) + KEEP_NS
    return Track(near if len(near) >= LEAST else left[-LEAST:],
                 [p for p in right if p[0] <= until])
