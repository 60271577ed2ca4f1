# SPDX-License-Identifier: GPL-2.0-or-later
"""Hundreds of migrations: how large the steps are, and whether they add up."""
import statistics
import tempfile
from collections import Counter

from harness import measure
from harness.binaries import start
from harness.check import WORST_NS, assert_unharmed, patched, tries
from harness.migrate import cross
from harness.pvclock import step_ns
from harness.tap import note
from modes import MODES, memory

EACH = 12           # times 18 modes: over 200
MEDIAN_NS = 1
HOPS = 100
HOP_NS = 0.5        # what a hop may add on average, in one direction


def hops(mode, rounds):
    """The steps of one guest that goes this way again and again."""
    with tempfile.TemporaryDirectory(prefix="clockferry-") as folder:
        ram = memory(mode, folder)
        guest = start(patched(), extra=ram)
        try:
            guest.wait_up()
            for _ in range(rounds):
                before, there = mode.move(guest, patched(), extra=ram)
                if there is not guest:
                    guest.close()
                guest = there
                result = measure.compare(before, measure.view(guest))
                assert_unharmed(result)
                yield measure.worst(result.steps_ns)
        finally:
            guest.close()


def distribution(steps):
    counts = Counter(steps)
    return ", ".join("%+d ns: %d" % (step, counts[step])
                     for step in sorted(counts))


def test_modes():
    """Over 200 moves, all modes: none lost, steps 5 ns at most, median 1."""
    found = {}
    for name, mode in MODES.items():
        found[name] = list(hops(mode, tries(EACH)))
        note("%-22s %s" % (name, distribution(found[name])))
    steps = sum(found.values(), [])
    median = statistics.median(abs(step) for step in steps)
    note("all %d: %s; median of |step| %s ns, worst %d ns" % (
        len(steps), distribution(steps), median, measure.worst(steps)))
    assert median <= MEDIAN_NS, "median of |step| is %s ns" % median
    assert abs(measure.worst(steps)) <= WORST_NS


def test_ping_pong():
    """100 hops of one guest there and back: the errors don't add up."""
    rounds = tries(HOPS)
    guest = start(patched())
    try:
        guest.wait_up()
        first = measure.view(guest).slots[0].record
        steps = []
        for _ in range(rounds):
            crossing = cross(guest, patched(), brackets=False)
            guest.close()
            guest = crossing.destination
            assert_unharmed(crossing.result)
            steps += crossing.result.steps_ns
        last = measure.view(guest).slots[0].record
        slot = guest.slot()
        assert not slot.tsc_warps, "the guest saw its TSC go back"
    finally:
        guest.close()
    total = step_ns(first, last, last.tsc_timestamp)
    note("%s; %d ns after %d hops" % (distribution(steps), total, rounds))
    assert abs(total) <= WORST_NS + HOP_NS * rounds, "%d ns off" % total
