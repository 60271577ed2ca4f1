# SPDX-License-Identifier: GPL-2.0-or-later
"""`./run calls`, some of it, and that it sees what is wrong."""
from collections import namedtuple

import calls
import eachcall
from eachcall import TROUBLES, Case, campaign, off, table
from harness import fakehost
from harness.tap import note

PERCENT = 2
SOME = 12
UNSTABLE = next(trouble for trouble in TROUBLES if trouble.name == "unstable")


def test_some():
    """In any place a call fails, or a host's clocks change."""
    with open("/dev/null", "w", encoding="utf-8") as out:
        cases = list(campaign(eachcall.PLACES, PERCENT, out, note))
    note(table(cases))
    assert not any(case.wrong for case in cases)
    assert len({case.place for case in cases}) == len(eachcall.PLACES)


def unstable(host, to, **guest_is):
    """A TSC becomes unstable while its guest's clocks are read."""
    log = calls.cross(host, to, **guest_is)[2]
    positions = calls.failable(calls.after_run(log), 99)
    name = eachcall.turned(host, UNSTABLE, log[0].values)
    for position in fakehost.sample(positions, SOME):
        fault = "%s#%d>%s" % (*position, name)
        outcome, wrong = calls.cross(calls.faulty(host, fault), to,
                                     turns="source", **guest_is)[:2]
        note("%s: %s" % (fault, outcome))
        assert not wrong, (fault, wrong)
        assert outcome != "as if off", fault


def test_unstable():
    """A TSC becomes unstable while its guest's clocks are read: its kvmclock
    goes on with the time, and nobody says that it is the same function."""
    unstable("newest", "newest-amd")


def test_unstable_scaled():
    """Where a ratio is derived from readings, too, they are taken again."""
    unstable("released", "newest", vcpus=2,
             extra=["-cpu", "qemu64,tsc-frequency=2000000000"])


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
    assert judged("stands still", False, 101, "warning: late")
    late = "kvmclock: 9 s have passed, more than blackout-limit (3 s)"
    assert judged("set ahead", True, 101, late)
    assert not judged("set ahead", False, 101, late)
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
