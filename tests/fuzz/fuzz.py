#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""./run fuzz: runs fuzz targets for as long as you like, and keeps what they
learn in the cache."""
import argparse
import os
import shutil
import sys
import tempfile
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(1, os.path.dirname(HERE))

import fuzzer
from harness import places
from harness.tap import Missing
from targets import TARGETS, about

# How often a line says how far it is, where it can't be overwritten.
EVERY_S = 10


class Progress:
    """How far one target is, on the standard error."""

    def __init__(self, name, seconds, runs):
        self.name, self.seconds, self.runs = name, seconds, runs
        self.terminal = sys.stderr.isatty()
        self.shown = 0

    def left(self, executions, seconds):
        left = self.seconds - seconds
        if self.runs and executions:
            left = min(left, seconds * (self.runs - executions) / executions)
        return max(0, round(left))

    def show(self, executions, covered, seconds):
        if not self.terminal and seconds < self.shown + EVERY_S:
            return
        self.shown = seconds
        line = "%s: %s executions, %d edges, %d s left" % (
            self.name, format(executions, ","), covered,
            self.left(executions, seconds))
        sys.stderr.write("\r\x1b[K%s" % line if self.terminal else line + "\n")
        sys.stderr.flush()

    def end(self):
        if self.terminal:
            sys.stderr.write("\r\x1b[K")


def list_targets():
    for name in TARGETS:
        print("%-11s  %s" % (name, about(name)))


def run(name, seconds, runs):
    """One target; what came of it."""
    progress = Progress(name, seconds, runs)
    options = ["-max_total_time=%d" % seconds]
    if runs:
        options.append("-runs=%d" % runs)
    outcome = fuzzer.run(name, places.cache("fuzz", name), *options,
                         watch=progress.show)
    progress.end()
    if outcome.finding:
        print(outcome.log, file=sys.stderr)
    return outcome


def table(outcomes):
    row = "%-11s  %13s  %10s  %6s  %8s  %s"
    print(row % ("target", "executions", "a second", "edges", "seconds",
                 "finding"))
    for name, outcome in outcomes.items():
        print(row % (name, format(outcome.executions, ","),
                     format(round(outcome.executions /
                                  max(outcome.seconds, 1)), ","),
                     outcome.covered, round(outcome.seconds),
                     outcome.finding or "none"))


def replay(name, files):
    said = fuzzer.replay(name, files)
    print(said or "%s: nothing is wrong with these" % name)
    return 1 if said else 0


def merge(name, folder):
    """A few cases that reach all that is reached by what is known. They take
    the place of those in the folder, once they are there."""
    os.makedirs(folder, exist_ok=True)
    former = [entry.path for entry in os.scandir(folder)]
    if not all(os.path.isfile(path) for path in former):
        print("%s has folders in it, so these are no cases, and it is left "
              "alone" % folder, file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as new:
        fuzzer.merge(name, places.cache("fuzz", name), new)
        cases = os.listdir(new)
        assert cases, "libFuzzer kept nothing"
        for path in former:
            os.unlink(path)
        for case in cases:
            shutil.copy(os.path.join(new, case), folder)
    print("%s: %d cases" % (folder, len(cases)))
    return 0


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="./run fuzz", description=__doc__,
        epilog="Without arguments: lists the targets.")
    parser.add_argument("targets", nargs="*", metavar="TARGET",
                        help="which, or all; then SECONDS, for each")
    parser.add_argument("--runs", type=int, default=0, metavar="N",
                        help="end after so many executions, if that is sooner")
    parser.add_argument("--replay", nargs="+", default=[], metavar="FILE",
                        help="run only these inputs")
    parser.add_argument("--merge", metavar="FOLDER",
                        help="have a few inputs there, and nothing else, that "
                        "reach as much of the code as all in the cache: for "
                        "tests/fuzz/corpus")
    options = parser.parse_args(arguments)
    seconds = 60
    if options.targets and options.targets[-1].isdigit():
        seconds = int(options.targets.pop())
    names = list(TARGETS) if options.targets == ["all"] else options.targets
    for name in names:
        if name not in TARGETS:
            parser.error("there is no target %s; ./run fuzz lists them" % name)
    if (options.replay or options.merge) and len(names) != 1:
        parser.error("name one target")
    return names, seconds, options


def main(arguments):
    names, seconds, options = parse(arguments)
    if not names:
        list_targets()
        return 0
    try:
        for name in names:
            fuzzer.program(name)
    except Missing as missing:
        print("./run fuzz: %s" % missing.reason, file=sys.stderr)
        return 77
    if options.replay:
        return replay(names[0], options.replay)
    if options.merge:
        return merge(names[0], options.merge)
    outcomes, began = {}, time.monotonic()
    try:
        for name in names:
            outcomes[name] = run(name, seconds, options.runs)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
    table(outcomes)
    print("%d s" % (time.monotonic() - began))
    return 1 if any(each.finding for each in outcomes.values()) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
