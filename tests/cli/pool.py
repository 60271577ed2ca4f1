# SPDX-License-Identifier: GPL-2.0-or-later
"""Hosts that nobody has: at random, from likely to absurd."""
import json
import os

KHZ = [2500000, 2500001, 2500002, 2499999, 2600000, 3000000, 2000000, 2596120]
ABSURD_KHZ = [1, 2, 999, 1000000, 2 ** 31, 2 ** 32 - 2, 2 ** 32 - 1]
TOLERANCES = [250, 250, 250, 0, 1, 100, 500, 999999, 1000000, 2 ** 32 - 1]


def frequency(chance):
    return chance.choice([chance.choice(KHZ), chance.choice(KHZ),
                          chance.choice(KHZ) + chance.randrange(-1000, 1000),
                          chance.randrange(800000, 6000000),
                          chance.choice(ABSURD_KHZ)])


def instant(chance, khz):
    """Some hosts' TSCs agree with real time since a common start."""
    ns = chance.randrange(10 ** 14)
    ticks = ns * khz // 10 ** 6 if chance.random() < .7 else \
        chance.randrange(2 ** 64)
    return {"host_ticks": str(ticks % 2 ** 64),
            "realtime_ns": str(18 * 10 ** 17 + ns +
                               chance.choice([0, 0, 10 ** 7, 2 * 10 ** 8]))}


def host(chance, number):
    khz = frequency(chance)
    known = {
        "host": "host-%d" % number,
        "boot_id": "boot-%d" % chance.randrange(12),
        "host_khz": khz,
        "scaling": chance.choice(["works", "works", "works", "none",
                                  "fails"]),
        "frac_bits": chance.choice([32, 48, 48, 40]),
        "tolerance_ppm": chance.choice(TOLERANCES),
        "has_offset": chance.random() < .9,
        "offset": chance.choice(["sticks"] * 6 + ["ignored", "rewinds"]),
        "best_rung": chance.choice(["exact", "exact", "reanchored",
                                    "closed-loop", "closed-loop",
                                    "realtime", "plain"]),
        "synchronised": chance.random() < .8,
        "max_error_ns": str(chance.choice([0, 1, 1000, 204000, 1204000,
                                           16 * 10 ** 9, 2 ** 63,
                                           2 ** 64 - 1])),
        "instant": instant(chance, khz),
    }
    if chance.random() < .5:
        known["tai_offset_s"] = chance.choice([36, 37])
        known["instant"]["tai_offset_s"] = known["tai_offset_s"]
    for name in list(known)[1:]:
        if chance.random() < .06:
            del known[name]
    return dict({"format": "clockferry-probe", "version": 1,
                 "min_version": 1}, **known)


def write(folder, hosts):
    """Their files, in a folder."""
    files = []
    for number, facts in enumerate(hosts):
        files.append(os.path.join(folder, "%04d.json" % number))
        with open(files[-1], "w", encoding="utf-8") as stream:
            json.dump(facts, stream)
    return files
