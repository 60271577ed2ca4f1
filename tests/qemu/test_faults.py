# SPDX-License-Identifier: GPL-2.0-or-later
"""`./run faults`, a few of them, and that it sees what goes wrong."""
import json

from faults import CLOCKS, NONE, TWO, Plan, Result, try_plan
from harness import places
from harness.check import patched, stock, tries
from harness.tap import note
from trials import AGAIN_STOCK, as_dict, campaign, complaint, table

FAULTS = 6


def test_random():
    """Never two guests, never none, no crash, unless stock QEMU does so."""
    cases = campaign(places.seed(), range(tries(FAULTS)), note)
    note(table(cases))
    assert not any(case.ours for case in cases)
    assert len(cases) == tries(FAULTS)
    assert any(case.results["patched"].hit for case in cases), \
        "no fault was at its place"


# The destination's last word is lost, as it may be where there is a way back.
SPLIT = Plan(1, 0, ("return-path",), False, 0, "last word", 0, "cut", 1, .1)


def test_two():
    """Two guests, which stock QEMU leaves where the last word of a return path
    is lost, are seen; the patched one, which needs none, leaves one."""
    result = try_plan(stock(), SPLIT)
    assert result.hit and result.wrongs == {TWO}, result
    result = try_plan(patched(), SPLIT._replace(capabilities=()))
    assert not result.wrongs and result.outcome == "moved", result


class Told:
    """A QEMU with which things end as was said before."""

    def __init__(self, patched_, stock_):
        self._wrongs = {"patched": patched_, "stock": stock_}
        self.tried = []

    def __call__(self, name, _):
        self.tried.append(name)
        wrongs = self._wrongs[name](self.tried.count(name))
        return Result(wrongs, "words", True, "moved")


def test_ours():
    """What stock QEMU does, too, even once in many tries, isn't ours; what
    only the patched one does is, even once; and a clock that steps."""
    def always(*wrongs):
        return lambda number: set(wrongs)

    def once(wrong, when):
        return lambda number: {wrong} if number == when else set()

    for told, ours in ((Told(always(TWO), always()), [TWO]),
                       (Told(always(TWO), always(TWO)), []),
                       (Told(always(NONE), once(NONE, AGAIN_STOCK)), []),
                       (Told(once(NONE, 1), always()), [NONE]),
                       (Told(once(CLOCKS, 1), always()), [CLOCKS])):
        said = []
        case, = campaign("7", [3], said.append, told)
        assert case.ours == ours, case
        assert any("./run" in words for words in said) == bool(ours), said
        if ours:
            assert "./run faults 1 --seed 7 --from 3" in complaint("7", case)
            assert complaint("7", case) in said
        assert json.loads(json.dumps(as_dict(case)))["ours"] == ours
