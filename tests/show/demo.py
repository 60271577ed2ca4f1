#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Migrates a guest with stock and with patched QEMU, and compares the clocks.

Exit status: 0 patched steps are at most 5 ns, 1 they aren't or it failed,
77 no KVM here."""
import argparse
import json
import os
import platform
import statistics
import subprocess
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(1, os.path.dirname(HERE))

from harness import binaries, guest, picture, places
from harness.measure import tsc_step, worst
from harness.migrate import cross
from harness.picture import human_ns
from harness.sampler import Sampler
from harness.tap import Missing

WORST_NS = 5


def arguments():
    parser = argparse.ArgumentParser(prog="run demo", description=__doc__)
    parser.add_argument("--rounds", type=int, default=10,
                        help="migrations with each QEMU (default 10)")
    parser.add_argument("--vcpus", type=int, default=1)
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--svg", metavar="FILE")
    options = parser.parse_args()
    if options.rounds < 1 or not 1 <= options.vcpus <= 255:
        parser.error("at least one round, and 1 to 255 vCPUs")
    return options


def one_round(side, vcpus):
    """(what goes into the JSON, the track, TSC kHz) of one migration."""
    sampler = Sampler()
    with binaries.start(side, vcpus=vcpus) as source:
        source.wait_up()
        crossing = cross(source, side, sampler=sampler)
        crossing.destination.close()
    ticks, resolution, how = tsc_step(crossing.result)
    record = crossing.source.slots[0].record
    numbers = {"kvmclock_step_ns": worst(crossing.result.steps_ns),
               "tsc_step_ticks": ticks,
               "tsc_step_resolution_ticks": resolution,
               "tsc_step_from": how,
               "tsc_step_bounds_ticks": crossing.result.tsc_bounds,
               "vcpu_spread_ns": crossing.result.spread_ns,
               "rung": crossing.report.get("rung"),
               "residual_ns": crossing.report.get("residual-ns"),
               "downtime_ms": crossing.downtime_ms}
    return (numbers, sampler.track(crossing.source.slots[0], ticks or 0),
            record.ns_to_ticks(10 ** 6))


def progress(side, number, rounds, numbers):
    print("%-8s %2d/%d  step %11s  TSC step %s ticks  downtime %s ms%s" % (
        side.name, number, rounds, human_ns(numbers["kvmclock_step_ns"]),
        numbers["tsc_step_ticks"], numbers["downtime_ms"],
        "  " + numbers["rung"] if numbers["rung"] else ""), flush=True)


def typical(rounds):
    """The round with the median step: (numbers, track)."""
    ordered = sorted(rounds, key=lambda r: abs(r[0]["kvmclock_step_ns"]))
    return ordered[(len(ordered) - 1) // 2]


def column(rounds):
    """One column of the table."""
    def values(key):
        return [r[0][key] for r in rounds if r[0][key] is not None]

    steps, ticks = values("kvmclock_step_ns"), values("tsc_step_ticks")
    rungs, residuals = values("rung"), values("residual_ns")
    downtimes = values("downtime_ms")
    exact = all(how == "debugfs" for how in values("tsc_step_from"))
    return [human_ns(statistics.median(steps)), human_ns(worst(steps)),
            human_ns(max(values("vcpu_spread_ns"))),
            "%d ticks" % worst(ticks) if ticks else "unknown",
            "exact, debugfs" if exact else "to +-%d ticks" % max(
                values("tsc_step_resolution_ticks") or [0]),
            "%g ms" % statistics.median(downtimes) if downtimes else "-",
            ", ".join("%s x%d" % (rung, rungs.count(rung))
                      for rung in sorted(set(rungs))) or "-",
            human_ns(worst(residuals)) if residuals else "-"]


ROWS = ["kvmclock step, median", "kvmclock step, worst", "vCPUs apart, worst",
        "TSC step, worst", "TSC step measured", "downtime reported, median",
        "rung (by its own word)", "residual, worst (same)"]


def table(results):
    columns = [column(rounds) for rounds in results.values()]
    lines = ["%-27s" % "" + "".join("%-22s" % name for name in results)]
    for number, name in enumerate(ROWS):
        lines.append("%-27s" % name + "".join("%-22s" % cells[number]
                                              for cells in columns))
    return "\n".join(line.rstrip() for line in lines)


def panels(results):
    found = []
    for name, rounds in results.items():
        numbers, track = typical(rounds)
        found.append(("%s QEMU: step %s, reported downtime %s ms" % (
            name, human_ns(numbers["kvmclock_step_ns"]),
            numbers["downtime_ms"]), track))
    return found


def cpu_model():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as info:
            for line in info:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor()


def version(side):
    words = subprocess.run([side.binary, "--version"], capture_output=True,
                           text=True, check=True).stdout
    return words.splitlines()[0]


def describe_host(sides, tsc_khz, vcpus):
    return {"kernel": platform.release(), "cpu": cpu_model(),
            "cpus": os.cpu_count(), "tsc_khz": tsc_khz, "vcpus": vcpus,
            "qemu": {side.name: version(side) for side in sides}}


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def run(options):
    sides = [binaries.stock(), binaries.patched()]
    if not sides[1].kvmclock:
        print("note: the patched QEMU doesn't know guest-clock")
    results = {side.name: [] for side in sides}
    tsc_khz = 0
    for number in range(1, options.rounds + 1):
        for side in sides:
            numbers, track, tsc_khz = one_round(side, options.vcpus)
            results[side.name].append((numbers, track))
            progress(side, number, options.rounds, numbers)
    print("\n%s\n\n%s" % (picture.text(panels(results)), table(results)))
    if options.json:
        summary = {"host": describe_host(sides, tsc_khz, options.vcpus)}
        summary.update((name, [r[0] for r in rounds])
                       for name, rounds in results.items())
        write(options.json, json.dumps(summary, indent=2) + "\n")
    if options.svg:
        write(options.svg, picture.svg(panels(results)))
    steps = [r[0]["kvmclock_step_ns"] for r in results["patched"]]
    return 0 if abs(worst(steps)) <= WORST_NS else 1


def main():
    options = arguments()
    guest.exit_on_signal()
    problem = places.kvm_problem()
    if problem:
        print("The demo needs KVM: %s. \"./run check\" runs everything that "
              "needs none." % problem, file=sys.stderr)
        return 77
    try:
        return run(options)
    except (Missing, *guest.WENT_WRONG) as error:
        print("demo: %s" % error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
