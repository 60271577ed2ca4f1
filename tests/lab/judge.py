# SPDX-License-Identifier: GPL-2.0-or-later
"""Holds a scenario's line against what must hold; shows lines as a table."""
from harness.picture import human_ns
from truth import DISTURBED_NS

ENDS = {"arrives": ("completed",), "refused": ("failed",),
        "stays": ("cancelled", "failed"), "any": ("completed", "failed")}
NO_INSTANTS = "QEMU's trace doesn't tell when it stopped"
PPB = 1e-9
# So much nearer to true than without, at least.
NEARER = 10
# By so much of the time since the migration began two TSCs may have drifted:
# 1000 ppm is what the exchange takes for possible. Messages that are less than
# a second apart can't tell more of it.
DRIFT = 1e-3
# And so much is usual. Clocks that are no farther off than that can make of it,
# and than a round trip, may be believed.
USUAL_DRIFT = 2e-4
ROUNDING_NS = 100
UNDISTURBED = ("kvmclock_step_ns", "kvmclock_error_ns", "tsc_error_ns",
               "tsc_rate_ppb", "vcpu_skew_ticks", "warps")
# A blackout may be so much longer than stock's, and half of that: the machine
# is a busy one. A line that stalls does so for longer.
LONGER_NS = 1500 * 10 ** 6
# So much faster than the line a guest must dirty its RAM, at least; and what
# is left each time must be more than the default downtime-limit has room for.
FASTER, DOWNTIME_LIMIT_S = 2, 0.3
# What a migration sends ahead of RAM, with TCP's headers and acknowledgements.
SETUP_BYTES = 4096


def problems(scenario, line):
    """Sentences; none means that all is well."""
    if scenario.end == "any":
        return []
    wrong = list(line.get("violated", []))
    if line["result"] not in ENDS[scenario.end]:
        wrong.append("it ended %s, not %s" % (line["result"], scenario.end))
    if scenario.end in ("refused", "stays"):
        wrong += _stayed(scenario, line)
    elif line["result"] == "completed":
        for number, one in enumerate(line.get("hops", [line]), 1):
            where = "hop %d: " % number if "hops" in line else ""
            wrong += [where + sentence
                      for sentence in _arrived(scenario.bounds, one)]
        wrong += _total(scenario, line)
        wrong += _blackout(line) + _wire(scenario.wire, line)
    return wrong


def _stayed(scenario, line):
    """A guest that nothing came of is as it was; a refused one wasn't even
    stopped, and nothing was sent of it."""
    zero = UNDISTURBED
    wrong = []
    if scenario.end == "refused":
        zero += ("blackout_ns",)
        if line["sent_bytes"] > SETUP_BYTES:
            wrong.append("%d bytes were sent before the refusal"
                         % line["sent_bytes"])
        if not line["said"]:
            wrong.append("the destination gives no reason")
    return wrong + ["%s is %s, not 0" % (name, line[name])
                    for name in zero if line[name]]


def step_name(bounds):
    """What is judged: the step of a hop, or how far a chain has wandered."""
    return "from_first_ns" if bounds.chain else "kvmclock_step_ns"


def _arrived(bounds, line):
    wrong = []
    limit = step_limit(bounds, line)
    step = line[step_name(bounds)]
    if limit is not None and abs(step) > limit:
        wrong.append("kvmclock stepped by %g ns, the bound is %.0f"
                     % (step, limit))
    if line["vcpu_skew_ticks"]:
        wrong.append("the vCPUs' TSCs moved against each other by %d ticks"
                     % line["vcpu_skew_ticks"])
    if line["warps"]:
        wrong.append("the guest saw a clock go back %d times" % line["warps"])
    if bounds.scaled and abs(line["tsc_rate_ppb"]) > 1:
        wrong.append("the TSC runs %.3f ppb off" % line["tsc_rate_ppb"])
    rung = (line["report"] or {}).get("rung")
    if bounds.rungs and rung not in bounds.rungs:
        wrong.append("kvmclock was restored by %s, not %s"
                     % (rung, " or ".join(bounds.rungs)))
    return wrong + _times(bounds, line)


def step_limit(bounds, line):
    if bounds.step_ns is None:
        return None
    more = (line["report"] or {}).get("bound-ns", 0) if bounds.plus_bound else 0
    return bounds.step_ns + more + readings_ns(bounds, line)


def readings_ns(bounds, line):
    """What it costs that two clocks are read one after the other."""
    if not bounds.readings:
        return 0
    return bounds.readings * line["reading_ns"] + DISTURBED_NS


def _times(bounds, line):
    """Both clocks' error must be that of the hosts' clocks, or that of a guest
    for which no time has passed."""
    if bounds.tsc_ns is None:
        return []
    if bounds.elapsed in NEARER_THAN_CLOCKS:
        if "tsc_step_ns" not in line:
            return [NO_INSTANTS]
        return NEARER_THAN_CLOCKS[bounds.elapsed](bounds, line)
    room = (bounds.tsc_ns + readings_ns(bounds, line)
            + abs(line["tsc_rate_ppb"]) * PPB * line["blackout_ns"])
    if bounds.elapsed == "count":
        room += line["realtime_width_ns"]
        off = {name: line[name + "_error_ns"] - line["realtime_error_ns"]
               for name in ("tsc", "kvmclock")}
    elif bounds.elapsed == "same":
        off = {name: line[name + "_error_ns"] for name in ("tsc", "kvmclock")}
    else:
        off = {name: line.get(name + "_went_on_ns")
               for name in ("tsc", "kvmclock")}
        if None in off.values():
            return [NO_INSTANTS]
    return ["%s is %s off beyond what the hosts' clocks explain, the bound is "
            "%s" % (name, human_ns(off[name]), human_ns(more))
            for name, more in (("tsc", room),
                               ("kvmclock", room + step_limit(bounds, line)))
            if abs(off[name]) > more]


def _by_channel(bounds, line):
    """Messages told the time: much nearer than the hosts' clocks, and as well
    as they can."""
    report, wrong = line["report"], []
    apart_ns, off_ns = abs(line["realtime_error_ns"]), line["tsc_step_ns"]
    trip_ns = report.get("round-trip-ns", 0)
    took_ns = line["arrived_ns"] - line["began_ns"]
    room = trip_ns / 2 + ROUNDING_NS + DRIFT * took_ns
    if report["elapsed-from"] != "channel":
        if apart_ns > trip_ns + ROUNDING_NS + USUAL_DRIFT * took_ns:
            wrong.append("elapsed time is from %s" % report["elapsed-from"])
        room += apart_ns
    if abs(off_ns) > max(apart_ns / NEARER, room):
        wrong.append("the TSC is %s off, and the hosts' clocks only %s"
                     % (human_ns(off_ns), human_ns(apart_ns)))
    wrong_ns = report.get("clocks-wrong-ns", 0)
    # Clocks within the bound aren't proven wrong, though they are overruled.
    proven = abs(line["realtime_error_ns"] - off_ns) > report.get(
        "time-bound-ns", 0)
    if not proven <= wrong_ns <= apart_ns:
        wrong.append("clocks-wrong-ns is %s, the clocks are %s apart" % (
            report.get("clocks-wrong-ns"), human_ns(apart_ns)))
    if trip_ns < bounds.trip_ms * 10 ** 6:
        wrong.append("a round trip of %s is too short" % human_ns(trip_ns))
    if report.get("time-bound-ns", room + 1) > room:
        wrong.append("the bound is %s ns, half a round trip and what drifts %s"
                     % (report.get("time-bound-ns"), human_ns(room)))
    return wrong


def _by_rate(_, line):
    """The TSC went on as fast as it really was, not as it was said to be."""
    off_ns = line["tsc_step_ns"] - line["realtime_error_ns"]
    naive_ns = abs(line["fast_ppm"]) / 10 ** 6 * line["blackout_ns"]
    if abs(off_ns) * NEARER <= naive_ns:
        return []
    return ["the TSC is %s off, by its printed frequency it would be %s"
            % (human_ns(off_ns), human_ns(naive_ns))]


NEARER_THAN_CLOCKS = {"channel": _by_channel, "rate": _by_rate}


def _total(scenario, line):
    """Several hops: no more than one hop's bound for each."""
    if "hops" not in line or scenario.bounds.chain:
        return []
    limits = [step_limit(scenario.bounds, one) for one in line["hops"]]
    if None in limits or abs(line["kvmclock_step_ns"]) <= sum(limits):
        return []
    return ["kvmclock stepped by %d ns in all hops together"
            % line["kvmclock_step_ns"]]


def _blackout(line):
    """No longer than stock's."""
    wrong, stock = [], line.get("stock")
    if stock and line["blackout_ns"] > stock["blackout_ns"] * 1.5 + LONGER_NS:
        wrong.append("a blackout of %s, stock's is %s" % (
            human_ns(line["blackout_ns"]), human_ns(stock["blackout_ns"])))
    return wrong


def _wire(wire, line):
    """Nothing is waited for in the blackout; and was the line a bad one?"""
    if not wire:
        return []
    wrong, seen = [], line.get("flood")
    if line["answers_in_blackout"]:
        wrong.append("the destination answered %d times in the blackout"
                     % line["answers_in_blackout"])
    if not line["answers"]:
        wrong.append("the line saw none of the destination's answers")
    if wire.stall_at and line["stalled_after_stop_ns"] is None:
        wrong.append("the line never stalled")
    if seen and seen["alone_bytes_s"] < FASTER * wire.bytes_s:
        wrong.append("the guest dirties only %d bytes/s"
                     % seen["alone_bytes_s"])
    if seen and seen["remaining_bytes"] < DOWNTIME_LIMIT_S * wire.bytes_s:
        wrong.append("after some passes only %d bytes were left to send"
                     % seen["remaining_bytes"])
    return wrong


HEAD = ("%-28s %-9s %-12s %10s %11s %11s %9s %6s %9s %9s"
        % ("scenario", "result", "rung", "kvmclock", "TSC error",
           "hosts' err", "rate ppb", "skew", "blackout", "sent"))


def human_bytes(count):
    return "%.1f KiB" % (count / 1024)


def row(scenario, line, wrong):
    """One line of the table; what is missing stays empty."""
    def ns(name):
        value = line.get(name)
        return "" if value is None else human_ns(value)

    report = line.get("report") or {}
    rate = line.get("tsc_rate_ppb")
    sent = line.get("sent_bytes")
    return ("%-28s %-9s %-12s %10s %11s %11s %9s %6s %9s %9s %s" % (
        scenario.name, line.get("result", "?"), report.get("rung", ""),
        ns(step_name(scenario.bounds)), ns("tsc_error_ns"), ns("realtime_error_ns"),
        "" if rate is None else "%.3g" % rate,
        line.get("vcpu_skew_ticks", ""), ns("blackout_ns"),
        "" if sent is None else human_bytes(sent),
        "WRONG" if wrong else "")).rstrip()
