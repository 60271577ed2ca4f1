#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Many migrations, one after the other: guests that go from QEMU to QEMU by
modes at random, among fake hosts or on this machine's own KVM, with one to four
vCPUs; now and then with a fault, after which the guest goes on.

Each hop that completes moves kvmclock by at most 5 ns (on this machine's own
KVM: or, where vCPUs had to wait for a CPU, by no more than the report says; at
the end it is told how often), and leaves the vCPUs' TSCs as far apart as they
were; what the hops of a guest did to its kvmclock stays within 15 ns; no guest
is lost; and no QEMU gathers memory, descriptors or threads. All of it is drawn.
Exit status: 0 all of that was so, 1 something wasn't, 77 it can't be tried
here."""
import argparse
import collections
import contextlib
import itertools
import json
import os
import random
import statistics
import sys
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(1, os.path.dirname(HERE))

from harness import guest, measure, picture, places
from harness.check import WORST_NS
from journey import Journey, distribution

# What a QEMU may hold more than when it had been through a few hops: memory
# once and with each hop (savevm and loadvm of stock QEMU leave 100 KB behind),
# descriptors, and threads, of which it keeps some for a while.
SETTLED = 3
MORE_KB, MORE_KB_PER_HOP = 2048, 160
MORE_FDS, MORE_THREADS = 2, 16
GUEST_KB = 32 << 10     # of shared memory it may see only then

class Soak:
    """Journeys of a seed's until there are enough hops. One that goes wrong
    ends there."""

    def __init__(self, seed, say=print, travel=Journey):
        self._seed, self._say, self._new = seed, say, travel
        self.hops, self.wrongs = [], []
        self._nowhere = 0       # journeys that ended before their first hop

    def run(self, count, first=0):
        """Until there are so many, or somebody interrupts it."""
        with contextlib.suppress(KeyboardInterrupt):
            for number in itertools.count(first):
                before = len(self.hops)
                if before + self._nowhere >= count:
                    break
                self._travel(self._new(self._seed, number), count - before)
                self._tell(self.hops[before:], count)
                self._nowhere += len(self.hops) == before

    def _travel(self, journey, most):
        settled = None
        hops = 0
        try:
            with journey:
                for hops in range(1, min(journey.length, most) + 1):
                    hop = journey.hop()
                    self.hops.append(hop)
                    if hop.age <= SETTLED:
                        settled = hop
                    if self._is_wrong(hop, settled):
                        return
        except (*guest.WENT_WRONG, AssertionError) as error:
            self._wrong(journey.number, hops, "lost: %s: %s" % (
                type(error).__name__, error))

    def _is_wrong(self, hop, settled):
        wrong = hop.wrong or leak(hop, settled)
        if wrong:
            self._wrong(hop.journey, hop.number, "%s: %s" % (hop.how, wrong))
        return wrong

    def _wrong(self, journey, hops, words):
        self.wrongs.append("%s\n  %s" % (words, repeat(self._seed, journey,
                                                       hops)))
        self._say(self.wrongs[-1])

    def _tell(self, hops, count):
        if hops:
            steps = [hop.step_ns for hop in hops]
            self._say("%4d of %d: journey %d, %s, %d vCPUs, %s: %d hops, steps "
                      "%d to %d ns, drift %.1f ns" % (
                          len(self.hops), count, hops[0].journey, hops[0].kind,
                          hops[0].vcpus, hops[-1].here, len(hops), min(steps),
                          max(steps), hops[-1].drift_ns))


def repeat(seed, journey, hops):
    return "./run soak %d --seed %s --journey %d" % (max(hops, 1), seed,
                                                     journey)


def leak(hop, settled):
    """Does a QEMU hold more than it should after so many hops? It says of
    what."""
    hops = hop.age - SETTLED
    if hops <= 0 or settled is None:
        return None
    more = [now - then for now, then in zip(hop.held, settled.held)]
    shared_kb = GUEST_KB if hop.kind in ("memfd", "file") else 0
    limits = (MORE_KB + MORE_KB_PER_HOP * hops + shared_kb, MORE_FDS,
              MORE_THREADS)
    found = ["%d %s more" % (count, what) for what, count, limit in zip(
        ("KB", "descriptors", "threads"), more, limits) if count > limit]
    return "%s after %d hops in one QEMU" % (", ".join(found), hop.age) \
        if found else None


# -- What is shown --

def group(hops, key):
    groups = collections.defaultdict(list)
    for hop in hops:
        groups[key(hop)].append(hop)
    return groups


def table(hops):
    lines = ["%-28s%6s%7s%7s%7s  %s" % ("how", "times", "moved", "stayed",
                                        "worst", "steps")]
    for how, some in sorted(group(hops, lambda hop: hop.how.split(":")[0]
                                  ).items()):
        steps = [hop.step_ns for hop in some]
        moved = sum(hop.outcome == "moved" for hop in some)
        lines.append("%-28s%6d%7d%7d%4d ns  %s" % (
            how, len(some), moved, len(some) - moved, measure.worst(steps),
            distribution(steps)))
    return "\n".join(lines)


def summary(hops):
    steps = [hop.step_ns for hop in hops]
    more = ["%d ns (bound %d)" % (hop.step_ns, hop.bound_ns) for hop in hops
            if abs(hop.step_ns) > WORST_NS]
    drifts = [some[-1].drift_ns for some in
              group(hops, lambda hop: hop.journey).values()]
    return "\n".join([
        "all %d: %s" % (len(hops), distribution(steps)),
        "median of |step| %g ns, worst %d ns" % (
            statistics.median(map(abs, steps)), measure.worst(steps)),
        "more than %d ns: %s" % (WORST_NS, ", ".join(more) or "none"),
        "drift over %d journeys: median %.1f ns, worst %.1f ns" % (
            len(drifts), statistics.median(map(abs, drifts)),
            measure.worst(drifts)),
        "TSC: %d to %d ns off" % (min(hop.tsc_ns for hop in hops),
                                  max(hop.tsc_ns for hop in hops))] + [
        "%s: %d to %d" % (what, min(values), max(values)) for what, values in
        zip(("RSS in KB", "descriptors", "threads"),
            zip(*(hop.held for hop in hops)))])


def panels(hops):
    """What a picture shows."""
    def over_time(title, value, label=picture.human_ns):
        points = [(number, value(hop)) for number, hop in enumerate(hops, 1)]
        return picture.Panel(title, points, max(y for _, y in points),
                             label=label)

    drift = [(hop.number, hop.drift_ns) for hop in hops]
    return picture.charts([
        over_time("kvmclock's step at each of %d hops" % len(hops),
                  lambda hop: hop.step_ns),
        picture.Panel("kvmclock's drift after 1 to %d hops of a guest"
                      % max(x for x, _ in drift), drift,
                      measure.worst([y for _, y in drift])),
        over_time("QEMU's memory (RSS) after each hop",
                  lambda hop: hop.held.rss_kb / 1024, "{:.0f} MB".format),
        over_time("its descriptors", lambda hop: hop.held.fds, str),
        over_time("its threads", lambda hop: hop.held.threads, str)])


def arguments():
    parser = argparse.ArgumentParser(
        prog="run soak", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int, help="how many hops")
    parser.add_argument("--seed", default=str(random.randrange(2 ** 32)),
                        help="the same journeys as in an earlier run")
    parser.add_argument("--journey", metavar="NUMBER", type=int, default=0,
                        help="the first of them (default 0)")
    parser.add_argument("--json", metavar="FILE", help="a line for each hop")
    parser.add_argument("--svg", metavar="FILE", help="the picture")
    options = parser.parse_args()
    if options.count < 1 or options.journey < 0:
        parser.error("at least one hop, and no number below 0")
    return options


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def as_line(hop):
    return json.dumps(dict(hop._asdict(), held=hop.held._asdict())) + "\n"


def show(hops, options):
    drawn = panels(hops)
    for panel, scales in drawn:
        print("\n" + picture.text_panel(panel, scales))
    print("\n%s\n\n%s" % (table(hops), summary(hops)))
    if options.svg:
        write(options.svg, picture.svg_panels(drawn, "from left to right: "
                                              "hop by hop"))
    if options.json:
        write(options.json, "".join(map(as_line, hops)))


def main():
    options = arguments()
    places.need_kvm()
    print("seed %s" % options.seed)
    began = time.monotonic()
    soak = Soak(options.seed)
    soak.run(options.count, options.journey)
    if soak.hops:
        show(soak.hops, options)
    print("\n%d hops in %.0f s; %d wrong" % (
        len(soak.hops), time.monotonic() - began, len(soak.wrongs)))
    print("".join(words + "\n" for words in soak.wrongs), end="")
    return 1 if soak.wrongs else 0


if __name__ == "__main__":
    guest.run_program(main)
