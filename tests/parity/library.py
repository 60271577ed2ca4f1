# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest's clocks by the library: two processes of vmm.c on two fake hosts."""
import json
import os
import subprocess

import outcome
from harness import fakehost, places

VMM = ("tests", "parity", "vmm-parity")
TAKEN = {"go": "taken", "report": "taken", "warn": "warned"}
# What a finding is called that decides, in the table's words.
REASONS = {"rate": "rate", "rate-unknown": "rate", "offset-ignored": "ignored",
           "tsc-unstable": "unstable", "rung": "rung",
           "offset-measured": "measured", "time-unknown": "time"}
ORIGINS = {"call": "kernel", "page": "page", "built": "anchor",
           "none": "none"}


def vmm(host, *arguments, stream=None):
    """(what it printed, its log)"""
    process = subprocess.Popen(
        [places.build(*VMM)] + [str(word) for word in arguments], text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=fakehost.environment(host))
    words, errors = process.communicate(stream, timeout=60)
    assert process.returncode == 0, "vmm on %s: %s" % (host, errors)
    return words, fakehost.log(host, process.pid)


def origin(stream):
    """Where the source's function of kvmclock is from."""
    state = json.loads(stream[stream.index("{"):])
    return ORIGINS[state.get("clock_fn", {"origin": "none"})["origin"]]


def land(case, stream, there):
    """The destination's half; there: the source's log."""
    words, here = vmm(case.destination, "destination", case.vcpus, case.khz,
                      case.policy, case.require,
                      "count" if case.blackout == "count" else "freeze",
                      stream=stream)
    report = json.loads(words)
    reason = REASONS.get(report["finding"], report["finding"])
    if report["verdict"] == "refuse":
        return outcome.refused(reason), report
    verdict = TAKEN[report["verdict"]]
    if verdict == "taken":
        reason = None
    if "error" in report:
        return outcome.lost(verdict, reason, origin(stream)), report
    return outcome.arrived(verdict, reason, origin(stream), report, there,
                           here), report


def cross(case):
    """One crossing: its outcome, and what the library said."""
    return land(case, *vmm(case.source, "source", case.vcpus, case.khz))
