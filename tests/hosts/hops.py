# SPDX-License-Identifier: GPL-2.0-or-later
"""What a hop did to a guest, told as in the lab: by KVM's debugfs, the guest's
memory and the machines' known TSCs."""
import contextlib

import truth
from harness.picture import human_ns
from harness.tap import note
from truth import Drift

MOVE = ("virsh migrate --live --persistent --undefinesource %s "
        "qemu+ssh://%s/system")
STEP_NS = 3
WIDTH_NS = 100      # how well a TSC's error can be told from a record


def cross(hosts, kind, name, source, destination, command):
    """Runs the command on the source, which moves the guest, and holds what
    came of it against what was."""
    both = [hosts[source], hosts[destination]]
    for host in both:
        host.set_clock()
    before = kind(hosts[source], name)
    clocks = [host.realtime_error() for host in both]
    was = before.view(None)
    hosts.must(source, command)
    assert hosts.where(name) == destination
    after = kind(hosts[destination], name)
    after.succeed(before)
    after.wait_alive()
    drifts = [Drift(error, host.realtime_error())
              for host, error in zip(both, clocks)]
    line = truth.compare(was._replace(realtime=drifts[0]),
                         after.view(drifts[1]))
    report = after.qmp.execute("query-kvm-clock")["restore"]
    _show(name, source, destination, line, report)
    assert abs(line["kvmclock_step_ns"]) <= STEP_NS, line
    assert abs(line["tsc_error_ns"]) <= report["time-bound-ns"] + WIDTH_NS, \
        (line, report)
    assert abs(line["tsc_rate_ppb"]) <= 1, line
    assert not line["warps"], line
    after.saw(before, was.maps[0])


def _show(name, source, destination, line, report):
    note("%s from %s to %s: kvmclock stepped by %d ns, TSC off by %s (reported "
         "bound %s), rate by %.3f ppb; %s, elapsed time by %s" % (
             name, source, destination, line["kvmclock_step_ns"],
             human_ns(line["tsc_error_ns"]), human_ns(report["time-bound-ns"]),
             line["tsc_rate_ppb"], report["rung"], report["elapsed-from"]))


def assert_same(was, now, step_ns=0):
    """The guest's TSC goes on to the tick, and kvmclock as well as it may."""
    moved = truth.stayed(was, now.view(None))
    assert abs(moved["kvmclock_step_ns"]) <= step_ns, moved
    for what in "tsc_error_ns", "tsc_rate_ppb":
        assert not moved[what], moved
    return moved


@contextlib.contextmanager
def untouched(host, kind, name):
    """Nothing that happens meanwhile does anything to this guest's clocks."""
    was = kind(host, name).view(None)
    yield
    now = kind(host, name)
    now.wait_alive()
    assert_same(was, now)
