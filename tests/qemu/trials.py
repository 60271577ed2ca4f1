#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Migrations with a fault at random: kills, cuts, stalls, delays, cancels, lost
bytes and garbage, at every stage, with the patched QEMU and with stock under
the same plan.

With the patched QEMU two guests may run, or none, or a QEMU may crash or get
stuck, only where stock does so under the same plan; and its guest's clocks
never step. What goes wrong with the patched one only is tried again with stock.
Exit status: 0 nothing was found, 1 something was, or no fault was at its place,
77 it can't be tried here."""
import argparse
import collections
import json
import os
import random
import sys
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(1, os.path.dirname(HERE))

from faults import CLOCKS, NONE, TWO, Result, numbered, try_plan
from harness import guest, places
from harness.check import patched, stock

# How often stock is tried again where something went wrong with the patched one
# only: what happens in one of ten tries is still missed in one run of 500.
AGAIN_STOCK = 60
EACH = 25           # faults between two lines that tell how far it is

SIDES = ("patched", "stock")
WELL = ("moved", "stayed", "ended")
COLUMNS = WELL + (TWO, NONE, "QEMU", CLOCKS)
HEADS = ("moved", "stay", "ended", "two", "none", "QEMU", "clock")

# One plan, and what became of it with each QEMU; ours: what went wrong with
# the patched one only.
Case = collections.namedtuple("Case", "number plan results ours")


def attempt(name, plan):
    """With that QEMU, once. A test guest that can't be asked any more is one
    of the things that may go wrong."""
    try:
        return try_plan({"patched": patched, "stock": stock}[name](), plan)
    except (*guest.WENT_WRONG, AssertionError) as error:
        wrong = "the trial broke off"
        return Result({wrong}, "%s: %s" % (wrong, error), False, wrong)


def is_ours(wrong, plan, tried):
    """Whether this never goes wrong on stock QEMU. Once is enough for that: two
    guests may run in one of a hundred tries.

    Most plans end in one way. Where two things happen at the same time stock
    may end as badly, but not each time. Clocks that step do so once too
    often; stock's aren't looked at."""
    if wrong == CLOCKS:
        return True
    return not any(wrong in tried("stock", plan).wrongs
                   for _ in range(AGAIN_STOCK))


def one(number, plan, say, tried=attempt):
    results = {name: tried(name, plan) for name in SIDES}
    wrongs = sorted(results["patched"].wrongs - results["stock"].wrongs)
    if wrongs:
        say("%d: %s; does stock do that, too? %s" % (
            number, ", ".join(wrongs), plan))
    return Case(number, plan, results,
                [wrong for wrong in wrongs if is_ours(wrong, plan, tried)])


# -- What is shown --

def mode(plan):
    names = ", ".join(plan.capabilities).replace("postcopy-preempt", "preempt")
    return (names or "plain") + (", started" if plan.postcopy else "")


def kinds(result):
    """The columns in which it counts."""
    found = {result.outcome} | result.wrongs
    return [kind for kind in COLUMNS if kind in found] + \
        ["QEMU"] * bool(found - set(COLUMNS))


def counted(cases):
    """For each QEMU how many cases count in each column."""
    return {name: collections.Counter(
        kind for case in cases for kind in kinds(case.results[name]))
            for name in SIDES}


def row(title, cases):
    counts = counted(cases)
    cells = [["%6s" % (counts[name][kind] or ".") for kind in COLUMNS]
             for name in SIDES]
    return "%-32s%6d  %s  %s" % (title, len(cases), "".join(cells[0]),
                                 "".join(cells[1][:-1]))


def table(cases):
    """By what was done, by where, and by mode."""
    width = len(COLUMNS) * 6
    lines = ["%-38s  %s  %s" % ("", "patched".center(width, "-"),
                                "stock".center(width - 6, "-"))]
    heads = ["".join("%6s" % head for head in some)
             for some in (HEADS, HEADS[:-1])]
    for title, key in (("what was done", lambda plan: plan.act),
                       ("at which place", lambda plan: plan.place),
                       ("in which mode", mode)):
        lines.append("%-32s%6s  %s  %s" % (title, "times", *heads))
        groups = collections.defaultdict(list)
        for case in cases:
            groups[key(case.plan)].append(case)
        lines += [row("  " + name, groups[name]) for name in sorted(groups)]
    return "\n".join(lines + [row("all", cases)])


def repeat(seed, number):
    return "./run faults 1 --seed %s --from %d" % (seed, number)


def complaint(seed, case):
    """What is wrong with it, and how to see it again."""
    return "%d: %s: %s\n  %s\n  patched: %s\n  stock: %s" % (
        case.number, ", ".join(case.ours), repeat(seed, case.number),
        case.plan, case.results["patched"].words, case.results["stock"].words)


def as_dict(case):
    def plain(result):
        return dict(result._asdict(), wrongs=sorted(result.wrongs))

    return {"number": case.number, "plan": case.plan._asdict(),
            "ours": case.ours, "results": {
                name: plain(result) for name, result in case.results.items()}}


def campaign(seed, numbers, say=print, tried=attempt, out=None):
    """Tries these plans of a seed's, until somebody interrupts it; the cases.
    out: a file for them."""
    cases, began = [], time.monotonic()
    for number in numbers:
        try:
            cases.append(one(number, numbered(seed, number), say, tried))
        except KeyboardInterrupt:
            break
        if out:
            print(json.dumps(as_dict(cases[-1])), file=out, flush=True)
        if cases[-1].ours:
            say(complaint(seed, cases[-1]))
        if len(cases) % EACH == 0:
            say("%d of %d faults in %.0f s; so far %s" % (
                len(cases), len(numbers), time.monotonic() - began,
                dict(counted(cases)["patched"])))
    return cases


def arguments():
    parser = argparse.ArgumentParser(
        prog="run faults", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int, help="how many faults")
    parser.add_argument("--seed", default=str(random.randrange(2 ** 32)),
                        help="the same plans as in an earlier run")
    parser.add_argument("--from", dest="first", metavar="NUMBER", type=int,
                        default=0, help="the first of them (default 0)")
    parser.add_argument("--json", metavar="FILE", help="a line for each")
    options = parser.parse_args()
    if options.count < 1 or options.first < 0:
        parser.error("at least one fault, and no number below 0")
    return options


def main():
    options = arguments()
    places.need_kvm()
    print("seed %s" % options.seed)
    began = time.monotonic()
    numbers = range(options.first, options.first + options.count)
    with open(options.json or os.devnull, "w", encoding="utf-8") as out:
        cases = campaign(options.seed, numbers, out=out)
    bad = [case for case in cases if case.ours]
    hit = sum(case.results["patched"].hit for case in cases)
    print("\n%s\n\n%d faults in %.0f s, %d of them at their place; %d bad" % (
        table(cases), len(cases), time.monotonic() - began, hit, len(bad)))
    print("\n".join(complaint(options.seed, case) for case in bad), end="")
    if not hit:
        print("No fault was at its place, so nothing was tried.")
    return 1 if bad or not hit else 0


if __name__ == "__main__":
    guest.run_program(main)
