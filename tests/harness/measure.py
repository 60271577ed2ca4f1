# SPDX-License-Identifier: GPL-2.0-or-later
"""What a migration did to the guest's clocks, seen from outside QEMU.

Everything here comes from guest memory (pmemsave), from KVM's debugfs and from
the host's TSC; nothing from what QEMU says about itself. Deltas are
destination minus source."""
import os
import time
from collections import namedtuple

from harness import hosttsc, layout
from harness.published import GuestError, parse_slot
from harness.pvclock import spread_ns, step_ns
from harness.qmp import QmpError

# What one QEMU looked like: its slots, KVM's {vCPU: (offset, ratio)}, and the
# bounds of each vCPU's guest TSC - host TSC.
View = namedtuple("View", "slots scaling brackets")

Result = namedtuple("Result", "steps_ns spread_ns same_slope tsc_steps "
                              "tsc_bounds tsc_warps clock_warps")


def dump(guest):
    """The slots by pmemsave, all at once."""
    path = guest.path("slots")
    size = guest.vcpus * layout.SLOT_SIZE
    guest.qmp.execute("pmemsave", {"val": layout.SLOTS, "size": size,
                                   "filename": path})
    with open(path, "rb") as saved:
        data = saved.read()
    os.unlink(path)
    return [parse_slot(data[at:at + layout.SLOT_SIZE])
            for at in range(0, size, layout.SLOT_SIZE)]


def stable_dump(guest, tries=50):
    """A dump in which no record was being written: two in a row agree."""
    before = dump(guest)
    for _ in range(tries):
        now = dump(guest)
        records = [slot.record for slot in now]
        if records == [slot.record for slot in before] \
                and all(record.whole for record in records):
            return now
        before = now
        time.sleep(0.001)
    raise GuestError("a pvclock record never came to rest")


def bracket(guest, pings=40):
    """Bounds of guest TSC - host TSC for each vCPU of a running guest."""
    return [hosttsc.bracket_offset(guest, index, pings)
            for index in range(guest.vcpus)]


def view(guest, brackets=None):
    return View(stable_dump(guest), hosttsc.kvm_scaling(guest.pid), brackets)


def compare(source, destination):
    """The steps, each vCPU against itself."""
    pairs = list(zip(source.slots, destination.slots))
    exact = [_kvm_tsc_step(source, destination, slot.apic_id)
             for slot in destination.slots]
    return Result([_clock_step(a, b) for a, b in pairs],
                  spread_ns([slot.record for slot in destination.slots]),
                  all(a.record[3:5] == b.record[3:5] for a, b in pairs),
                  None if None in exact else exact,
                  _bracketed_tsc_steps(source, destination),
                  sum(slot.tsc_warps for slot in destination.slots),
                  sum(slot.clock_warps for slot in destination.slots))


def _clock_step(source, destination):
    """At the destination's first instant: its record's own TSC."""
    tsc = max(source.record.tsc_timestamp, destination.record.tsc_timestamp)
    return step_ns(source.record, destination.record, tsc)


def _kvm_tsc_step(source, destination, vcpu):
    """Exact, from debugfs, if both say and neither scales differently."""
    before, after = source.scaling.get(vcpu), destination.scaling.get(vcpu)
    if before is None or after is None or before[1] != after[1]:
        return None
    return after[0] - before[0]


def _bracketed_tsc_steps(source, destination):
    """[low, high] for each vCPU; None where it wasn't measured."""
    pairs = list(zip(source.brackets or [], destination.brackets or []))
    if not pairs or any(None in pair for pair in pairs):
        return None
    return [[after[0] - before[1], after[1] - before[0]]
            for before, after in pairs]


def tsc_step(result):
    """(ticks, resolution in ticks, how): the worst vCPU's.

    Bounds that hold 0 count as 0, with their width as the resolution; bounds
    that don't hold it give their near edge. Bounds that contradict the exact
    number win, for they need no word of KVM's."""
    if result.tsc_bounds:
        low, high = max(result.tsc_bounds, key=_distance)
        width = max(b[1] - b[0] for b in result.tsc_bounds)
        bounded = 0 if low <= 0 <= high else min(low, high, key=abs)
        if result.tsc_steps is None or bounded:
            return bounded, width, "bracket"
    if result.tsc_steps is None:
        return None, None, "unknown"
    return max(result.tsc_steps, key=abs), 0, "debugfs"


def _distance(bounds):
    low, high = bounds
    return 0 if low <= 0 <= high else min(abs(low), abs(high))


def host_khz(guest):
    """The TSC's frequency: guests here aren't scaled, so kvmclock's rate."""
    return guest.slot().record.ns_to_ticks(10 ** 9) // 1000


def worst(numbers):
    """The one farthest from 0, with its sign."""
    return max(numbers, key=abs)


def own_report(guest):
    """QEMU's own words on it, only ever shown beside; {} on stock."""
    if not guest.qmp.supports("query-kvm-clock"):
        return {}
    try:
        return guest.qmp.execute("query-kvm-clock").get("restore") or {}
    except QmpError:
        return {}


def not_carried(guest):
    """Why its clocks weren't, as QEMU tells it to those who ask; else None."""
    return guest.qmp.execute("query-kvm-clock").get("not-carried")
