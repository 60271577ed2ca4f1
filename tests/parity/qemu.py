# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest's clocks by QEMU: a migration between two fake hosts."""
import re

import outcome
from harness import fakehost, measure
from harness.binaries import start
from harness.check import crashed, sentences
from harness.migrate import (arrive, explain, go, incoming, load, pause,
                             wait_loaded)
from harness.table import REASONS, cpu

WARNED = "taking the guest all the same"
TRACE = ("-trace", "kvmclock_capture")


BLACKOUTS = {"freeze": {"blackout": "freeze"}, "limit": {"blackout-limit": 0}}


def side(host, case):
    return fakehost.side(host, policy=case.policy, require=case.require,
                         **BLACKOUTS.get(case.blackout, {}))


def reason(words):
    return next((name for name, part in REASONS.items()
                 if part in words and name != "offset"), words)


def origin(source):
    found = re.findall(r"kvmclock_capture from (\w+)", source.stderr())
    return found[-1] if found else "none"


def refused(destination):
    words = destination.stderr()
    assert not crashed(destination.wait_exit()), words
    return outcome.refused(reason(" ".join(sentences(words))))


def landed(case, destination, function, there):
    """It runs there, or will. there: the source's log"""
    if case.blackout == "paused":
        destination.qmp.execute("cont")
    arrive(destination)
    report, words = measure.own_report(destination), destination.stderr()
    warned = [line for line in words.splitlines() if WARNED in line]
    verdict = "warned" if warned else "taken"
    why = reason(warned[0]) if warned else None
    if measure.not_carried(destination):
        return outcome.lost(verdict, why, function), words
    here = fakehost.log(case.destination, destination.pid)
    return outcome.arrived(verdict, why, function, report, there,
                           here), report


def through_file(case, source, options):
    """The source's host may be another one by the time the file is loaded."""
    uri = "file:" + source.path("stream")
    assert go(source, uri)["status"] == "completed"
    with load(side(case.destination, case), uri, **options) as destination:
        if not wait_loaded(destination):
            return refused(destination), destination.stderr()
        return landed(case, destination, origin(source),
                      fakehost.log(case.source, source.pid))


def cross(case):
    """One crossing: its outcome, and what QEMU said."""
    options = {"vcpus": case.vcpus, "extra": cpu(case.khz)}
    with start(side(case.source, case),
               **dict(options, extra=cpu(case.khz) + TRACE)) as source:
        source.wait_up()
        if case.blackout == "file":
            return through_file(case, source, options)
        destination, uri = incoming(side(case.destination, case), **options)
        with destination:
            if case.blackout == "paused":
                pause(source)
            info = go(source, uri)
            if info["status"] == "failed":
                return refused(destination), destination.stderr()
            assert info["status"] == "completed" and \
                wait_loaded(destination), explain(source, destination, info)
            return landed(case, destination, origin(source),
                          fakehost.log(case.source, source.pid))
