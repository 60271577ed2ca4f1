# SPDX-License-Identifier: GPL-2.0-or-later
"""Hosts of which nobody thought: random frequencies, TSCs and faults.

CLOCKFERRY_SEED=N repeats an earlier run; the seed stands in the output."""
import os
import random
import time

import fakejudge
from harness import fakehost
from harness.binaries import start
from harness.check import tries
from harness.migrate import explain, go, incoming, wait_loaded
from harness.table import Row, cpu
from harness.tap import note

PAIRS = 20
KINDS = ("newest", "v6", "released", "old", "hpet", "hpet-newest", "unscaled")
GUEST_KHZ = (1500001, 2000000, 2596120, 3333333)


def pair(rng, name):
    """Both hosts and the options of both QEMUs."""
    kinds = [rng.choice(KINDS), rng.choice(KINDS)]
    hosts = [fakehost.random(rng, kind, name + side)
             for kind, side in zip(kinds, "ab")]
    options = {"vcpus": rng.choice((1, 1, 2))}
    if "unscaled" not in kinds and rng.random() < 0.4:
        options["extra"] = cpu(rng.choice(GUEST_KHZ))
    blackout = rng.choice(("count", "count", "freeze"))
    return hosts, options, blackout


def cross(hosts, options, blackout):
    """What is wrong with one migration, and what it was like."""
    sides = [fakehost.side(host, policy="lax", blackout=blackout)
             for host in hosts]
    row = Row(*hosts, "blackout" if blackout == "freeze" else "", {})
    with start(sides[0], **options) as source:
        source.wait_up()
        destination, uri = incoming(sides[1], **options)
        with destination:
            info = go(source, uri)
            assert info["status"] == "completed" and \
                wait_loaded(destination), explain(source, destination, info)
            arrived = fakejudge.look(row, source, destination)
            return fakejudge.problems(arrived), arrived.report


def test_pairs():
    """20 pairs of random hosts: the report is right, and within its bound."""
    seed = int(os.environ.get("CLOCKFERRY_SEED", time.time()))
    rng = random.Random(seed)
    note("CLOCKFERRY_SEED=%d" % seed)
    wrong = []
    for number in range(tries(PAIRS)):
        hosts, options, blackout = pair(rng, "r%d" % number)
        found, report = cross(hosts, options, blackout)
        note("%s to %s: %s, %s, rate error %.3f ppm" % (
            *hosts, report["rung"], report["tsc"],
            report["rate-error-ppt"] / 1e6))
        if found:
            wrong.append("%s to %s, %s, %s: %s; %s" % (
                *hosts, options, blackout, "; ".join(found), report))
    assert not wrong, "\n".join(wrong)
