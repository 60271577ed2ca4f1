# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest's clocks by the library: two processes of vmm.c on two fake hosts."""
import json
import socket
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


def start(host, *arguments, channel=subprocess.PIPE):
    return subprocess.Popen(
        [places.build(*VMM)] + [str(word) for word in arguments], text=True,
        stdin=channel, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=fakehost.environment(host))


def finish(process, host, stream=None):
    """(what it printed, its log)"""
    words, errors = process.communicate(stream, timeout=60)
    assert process.returncode == 0, "vmm on %s: %s" % (host, errors)
    return words, fakehost.log(host, process.pid)


def source(case, **channel):
    """(the stream, its log)"""
    return finish(start(case.source, "source", case.vcpus, case.khz,
                        **channel), case.source)


def destination(case, **channel):
    return start(case.destination, "destination", case.vcpus, case.khz,
                 case.policy, case.require,
                 "count" if case.blackout in ("count", "file") else "freeze",
                 **channel)


def origin(stream):
    """Where the source's function of kvmclock is from."""
    state = json.loads(stream[stream.index("{"):])
    return ORIGINS[state.get("clock_fn", {"origin": "none"})["origin"]]


def judge(case, stream, there, words, here):
    """there, here: the logs of source and destination."""
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


def land(case, stream, there):
    """From a file, so without messages; there: the source's log."""
    return judge(case, stream, there, *finish(destination(case),
                                              case.destination, stream))


def cross(case):
    """One crossing: its outcome, and what the library said."""
    if case.blackout == "file":
        stream, log = source(case)
        return judge(case, stream, log, *finish(
            destination(case), case.destination, stream))
    near, far = socket.socketpair()
    with near:
        with far:
            there = destination(case, channel=far)
        stream, log = source(case, channel=near)
        near.sendall(stream.encode())
        near.shutdown(socket.SHUT_WR)
        return judge(case, stream, log, *finish(there, case.destination))
