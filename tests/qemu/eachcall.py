#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Every call about clocks, in every position: it fails with every errno that is
documented for it, or something happens to the host before it. The host's real
time is set, or isn't synchronised any more; its TSC becomes unstable; the program
stands still for a while; and every write of a guest that is saved fails.

Guests are loaded, saved, and migrated among fake hosts, and each time the guest
goes on, there or at the source, by clocks that are what QEMU says of them; or it
is refused, in one sentence. Exit status: 0 all of that was so, 1 something
wasn't, 77 it can't be tried here."""
import argparse
import collections
import contextlib
import functools
import json
import os
import re
import sys
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(1, os.path.dirname(HERE))

import calls
from harness import fakehost, guest, places
from harness.binaries import start
from harness.migrate import go

# By the kernel's own words, what it may say to a caller of any of them, and what
# the new calls say of what passes or can't be.
ANY = ("EFAULT", "EINTR", "ENOMEM")
RECORD = ("EINVAL", "EBUSY", "ENODATA", "ERANGE")
ATTRIBUTE = ("ENXIO", "EINVAL", "EPERM")
DOCUMENTED = {
    "KVM_GET_CLOCK": (), "KVM_SET_CLOCK": ("EINVAL",),
    "KVM_GET_TSC_KHZ": ("EIO",), "KVM_SET_TSC_KHZ": ("EINVAL",),
    "KVM_HAS_DEVICE_ATTR": ATTRIBUTE, "KVM_GET_DEVICE_ATTR": ATTRIBUTE,
    "KVM_SET_DEVICE_ATTR": ATTRIBUTE, "KVM_GET_CLOCK_GUEST": RECORD,
    "KVM_SET_CLOCK_GUEST": RECORD, "KVM_GET_MSRS": ("EINVAL", "E2BIG"),
    "KVM_SET_MSRS": ("EINVAL", "E2BIG"), "KVM_KVMCLOCK_CTRL": ("EINVAL",),
}
WRITE_ERRORS = ("ENOSPC", "EIO", "EDQUOT")

# From and to: each rung of the ladder.
PAIRS = [("newest", "newest-amd"), ("newest", "2-khz"),
         ("released", "unscaled"), ("released", "hpet")]

MOST = 16       # of a kind on a VM or vCPU: the loop's are endless
HOUR_NS = 3600 * 10 ** 9
PAUSE_NS = 20_000_000       # of a program that stands still
# What happens to a host, by what changes on it. Its real time is set by a step.
Trouble = collections.namedtuple("Trouble", "name step_ns keys")
TROUBLES = [
    Trouble("set ahead", HOUR_NS, {}), Trouble("set back", -HOUR_NS, {}),
    Trouble("unsynchronised", 0, {"synchronised": "false",
                                  "max_error_ns": 16 * 10 ** 9}),
    Trouble("unstable", 0, {"clocksource": "hpet", "tsc_offset": "rewinds",
                            "master_clock": "never"}),
    Trouble("stands still", 0, {"pause_ns": PAUSE_NS}),
]

Case = collections.namedtuple("Case", "place pair what outcome wrong")


def errors(call):
    """What it may fail with."""
    return ANY + DOCUMENTED[call.partition("(")[0]]


def failures(positions):
    """Each call with each errno, once; and for ever from its first one on."""
    for call, number in positions:
        for error in errors(call):
            yield "%s#%d=%s" % (call, number, error)
    for call in sorted({call for call, _ in positions}):
        yield "%s#1+" % call


def turned(host, trouble, host_values):
    """The host as which that one goes on."""
    keys = dict(trouble.keys)
    if trouble.step_ns:
        keys["realtime"] = host_values["realtime_base"] + trouble.step_ns
    return fakehost.declare("%s-%s" % (host, trouble.name.replace(" ", "-")),
                            host, **keys)


def cases(action, side, host, failing, log, proven, troubled):
    """(fault, what to do) for each: the calls that fail, and those before which
    something happens to the host, which is on that side."""
    for fault in failures(failing):
        yield fault, functools.partial(action, fault)
    for trouble in TROUBLES:
        name = turned(host, trouble, log[0].values)
        turns = side if trouble.name == "unstable" else None
        for position in troubled:
            fault = "%s#%d>%s" % (*position, name)
            yield fault, functools.partial(action, fault, off(trouble, proven),
                                           turns)


# -- How near to true the TSC is --

# What QEMU says where a file is all that tells the time and that can't be.
WARNED = re.compile("kvmclock: .*(more than blackout-limit|"
                    "the blackout counts as 0|only these count)")


def off(trouble, proven):
    """A judge: the TSC is within the report's bound of the truth. Where no
    messages prove the time, and it is only the host's clock that tells it, of
    what that clock says once it is set; or QEMU has warned of that."""
    steps_ns = {0} if proven else {0, trouble.step_ns, -trouble.step_ns}

    def judge(report, words, there, here):
        if trouble.name == "unstable" or report["tsc"] in ("not-set",
                                                           "unverified"):
            return None
        step_ns = fakehost.tsc_step_ns(there, here)
        bound_ns = report.get("time-bound-ns")
        near = bound_ns is None or any(abs(step_ns - by_ns) <= bound_ns
                                       for by_ns in steps_ns)
        warned = not proven and trouble.step_ns and WARNED.search(words)
        return None if near or warned else \
            "the TSC is off by %.0f ns, and the bound is %d: %s" % (
                step_ns, bound_ns, report)
    return judge


# -- The places --

def loads(source, host):
    """Calls of a QEMU that loads a saved guest."""
    stream = calls.Stream(source, 2)
    log = calls.reference(stream, host)
    positions = calls.failable(log, MOST)
    return cases(functools.partial(calls.load_with, stream, host),
                 "destination", host, positions, log, False, positions)


def sources(source, host):
    """Calls of a QEMU whose guest leaves."""
    def action(fault, *judged):
        return calls.cross(calls.faulty(source, fault), host, *judged)[:2]

    log = calls.cross(source, host)[2]
    positions = calls.failable(calls.after_run(log), MOST)
    return cases(action, "source", source, positions, log, True, positions)


def destinations(source, host):
    """Calls of a QEMU to which a guest comes over a socket; those that fail are
    of its early check."""
    def action(fault, *judged):
        return calls.cross(source, calls.faulty(host, fault), *judged)[:2]

    log = calls.cross(source, host)[3]
    trials = calls.failable(call for call in log
                            if call.where.startswith("vm2"))
    return cases(action, "destination", host, trials, log, True,
                 calls.failable(log, MOST))


def writes(host, source):
    """The writes of a stream to a file that were made, and those that failed."""
    made = [call for call in fakehost.log(host, source.pid)
            if call.name == "writev"]
    return len(made), sum("fault" in call.values for call in made)


def save(host, fault):
    """A guest is saved, and a write fails: it goes on, by the same clocks."""
    name = calls.faulty(host, fault)
    with start(fakehost.side(name)) as source:
        source.wait_up()
        before = fakehost.clocks(fakehost.log(name, source.pid))
        if go(source, "file:" + source.path("stream"))["status"] == \
                "completed":
            return "saved", "a write failed, and nobody says so"
        if not writes(name, source)[1]:
            return "not saved", "no write failed"
        source.wait_beating()
        after = fakehost.clocks(fakehost.log(name, source.pid))
        steps = (fakehost.tsc_step(before, after),
                 fakehost.clock_step(before, after))
        return "runs on", None if steps == (0, 0) else \
            "its clocks stepped: %d ticks, %d ns" % steps


def saves(host, _):
    """Each write of a QEMU whose guest is saved."""
    with start(fakehost.side(host)) as source:
        source.wait_up()
        assert go(source, "file:" + source.path("stream"))["status"] == \
            "completed"
        count = writes(host, source)[0]
    for number in range(1, count + 1):
        for error in WRITE_ERRORS:
            fault = "writev#%d=%s" % (number, error)
            yield fault, functools.partial(save, host, fault)


PLACES = {"load": (loads, PAIRS), "source": (sources, PAIRS[::2]),
          "destination": (destinations, PAIRS[::2]),
          "save": (saves, [("newest", "a file")])}


# -- What is shown --

def tried(place, pair, fault, action):
    """One case; a QEMU that gets stuck or a broken invariant is one, too."""
    try:
        outcome, wrong = action()
    except (AssertionError, *guest.WENT_WRONG) as error:
        outcome, wrong = "lost", "%s: %s" % (type(error).__name__, error)
    return Case(place, "%s to %s" % pair, fault, outcome, wrong)


def kind(fault):
    """Of a table's row."""
    if ">" in fault:
        return "the host: " + next(
            trouble.name for trouble in TROUBLES
            if fault.endswith("-" + trouble.name.replace(" ", "-")))
    return "for ever" if fault.endswith("+") else fault.partition("=")[2]


def table(found):
    lines = []
    for title, key in (("where", lambda case: "%s, %s" % case[:2]),
                       ("what", lambda case: kind(case.what)),
                       ("outcome", lambda case: case.outcome)):
        counts = collections.Counter(map(key, found))
        wrongs = collections.Counter(key(case) for case in found if case.wrong)
        lines.append("%-40s%8s%8s" % (title, "times", "wrong"))
        lines += ["  %-38s%8d%8s" % (name, counts[name], wrongs[name] or ".")
                  for name in sorted(counts)]
    return "\n".join(lines)


def complaint(case):
    return "%s, %s, %s: %s" % (case.place, case.pair, case.what, case.wrong)


def chosen(all_cases, percent):
    """So many of them, evenly."""
    for number, case in enumerate(all_cases):
        if number * percent % 100 < percent:
            yield case


class Progress:
    """How far it is: a line for each place and pair, and on a terminal more."""

    def __init__(self, place, pair, say):
        self._title, self._say = "%s, %s to %s" % (place, *pair), say
        self._began, self._count = time.monotonic(), 0

    def show(self, case):
        self._count += 1
        if case.wrong:
            self._say(complaint(case))
        if sys.stderr.isatty():
            sys.stderr.write("\r\x1b[K%s: %d" % (self._title, self._count))
            sys.stderr.flush()

    def end(self):
        if sys.stderr.isatty():
            sys.stderr.write("\r\x1b[K")
        self._say("%s: %d in %.0f s" % (self._title, self._count,
                                        time.monotonic() - self._began))


def campaign(where, percent, out, say=print):
    """All that is to be tried in these places."""
    for place in where:
        list_cases, pairs = PLACES[place]
        for pair in pairs:
            progress = Progress(place, pair, say)
            for fault, action in chosen(list_cases(*pair), percent):
                case = tried(place, pair, fault, action)
                print(json.dumps(case._asdict()), file=out, flush=True)
                progress.show(case)
                yield case
            progress.end()


def arguments():
    parser = argparse.ArgumentParser(
        prog="run calls", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("place", nargs="*", metavar="PLACE",
                        help="one or more of %s; all if none is named"
                        % ", ".join(PLACES))
    parser.add_argument("--percent", type=int, default=100, metavar="N",
                        help="only so many of them, evenly")
    parser.add_argument("--json", metavar="FILE", help="a line for each")
    options = parser.parse_args()
    for place in options.place:
        if place not in PLACES:
            parser.error("there is no %s: %s" % (place, ", ".join(PLACES)))
    if not 1 <= options.percent <= 100:
        parser.error("1 to 100 per cent")
    return options


def main():
    options = arguments()
    places.need_kvm()
    began, found, ended = time.monotonic(), [], False
    with open(options.json or os.devnull, "w", encoding="utf-8") as out, \
            contextlib.suppress(KeyboardInterrupt):
        for case in campaign(options.place or PLACES, options.percent, out):
            found.append(case)
        ended = True
    wrongs = [case for case in found if case.wrong]
    print("\n%s\n\n%d cases in %.0f s%s; %d wrong" % (
        table(found), len(found), time.monotonic() - began,
        "" if ended else ", interrupted", len(wrongs)))
    print("".join(complaint(case) + "\n" for case in wrongs), end="")
    return 1 if wrongs or not found else 0 if ended else 130


if __name__ == "__main__":
    guest.run_program(main)
