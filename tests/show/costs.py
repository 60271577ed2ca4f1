# SPDX-License-Identifier: GPL-2.0-or-later
"""What ./run bench measures: each time rows of a table, stock QEMU's numbers
beside the patched one's."""
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import namedtuple

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[2:2] = [os.path.join(os.path.dirname(HERE), name)
                 for name in ("cli", "hook", "qemu")]

import hook
import pool
from harness import binaries, fakehost, guest, measure, places
from harness.growth import (STREAM_BYTES, STREAM_BYTES_PER_VCPU, growth,
                            idle_guest)
from harness.migrate import (arrive, chain, cross, go, incoming, wait_status)
from uprobes import Uprobes

# stock: None where there is nothing like it. limit: of the patched one's
# median, or None; more: of how much that is more than stock's.
Row = namedtuple("Row", "title unit stock patched limit more",
                 defaults=(None, False))

TURNS = 3
PHASE = ["vm_state_notify"]     # all that is called when the VM stops or runs
OURS = ["kvmclock_capture", "kvmclock_restore"]
# In us: what the blackout may cost, by vCPUs; how far off the guest's TSC may
# be, and by what QEMU says.
BLACKOUT_US = {1: 30, 255: 2000}
ERROR_US, BOUND_US = 5, 50
STEP_NS, REFUSAL_MS = 5, 50
AHEAD_NS = (1800000000 + 60) * 10 ** 9
FAR_KHZ = "1000000"     # no host has it, and here it can't be scaled
POOLS = [2000, 10000]


# -- The clocks --

def steps(sides, rounds):
    """kvmclock's steps on this machine's own KVM."""
    columns = [[abs(measure.worst(crossing.result.steps_ns))
                for crossing in chain(side, 1, rounds)] for side in sides]
    yield Row("kvmclock steps by", "ns", *columns, STEP_NS)


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
    return (abs(step_ns) / 1000, report["time-bound-ns"] / 1000,
            report["round-trip-ns"] / 1000)


def arrivals(_, rounds):
    """Between fake hosts whose clocks are a minute apart."""
    name = fakehost.declare("bench-ahead", "newest-amd", realtime=AHEAD_NS)
    error, bound, trip = zip(*(arrival(name) for _ in range(rounds)))
    yield Row("time is off by", "us", None, error, ERROR_US)
    yield Row("time may be off by", "us", None, bound, BOUND_US)
    yield Row("messages' round trip", "us", None, trip)


# -- The blackout, and the stream --

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


def blackouts(sides, rounds, vcpus):
    """Of a guest with so many vCPUs; fewer rounds where each takes long."""
    stock, patched = sides
    rounds = min(rounds, 500 // vcpus + 7)
    theirs, ours, parts = in_turns([(stock, PHASE), (patched, PHASE),
                                    (patched, OURS)], vcpus, rounds)
    title = "%d vCPU%s: " % (vcpus, "s" * (vcpus > 1))
    yield Row(title + "stop", "us", theirs[0], ours[0])
    yield Row(title + "  of it capture", "us", None, parts[0])
    yield Row(title + "run", "us", theirs[1], ours[1])
    yield Row(title + "  of it restore", "us", None, parts[1])
    yield Row(title + "both, quickest", "us", [sum(map(min, theirs))],
              [sum(map(min, ours))], BLACKOUT_US.get(vcpus), more=True)
    state, description = growth(patched._replace(kvmclock={}), patched, vcpus)
    yield Row(title + "state sent", "bytes", None, [state],
              STREAM_BYTES + STREAM_BYTES_PER_VCPU * vcpus)
    yield Row(title + "its description", "bytes", None, [description])


# -- How long people wait --

def refusal(source, side):
    """From the command to the source's word that it failed, in ms."""
    destination, uri = incoming(side, kvmclock={"x-pretend-tsc-khz": FAR_KHZ})
    with destination:
        began = time.monotonic()
        source.qmp.execute("migrate", {"uri": uri})
        status = wait_status(source)["status"]
        took = time.monotonic() - began
    if status != "failed":
        raise guest.GuestError("not refused: %s" % status)
    return took * 1000


def refusals(sides, rounds):
    with binaries.start(sides[1]) as source:
        source.wait_up()
        yield Row("a guest is refused in", "ms", None,
                  [refusal(source, sides[1]) for _ in range(rounds)],
                  REFUSAL_MS)


def lasts_ms(command, **options):
    began = time.monotonic()
    subprocess.run(command, check=False, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, **options)
    return (time.monotonic() - began) * 1000


def programs(_, rounds):
    """The hook and the command; the hook probes this machine's KVM, too."""
    xml = hook.domain(hook.element(hook.facts())).encode()
    yield Row("the hook", "ms", None, [
        lasts_ms(hook.arguments(), input=xml, env=hook.environment())
        for _ in range(rounds)])
    command = places.build("src/cli/clockferry")
    yield Row("clockferry probe", "ms", None, [
        lasts_ms([command, "probe", "--json"]) for _ in range(rounds)])
    for count in POOLS:
        folder = tempfile.mkdtemp(prefix="clockferry-bench-")
        try:
            chance = random.Random(count)
            paths = pool.write(folder, [pool.host(chance, number)
                                        for number in range(count)])
            yield Row("matrix of %s hosts" % format(count, ","), "ms", None, [
                lasts_ms([command, "matrix", *paths])
                for _ in range(min(rounds, 5))])
        finally:
            shutil.rmtree(folder)
