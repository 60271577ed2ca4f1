#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Migrates guests between two emulated hosts and measures their clocks.

Without names: the scenarios that ./run check runs."""
import argparse
import fnmatch
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(1, os.path.dirname(HERE))

import judge
import intel
import paths
import scenarios
import spread
from actions import ACTIONS
from bochs import BochsHost
from crossing import Lab
from harness import picture
from harness.guest import exit_on_signal, stop_all
from harness.tap import Missing
from host import Host, Link
from initramfs import cache
from tracks import track_of
from wire import Wire

EMULATORS = {"qemu": Host, "bochs": BochsHost}
STILL_NS = 10 ** 12
LIMIT_S = 600       # for one scenario, with booting, beside any load
SLOW_LIMIT_S = 1200


class TooLong(Exception):
    """A scenario doesn't end."""


def _alarm(*_):
    raise TooLong("it takes too long")


class Pair:
    """Two hosts that stay up while the scenarios want the same ones."""

    def __init__(self):
        self._key = None
        self.hosts = []
        self.folder = self.wire = None

    @staticmethod
    def _machine(spec):
        """What can't be changed without booting."""
        return spec and spec._replace(tai=0, clock_ns=0, claim_us=-1)

    @classmethod
    def key(cls, scenario):
        return (cls._machine(scenario.a), cls._machine(scenario.b),
                bool(scenario.wire), scenario.guest == "linux-vmclock")

    def get(self, scenario):
        specs = [spec for spec in (scenario.a, scenario.b) if spec]
        if self.key(scenario) != self._key or \
                any(host.changed for host in self.hosts):
            self.close()
            self._boot(specs, *self.key(scenario)[2:])
            self._key = self.key(scenario)
        # Among hosts whose time stands still it may always be the same.
        now = time.monotonic_ns() if "qemu" in {spec.emulator for spec in specs} \
            else STILL_NS
        for host, spec in zip(self.hosts, specs):
            host.spec = spec
            host.join(now)
            host.set_clock()
        return self.hosts

    def _boot(self, specs, wired, vmclock):
        self.folder = tempfile.mkdtemp(prefix="clockferry-lab-")
        here = there = os.path.join(self.folder, "wire")
        if wired:
            there += "-there"
            self.wire = Wire(there, here)
        found = paths.find({spec.kernel for spec in specs},
                           {spec.emulator for spec in specs}, vmclock)
        for name, spec, path in zip("AB", specs, (here, there)):
            self.hosts.append(EMULATORS[spec.emulator](
                name, spec, found, self.folder, Link(path, name == "A")))
        for host in self.hosts:
            host.wait_up()

    def close(self):
        for part in self.hosts + [self.wire] * bool(self.wire):
            part.close()
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)
        self.hosts, self._key, self.folder, self.wire = [], None, None, None


def keep_logs(name, pair, logs):
    """What is left of a scenario that failed; where it is."""
    folder = os.path.join(cache(), "failed", name)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    for file, text in logs.items():
        with open(os.path.join(folder, file), "w", encoding="utf-8") as log:
            log.write(text)
    for file in os.listdir(pair.folder) if pair.folder else []:
        if file.endswith(".log"):
            shutil.copy(os.path.join(pair.folder, file), folder)
    return folder


def attempt(scenario, pair, logs, sampling):
    """(line, track) of one scenario; its guests are gone afterwards."""
    lab = Lab(scenario, pair.get(scenario), pair.wire, logs.__setitem__,
              sampling)
    try:
        line = ACTIONS[scenario.action](lab)
        if lab.track:
            return line, track_of(*lab.track)
        return line, None
    finally:
        lab.close()


def run(scenario, pair, sampling=False):
    """(line, problems, track)."""
    began, logs, track = time.monotonic(), {}, None
    signal.signal(signal.SIGALRM, _alarm)
    signal.alarm(SLOW_LIMIT_S if scenario.slow else LIMIT_S)
    try:
        line, track = attempt(scenario, pair, logs, sampling)
        wrong = judge.problems(scenario, line)
    except Missing:
        raise
    except Exception as error:
        logs["error.log"] = traceback.format_exc()
        line = {"result": "error", "error": "%s: %s" % (
            type(error).__name__, error)}
        wrong = [line["error"]]
    finally:
        signal.alarm(0)
    line = dict({"scenario": scenario.name, "about": scenario.about}, **line,
                wrong=wrong, seconds=round(time.monotonic() - began, 1))
    if wrong:
        line["logs"] = keep_logs(scenario.name, pair, logs)
    if line["result"] == "error":
        pair.close()            # who knows in what state they are
    return line, wrong, track


def in_order(wanted):
    """Those on the same machines together, so that few are booted."""
    order = []
    for scenario in wanted:
        if Pair.key(scenario) not in order:
            order.append(Pair.key(scenario))
    return sorted(wanted, key=lambda s: order.index(Pair.key(s)))


def choose(names, everything, of=scenarios):
    """`of` is a module with SCENARIOS and CHECK, if there are no names."""
    known = {scenario.name: scenario
             for scenario in scenarios.SCENARIOS + intel.SCENARIOS}
    unknown = [name for name in names if not fnmatch.filter(known, name)]
    if unknown:
        sys.exit("lab: there is no scenario %s; --list shows them"
                 % ", ".join(unknown))
    if everything:
        names = [scenario.name for scenario in of.SCENARIOS]
    chosen = [one for name in names or of.CHECK
              for one in fnmatch.filter(known, name)]
    return in_order([known[name] for name in dict.fromkeys(chosen)])


def draw(path):
    """The picture: stock beside patched, to a file and as text."""
    known = {scenario.name: scenario for scenario in scenarios.SCENARIOS}
    panels, pair = [], Pair()
    try:
        for title, name in (("stock QEMU", "faster-stock"),
                            ("with the series", "faster")):
            line, wrong, track = run(known[name], pair, sampling=True)
            if not track:
                sys.exit("lab: no picture: %s" % (wrong or line))
            panels.append(("%s, 2.5 to 3.0 GHz" % title, track))
    finally:
        pair.close()
    with open(path, "w", encoding="utf-8") as out:
        out.write(picture.svg(panels))
    print(picture.text(panels))
    return 0


def show(scenario, line, wrong):
    print(judge.row(scenario, line, wrong), flush=True)
    for sentence in wrong:
        print("    " + sentence.replace("\n", "\n    "), flush=True)


def main():
    parser = argparse.ArgumentParser(
        prog="run lab", description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="SCENARIO",
                        help="default: those that ./run check runs")
    parser.add_argument("--intel", action="store_true",
                        help="those with Intel's processors")
    parser.add_argument("--all", action="store_true", help="every scenario")
    parser.add_argument("--list", action="store_true", help="name them")
    parser.add_argument("--json", metavar="FILE",
                        help="a line of JSON for each scenario")
    parser.add_argument("--repeat", metavar="N", type=int, default=1,
                        help="run each scenario N times, and show the spread")
    parser.add_argument("--picture", metavar="FILE.svg",
                        help="only draw the guest's clock in the blackout, "
                             "stock beside patched")
    options = parser.parse_args()
    of = intel if options.intel else scenarios
    if options.list:
        for scenario in of.SCENARIOS:
            print("%-29s%s" % (scenario.name, scenario.about))
        return 0
    exit_on_signal()
    try:
        if options.picture:
            return draw(options.picture)
        return run_all(choose(options.names, options.all, of), options.json,
                       options.repeat)
    except Missing as missing:
        sys.exit(str(missing))


def run_all(wanted, json_file, repeat):
    bad, pair, lines = 0, Pair(), {}
    out = open(json_file, "w", encoding="utf-8") if json_file else None
    print(judge.HEAD)
    try:
        for scenario in [one for one in wanted for _ in range(repeat)]:
            line, wrong, _ = run(scenario, pair)
            lines.setdefault(scenario.name, []).append(line)
            show(scenario, line, wrong)
            bad += bool(wrong)
            if out:
                out.write(json.dumps(line) + "\n")
                out.flush()
    finally:
        stop_all()
        pair.close()
        if out:
            out.close()
    if repeat > 1:
        print("\n".join(["", spread.HEAD] + [
            row for scenario in wanted
            for row in spread.rows(scenario, lines[scenario.name])]))
    print("%d runs, %d wrong" % (len(wanted) * repeat, bad))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
