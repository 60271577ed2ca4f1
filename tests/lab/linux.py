# SPDX-License-Identifier: GPL-2.0-or-later
"""The action with a Linux guest, which watches its clocks itself; see
linuxguest.c for what it writes on its console."""
import re
import time

import truth
from actions import clocks, explain, report_of
from guest import GuestError
from host import EPOCH_NS
from migrate import go
from truth import Drift, View

COMMAND_LINE = "console=ttyS0 loglevel=4 rdinit=/init panic=-1"
BEATS_BEFORE, BEATS_AFTER = 8, 6
BOOT_S = 120
# How late a timer may be beside the blackout and what it was before. A guest
# that has just arrived on an emulated host crawls: each page faults once. 100
# to 270 ms were seen, stock and patched alike; a lost timer is late for ever.
LATE_NS = 500 * 10 ** 6
BAD = re.compile(r"unstable|skew|lockup|stall|WARNING|BUG|Oops|hung")


def console(guest):
    return guest.host.agent.text(guest.log + ".console")


def beats(text):
    """[{name: value}] of the whole "CF beat" lines; numbers as such."""
    found = []
    for line in re.findall(r"CF (beat=.*source=\S+)\r?\n", text):
        pairs = dict(word.split("=", 1) for word in line.split())
        found.append({name: int(value) if name != "source" else value
                      for name, value in pairs.items()})
    return found


def wait_beats(guest, count, timeout):
    deadline = time.monotonic() + timeout
    while True:
        seen = beats(console(guest))
        if len(seen) >= count:
            return seen
        if time.monotonic() > deadline:
            raise GuestError("the Linux guest is silent: %s"
                             % console(guest)[-500:])
        time.sleep(0.05)


def event_time(guest, name, drift):
    """The true time of a QMP event; the last of its name."""
    guest.qmp.event_names()
    stamp = [event["timestamp"] for event in guest.qmp.events
             if event["event"] == name][-1]
    real = (stamp["seconds"] * 10 ** 6 + stamp["microseconds"]) * 1000
    return real - EPOCH_NS - drift.first.ns


def clock_step(before, after, clock_map):
    """(ns, width): the change of CLOCK_MONOTONIC_RAW against the TSC, from
    the last beat there to the first one here."""
    ticks = after["tsc"] - before["tsc"]
    step = after["raw"] - before["raw"] - ticks * 10 ** 6 / clock_map.khz
    return round(step), (before["width"] + after["width"]) // 2


def timers(there, here):
    """What the guest's timers saw, before and after."""
    return {"timer_early_ns": min(beat["early"] for beat in there + here),
            "timer_late_before_ns": max(beat["late"] for beat in there),
            "timer_late_ns": max(beat["late"] for beat in here)}


def violations(line):
    wrong = []
    if line["guest_saw_back"]:
        wrong.append("the guest saw a clock go back %d times"
                     % line["guest_saw_back"])
    if len(line["clocksources"]) != 1:
        wrong.append("the clocksource changed: %s" % line["clocksources"])
    if line["said"]:
        wrong.append("the guest's kernel says: %s" % line["said"][0])
    if line["timer_early_ns"] < 0:
        wrong.append("a timer fired %d ns early" % -line["timer_early_ns"])
    late = (line["timer_late_ns"] - line["blackout_ns"]
            - line["timer_late_before_ns"])
    if late > LATE_NS:
        wrong.append("a timer fired %d ns later than the blackout explains"
                     % late)
    return wrong


def landed(source, destination, maps, now):
    drifts = {host: Drift(error, host.realtime_error())
              for host, error in now.items()}
    here = wait_beats(destination, BEATS_AFTER, 30)
    there = beats(console(source))[3:]
    before = View([], maps, drifts[source.host])
    after = View([], destination.scaling(), drifts[destination.host])
    stopped = event_time(source, "STOP", drifts[source.host])
    resumed = event_time(destination, "RESUME", drifts[destination.host])
    errors = truth.tsc_errors_ns(before, after, resumed)
    step, width = clock_step(there[-1], here[0], maps[0])
    said = re.findall(r"CF said (.*)", console(source) + console(destination))
    return dict(timers(there, here), **{
        "kvmclock_step_ns": step, "kvmclock_width_ns": width,
        "tsc_error_ns": round(max(errors, key=abs), 1),
        "tsc_rate_ppb": float(truth.rate_error(before, after) * 10 ** 9),
        "vcpu_skew_ticks": truth.skew_ticks(before, after, resumed),
        "realtime_error_ns": round(after.realtime.at(resumed)
                                   - before.realtime.at(stopped), 1),
        "realtime_width_ns": round(before.realtime.half
                                   + after.realtime.half, 1),
        "blackout_ns": round(float(resumed - stopped)),
        "guest_saw_back": here[-1]["back"],
        "clocksources": sorted({beat["source"] for beat in there + here}),
        "said": [line.strip() for line in said if BAD.search(line)],
        "report": report_of(destination)})


def linux(lab):
    arguments = COMMAND_LINE + " " + lab.scenario.guest_arguments
    source = lab.start(lab.hosts[0], lab.scenario.source, linux=arguments)
    wait_beats(source, BEATS_BEFORE, BOOT_S)
    destination = lab.start(lab.hosts[1], lab.scenario.destination,
                            incoming="defer", linux=arguments)
    destination.qmp.execute("migrate-incoming", {"uri": lab.hosts[1].uri})
    maps, now = source.scaling(), clocks(lab)
    info = go(source, lab.hosts[1].uri, timeout=120)
    if info["status"] != "completed":
        raise GuestError(explain(destination, info))
    line = landed(source, destination, maps, now)
    wrong = violations(line)
    if line["report"]:
        # The guest's own reading is too coarse for the bound on kvmclock.
        line["report_less_truth"], more = truth.reported(
            line["report"], dict(line, kvmclock_step_ns=0), [])
        wrong += more
    return dict(line, result="completed", alive=destination.host.name,
                downtime_ms=info.get("downtime"), violated=wrong)
