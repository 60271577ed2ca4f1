# SPDX-License-Identifier: GPL-2.0-or-later
"""`./run calls`, some of it, and that it sees what is wrong."""
from collections import namedtuple

import calls
import eachcall
from eachcall import TROUBLES, Case, campaign, off, table
from harness.check import tries
from harness.tap import note

PERCENT = 2
SOME = 12
UNSTABLE = next(trouble for trouble in TROUBLES if trouble.name == "unstable")


def test_some():
    """In any place a call fails, or a host's clocks change."""
    with open("/dev/null", "w", encoding="utf-8") as out:
        cases = campaign(eachcall.PLACES, PERCENT, out, note)
    note(table(cases))
    assert not any(case.wrong for case in cases)
    assert len({case.place for case in cases}) == len(eachcall.PLACES)


def test_unstable():
    """A TSC becomes unstable while its guest's clocks are read: its kvmclock
    goes on with the time, and nobody says that it is the same function."""
    log = calls.cross("newest", "newest-amd")[2]
    ran = next(call.true_ns for call in log if call.name == "KVM_RUN")
    positions = calls.failable(call for call in log if call.true_ns > ran)
    name = eachcall.turned("newest", UNSTABLE, log[0].values)
    for position in positions[::max(1, len(positions) // tries(SOME))]:
        fault = "%s#%d>%s" % (*position, name)
        outcome, wrong = calls.cross(calls.faulty("newest", fault),
                                     "newest-amd")[:2]
        note("%s: %s" % (fault, outcome))
        assert not wrong, (fault, wrong)


Host = namedtuple("Host", "at_ns")


def judged(trouble_name, proven, off_ns, words=""):
    """What a judge says of a TSC that is off by so much, with a bound of 100."""
    trouble = next(one for one in TROUBLES if one.name == trouble_name)
    real, eachcall.fakehost.tsc_step_ns = eachcall.fakehost.tsc_step_ns, \
        lambda there, here: here.at_ns - there.at_ns
    try:
        return off(trouble, proven)({"time-bound-ns": 100, "tsc": "computed"},
                                    words, Host(0), Host(off_ns))
    finally:
        eachcall.fakehost.tsc_step_ns = real


def test_judge():
    """The bound counts; a clock that was set excuses what it was set by, but
    not where messages prove the time."""
    assert not judged("stands still", False, 100)
    assert judged("stands still", False, 101)
    assert not judged("stands still", False, 101, "warning: late")
    assert judged("set ahead", True, eachcall.HOUR_NS)
    assert not judged("set ahead", False, eachcall.HOUR_NS)
    assert judged("set ahead", False, eachcall.HOUR_NS // 2)
    assert not judged("unstable", True, 10 ** 9)


def test_table():
    """Each case counts where it was, by what was done, and by what became."""
    words = table([Case("load", "a to b", "KVM_SET_CLOCK#1=EIO", "exact", None),
                   Case("load", "a to b", "KVM_SET_CLOCK#2+", "lost", "none"),
                   Case("save", "a to b", "writev#2>a-set-back", "exact",
                        None)])
    rows = {row[:40].strip(): row[40:].split() for row in words.splitlines()}
    assert rows["load, a to b"] == ["2", "1"]
    assert rows["EIO"] == ["1", "."] and rows["for ever"] == ["1", "1"]
    assert rows["the host: set back"] == ["1", "."]
    assert rows["exact"] == ["2", "."] and rows["lost"] == ["1", "1"]
