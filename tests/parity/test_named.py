# SPDX-License-Identifier: GPL-2.0-or-later
"""The hosts that have names: all rows of tests/fake-kvm/table, and some more.

What becomes of each the table says; here it must be the same by both ways."""
from compare import agree
from harness import fakehost, table
from outcome import Case

# A row that goes with several policies does so with different guests.
VCPUS = {"strict": 1, "auto": 2, "lax": 4}
BLACKOUTS = {"blackout": "freeze", "blackout-limit": "limit",
             "paused": "paused"}

# Pairs that the table hasn't, with vCPUs and tsc-frequency.
UNEQUAL = (("skewed", "newest-amd", 4, 0), ("skewed", "released", 4, 0),
           ("skewed", "old", 4, 0), ("skewed", "unscaled", 2, 0),
           ("skewed", "ignoring", 4, 0))
UNSTABLE = (("unstable", "newest", 1, 0), ("unstable", "newest", 2, 0),
            ("unstable", "newest", 4, 0), ("unstable", "v6", 2, 2596120),
            ("unstable", "released", 4, 0), ("unstable", "hpet", 2, 0),
            ("unstable", "unstable", 4, 0), ("ignoring", "unstable", 2, 0),
            ("unstable-newest", "newest", 2, 0), ("fast", "unstable", 1, 0),
            ("unstable-newest", "newest", 1, 2000000),
            ("newest", "unstable-newest", 2, 2000000))
OLD = (("old", "old", 4, 0), ("old", "fast", 4, 0), ("fast", "old", 2, 0),
       ("old", "old", 2, 2000000), ("newest", "old", 1, 2000000))
NO_PAGE = (("hpet", "hpet-v6", 4, 0), ("hpet-v6", "newest", 1, 2000000),
           ("hpet-newest", "released", 2, 2000000))
BUSY = (("newest", "busy", 4, 0), ("busy", "v6", 2, 0),
        ("newest", "busy-longer", 2, 0), ("busy-longer", "newest-amd", 2, 0),
        ("busy-for-ever", "newest", 1, 0))


def case(row, policy):
    vcpus = 2 if row.guest == "2-vcpus" else VCPUS[policy]
    name, _, value = row.guest.partition("=")
    return Case(row.source, row.destination, vcpus, table.promised_khz(row),
                policy, value if name == "require" else "plain",
                BLACKOUTS.get(name, "count"))


def section(name):
    agree([case(row, policy)
           for row in fakehost.sample(table.rows(name))
           for policy in table.POLICIES
           if row.outcomes[policy] != table.NO_TRY])


def test_same_host():
    """Guests that come back to the host where they were."""
    section("same-host")


def test_kernels():
    """Between hosts of all kernels."""
    section("kernels")


def test_frequencies():
    """Between hosts of unlike TSCs."""
    section("frequencies")


def test_faults():
    """To hosts with a fault."""
    section("faults")


def test_rungs():
    """With a required rung."""
    section("rungs")


def test_blackouts():
    """Frozen blackouts, and real times that don't agree."""
    section("blackouts")


def more(pairs, blackout="count"):
    agree([Case(*pair, "lax", "plain", blackout) for pair in pairs])


def test_unequal():
    """vCPUs whose TSCs are apart."""
    more(UNEQUAL)


def test_unstable():
    """From and to hosts with an unstable TSC."""
    more(UNSTABLE)


def test_old():
    """Offsets and frequencies that can only be measured."""
    more(OLD)


def test_no_page():
    """Sources that can't say what function kvmclock is of the TSC."""
    more(NO_PAGE)


def test_kexec():
    """One machine under two kernels, or another one with its identity."""
    for like in "newest", "v6", "released", "unscaled":
        before = fakehost.declare("before-" + like, like, machine="one")
        khz = fakehost.KHZ
        more([(before, fakehost.declare(
            "%s-%s" % (kind, like), before, khz=khz + 3, tsc_khz=khz, **keys),
               vcpus, 0)
              for kind, vcpus, keys in (
                  ("after", 2, {}), ("intolerant", 1, {"tolerance_ppm": 0}),
                  ("clone", 1, {"tsc_start": 77}),
                  ("adrift", 1, {"synchronised": "false"}))], "file")


def test_busy():
    """Kernels that don't know the CPU's frequency for a while."""
    more(BUSY)
