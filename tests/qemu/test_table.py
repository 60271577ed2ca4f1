# SPDX-License-Identifier: GPL-2.0-or-later
"""The table: every kind of source host, destination host and policy.

tests/fake-kvm/table says what becomes of the guest. What its clocks did is
computed from what both hosts' models say; QEMU's report is held against it."""
import os
import re
import time
from collections import namedtuple

import fakehost
import measure
from binaries import start
from check import Untouched, crashed, note
from migrate import arrive, go, incoming, wait_loaded
from test_refused import sentences

TABLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..",
                     "fake-kvm", "table")
POLICIES = ("strict", "auto", "lax")
NO_TRY = "-"
KHZ = 2596120       # of most hosts

# What a refusal is for, and the words that say so.
REASONS = {"rate": "would run at", "offset": "ignores TSC offsets",
           "ignored": "ignores TSC offsets", "unstable": "TSC is unstable",
           "rung": "no better than"}

# How far kvmclock may be off as a function of the guest TSC, in ns. Of the
# other rungs nothing is promised but that the report says how far.
STEPS_NS = {"exact": 1, "reanchored": 2, "closed-loop": 3}
ROUGH_NS = 100000
ROUGH_TICKS = 250000
PAUSE_S = 0.05      # much longer than a restore takes

Row = namedtuple("Row", "source destination guest outcomes")
Arrived = namedtuple("Arrived", "report source destination steps_ns words "
                                "pids")


def rows(section):
    """The rows of one section of the table."""
    found, here = [], None
    with open(TABLE, encoding="utf-8") as file:
        for line in file.read().splitlines():
            if line.startswith("="):
                here = line[1:].strip()
            elif here == section and line and not line.startswith("#"):
                source, destination, guest, rest = line.split(None, 3)
                outcomes = re.split(r"\s{2,}", rest.strip())
                found.append(Row(source, destination, guest,
                                 dict(zip(POLICIES, outcomes))))
    assert found, "the table has no section %s" % section
    return found


# -- Guests --

def options(guest):
    """Of QEMU, and of its kvmclock device, for a kind of guest."""
    extra, kvmclock, vcpus = (), {}, 1
    name, _, value = guest.partition("=")
    if guest == "2-vcpus":
        vcpus = 2
    elif guest == "2-GHz":
        extra = ("-cpu", "qemu64,tsc-frequency=2000000000")
    elif name in ("require", "blackout", "blackout-limit"):
        kvmclock = {name: value}
    return {"extra": extra, "vcpus": vcpus}, kvmclock


def promise(host):
    """The guest is told that its TSC has the frequency that it has here."""
    khz = {"fast-amd": 3000000}.get(host, KHZ)
    return ("-cpu", "qemu64,tsc-frequency=%d" % (khz * 1000))


def begin(row):
    """The source, which leaves the policy to the destination."""
    qemu, kvmclock = options(row.guest)
    if row.guest == "promised":
        qemu["extra"] = promise(row.source)
    source = start(fakehost.side(row.source, policy="lax", **kvmclock), **qemu)
    source.wait_up()
    return source, qemu, kvmclock


# -- One migration --

def refused(row, policy, source, destination, reason, untouched):
    """It was, in a sentence, and the guest didn't notice."""
    where = "%s to %s, %s" % (row.source, row.destination, policy)
    words = destination.stderr()
    assert not crashed(destination.wait_exit()), "%s: %s" % (where, words)
    said = sentences(words)
    assert len(said) == 1 and REASONS[reason] in said[0], \
        "%s: not refused for the %s: %s" % (where, reason, words)
    untouched.assert_still()
    own = calls(row.destination, destination.pid, "vm0", "KVM_SET_CLOCK")
    assert not own, "%s: the clock was set all the same: %s" % (where, own)


def calls(host, pid, vm, name):
    return [call for call in fakehost.log(host, pid)
            if call.where.startswith(vm) and call.name.startswith(name)]


def look(row, source, destination):
    """Both sides of a guest that arrived."""
    arrive(destination)
    before = fakehost.log(row.source, source.pid)
    after = fakehost.log(row.destination, destination.pid)
    vcpus = range(source.vcpus)
    pages = measure.compare(measure.view(source), measure.view(destination))
    return Arrived(measure.own_report(destination),
                   [fakehost.clocks(before, vcpu) for vcpu in vcpus],
                   [fakehost.clocks(after, vcpu, which=0) for vcpu in vcpus],
                   pages.steps_ns, destination.stderr(),
                   (source.pid, destination.pid))


def attempt(row, policy, source, qemu, kvmclock, wanted):
    """One migration; whether the guest is still at the source."""
    side = fakehost.side(row.destination, policy=policy, **kvmclock)
    untouched = Untouched(source)
    destination, uri = incoming(side, **qemu)
    with destination:
        if row.guest == "paused":
            source.qmp.execute("stop")
        info = go(source, uri)
        if wanted.startswith("refused"):
            assert info["status"] == "failed", "%s to %s, %s: %s: %s" % (
                row.source, row.destination, policy, info["status"],
                measure.own_report(destination))
            refused(row, policy, source, destination, wanted.split()[1],
                    untouched)
            return True
        assert info["status"] == "completed" and wait_loaded(destination), \
            "%s to %s, %s: %s: %s" % (row.source, row.destination, policy,
                                      info["status"], destination.stderr())
        if row.guest == "paused":
            destination.qmp.execute("cont")
        inspect(row, policy, look(row, source, destination), wanted)
        return False


# -- What is expected of one that went --

def inspect(row, policy, arrived, wanted):
    report = arrived.report
    rung, tsc, *warned = wanted.split()
    problems = list(filter(None, [
        None if report["rung"] in rung.split("|")
        else "rung is %s, not %s" % (report["rung"], rung),
        differs("tsc", report["tsc"], tsc),
        differs("warned", "taking the guest all the same" in arrived.words,
                bool(warned)),
        differs("same-host", report["same-host"],
                row.source == row.destination),
        differs("frozen", report["frozen"], freezes(row)),
        wrong_step(row, report, arrived), wrong_page(arrived),
        wrong_tsc(row, report, arrived), wrong_skew(arrived),
        wrong_rate(report, arrived), wrong_deadline(arrived),
        wrong_order(row, arrived)]))
    step = fakehost.clock_step(arrived.source[0], arrived.destination[0])
    note("%s to %s, %s, %s: %s %s, step %d ns, TSC %d ticks" % (
        row.source, row.destination, row.guest, policy, report["rung"],
        report["tsc"], step, fakehost.tsc_step(arrived.source[0],
                                               arrived.destination[0])))
    assert not problems, "%s to %s, %s, %s: %s\n%s\n%s" % (
        row.source, row.destination, row.guest, policy, "; ".join(problems),
        report, arrived.words)


def differs(name, found, wanted):
    return None if found == wanted else "%s is %s, not %s" % (name, found,
                                                              wanted)


def freezes(row):
    """Doesn't the blackout count? Where offsets are ignored it has to."""
    return row.guest.split("=")[0] in ("blackout", "blackout-limit",
                                       "paused") \
        and row.destination != "ignoring"


def rate_error(arrived):
    """Of the boot vCPU's TSC, as an exact fraction would have it, in 10^-12."""
    there, here = (side[0].frequency() for side in (arrived.source,
                                                    arrived.destination))
    return (here - there) / there * 10 ** 12


def wrong_rate(report, arrived):
    wanted = rate_error(arrived)
    found = report.get("rate-error-ppt", 0)
    # It is rounded away from zero.
    return None if abs(wanted) <= abs(found) < abs(wanted) + 1 else \
        "rate error %s, not %s" % (found, float(wanted))


def wrong_step(row, report, arrived):
    """Is kvmclock where it should be, and does the report know how far off?"""
    step = fakehost.clock_step(arrived.source[0], arrived.destination[0])
    if report["tsc"] == "not-set":
        step = fakehost.time_step(arrived.source[0], arrived.destination[0])
    bound = report.get("bound-ns", ROUGH_NS)
    if abs(step) > bound:
        return "kvmclock stepped %d ns, and the bound is %d" % (step, bound)
    # Where it isn't in the guest's page, the function was read like a clock.
    if report["rung"] not in STEPS_NS or row.source.startswith("hpet"):
        return None
    # A clock of another rate is off by that until KVM's first update, too,
    # for which 0.1 s is long.
    slack = abs(rate_error(arrived)) / 10 ** 12 * 10 ** 8
    limit = STEPS_NS[report["rung"]] + slack
    return None if abs(step) <= limit else "kvmclock stepped %d ns" % step


def wrong_page(arrived):
    """The records in both guests' memories tell the same as the models."""
    for index, step in enumerate(arrived.steps_ns):
        there, here = arrived.source[index], arrived.destination[index]
        if here.record.mul == there.record.mul and \
                abs(step - fakehost.clock_step(there, here)) > 2:
            return "by the pages vCPU %d's clock stepped %d ns" % (index, step)
    return None


def wrong_tsc(row, report, arrived):
    """The TSC goes on by the time that passed, as the hosts' clocks tell it,
    or stands still when frozen."""
    there, here = arrived.source[0], arrived.destination[0]
    if report["tsc"] == "not-set":
        return None
    ahead_ns = 0 if lost(report) or report["same-host"] \
        else here.tai_ns() - there.tai_ns()
    now = here.guest_tsc(here.run.true_ns) - \
        round(ahead_ns * there.frequency() / 10 ** 9)
    first, last = [there.guest_tsc(at) for at in (
        stood_still_ns(row, arrived) if lost(report)
        else (here.run.true_ns, here.run.true_ns))]
    drift = abs(rate_error(arrived)) / 10 ** 12 * there.frequency() / 10
    exact = exact_anchors(row.source, row.destination)
    limit = (3 if exact else ROUGH_TICKS) + drift
    return None if first - limit <= now <= last + limit else \
        "the TSC stepped %d ticks" % (now - last)


def exact_anchors(*hosts):
    """Do these kernels read real time and TSC at one instant?"""
    return {"hpet", "old", "unstable"}.isdisjoint(host.split("-")[0]
                                                  for host in hosts)


def lost(report):
    """Does the blackout not count?"""
    return report["frozen"] or not report["elapsed-ns"]


def stood_still_ns(row, arrived):
    """Of which true times may a guest that lost its blackout have the TSC?
    From its stop on, until its last clock was read; and then it went on from
    when the destination read its own."""
    there, here = arrived.pids
    stopped = calls(row.source, there, "vm0", "KVM_GET_MSRS(TSC)")[-1]
    read = calls(row.source, there, "vm0", "KVM_GET_CLOCK")[-1]
    loaded = calls(row.destination, here, "vm0", "KVM_SET_MSRS(...TSC...)")[-1]
    ran = arrived.destination[0].run
    return stopped.true_ns, read.true_ns + ran.true_ns - loaded.true_ns


def wrong_skew(arrived):
    steps = [fakehost.tsc_step(there, here)
             for there, here in zip(arrived.source, arrived.destination)]
    now = arrived.destination[0].run.true_ns
    apart = [side[-1].guest_tsc(now) - side[0].guest_tsc(now)
             for side in (arrived.source, arrived.destination)]
    return None if arrived.report["tsc"] in ("not-set", "unverified") or \
        apart[0] == apart[1] else "TSC steps of the vCPUs: %s" % steps


def wrong_deadline(arrived):
    """A deadline survives, and its timer was armed with the final offset."""
    for there, here in zip(arrived.source, arrived.destination):
        there, here = there.values, here.values
        if there["deadline"] and (here["deadline"] != there["deadline"] or
                                  here["deadline_armed"] != here["offset"]):
            return "deadline %s became %s" % (there, here)
    return None


def wrong_order(row, arrived):
    """Nothing is written on the source; first the TSC, then kvmclock."""
    pids = arrived.pids
    ran_ns = arrived.source[0].run.true_ns
    written = [call for call in fakehost.log(row.source, pids[0])
               if call.name.startswith("KVM_SET") and call.true_ns > ran_ns
               and call.where.startswith("vm0")]
    offsets = calls(row.destination, pids[1], "vm0", "KVM_SET_DEVICE_ATTR")
    clocks = calls(row.destination, pids[1], "vm0", "KVM_SET_CLOCK")
    if written:
        return "written on the source: %s" % written
    if row.destination.startswith("unscaled") and asked(row, pids[1]):
        return "asked for a frequency that makes TSCs stutter for good"
    if not clocks and arrived.report["tries"]:
        return "kvmclock wasn't set"
    if offsets and clocks and clocks[-1].true_ns < offsets[-1].true_ns:
        return "the TSC was set after kvmclock"
    return None


def asked(row, pid):
    """Was any vCPU told to have a TSC that this host can't give it?"""
    khz = fakehost.log(row.destination, pid)[0].values["khz"]
    return [call for call in calls(row.destination, pid, "vm",
                                   "KVM_SET_TSC_KHZ")
            if abs(call.values["khz"] - khz) > khz * 250 // 10 ** 6]


# -- The table's sections --

def section(name):
    for row in fakehost.sample(rows(name)):
        source = None
        for policy in POLICIES:
            wanted = row.outcomes[policy]
            if wanted == NO_TRY:
                continue
            source = source or begin(row)
            if not attempt(row, policy, *source, wanted):
                source[0].close()
                source = None
        if source:
            source[0].close()


def test_same_host():
    """Guests that come back to the host where they were."""
    section("same-host")


def test_kernels():
    """Between hosts of all kernels: every rung is reached."""
    section("kernels")


def test_frequencies():
    """Between hosts of unlike TSCs: the rate rows of the policy."""
    section("frequencies")


def test_faults():
    """To hosts with a fault: the other rows of the policy."""
    section("faults")


def test_rungs():
    """With a required rung: refused by the rung that can be reached."""
    section("rungs")


def test_blackouts():
    """Frozen blackouts, and real times that don't agree."""
    section("blackouts")


def test_both_sides():
    """The stricter one of both sides' wishes counts."""
    row = Row("newest", "2-khz", "plain", {})
    for there, here, wanted in (
            ({"policy": "strict"}, {"policy": "lax"}, "refused rate"),
            ({"policy": "lax"}, {"policy": "strict"}, "refused rate"),
            ({"policy": "auto", "require": "exact"}, {}, "refused rung"),
            ({"policy": "auto"}, {"require": "exact"}, "refused rung"),
            ({"policy": "auto"}, {"policy": "lax"}, "reanchored computed")):
        with start(fakehost.side(row.source, **there)) as source:
            source.wait_up()
            policy = here.pop("policy", "auto")
            stays = attempt(row, policy, source, {}, here, wanted)
            assert stays == wanted.startswith("refused"), wanted


# -- Without a migration --

def stop_and_go(host):
    """What a guest sees before its user pauses it, and after."""
    with start(fakehost.side(host)) as guest:
        guest.wait_up()
        guest.qmp.execute("stop")
        time.sleep(PAUSE_S)
        guest.qmp.execute("cont")
        guest.wait_beating()
        calls_there = fakehost.log(host, guest.pid)
    before = fakehost.clocks(calls_there, which=0)
    after = fakehost.clocks(calls_there)
    stopped = [call for call in calls_there if call.name == "KVM_GET_MSRS(TSC)"
               and call.where == "vm0.0"][-1]
    return before, after, stopped.true_ns


def test_paused_here():
    """A pause doesn't count, for TSC and kvmclock alike."""
    for host in "newest", "newest-amd", "v6", "released":
        before, after, stopped_ns = stop_and_go(host)
        step = fakehost.clock_step(before, after)
        lost = -fakehost.tsc_step(before, after)
        pause = before.guest_tsc(after.run.true_ns) - \
            before.guest_tsc(stopped_ns)
        note("%s: step %d ns, %d of %d ticks don't count" % (host, step, lost,
                                                             pause))
        assert abs(step) <= 3, "%s: kvmclock stepped %d ns" % (host, step)
        assert pause / 2 < lost <= pause, "%s: %d of %d ticks" % (host, lost,
                                                                  pause)


def test_paused_where_ignored():
    """Where a TSC can't be stopped, neither clock stops."""
    before, after, _ = stop_and_go("ignoring")
    assert fakehost.tsc_step(before, after) == 0
    step = fakehost.clock_step(before, after)
    assert abs(step) <= 3, "kvmclock stepped %d ns" % step
