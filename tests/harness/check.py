# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests share: what they need, how often they try, what they say."""
import functools
import os
import re

from harness import binaries, measure, places
from harness.tap import Missing, note

# What a crossing may do to kvmclock, here where the best rung is closed-loop.
WORST_NS = 5
# vCPUs' clocks apart: KVM may have made their records at two instants, and
# rounds each to 1 ns.
SPREAD_NS = 1

# What a QEMU without the feature says of a stream with it: 10.0 says "savevm
# section".
UNKNOWN_SECTION = "section or instance 'kvmclock_offer'"
# And one that has it, turned off.
OFF_HERE = "the source carries the guest's clocks and this side doesn't"


def tries(full):
    """`full` repetitions, or fewer on wish (CLOCKFERRY_PERCENT)."""
    percent = float(os.environ.get("CLOCKFERRY_PERCENT", "100"))
    return max(1, round(full * percent / 100))


@functools.lru_cache(None)
def _stock():
    return binaries.stock()


@functools.lru_cache(None)
def _patched():
    return binaries.patched()


def stock():
    places.need_kvm()
    return _stock()


def stock_without_kvm():
    """For what emulation can do as well."""
    return _stock()


def patched():
    """The patched QEMU with the feature on."""
    places.need_kvm()
    if not _patched().kvmclock:
        raise Missing("qemu", "this QEMU has no guest-clock property")
    return _patched()


def patched_off():
    """The patched QEMU as it is by default."""
    return patched()._replace(name="patched, off", kvmclock={})


def assert_unharmed(result, frozen=False, worst_ns=WORST_NS):
    """Neither clock stepped, no vCPU's apart from another's.

    frozen: both stood still meanwhile, which sets the TSC back."""
    steps = result.steps_ns
    assert abs(measure.worst(steps)) <= worst_ns, \
        "kvmclock stepped %s" % steps
    assert result.spread_ns <= SPREAD_NS, \
        "vCPUs' clocks are %d ns apart" % result.spread_ns
    assert result.same_slope, "the clock's rate changed"
    tsc_steps = set(result.tsc_steps or [0])
    assert tsc_steps == {0} or frozen and len(tsc_steps) == 1 \
        and max(tsc_steps) < 0, "TSC stepped: %s ticks" % result.tsc_steps
    assert not result.tsc_warps, "the guest saw its TSC go back"
    assert not result.clock_warps or measure.worst(steps) < 0, \
        "the guest saw its clock go back"


def allowed_ns(report):
    """What a crossing with that report may do to kvmclock. More than WORST_NS
    only if the guest had to wait for a CPU: KVM's kHz are off by 0.2 ppm at
    most here, and the report's bound allows 1 ppm until the first run."""
    return WORST_NS + max(0, report.get("bound-ns", 0) - WORST_NS) // 5


def assert_carried(before, guest, busy=False):
    """A guest's clocks are those of a view before; how it went, as a note.

    busy: each vCPU may have to wait for a CPU, so what the report itself warns
    of (bound-ns) may come true."""
    result = measure.compare(before, measure.view(guest))
    report = measure.own_report(guest)
    note("step %d ns, bound %s ns, %s, residual %s ns" % (
        measure.worst(result.steps_ns), report.get("bound-ns"),
        report.get("rung"), report.get("residual-ns")))
    worst_ns = max(WORST_NS, report["bound-ns"]) if busy else allowed_ns(report)
    assert_unharmed(result, report.get("frozen"), worst_ns)
    return report


@functools.lru_cache(None)
def machine_types():
    """Those that both QEMUs have: newer ones forget old ones."""
    found = []
    for side in stock(), patched_off():
        with binaries.start(side, extra=["-S"]) as guest:
            found.append({machine.get(key)
                          for machine in guest.qmp.execute("query-machines")
                          for key in ("name", "alias")})
    return found[0] & found[1]


def sentences(stderr):
    """Lines that say what is wrong.

    QEMU's own generic lines name the device too, and a restore that went well
    may be told as information."""
    return [line for line in stderr.splitlines()
            if re.search(r"kvm-?clock", line, re.I)
            and not re.search("error while loading|load of migration| info: ",
                              line)]


def crashed(exit_status):
    """Ended by a signal: an assertion, an abort or worse."""
    return exit_status is not None and exit_status < 0


class Untouched:
    """Remembers a running guest, to tell later that nothing happened to it."""

    def __init__(self, guest):
        self._guest = guest
        self._before = measure.view(guest)
        guest.qmp.event_names()
        guest.qmp.events.clear()

    def assert_still(self, may_stop=False):
        """It runs, its clocks are the same functions, it wasn't stopped."""
        guest = self._guest
        state = guest.qmp.execute("query-status")["status"]
        assert state == "running", "the source is %s" % state
        stopped = "STOP" in guest.qmp.event_names()
        assert may_stop or not stopped, "the source was stopped"
        guest.wait_beating()
        now = measure.view(guest)
        result = measure.compare(self._before, now)
        assert not any(result.steps_ns), "stepped: %s ns" % result.steps_ns
        assert result.same_slope, "the clock's rate changed"
        assert not any(result.tsc_steps or []), \
            "TSC stepped: %s ticks" % result.tsc_steps
        assert result.tsc_warps == 0 and result.clock_warps == 0, \
            "the guest saw a clock go back"
        guest.qmp.events.clear()
