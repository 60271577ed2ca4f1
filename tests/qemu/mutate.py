#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Has real QEMUs load streams in which what Clockferry adds is wrong: numbers,
bits, lengths, versions, parts missing, doubled or elsewhere.

Each is refused with a sentence, or the guest runs; then its clocks are right
to within a second, or QEMU has said that they aren't. The truth comes from the
fake hosts' models. A stream with which it is otherwise is kept in a file.
Exit status: 0 nothing was found, 1 something was, 77 it can't be tried here."""
import argparse
import collections
import os
import random
import resource
import sys
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(1, os.path.dirname(HERE))

import mutation
from harness import guest, places
from mutated import Arrivals, Judge, Loader, saved, sent

# Source, destination (None: this machine's own KVM), vCPUs.
SETTINGS = (
    ("newest", "newest-amd", 2), (None, None, 1), ("newest", "newest", 1),
    ("released", "released", 2), ("newest", "released", 1),
    ("unstable", "newest", 2), ("newest", "unstable", 1),
    ("newest", "ignoring", 2), ("ignoring", "ignoring", 1),
    ("newest", "clone", 1), ("newest-amd", "fast", 2), (None, None, 2),
)
BATCH = 250         # then the good stream is made anew, lest it gets too old
ONE_BY_ONE = 50     # of as many streams one comes over a socket, to a new QEMU


class Findings:
    """Counts, and keeps the streams with which something was wrong."""

    def __init__(self, seed, folder, say):
        self.count = collections.Counter()
        self.bad = []
        self._seed, self._folder, self._say = seed, folder, say

    def add(self, where, changed, outcome, judge):
        fault = judge.fault(outcome)
        self.count["bad" if fault else judge.kind(outcome)] += 1
        if not fault:
            return
        path = os.path.join(self._folder, "clockferry-mutated-%s-%d" % (
            self._seed, len(self.bad)))
        with open(path, "wb") as file:
            file.write(changed.data)
        self.bad.append(path)
        self._say("%s: %s: %s\n  %s\n  %s" % (
            where, changed.name, fault, path,
            "\n  ".join(outcome.words.splitlines()[-6:])))


def in_batches(count):
    while count > 0:
        yield min(count, BATCH)
        count -= BATCH


class Setting:
    """Streams from one host to another."""

    def __init__(self, setting, rng, findings):
        self._there, self._here, self._vcpus = setting
        self.name = "%s to %s, %d vCPUs" % (self._there or "this machine",
                                            self._here or "itself",
                                            self._vcpus)
        self._rng, self._findings = rng, findings
        self._loader = None

    def run(self, count):
        """Each number at each extreme first, then whatever comes."""
        alone = -(-count // ONE_BY_ONE)
        try:
            self._load(saved, Loader, count - alone)
            self._load(sent, Arrivals, alone)
        finally:
            if self._loader:
                self._loader.close()

    def _load(self, record, kind, count):
        self._make(kind)
        extremes = None
        for batch in in_batches(count):
            data, truth = record(self._there, self._vcpus)
            recorded = mutation.Recorded(mutation.complete(data))
            judge = self._judge(recorded, truth)
            if extremes is None:
                extremes = self._shuffled(recorded, count // 2)
            for _ in range(batch):
                which = extremes and extremes.pop()
                self._one(which(recorded) if which else
                          self._random(recorded), truth, judge)

    def _random(self, recorded):
        while True:
            changed = mutation.random(self._rng, recorded,
                                      ends=isinstance(self._loader, Arrivals))
            if self._loader.fits(changed.data):
                return changed

    def _shuffled(self, recorded, most):
        found = list(mutation.each_extreme(recorded))
        self._rng.shuffle(found)
        return found[:most]

    def _make(self, kind):
        if self._loader:
            self._loader.close()
        self._loader = kind(self._here, self._vcpus)

    def _judge(self, recorded, truth):
        return Judge(self._loader.load(recorded.data, truth))

    def _one(self, changed, truth, judge):
        outcome = self._loader.load(changed.data, truth)
        self._findings.add(self.name, changed, outcome, judge)
        if outcome.how not in ("runs", "refused"):
            self._make(type(self._loader))


def mutate(count, seed, settings=SETTINGS, folder="/tmp", say=print):
    """Shares the streams out among the settings; the Findings."""
    findings = Findings(seed, folder, say)
    rng = random.Random(seed)
    for number, setting in enumerate(settings):
        share = count // len(settings) + (number < count % len(settings))
        one = Setting(setting, rng, findings)
        began = time.monotonic()
        if share:
            one.run(share)
            say("%s: %d streams in %.0f s; so far %s" % (
                one.name, share, time.monotonic() - began,
                dict(findings.count)))
    return findings


def main():
    parser = argparse.ArgumentParser(
        prog="run mutate", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int, help="how many streams, in all")
    parser.add_argument("--seed", default=str(random.randrange(2 ** 32)),
                        help="repeats a run: the same changes of streams that "
                        "differ in their times")
    parser.add_argument("--setting", metavar="WORD", default="",
                        help="only settings in whose name this is")
    parser.add_argument("--keep", metavar="FOLDER", default="/tmp",
                        help="where bad streams go (default /tmp)")
    options = parser.parse_args()
    settings = [setting for setting in SETTINGS if options.setting in
                Setting(setting, None, None).name]
    if options.count < 1 or not settings:
        parser.error("at least one stream, and a setting that there is")
    places.need_kvm()
    print("seed %s" % options.seed)
    began, used = time.monotonic(), used_s()
    findings = mutate(options.count, options.seed, settings, options.keep)
    print("%d streams in %.0f s, %.0f s of CPU: %s; %d bad" % (
        sum(findings.count.values()), time.monotonic() - began,
        used_s() - used, dict(findings.count), len(findings.bad)))
    return 1 if findings.bad else 0


def used_s():
    return sum(usage.ru_utime + usage.ru_stime for usage in (
        resource.getrusage(resource.RUSAGE_CHILDREN),
        resource.getrusage(resource.RUSAGE_SELF)))


if __name__ == "__main__":
    guest.run_program(main)
