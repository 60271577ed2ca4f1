# SPDX-License-Identifier: GPL-2.0-or-later
"""Clocks that are damaged on their way, or contradict themselves: taken or
refused by both."""
from altered import ways
from compare import difference
from outcome import Case

YEAR_S = 365 * 24 * 3600
SECOND_NS = 10 ** 9
KHZ = 2596120
CASE = Case("newest", "newest-amd", 2, 0, "lax", "plain", "count")


def plus(name, amount):
    def change(members):
        members[name] += amount
    return change


def becomes(name, value):
    def change(members):
        members[name] = value
    return change


def times(name, by):
    def change(members):
        members[name] = int(members[name] * by)
    return change


CHANGES = {
    "host TSC a year later": plus("host_ticks", YEAR_S * KHZ * 1000),
    "host TSC a second later": plus("host_ticks", KHZ * 1000),
    "function 100 years ahead": plus("system_ns", 100 * YEAR_S * SECOND_NS),
    "function 2 s ahead": plus("system_ns", 2 * SECOND_NS),
    "function half a second ahead": plus("system_ns", SECOND_NS // 2),
    "function half as fast": times("mul", 0.5),
    "function 2 per mille faster": times("mul", 1.002),
    "TSCs twice as fast": times("ratio", 2),
    "clock read in 2 h": becomes("slack_ns", 7200 * SECOND_NS),
    "function from TSC 0": becomes("tsc_ticks", 0),
    "function from another TSC": becomes("tsc_ticks", 1 << 63),
    "function of 146 years": becomes("system_ns", 1 << 62),
    "function before 0": becomes("system_ns", (1 << 64) - 1),
    "mul 0": becomes("mul", 0),
    "shift 127": becomes("shift", 127),
    "clock 2 s ahead": plus("clock_ns", 2 * SECOND_NS),
    "clock half a second ahead": plus("clock_ns", SECOND_NS // 2),
    "clock before 0": becomes("clock_ns", (1 << 64) - 1),
    "real time 3 s ago": plus("realtime_ns", -3 * SECOND_NS),
    "real time in 3 s": plus("realtime_ns", 3 * SECOND_NS),
    "real time 0": becomes("realtime_ns", 0),
    "real time after 2262": becomes("realtime_ns", 1 << 63),
    "TAI unknown": becomes("tai_offset_s", 0),
    "TAI 5000 s ahead": becomes("tai_offset_s", 5000),
    "host without a frequency": becomes("host_khz", 0),
    "host twice as fast": times("host_khz", 2),
}


def test_altered():
    """Members of what travels are altered, one by one."""
    found = []
    for name, change in CHANGES.items():
        words = difference(CASE, ways(change))
        if words:
            found.append("%s: %s" % (name, words))
    assert not found, "%d of %d differ:\n%s" % (len(found), len(CHANGES),
                                                "\n".join(found))
