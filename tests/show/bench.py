#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""One table: stock QEMU beside the patched one, beside what is allowed. By how
much kvmclock steps, and how far off the time is on arrival; what a guest's stop
and its run at the destination cost, and how much is sent; how long a refusal,
the hook, and the command take.

The blackout's parts are timed from outside, by uprobes: all that QEMU does when
its VM stops at the source, and when it runs at the destination. Of these the
quickest counts, for whatever else the machine does only adds to them; of all
else the median.
Exit status: 0 within the limits, 1 not or it failed, 77 can't be measured
here."""
import argparse
import json
import os
import statistics
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(1, os.path.dirname(HERE))

import bars
import costs
from bars import number
from harness import binaries, guest, places
from harness.tap import Missing
from uprobes import NoUprobes, in_own_mounts

VCPUS = [1, 2, 8, 64, 255]
KINDS = {"steps": costs.steps, "arrivals": costs.arrivals,
         "blackouts": costs.blackouts, "refusals": costs.refusals,
         "programs": costs.programs}


def arguments():
    parser = argparse.ArgumentParser(
        prog="run bench", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", metavar="KIND",
                        help="only some of: %s" % ", ".join(KINDS))
    parser.add_argument("--rounds", type=int, default=20,
                        help="of each (default 20; fewer of what takes long)")
    parser.add_argument("--vcpus", type=int, nargs="+", default=VCPUS)
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--svg", metavar="FILE", help="the table as a picture")
    options = parser.parse_args()
    if options.rounds < 1 or not all(1 <= n <= 255 for n in options.vcpus):
        parser.error("at least one round, and 1 to 255 vCPUs")
    for kind in options.kinds:
        if kind not in KINDS:
            parser.error("there is no %s: %s" % (kind, ", ".join(KINDS)))
    return options


def rows(options):
    """As they are measured."""
    sides = [binaries.stock(), binaries.patched()]
    if not sides[1].kvmclock:
        raise Missing("qemu", "the patched QEMU has no guest-clock")
    for name in options.kinds or KINDS:
        if name == "blackouts":
            for vcpus in options.vcpus:
                yield from costs.blackouts(sides, options.rounds, vcpus)
        else:
            yield from KINDS[name](sides, options.rounds)


def counts(row):
    """The number that is held against the limit."""
    return statistics.median(row.patched) - (
        statistics.median(row.stock) if row.more else 0)


def within(row):
    return row.limit is None or counts(row) <= row.limit


def cells(numbers):
    """Median, and from the least to the most."""
    if not numbers:
        return "-", ""
    return number(statistics.median(numbers)), "%s to %s" % (
        number(min(numbers)), number(max(numbers))) if len(numbers) > 1 else ""


HEAD = "%-27s %-5s %9s %-17s %9s %-17s %s" % (
    "", "", "stock", "", "patched", "", "allowed")


def line(row):
    allowed = "" if row.limit is None else "%s%s%s" % (
        "%s + " % number(row.stock[0]) if row.more else "", number(row.limit),
        "" if within(row) else "  TOO MUCH")
    return ("%-27s %-5s %9s %-17s %9s %-17s %s" % (
        row.title, row.unit, *cells(row.stock), *cells(row.patched),
        allowed)).rstrip()


def as_dict(row):
    return dict(row._asdict(), within=within(row))


def run(options):
    print(HEAD)
    found = []
    for row in rows(options):
        found.append(row)
        print(line(row), flush=True)
    print("\nMedians, and from the least to the most.")
    for path, text in ((options.json, json.dumps(
            [as_dict(row) for row in found], indent=2) + "\n"),
                       (options.svg, bars.svg(found))):
        if path:
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
    return 0 if all(map(within, found)) else 1


def main():
    options = arguments()
    in_own_mounts()
    guest.exit_on_signal()
    problem = places.kvm_problem()
    try:
        if problem:
            raise NoUprobes("it needs KVM: " + problem)
        return run(options)
    except NoUprobes as error:
        print("bench: %s" % error, file=sys.stderr)
        return 77
    except (Missing, *guest.WENT_WRONG) as error:
        print("bench: %s" % error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
