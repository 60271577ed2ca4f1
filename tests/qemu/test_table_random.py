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
from harness.tap import note

PAIRS = 20
KINDS = ("newest", "v6", "released", "old", "hpet", "hpet-newest", "unscaled")
KHZ = (2596120, 2596121, 2596122, 2596380, 2000000, 1999999, 3000000, 4999999)
GUEST_KHZ = (1500001, 2000000, 2596120, 3333333)
STARTS = (0, 1, 10 ** 15, 2 ** 63, 2 ** 64 - 10 ** 13)


def host(rng, kind, name):
    """Like one of the kinds, which its name begins with."""
    keys = {"khz": rng.choice(KHZ + (rng.randrange(800000, 6000000),)),
            "tsc_start": rng.choice(STARTS + (rng.randrange(2 ** 64),)),
            "tolerance_ppm": rng.choice((0, 1, 250, 1000)),
            "late_ns": rng.choice((0, 5, 40, 300))}
    if kind in ("newest", "v6", "hpet-newest"):
        keys["frac_bits"] = rng.choice((32, 48))
    if kind == "unscaled":
        # With less QEMU itself makes KVM let TSCs stutter.
        keys["tolerance_ppm"] = 250
    return fakehost.declare("%s-%s" % (kind, name), kind, **keys)


def pair(rng, name):
    """Both hosts and the options of both QEMUs."""
    kinds = [rng.choice(KINDS), rng.choice(KINDS)]
    hosts = [host(rng, kind, name + side) for kind, side in zip(kinds, "ab")]
    options = {"vcpus": rng.choice((1, 1, 2))}
    if "unscaled" not in kinds and rng.random() < 0.4:
        options["extra"] = ("-cpu", "qemu64,tsc-frequency=%d"
                            % (rng.choice(GUEST_KHZ) * 1000))
    blackout = rng.choice(("count", "count", "freeze"))
    return hosts, options, blackout


def cross(hosts, options, blackout):
    """What is wrong with one migration, and what it was like."""
    sides = [fakehost.side(host, policy="lax", blackout=blackout)
             for host in hosts]
    row = fakejudge.Row(*hosts, "blackout" if blackout == "freeze" else "", {})
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
