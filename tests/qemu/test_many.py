# SPDX-License-Identifier: GPL-2.0-or-later
"""Hundreds of migrations: how large the steps are, and whether they add up."""
import statistics
import tempfile

from harness import fakehost, measure
from harness.binaries import start
from harness.check import WORST_NS, assert_unharmed, patched, tries
from harness.migrate import arrive, cross, go, incoming
from harness.pvclock import step_ns
from harness.tap import note
from journey import distribution
from modes import MODES, memory

EACH = 12           # times 18 modes: over 200
MEDIAN_NS = 1
HOPS = 100
CHAIN_NS = 3        # what one hop may be off, and a rounding
CHAIN = 30          # hops between each pair of fake hosts
PAIRS = (("newest", "newest-amd"), ("released", "v6"),
         ("released", "many-released"))


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
    assert abs(total) <= WORST_NS, "%d ns off" % total


def chain(there, here, rounds):
    """The first and the last host's clocks of a guest that goes to and fro."""
    places = [(name, fakehost.side(name)) for name in (there, here)]
    guest = start(places[0][1])
    try:
        guest.wait_up()
        first = fakehost.clocks(fakehost.log(there, guest.pid))
        for number in range(1, rounds + 1):
            name, side = places[number % 2]
            destination, uri = incoming(side)
            status = go(guest, uri)["status"]
            guest.close()
            guest = destination
            assert status == "completed", guest.stderr()
            arrive(guest)
            assert measure.own_report(guest)["rung"] in ("exact", "closed-loop")
        return first, fakehost.clocks(fakehost.log(name, guest.pid))
    finally:
        guest.close()


def test_chain():
    """30 hops between fake hosts of each kind: a hop's rounding doesn't stay."""
    fakehost.declare("many-released", "released")
    for there, here in PAIRS:
        rounds = tries(CHAIN)
        off_ns = fakehost.clock_step(*chain(there, here, rounds))
        note("%s, %s: %d ns after %d hops" % (there, here, off_ns, rounds))
        assert abs(off_ns) <= CHAIN_NS, "%d ns off" % off_ns
