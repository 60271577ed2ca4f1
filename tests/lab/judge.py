# SPDX-License-Identifier: GPL-2.0-or-later
"""Holds a scenario's line against what must hold; shows lines as a table."""
from picture import human_ns

ENDS = {"arrives": ("completed",), "refused": ("failed",),
        "stays": ("cancelled", "failed"), "any": ("completed", "failed")}
PPB = 1e-9
KERNEL_RATE = 1e-7


def problems(scenario, line):
    """Sentences; none means that all is well."""
    if scenario.end == "any":
        return []
    wrong = list(line.get("violated", []))
    if line["result"] not in ENDS[scenario.end]:
        wrong.append("it ended %s, not %s" % (line["result"], scenario.end))
    if scenario.end == "arrives" and line["result"] == "completed":
        for number, one in enumerate(line.get("hops", [line]), 1):
            where = "hop %d: " % number if "hops" in line else ""
            wrong += [where + sentence
                      for sentence in _arrived(scenario.bounds, one)]
        wrong += _total(scenario, line)
    return wrong


def _arrived(bounds, line):
    wrong = []
    limit = step_limit(bounds, line)
    if limit is not None and abs(line["kvmclock_step_ns"]) > limit:
        wrong.append("kvmclock stepped by %d ns, the bound is %.0f"
                     % (line["kvmclock_step_ns"], limit))
    if line["vcpu_skew_ticks"]:
        wrong.append("the vCPUs' TSCs moved against each other by %d ticks"
                     % line["vcpu_skew_ticks"])
    if bounds.scaled and abs(line["tsc_rate_ppb"]) > 1:
        wrong.append("the TSC runs %.3f ppb off" % line["tsc_rate_ppb"])
    rung = (line["report"] or {}).get("rung")
    if bounds.rungs and rung not in bounds.rungs:
        wrong.append("kvmclock was restored by %s, not %s"
                     % (rung, " or ".join(bounds.rungs)))
    return wrong + _tsc(bounds, line)


def step_limit(bounds, line):
    """Kernels without the new calls re-base kvmclock at the first run, from a
    clock whose rate they know to 0.1 ppm: what has run up until then is added
    to the bound."""
    if bounds.step_ns is None:
        return None
    report = line["report"] or {}
    limit = bounds.step_ns
    if report.get("rung") == "closed-loop":
        limit += KERNEL_RATE * max(line.get("first_run_ns") or 0, 0)
    return limit + (report.get("bound-ns", 0) if bounds.plus_bound else 0)


def _tsc(bounds, line):
    """The TSC's error must be that of the hosts' clocks, or that of a guest
    for which no time has passed."""
    if bounds.tsc_ns is None:
        return []
    room = (bounds.tsc_ns + line["realtime_width_ns"]
            + abs(line["tsc_rate_ppb"]) * PPB * line["blackout_ns"])
    if bounds.elapsed == "count":
        off = line["tsc_error_ns"] - line["realtime_error_ns"]
    else:
        off = line["frozen_off_ns"]
        if off is None:
            return ["QEMU's trace doesn't tell when it stopped"]
    if abs(off) <= room:
        return []
    return ["the TSC is %s off beyond what the hosts' clocks explain, the "
            "bound is %s" % (human_ns(off), human_ns(room))]


def _total(scenario, line):
    """Several hops: no more than one hop's bound for each."""
    if "hops" not in line:
        return []
    limits = [step_limit(scenario.bounds, one) for one in line["hops"]]
    if None in limits or abs(line["kvmclock_step_ns"]) <= sum(limits):
        return []
    return ["kvmclock stepped by %d ns in all hops together"
            % line["kvmclock_step_ns"]]


HEAD = ("%-23s %-9s %-12s %10s %11s %11s %9s %6s %9s"
        % ("scenario", "result", "rung", "kvmclock", "TSC error",
           "hosts' err", "rate ppb", "skew", "blackout"))


def row(scenario, line, wrong):
    """One line of the table; what is missing stays empty."""
    def ns(name):
        value = line.get(name)
        return "" if value is None else human_ns(value)

    report = line.get("report") or {}
    rate = line.get("tsc_rate_ppb")
    return ("%-23s %-9s %-12s %10s %11s %11s %9s %6s %9s %s" % (
        scenario.name, line.get("result", "?"), report.get("rung", ""),
        ns("kvmclock_step_ns"), ns("tsc_error_ns"), ns("realtime_error_ns"),
        "" if rate is None else "%.3g" % rate,
        line.get("vcpu_skew_ticks", ""), ns("blackout_ns"),
        "WRONG" if wrong else "")).rstrip()
