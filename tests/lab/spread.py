# SPDX-License-Identifier: GPL-2.0-or-later
"""How much a scenario's figures differ from run to run, as a table."""
from statistics import median

from harness.picture import human_ns

HEAD = "%-28s %-27s %5s %11s %11s %11s" % ("scenario", "figure", "hops", "min",
                                           "median", "max")
# What is shown, if it is there; the rest is in the JSON.
FIGURES = ("kvmclock_step_ns", "from_first_ns", "tsc_off_ns", "time_bound_ns",
           "round_trip_ns", "first_run_ns", "blackout_ns", "off_blackout_ns",
           "stock_blackout_ns", "timer_early_ns", "timer_late_before_ns",
           "timer_late_ns")


def hops(lines):
    """Every single migration in these lines; how far the TSC is off, beside the
    hosts' clocks where they tell the time."""
    for line in lines:
        for one in line.get("hops", [line]):
            if "tsc_error_ns" in one:
                report = one.get("report") or {}
                clocks_ns = one.get("realtime_error_ns", 0)
                if report.get("elapsed-from") == "channel":
                    clocks_ns = 0
                yield dict(one, tsc_off_ns=one["tsc_error_ns"] - clocks_ns,
                           time_bound_ns=report.get("time-bound-ns"),
                           round_trip_ns=report.get("round-trip-ns"),
                           **{name + "_blackout_ns": one[name]["blackout_ns"]
                              for name in ("off", "stock") if name in one})


def rows(scenario, lines):
    all_hops = list(hops(lines))
    for figure in FIGURES:
        values = [one[figure] for one in all_hops
                  if one.get(figure) is not None]
        if values:
            yield "%-28s %-27s %5d %11s %11s %11s" % (
                scenario.name, figure, len(values), human_ns(min(values)),
                human_ns(median(values)), human_ns(max(values)))
