# SPDX-License-Identifier: GPL-2.0-or-later
"""What a migration really did to a guest's clocks, told by nothing that is
under test: KVM's debugfs, the guest's memory and the hosts' known TSCs.
Differences are destination minus source."""
import re
from collections import namedtuple

from pvclock import signed64, step_ns

# A guest as it was seen on one host: its slots, {vCPU: TscMap}, and the Drift
# of that host's clock around then.
View = namedtuple("View", "slots maps realtime")

SETTLED_NS = 50         # how well a host's clock can be known here


class Drift(namedtuple("Drift", "first last")):
    """A host's clock error between two measurements: a straight line."""

    def at(self, when):
        first, last = self
        if last.when <= first.when:
            return first.ns
        share = float((when - first.when) / (last.when - first.when))
        return first.ns + (last.ns - first.ns) * share

    @property
    def half(self):
        return max(self.first.half, self.last.half)

    @property
    def ppb(self):
        first, last = self
        span = float(last.when - first.when)
        return (last.ns - first.ns) / span * 1e9 if span > 0 else 0.0


def tai_error(source, destination):
    """By how much more the destination's clock is off, in ns: at its start
    there against the stop here; by TAI if both hosts have it."""
    error = (destination.realtime.at(first_seen(destination))
             - source.realtime.at(last_seen(source)))
    tais = [view.maps[0].host.spec.tai for view in (source, destination)]
    if all(tais):
        error += (tais[1] - tais[0]) * 10 ** 9
    return error


def clock_steps(source, destination):
    """Of each vCPU, at the same guest TSC: at the destination's record."""
    steps = []
    for before, after in zip(source.slots, destination.slots):
        tsc = max(before.record.tsc_timestamp, after.record.tsc_timestamp)
        steps.append(step_ns(before.record, after.record, tsc))
    return steps


def first_seen(destination):
    """True time of the destination's own record: just before it ran."""
    slot, clock = destination.slots[0], destination.maps[0]
    return clock.when(slot.record.tsc_timestamp)


def last_seen(source):
    """True time of the source's last publication: just before its stop."""
    return source.maps[0].when(source.slots[0].tsc)


def tsc_errors_ns(source, destination, when):
    """How far each vCPU's TSC is from that of an undisturbed guest."""
    return [float((destination.maps[vcpu].at(when) - clock.at(when))
                  / (clock.khz / 10 ** 6))
            for vcpu, clock in sorted(source.maps.items())]


def rate_error(source, destination):
    """A pure number: the destination's frequency over the source's, less 1."""
    return destination.maps[0].khz / source.maps[0].khz - 1


def skew_ticks(source, destination, when):
    """By how much the TSCs of two vCPUs moved against each other."""
    # At one host TSC the scaled parts are equal, so only offsets matter.
    moved = [signed64(destination.maps[vcpu].offset - source.maps[vcpu].offset)
             for vcpu in sorted(source.maps)]
    return max(moved) - min(moved)


def compare(source, destination):
    """Everything, as the fields of a scenario's line."""
    when = first_seen(destination)
    steps = clock_steps(source, destination)
    errors = tsc_errors_ns(source, destination, when)
    return {
        "kvmclock_step_ns": max(steps, key=abs),
        "tsc_error_ns": round(max(errors, key=abs), 1),
        "tsc_rate_ppb": float(rate_error(source, destination) * 10 ** 9),
        "vcpu_skew_ticks": skew_ticks(source, destination, when),
        "realtime_error_ns": round(tai_error(source, destination), 1),
        "realtime_width_ns": round(source.realtime.half
                                   + destination.realtime.half, 1),
        "realtime_drift_ppb": [round(source.realtime.ppb, 1),
                               round(destination.realtime.ppb, 1)],
        "blackout_ns": round(when - last_seen(source)),
        "warps": sum(slot.tsc_warps + slot.clock_warps
                     for slot in destination.slots),
    }


def anchors(guest, since):
    """True times, not before `since`, at which QEMU says it read the host's
    clocks. The host TSCs in its trace only name the instants."""
    ticks = re.findall(r"host TSC (\d+)", "\n".join(guest.trace("anchor")))
    times = [guest.host.true_ns(int(number)) for number in ticks]
    return [when for when in times if when >= since]


def instants(source, destination, earliest):
    """[(stop, restore)]: QEMU may have read the clocks more than once."""
    return [(stopped, restored) for stopped in anchors(source, earliest)
            for restored in anchors(destination, earliest)]


def first_run_ns(destination, pairs):
    """From QEMU's last reading of the clocks to KVM's record for the guest."""
    last = max((restored for _, restored in pairs), default=None)
    return None if last is None else round(first_seen(destination) - last)


def reported(report, line, pairs):
    """What QEMU said less what is true; the sentences that are violated."""
    off, wrong = {}, []
    if pairs and not report["frozen"]:
        off["elapsed_ns"] = elapsed_off_ns(report, line, pairs)
    if abs(off.get("elapsed_ns", 0)) > SETTLED_NS + line["realtime_width_ns"]:
        wrong.append("elapsed-ns is off by %.0f ns" % off["elapsed_ns"])
    step = line["kvmclock_step_ns"]
    if "residual-ns" in report:
        off["residual_ns"] = report["residual-ns"] - step
    if "bound-ns" in report:
        off["bound_room_ns"] = report["bound-ns"] - abs(step)
        if off["bound_room_ns"] < 0:
            wrong.append("kvmclock is off by %d ns, the report says at most "
                         "%d" % (step, report["bound-ns"]))
    if "rate-error-ppt" in report:
        true = line["tsc_rate_ppb"] * 1000
        off["rate_error_ppt"] = round(report["rate-error-ppt"] - true, 1)
        # Rounded away from zero, so up to 1 too much.
        if abs(off["rate_error_ppt"]) > 1 + abs(true) * 1e-9:
            wrong.append("the rate error is %.1f ppt, the report says %d"
                         % (true, report["rate-error-ppt"]))
    if report.get("skew-ticks", line["vcpu_skew_ticks"]) < \
            line["vcpu_skew_ticks"]:
        wrong.append("vCPUs moved by %d ticks, the report says %d" % (
            line["vcpu_skew_ticks"], report["skew-ticks"]))
    return off, wrong


def elapsed_off_ns(report, line, pairs):
    """How far elapsed-ns is from the true time between stop and restore plus
    the error of the hosts' clocks; less than nothing counts as nothing."""
    offs = [report["elapsed-ns"] - max(0.0, float(restored - stopped)
                                       + line["realtime_error_ns"])
            for stopped, restored in pairs]
    return round(min(offs, key=abs), 1)


def frozen_off_ns(before, after, pairs):
    """How far the guest's TSC went from stop to restore; 0 if frozen."""
    offs = [float((after.maps[0].at(restored) - before.maps[0].at(stopped))
                  / before.maps[0].khz * 10 ** 6)
            for stopped, restored in pairs]
    return round(min(offs, key=abs), 1) if offs else None
