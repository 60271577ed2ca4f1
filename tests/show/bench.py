#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What Clockferry adds to the blackout of a migration, and to its stream; and
how near to true a guest arrives where only messages tell the time.

Times the functions of both QEMUs from outside, by uprobes: the whole of what
QEMU does when its VM stops at the source, and when it runs at the destination.
Arrivals are between fake hosts on this machine, whose clocks are a minute apart.
Exit status: 0 within the targets, 1 not or it failed, 77 can't be measured
here."""
import argparse
import json
import os
import statistics
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(1, os.path.dirname(HERE))

from harness import binaries, fakehost, guest, measure, places
from harness.growth import (STREAM_BYTES, STREAM_BYTES_PER_VCPU, growth,
                            idle_guest)
from harness.migrate import arrive, cross, go, incoming
from harness.tap import Missing
from uprobes import NoUprobes, Uprobes, in_own_mounts

VCPUS = [1, 2, 8, 64, 255]
TURNS = 3
PHASE = ["vm_state_notify"]     # all that is called when the VM stops or runs
OURS = ["kvmclock_capture", "kvmclock_restore"]
TARGETS_US = {1: 50, 255: 2000}
# Medians, in us: how far off the guest's TSC is, and how far it may be.
ARRIVAL_TARGETS_US = {"error": 5, "bound": 50}
AHEAD_NS = (1800000000 + 60) * 10 ** 9


def arguments():
    parser = argparse.ArgumentParser(
        prog="run bench", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20,
                        help="migrations with each QEMU and each number of "
                        "vCPUs (default 20; fewer with many vCPUs)")
    parser.add_argument("--vcpus", type=int, nargs="+", default=VCPUS)
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    if options.rounds < 1 or not all(1 <= n <= 255 for n in options.vcpus):
        parser.error("at least one round, and 1 to 255 vCPUs")
    return options


def one_round(probes, functions, source, side):
    """([us of two calls], the destination): at the source's stop, and at the
    destination's run."""
    probes.clear()
    destination = cross(source, side, brackets=False).destination
    calls = [call for call in probes.calls() if call.function in functions]
    if len(calls) != 2:
        raise guest.GuestError("%s: called %d times in a migration"
                               % (" and ".join(functions), len(calls)))
    return [call.took_us for call in calls], destination


def timed(side, functions, vcpus, rounds):
    """One pair of numbers for each migration. Of one guest; its first, cold
    one is left out."""
    found = []
    with Uprobes(side.binary, functions) as probes:
        source = idle_guest(side, vcpus)
        try:
            for _ in range(rounds + 1):
                took, destination = one_round(probes, functions, source, side)
                source.close()
                source = destination
                found.append(took)
        finally:
            source.close()
    return found[1:]


def in_turns(tasks, vcpus, rounds):
    """Columns of numbers for each task, (side, functions): a busy spell of the
    machine doesn't hit one alone, no probe is in what another one times."""
    found = [[] for _ in tasks]
    for _ in range(TURNS):
        for times, (side, functions) in zip(found, tasks):
            times += timed(side, functions, vcpus, -(-rounds // TURNS))
    return [list(zip(*times)) for times in found]


def arrival(name):
    """By the fake hosts' own log, and by QEMU's report, in us."""
    with binaries.start(fakehost.side("newest")) as source:
        source.wait_up()
        destination, uri = incoming(fakehost.side(name))
        with destination:
            go(source, uri)
            arrive(destination)
            report = measure.own_report(destination)
            step_ns = fakehost.tsc_step_ns(
                fakehost.clocks(fakehost.log("newest", source.pid)),
                fakehost.clocks(fakehost.log(name, destination.pid)))
    return {"error": abs(step_ns) / 1000,
            "bound": report["time-bound-ns"] / 1000,
            "round trip": report["round-trip-ns"] / 1000}


def arrivals(rounds):
    name = fakehost.declare("bench-ahead", "newest-amd", realtime=AHEAD_NS)
    found = [arrival(name) for _ in range(rounds)]
    return {what: [one[what] for one in found] for what in found[0]}


def rounds_for(vcpus, wanted):
    """Fewer where each takes long, but enough for a quick one among them."""
    return min(wanted, 500 // vcpus + 7)


def times(found):
    return {"quickest": min(found), "median": statistics.median(found)}


def bench_one(sides, vcpus, rounds):
    """One row of the tables, as numbers."""
    stock, patched = sides
    theirs, ours, parts = in_turns([(stock, PHASE), (patched, PHASE),
                                    (patched, OURS)], vcpus, rounds)
    state, description = growth(patched._replace(kvmclock={}), patched, vcpus)
    return {"vcpus": vcpus, "rounds": len(ours[0]),
            "stop_us": {"stock": times(theirs[0]), "patched": times(ours[0])},
            "run_us": {"stock": times(theirs[1]), "patched": times(ours[1])},
            "capture_us": times(parts[0]), "restore_us": times(parts[1]),
            "added_us": sum(map(min, ours)) - sum(map(min, theirs)),
            "target_us": TARGETS_US.get(vcpus),
            "stream_bytes": state, "description_bytes": description,
            "stream_target_bytes":
                STREAM_BYTES + STREAM_BYTES_PER_VCPU * vcpus}


HEADS = """\
         stop at the source, us       run at the destination, us\
   added, us         stream, bytes
vCPUs    stock  patched  (capture)    stock  patched  (restore)\
   found  target     added   target"""


EXPLANATION = """
The quickest of %d and more migrations: whatever else the machine does only
adds to them. Stop and run are all that QEMU does for it (%s);
capture and restore are the patches' part of it, in which they also do what
stock does elsewhere. Added = patched - stock."""


def line(row):
    def quickest(name, side=None):
        return (row[name][side] if side else row[name])["quickest"]

    return "%5d %8d %8d %10d %8d %8d %10d %8d %7s  %8d %8d" % (
        row["vcpus"], quickest("stop_us", "stock"),
        quickest("stop_us", "patched"), quickest("capture_us"),
        quickest("run_us", "stock"), quickest("run_us", "patched"),
        quickest("restore_us"), row["added_us"], row["target_us"] or "-",
        row["stream_bytes"], row["stream_target_bytes"])


ARRIVAL_HEAD = "arrivals, us      least   median     most   target (median)"


def arrival_lines(found):
    for what, values in found.items():
        yield "%-12s %10.1f %8.1f %8.1f %8s" % (
            what, min(values), statistics.median(values), max(values),
            ARRIVAL_TARGETS_US.get(what, "-"))


def arrivals_within(found):
    return all(statistics.median(found[what]) <= target
               for what, target in ARRIVAL_TARGETS_US.items())


def within(row):
    return row["stream_bytes"] < row["stream_target_bytes"] and (
        row["target_us"] is None or row["added_us"] < row["target_us"])


def run(options):
    sides = [binaries.stock(), binaries.patched()]
    if not sides[1].kvmclock:
        raise Missing("qemu", "the patched QEMU has no guest-clock")
    found = arrivals(options.rounds)
    print("\n".join([ARRIVAL_HEAD, *arrival_lines(found), ""]))
    print(HEADS)
    rows = []
    for vcpus in options.vcpus:
        rows.append(bench_one(sides, vcpus,
                              rounds_for(vcpus, options.rounds)))
        print(line(rows[-1]), flush=True)
    print(EXPLANATION % (min(row["rounds"] for row in rows), PHASE[0]))
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"arrivals_us": found, "rows": rows}, file, indent=2)
            file.write("\n")
    return 0 if arrivals_within(found) and all(map(within, rows)) else 1


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
