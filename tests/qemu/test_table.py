# SPDX-License-Identifier: GPL-2.0-or-later
"""The table: every kind of source host, destination host and policy.

tests/fake-kvm/table says what becomes of the guest, and fakejudge.py whether
that is so."""
import time

from fakejudge import calls, differs, look, problems
from harness import fakehost, measure
from harness.binaries import start
from harness.check import Untouched, crashed, sentences
from harness.migrate import go, incoming, pause, wait_loaded
from harness.table import NO_TRY, POLICIES, REASONS, Row, options, rows
from harness.tap import note

PAUSE_S = 0.05      # much longer than a restore takes


def begin(row, wishes):
    """The source, which leaves the policy to the destination."""
    qemu, kvmclock = options(row)
    source = start(fakehost.side(row.source, policy="lax", **kvmclock,
                                 **wishes), **qemu)
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


def attempt(row, policy, source, qemu, kvmclock, wanted):
    """One migration; whether the guest is still at the source."""
    side = fakehost.side(row.destination, policy=policy, **kvmclock)
    untouched = Untouched(source)
    destination, uri = incoming(side, **qemu)
    with destination:
        if row.guest == "paused":
            pause(source)
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
        inspect(policy, look(row, source, destination), wanted)
        return False


def inspect(policy, arrived, wanted):
    """Of one that went: is it as it should be, and as the table says?"""
    row, report = arrived.row, arrived.report
    rung, tsc, *warned = wanted.split()
    wrong = problems(arrived) + list(filter(None, [
        None if report["rung"] in rung.split("|")
        else "rung is %s, not %s" % (report["rung"], rung),
        differs("tsc", report["tsc"], tsc),
        differs("warned", "taking the guest all the same" in arrived.words,
                bool(warned))]))
    what = "%s to %s, %s, %s" % (row.source, row.destination, row.guest,
                                 policy)
    note("%s: %s %s, step %d ns, TSC %d ticks" % (
        what, report["rung"], report["tsc"],
        fakehost.clock_step(arrived.source[0], arrived.destination[0]),
        fakehost.tsc_step(arrived.source[0], arrived.destination[0])))
    assert not wrong, "%s: %s\n%s\n%s" % (what, "; ".join(wrong), report,
                                          arrived.words)


# -- The table's sections --

def section(name, **wishes):
    for row in fakehost.sample(rows(name)):
        source = None
        for policy in POLICIES:
            wanted = row.outcomes[policy]
            if wanted == NO_TRY:
                continue
            source = source or begin(row, wishes)
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
    # where no messages on the channel overrule them (test_exchange.py)
    section("blackouts", **{"x-exchange": "off"})


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
