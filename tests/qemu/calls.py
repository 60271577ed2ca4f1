# SPDX-License-Identifier: GPL-2.0-or-later
"""A migration in which one call about clocks fails, or before which something
happens to the host; and what is wrong with what came of it.

The guest that is loaded comes from a stream that is recorded once, so that one
more failure costs one more QEMU and not two."""
import re
from collections import Counter

from harness import fakehost, measure
from harness.binaries import start
from harness.check import Untouched, crashed, sentences
from harness.guest import GuestError
from harness.migrate import arrive, go, incoming, load, wait_loaded

# Not calls, or calls that QEMU always made and whose failure ends it.
NOT_OURS = ("KVM_RUN", "KVM_RUN(signal)", "KVM_SET_MP_STATE",
            "KVM_SET_MSRS(TSC_DEADLINE)")
MOST_OF_A_KIND = 8      # on a VM or vCPU: the loop's are endless
ROUGH_NS = 100000
GUESSED_NS = 50000000


def failable(calls, most=MOST_OF_A_KIND):
    """(name, number) of the calls that may fail: of each kind the first ones of
    these, on each VM and vCPU."""
    counts, found = Counter(), []
    for call in calls:
        counts[call.where, call.name] += 1
        if call.where.startswith("vm") and call.name not in NOT_OURS and \
                "..." not in call.name and \
                counts[call.where, call.name] <= most:
            found.append((call.name, call.number))
    return found


def after_run(calls):
    """Those that a source makes since its guest's pvclock record was written
    last: before its guest stops, and then."""
    written = max(call.true_ns for call in calls
                  if call.name.startswith("KVM_RUN"))
    return [call for call in calls if call.true_ns > written]


class Stream:
    """A guest saved on one fake host, to be loaded again and again."""

    def __init__(self, host, vcpus):
        self._guest = start(fakehost.side(host, policy="lax"), vcpus=vcpus)
        self._guest.wait_up()
        self.vcpus = vcpus
        self.uri = "file:" + self._guest.path("stream")
        assert go(self._guest, self.uri)["status"] == "completed"
        calls = fakehost.log(host, self._guest.pid)
        self.clocks = [fakehost.clocks(calls, vcpu) for vcpu in range(vcpus)]

    def load(self, host):
        """(destination, loaded?)"""
        guest = load(fakehost.side(host, policy="lax"), self.uri, self.vcpus)
        return guest, wait_loaded(guest)


# -- On the destination --

def reference(stream, host):
    """The calls of a load in which nothing fails."""
    guest, loaded = stream.load(host)
    with guest:
        assert loaded, guest.stderr()
        arrive(guest)
        return fakehost.log(host, guest.pid)


def faulty(host, fault):
    name = "%s-%s" % (host, re.sub(r"\W+", "-", fault))
    return fakehost.declare(name, host, fail=fault,
                            boot_id="00000000-0000-0000-0000-000000000001")


def load_with(stream, host, fault, also=None, turns=None):
    """The outcome of one load in which a call fails, and what is wrong with it;
    also by a function of QEMU's report, its words, and the clocks of the first
    vCPU there and here. turns: whose TSC becomes unstable, "source" or
    "destination"; the latter may do so behind QEMU's last word on it."""
    name = faulty(host, fault)
    try:
        guest, loaded = stream.load(name)
    except GuestError as error:
        return not_started(error)
    with guest:
        if not loaded:
            return not_taken(guest)
        arrive(guest)
        return taken(stream, guest, fakehost.log(name, guest.pid), also, turns)


def not_started(error):
    words = str(error)
    return ("doesn't start", None if "clock" in words.lower()
            else "QEMU doesn't start: %s" % words)


def not_taken(guest, source_words=""):
    status, words = guest.wait_exit(), guest.stderr() + source_words
    if crashed(status):
        return "crashed", "signal %d: %s" % (-status, words)
    said = [line for line in sentences(words) if "pre-save failed" not in line]
    return "refused", None if len(said) == 1 else \
        "not one sentence: %s" % words


def taken(stream, guest, calls, also, turns):
    report = measure.own_report(guest)
    here = [fakehost.clocks(calls, vcpu, which=0)
            for vcpu in range(stream.vcpus)]
    if not report:
        return "as if off", None if measure.not_carried(guest) and \
            "as if guest-clock was off" in guest.stderr() else \
            "no report: %s" % guest.stderr()
    wrong = wrong_clocks(report, guest, stream.clocks[0], here[0], also, turns)
    return "%s, TSC %s" % (report["rung"], report["tsc"]), wrong or (
        None if turns else wrong_offsets(report, calls, here, stream.vcpus))


def wrong_clocks(report, guest, there, here, also, turns):
    """Is kvmclock where the report says it is? And what else is asked for."""
    step, bound = fakehost.clock_step(there, here), \
        report.get("bound-ns", ROUGH_NS)
    if report["tsc"] == "not-set":
        step = fakehost.time_step(there, here)
    if turns == "destination" or turns and "bound-ns" not in report:
        # It goes on with the time, but when the TSC was put back is a guess.
        step = fakehost.time_step(there, here)
        bound = ROUGH_NS + report.get("time-bound-ns", 0)
        if turns == "source":
            bound += min(report["elapsed-ns"], GUESSED_NS)
    if abs(step) > bound:
        return "kvmclock stepped %d ns, and the bound is %d: %s" % (
            step, bound, report)
    return also(report, guest.stderr(), there, here) if also else None


def wrong_offsets(report, calls, here, vcpus):
    """All vCPUs' offsets are as they should be, or all as they were."""
    names = ["vm0.%d" % vcpu for vcpu in range(vcpus)]
    before = [first_value(calls, name) for name in names]
    after = [clocks.values["offset"] for clocks in here]
    if report["tsc"] == "not-set" and None not in before and before != after:
        return "not set, and yet %s became %s" % (before, after)
    if len(set(after)) != 1:
        return "unequal offsets: %s" % after
    return None


def first_value(calls, where):
    """The offset that a vCPU had before the restore."""
    loaded = max(call.true_ns for call in calls
                 if call.where == where and "...TSC..." in call.name)
    return next((call.values["value"] for call in calls
                 if call.where == where and call.true_ns > loaded
                 and call.name == "KVM_GET_DEVICE_ATTR(TSC_OFFSET)"
                 and call.result == 0), None)


# -- While the source is there --

def cross(source_host, destination_host, also=None, turns=None, **guest_is):
    """A migration: what happened, what is wrong with it, and both logs. also,
    turns: as above."""
    try:
        source = start(fakehost.side(source_host, policy="lax"), **guest_is)
    except GuestError as error:
        return not_started(error) + ([], [])
    with source:
        source.wait_up()
        untouched = Untouched(source)
        try:
            guest, uri = incoming(fakehost.side(destination_host,
                                                policy="lax"),
                                  guest_is.pop("vcpus", 1), **guest_is)
        except GuestError as error:
            return not_started(error) + ([], [])
        with guest:
            if go(source, uri)["status"] != "completed":
                outcome = not_taken(guest, source.stderr())
                untouched.assert_still(may_stop=True)
                return outcome + ([], [])
            arrive(guest)
            there = fakehost.log(source_host, source.pid)
            here = fakehost.log(destination_host, guest.pid)
            return landed(guest, source, fakehost.clocks(there),
                          fakehost.clocks(here, which=0), also, turns) + (
                              there, here)


def landed(guest, source, there, here, also, turns):
    """It arrived. Where the source's clocks weren't sent, both sides say so."""
    report = measure.own_report(guest)
    if not report:
        told = measure.not_carried(guest) if "as if guest-clock was off" in \
            guest.stderr() else "can't be carried" in source.stderr() and \
            measure.not_carried(source)
        return "as if off", None if told else "nobody says so"
    return report["rung"], wrong_clocks(report, guest, there, here, also, turns)
