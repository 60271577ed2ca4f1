# SPDX-License-Identifier: GPL-2.0-or-later
"""tests/fake-kvm/table: what becomes of a guest between two fake hosts."""
import re
from collections import namedtuple

from harness import places
from harness.fakehost import KHZ

TABLE = places.top("tests", "fake-kvm", "table")
SECTIONS = ("same-host", "kernels", "frequencies", "faults", "rungs",
            "blackouts")
POLICIES = ("strict", "auto", "lax")
NO_TRY = "-"

# What a refusal is for, and QEMU's words that say so.
REASONS = {"rate": "would run at", "offset": "ignores TSC offsets",
           "ignored": "ignores TSC offsets", "unstable": "TSC is unstable",
           "rung": "no better than",
           "measured": "only to within microseconds",
           "time": "its clocks may step"}

# How a guest goes from where to where; the outcomes are the table's.
Row = namedtuple("Row", "source destination guest outcomes")


def rows(section):
    """The rows of one section of the table."""
    found, here = [], None
    with open(TABLE, encoding="utf-8") as file:
        for line in file.read().splitlines():
            if line.startswith("="):
                here = line[1:].strip()
            elif here == section and line and not line.startswith("#"):
                source, destination, guest, rest = line.split(None, 3)
                outcomes = re.split(r"\s{2,}", rest.strip())
                found.append(Row(source, destination, guest,
                                 dict(zip(POLICIES, outcomes))))
    assert found, "the table has no section %s" % section
    return found


def promised_khz(row):
    """The guest's tsc-frequency; 0 for one that was promised none."""
    if row.guest == "promised":
        return {"fast-amd": 3000000}.get(row.source, KHZ)
    return 2000000 if row.guest == "2-GHz" else 0


def options(row):
    """Of QEMU, and of its kvmclock device, for a row's kind of guest."""
    name, _, value = row.guest.partition("=")
    kvmclock = {name: value} if name in ("require", "blackout",
                                         "blackout-limit") else {}
    return {"extra": cpu(promised_khz(row)),
            "vcpus": 2 if row.guest == "2-vcpus" else 1}, kvmclock


def cpu(khz):
    """QEMU's options for a guest with that tsc-frequency."""
    return ("-cpu", "qemu64,tsc-frequency=%d" % (khz * 1000)) if khz else ()
