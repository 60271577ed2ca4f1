# SPDX-License-Identifier: GPL-2.0-or-later
"""Random kills, cuts, stalls, cancels and lost bytes at every stage.

By name only, for what happens at one time may end differently each time, and
it takes minutes: CLOCKFERRY_FAULTS=500 tries so many, CLOCKFERRY_FAULT=17 only
that one of a CLOCKFERRY_SEED. Things may go wrong only where they do on stock
QEMU, too, by the same plan."""
import collections
import os
import random

from faults import plan, try_plan
from harness.check import patched, stock
from harness.places import Missing, seed
from harness.tap import note

# How often what went wrong is tried again. Stock more often: what happens there
# in one of ten tries is still missed in one run of 500.
AGAIN = 6
AGAIN_STOCK = 60


def numbers():
    only = os.environ.get("CLOCKFERRY_FAULT")
    if only:
        return [int(only)]
    wanted = os.environ.get("CLOCKFERRY_FAULTS")
    if not wanted:
        raise Missing("faults", "CLOCKFERRY_FAULTS=100 tries a hundred")
    return range(int(wanted))


def is_ours(wrong, found):
    """Whether this goes wrong again, and never on stock QEMU.

    Most plans end in one way. Where two things happen at the same time stock
    may end as badly, but not each time."""
    for _ in range(AGAIN_STOCK):
        if wrong in try_plan(stock(), found).wrongs:
            return False
    return any(wrong in try_plan(patched(), found).wrongs
               for _ in range(AGAIN))


def test_random():
    """Never two guests, never none, no crash, unless stock QEMU does so."""
    told, failures = collections.Counter(), []
    for number in numbers():
        found = plan(random.Random("%s.%d" % (seed(), number)))
        result = try_plan(patched(), found)
        told["reached their place" if result.hit else "came too late"] += 1
        for wrong in result.wrongs:
            ours = is_ours(wrong, found)
            told["%s, %s" % (wrong, "NOT on stock" if ours
                             else "on stock as well")] += 1
            if ours:
                failures.append("CLOCKFERRY_FAULT=%d: %s (%s): %s" % (
                    number, wrong, result.words, found))
    note("%d faults: %s" % (len(numbers()), "; ".join(
        "%d %s" % (times, what) for what, times in sorted(told.items()))))
    assert not failures, "\n".join(failures)
