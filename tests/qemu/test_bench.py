# SPDX-License-Identifier: GPL-2.0-or-later
"""`./run bench`: what it measures of clocks, and what it makes of numbers."""
import os
import sys
from xml.etree import ElementTree

from harness.check import patched, stock
from harness.tap import note

sys.path.insert(1, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "show"))

import bars
import bench
import costs
from costs import Row


def test_clocks():
    """Arrivals and steps are measured: stock's kvmclock steps farther."""
    rows = list(costs.steps([stock(), patched()], 2)) + \
        list(costs.arrivals(None, 1))
    for row in rows:
        note(bench.line(row))
    assert min(rows[0].stock) > 100 * max(rows[0].patched), rows[0]
    assert all(len(row.patched) == (2 if row.stock else 1) for row in rows)


def test_limits():
    """The median counts, or what it is more than stock's."""
    assert bench.within(Row("a", "ms", None, [1, 5, 99], 5))
    assert not bench.within(Row("a", "ms", None, [1, 6, 7], 5))
    assert bench.within(Row("a", "ms", [60], [90], 30, True))
    assert not bench.within(Row("a", "ms", [60], [91], 30, True))
    assert bench.within(Row("a", "ms", None, [10 ** 9]))
    assert "TOO MUCH" in bench.line(Row("a", "ms", None, [6], 5))
    assert bench.line(Row("a", "ms", [60], [61], 30, True)).endswith("60 + 30")


def test_picture():
    """A bar for each side, and a line for each limit."""
    root = ElementTree.fromstring(bars.svg([
        Row("a & b", "us", [1, 2, 3], [1, 2, 300], 5), Row("c", "ms", None, [4])
    ]))
    tags = [element.tag.split("}")[1] for element in root]
    assert tags.count("rect") == 1 + 3, tags
    assert tags.count("line") == 3 + 1, tags
    assert "a & b, us" in [element.text for element in root]
