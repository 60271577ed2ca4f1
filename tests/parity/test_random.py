# SPDX-License-Identifier: GPL-2.0-or-later
"""Hosts of which nobody thought. CLOCKFERRY_PAIRS says how many pairs."""
import os

from compare import agree
from harness import fakehost, places
from harness.table import POLICIES
from outcome import Case

PAIRS = 30
KINDS = ("newest", "newest-amd", "v6", "released", "old", "hpet", "hpet-v6",
         "hpet-newest", "unscaled", "ignoring", "unstable", "unstable-newest")
RUNGS = ("exact", "reanchored", "closed-loop", "realtime")
GUEST_KHZ = (1500001, 2000000, 2596120, 3333333)

# What else may be strange about a host.
ODD = ({"tai_offset": 0}, {"tai_offset": 36},
       {"realtime": 1799999997000000000}, {"max_error_ns": 3141592},
       {"max_error_ns": 130000000}, {"synchronised": "false"},
       {"busy": 3}, {"busy": 9},
       {"busy": 15}, {"busy": 19}, {"busy": 10 ** 6},
       {"clock_guest_waits": "true"}, {"cold_ns": 3000, "cold_sets": 1},
       {"cold_ns": 3000, "cold_sets": 3}, {"deadline": 10 ** 12},
       {"tsc_scale_attribute": "false", "frac_bits": 0},
       {"unequal_offsets": "false"}, {"unequal_offsets": "true"},
       {"master_clock": "late"}, {"tsc_offset_attribute": "false"})


def oddities(rng, kind):
    found = {}
    for odd in rng.sample(ODD, rng.choice((0, 0, 1, 2))):
        found.update(odd)
    if kind.startswith(("hpet", "unstable")):
        found.pop("master_clock", None)     # there it never comes
    return found


def pair(rng, number):
    """Both hosts' names; now and then it is one."""
    kinds = [rng.choice(KINDS), rng.choice(KINDS)]
    hosts = [fakehost.random(rng, kind, "%d%s" % (number, letter),
                             **oddities(rng, kind))
             for kind, letter in zip(kinds, "ab")]
    if rng.random() < 0.15:
        hosts[1], kinds[1] = hosts[0], kinds[0]
    return hosts, kinds


def case(rng, number):
    (source, destination), kinds = pair(rng, number)
    scaled = {"unscaled", "ignoring"}.isdisjoint(kinds)
    return Case(source, destination, rng.choice((1, 1, 2, 4)),
                rng.choice(GUEST_KHZ) if scaled and rng.random() < 0.4 else 0,
                rng.choice(POLICIES + ("lax",) * 5),
                rng.choice(RUNGS) if rng.random() < 0.1 else "plain",
                rng.choice(("count", "count", "count", "freeze", "paused")))


def test_pairs():
    """30 pairs of random hosts, or as many as CLOCKFERRY_PAIRS says."""
    rng = places.chance()
    wanted = int(os.environ.get("CLOCKFERRY_PAIRS", PAIRS))
    agree([case(rng, number) for number in range(wanted)])
