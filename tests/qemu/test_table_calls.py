# SPDX-License-Identifier: GPL-2.0-or-later
"""Every call about clocks fails once, in every position, and then for ever.

A guest that is loaded goes on with the next rung, or isn't taken, in a
sentence. ./run calls does the same with every errno, and more."""
from calls import Stream, cross, failable, faulty, load_with, reference
from harness import fakehost
from harness.fakehost import sample
from harness.tap import note


def lasting(positions):
    """Of each call the first, and the first that the restore makes."""
    first = dict(reversed(positions))
    middle = dict(reversed(positions[len(positions) // 2:]))
    return sorted(set(first.items()) | set(middle.items()))


def faults(calls):
    """Each call fails once, and some of each kind for ever."""
    once = failable(calls)
    return ["%s#%d" % position for position in sample(once)] + \
        ["%s#%d+" % position for position in sample(lasting(once))]


class Outcomes:
    """Counts what happened, and keeps what shouldn't have."""

    def __init__(self):
        self._counts, self._wrong = {}, []

    def add(self, fault, outcome, problem):
        self._counts[outcome] = self._counts.get(outcome, 0) + 1
        if problem:
            self._wrong.append("%s: %s" % (fault, problem))

    def judge(self):
        for outcome, count in sorted(self._counts.items()):
            note("%3d times: %s" % (count, outcome))
        assert not self._wrong, "\n".join(self._wrong)


def destination(source, host, vcpus=2):
    """Loads of one guest, in each of which a call fails."""
    stream, outcomes = Stream(source, vcpus), Outcomes()
    for fault in faults(reference(stream, host)):
        outcomes.add(fault, *load_with(stream, host, fault))
    outcomes.judge()


def test_exact():
    """To a host with the new calls, where each fails in each position."""
    destination("newest", "newest-amd")


def test_reanchored():
    """The same where the record has to be re-anchored."""
    destination("newest", "2-khz")


def test_closed_loop():
    """The same on a kernel of today."""
    destination("released", "unscaled")


def test_plain():
    """The same without a master clock."""
    destination("released", "hpet")


# -- While the source is there --

def test_source():
    """Each call of a running or stopping source fails: the guest lives on."""
    outcomes = Outcomes()
    for host, to in ("newest", "newest-amd"), ("released", "unscaled"):
        calls = cross(host, to)[2]
        began = next(call.true_ns for call in calls if call.name == "KVM_RUN")
        for position in sample(failable(call for call in calls
                                        if call.true_ns > began)):
            fault = "%s#%d" % position
            outcomes.add("%s, %s" % (host, fault),
                         *cross(faulty(host, fault), to)[:2])
    outcomes.judge()


def test_check():
    """A call of the early check fails: the guest is taken, or runs on."""
    outcomes = Outcomes()
    for host, to in ("newest", "newest-amd"), ("released", "unscaled"):
        calls = cross(host, to)[3]
        trials = [call for call in calls if call.where.startswith("vm2")]
        for position in sample(failable(trials)):
            fault = "%s#%d" % position
            outcomes.add("%s, %s" % (to, fault),
                         *cross(host, faulty(to, fault))[:2])
    outcomes.judge()
