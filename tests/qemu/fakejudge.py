# SPDX-License-Identifier: GPL-2.0-or-later
"""What became of a guest's clocks between two fake hosts.

The truth is computed from what both hosts' models say of the guest's runs;
QEMU's own report is held against it."""
from collections import namedtuple

from harness import fakehost, measure
from harness.migrate import arrive
from harness.pvclock import signed64

# How far kvmclock may be off as a function of the guest TSC, in ns. Of the
# other rungs nothing is promised but that the report says how far.
STEPS_NS = {"exact": 1, "reanchored": 2, "closed-loop": 3}
ROUGH_NS = 100000
ROUGH_TICKS = 1 << 20       # the series takes an estimate as far off for right

# One that arrived: QEMU's report and words, each vCPU's clocks on both sides,
# its kvmclock's steps by the pages, and both QEMUs' process ids.
Arrived = namedtuple("Arrived", "row report source destination steps_ns words "
                                "pids")


def calls(host, pid, vm, name):
    return [call for call in fakehost.log(host, pid)
            if call.where.startswith(vm) and call.name.startswith(name)]


def look(row, source, destination):
    """Both sides of a guest that runs on the destination, or will."""
    arrive(destination)
    before = fakehost.log(row.source, source.pid)
    after = fakehost.log(row.destination, destination.pid)
    vcpus = range(source.vcpus)
    pages = measure.compare(measure.view(source), measure.view(destination))
    return Arrived(row, measure.own_report(destination),
                   [fakehost.clocks(before, vcpu) for vcpu in vcpus],
                   [fakehost.clocks(after, vcpu, which=0) for vcpu in vcpus],
                   pages.steps_ns, destination.stderr(),
                   (source.pid, destination.pid))


def problems(arrived):
    """What is wrong with it, whatever was expected of these hosts."""
    row, report = arrived.row, arrived.report
    return list(filter(None, [
        differs("same-host", report["same-host"],
                row.source == row.destination),
        differs("frozen", report["frozen"], freezes(row)),
        wrong_step(arrived), wrong_page(arrived), wrong_tsc(arrived),
        wrong_skew(arrived), wrong_rate(arrived), wrong_deadline(arrived),
        wrong_order(arrived), wrong_words(arrived)]))


def differs(name, found, wanted):
    return None if found == wanted else "%s is %s, not %s" % (name, found,
                                                              wanted)


def is_far_off(report):
    """Does the TSC's rate differ by more than KVM's own tolerance?"""
    return abs(report.get("rate-error-ppt", 0)) > 250000000


# What QEMU's log says of each thing that isn't exact, and what of the report
# makes it say so.
REASONS = {
    "guest TSC has jumped": lambda report: report["tsc"] == "not-set",
    "couldn't be read back": lambda report: report["tsc"] == "unverified",
    "isn't known how fast": lambda report: "rate-error-ppt" not in report,
    "off its rate": lambda report:
        abs(report.get("rate-error-ppt", 0)) > 1000,
    "didn't settle": lambda report:
        report["rung"] == "realtime" and not is_far_off(report),
    "at that rate the clock can't settle": lambda report:
        report["rung"] == "realtime" and is_far_off(report),
    "of one instant": lambda report: report["rung"] == "plain",
}


def wrong_words(arrived):
    """One warning for each reason that applies, and no others."""
    wrong = [words for words, applies in REASONS.items()
             if arrived.words.count(words) != applies(arrived.report)]
    return "warned wrongly of: %s" % ", ".join(wrong) if wrong else None


def freezes(row):
    """Doesn't the blackout count? Where offsets are ignored it has to."""
    return row.guest.split("=")[0] in ("blackout", "blackout-limit",
                                       "paused") \
        and row.destination != "ignoring"


# -- Rates --

def rate_error(arrived):
    """Of the boot vCPU's TSC, as an exact fraction."""
    there, here = (side[0].frequency() for side in (arrived.source,
                                                    arrived.destination))
    return (here - there) / there


def wrong_rate(arrived):
    wanted = rate_error(arrived) * 10 ** 12
    found = arrived.report.get("rate-error-ppt", 0)
    # It is rounded away from zero.
    return None if abs(wanted) <= abs(found) < abs(wanted) + 1 else \
        "rate error %s, not %s" % (found, float(wanted))


def restoring_ns(arrived):
    """From the last state that was loaded to the first run."""
    loaded = calls(arrived.row.destination, arrived.pids[1], "vm0",
                   "KVM_SET_MSRS(...TSC...)")[-1]
    return arrived.destination[0].run.true_ns - loaded.true_ns


# -- kvmclock --

def wrong_step(arrived):
    """Is kvmclock where it should be, and does the report know how far off?"""
    report = arrived.report
    step = fakehost.clock_step(arrived.source[0], arrived.destination[0])
    if report["tsc"] == "not-set":
        step = fakehost.time_step(arrived.source[0], arrived.destination[0])
    bound = report.get("bound-ns", ROUGH_NS)
    if abs(step) > bound:
        return "kvmclock stepped %d ns, and the bound is %d" % (step, bound)
    # Where it isn't in the guest's page, the function was read like a clock.
    if not by_master_clocks(arrived):
        return None
    # A clock of another rate is off by that until KVM's first update, too.
    limit = STEPS_NS[report["rung"]] + \
        abs(rate_error(arrived)) * restoring_ns(arrived)
    return None if abs(step) <= limit else "kvmclock stepped %d ns" % step


def by_master_clocks(arrived):
    """Else KVM makes a vCPU's record anew, by its own clock of that moment,
    whenever it likes."""
    return arrived.report["rung"] in STEPS_NS and \
        not arrived.row.source.startswith("hpet")


def wrong_page(arrived):
    """The records in both guests' memories tell the same as the models."""
    limit = 2 if by_master_clocks(arrived) else ROUGH_NS
    for index, step in enumerate(arrived.steps_ns):
        there, here = arrived.source[index], arrived.destination[index]
        if here.record.mul == there.record.mul and \
                abs(step - fakehost.clock_step(there, here)) > limit:
            return "by the pages vCPU %d's clock stepped %d ns" % (index, step)
    return None


# -- The TSC --

def wrong_tsc(arrived):
    """It goes on by the time that passed, as the hosts' clocks tell that, or
    stands still when frozen."""
    there, here = arrived.source[0], arrived.destination[0]
    if arrived.report["tsc"] == "not-set":
        return None
    ran_ns = here.run.true_ns
    early_ns, late_ns = (0, 0)
    if not counts(arrived.report):
        early_ns, late_ns = stood_still_ns(arrived)
    elif not arrived.report["same-host"]:
        early_ns, late_ns = by_real_time_ns(arrived)
    now = here.guest_tsc(ran_ns)
    behind = signed64(now - there.guest_tsc(ran_ns - early_ns))
    ahead = signed64(now - there.guest_tsc(ran_ns - late_ns))
    limit = tolerance_ticks(arrived)
    return None if behind >= -limit and ahead <= limit else \
        "the TSC stepped %d to %d ticks" % (ahead, behind)


def by_real_time_ns(arrived):
    """By how much too little the TSC counts, at most and at least. Where real
    time is ahead, what the destination saw is the limit: from the guest's stop
    back to when it was taken, which is after the last look at a scratch VM."""
    there, here = arrived.pids
    row, apart_ns = arrived.row, (arrived.source[0].tai_ns() -
                                  arrived.destination[0].tai_ns())
    if "saw it come in" not in arrived.words:
        return apart_ns, apart_ns
    stopped = calls(row.source, there, "vm0", "KVM_GET_CLOCK")[-1]
    probed = [call for call in calls(row.destination, here, "vm", "KVM")
              if not call.where.startswith("vm0")
              and call.true_ns < stopped.true_ns][-1]
    return 0, max(apart_ns, probed.true_ns - stopped.true_ns)


def tolerance_ticks(arrived):
    """Without the kernel's own instants the anchors are as good as they are;
    and a TSC of another rate runs away from the anchor on."""
    row = arrived.row
    exact = {"hpet", "old", "unstable"}.isdisjoint(
        host.split("-")[0] for host in (row.source, row.destination))
    frequency = arrived.source[0].frequency()
    return (3 if exact else ROUGH_TICKS) + \
        abs(rate_error(arrived)) * frequency * restoring_ns(arrived) / 10 ** 9


def counts(report):
    return report["elapsed-ns"] and not report["frozen"]


def stood_still_ns(arrived):
    """How long the TSC of a guest that lost its blackout didn't run, at most
    and at least: from its stop on, or only since its last clock was read; and
    until it was loaded, or until it runs."""
    there, here = arrived.pids
    row, ran_ns = arrived.row, arrived.destination[0].run.true_ns
    stopped = calls(row.source, there, "vm0", "KVM_GET_MSRS(TSC)")[-1]
    read = calls(row.source, there, "vm0", "KVM_GET_CLOCK")[-1]
    return (ran_ns - stopped.true_ns,
            ran_ns - restoring_ns(arrived) - read.true_ns)


def wrong_skew(arrived):
    now = arrived.destination[0].run.true_ns
    apart = [signed64(side[-1].guest_tsc(now) - side[0].guest_tsc(now))
             for side in (arrived.source, arrived.destination)]
    return None if arrived.report["tsc"] in ("not-set", "unverified") or \
        apart[0] == apart[1] else \
        "vCPUs that were %d ticks apart are %d" % tuple(apart)


def wrong_deadline(arrived):
    """A deadline survives, and its timer was armed with the final offset."""
    for there, here in zip(arrived.source, arrived.destination):
        there, here = there.values, here.values
        if there["deadline"] and (here["deadline"] != there["deadline"] or
                                  here["deadline_armed"] != here["offset"]):
            return "deadline %s became %s" % (there, here)
    return None


# -- The calls --

def wrong_order(arrived):
    """Nothing is written on the source; first the TSC, then kvmclock."""
    row, pids = arrived.row, arrived.pids
    ran_ns = arrived.source[0].run.true_ns
    written = [call for call in calls(row.source, pids[0], "vm0", "KVM_SET")
               if call.true_ns > ran_ns]
    offsets = calls(row.destination, pids[1], "vm0", "KVM_SET_DEVICE_ATTR")
    clocks = calls(row.destination, pids[1], "vm0", "KVM_SET_CLOCK")
    if written:
        return "written on the source: %s" % written
    if stutters(arrived):
        return "asked for a frequency that makes TSCs stutter for good"
    if not clocks and arrived.report["tries"]:
        return "kvmclock wasn't set"
    if offsets and clocks and clocks[-1].true_ns < offsets[-1].true_ns:
        return "the TSC was set after kvmclock"
    return None


def stutters(arrived):
    """Was any vCPU told to have a TSC that this host can't give it?"""
    host = fakehost.log(arrived.row.destination, arrived.pids[1])[0].values
    return not host["tsc_control"] and [
        call for call in calls(arrived.row.destination, arrived.pids[1], "vm",
                               "KVM_SET_TSC_KHZ")
        if abs(call.values["khz"] - host["khz"]) * 10 ** 6 > host["khz"] * 250]
