# SPDX-License-Identifier: GPL-2.0-or-later
"""What a migration really did to a guest's clocks, told by nothing that is
under test: KVM's debugfs, the guest's memory and the hosts' known TSCs.
Differences are destination minus source."""
import re
from collections import namedtuple

from harness.pvclock import exact_step_ns, signed64, step_ns
from host import EPOCH_NS

# A guest as it was seen on one host: its slots, {vCPU: TscMap}, and the Drift
# of that host's clock around then.
View = namedtuple("View", "slots maps realtime")

SETTLED_NS = 50         # how well a host's clock can be known here
# What it costs if this machine is interrupted between two of KVM's readings.
# 10 and 19 us were seen, in 2 of 60 runs; else 2 us with all.
DISTURBED_NS = 25000


class Drift(namedtuple("Drift", "first last")):
    """A host's clock error between two measurements: a straight line. By TAI
    if the host knows it, else by UTC."""

    @property
    def knows_tai(self):
        return bool(self.first.tai and self.last.tai)

    def at(self, when, by_tai):
        first, last = ([one.tai_ns for one in self] if by_tai
                       else [one.ns for one in self])
        if self.last.when <= self.first.when:
            return first
        share = float((when - self.first.when)
                      / (self.last.when - self.first.when))
        return first + (last - first) * share

    @property
    def half(self):
        return max(self.first.half, self.last.half)

    @property
    def ppb(self):
        first, last = self
        span = float(last.when - first.when)
        moved = last.tai_ns - first.tai_ns if self.knows_tai \
            else last.ns - first.ns
        return moved / span * 1e9 if span > 0 else 0.0


def clocks_error(source, stopped, destination, restored):
    """By how much more the destination's clock is off when it restores than
    the source's when it stops, in ns; by TAI if both hosts have it."""
    by_tai = source.realtime.knows_tai and destination.realtime.knows_tai
    return (destination.realtime.at(restored, by_tai)
            - source.realtime.at(stopped, by_tai))


def clock_steps(source, destination):
    """Of each vCPU, at the same guest TSC: at the destination's record."""
    steps = []
    for before, after in zip(source.slots, destination.slots):
        tsc = max(before.record.tsc_timestamp, after.record.tsc_timestamp)
        steps.append(step_ns(before.record, after.record, tsc))
    return steps


def exact_steps_ns(source, destination):
    """Of each vCPU, without the roundings that a reader adds: where the slope
    changes, at the instant from which it is another one."""
    return [exact_step_ns(before.record, after.record)
            for before, after in zip(source.slots, destination.slots)]


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
    """A pure number: the destination's frequency over the source's, less 1, by
    what their kernels tell. Nobody can do better than these. One TSC has one
    frequency, whatever its kernels call it."""
    if source.maps[0].host.tsc == destination.maps[0].host.tsc:
        return destination.maps[0].factor / source.maps[0].factor - 1
    return destination.maps[0].told_khz / source.maps[0].told_khz - 1


def skew_ticks(source, destination, when):
    """By how much the TSCs of two vCPUs moved against each other."""
    # At one host TSC the scaled parts are equal, so only offsets matter.
    shifts = [signed64(destination.maps[vcpu].offset
                       - source.maps[vcpu].offset)
              for vcpu in sorted(source.maps)]
    return max(shifts) - min(shifts)


def clock_at(view, when):
    """vCPU 0's kvmclock at a true time."""
    record = view.slots[0].record
    return record.system_time + record.ticks_to_ns(
        view.maps[0].at(when) - record.tsc_timestamp)


def moved(source, destination, when):
    """What moved in the guest's clocks; all zero if nothing did."""
    steps = clock_steps(source, destination)
    errors = tsc_errors_ns(source, destination, when)
    return {
        "kvmclock_step_ns": max(steps, key=abs),
        "kvmclock_error_ns": round(clock_at(destination, when)
                                   - clock_at(source, when), 1),
        "tsc_error_ns": round(max(errors, key=abs), 1),
        "tsc_rate_ppb": float(rate_error(source, destination) * 10 ** 9),
        "vcpu_skew_ticks": skew_ticks(source, destination, when),
        "warps": sum(slot.tsc_warps + slot.clock_warps
                     for slot in destination.slots),
    }


def stayed(before, after):
    """The same guest on the same host, before and after."""
    return moved(before, after, last_seen(after))


def compare(source, destination):
    """Everything, as the fields of a scenario's line."""
    when = first_seen(destination)
    return dict(moved(source, destination, when), **{
        "realtime_error_ns": round(clocks_error(
            source, last_seen(source), destination, when), 1),
        "realtime_width_ns": round(source.realtime.half
                                   + destination.realtime.half, 1),
        "reading_ns": round(destination.realtime.last.reading_ns),
        "realtime_drift_ppb": [round(source.realtime.ppb, 1),
                               round(destination.realtime.ppb, 1)],
        "blackout_ns": round(when - last_seen(source)),
        "arrived_ns": round(when),
        "fast_ppm": source.maps[0].host.spec.fast_ppm,
    })


def usual(views):
    """(the middle one, how far the TSC was moved between them).

    A host whose TSC is unstable sets the guest's back at each run, and lets it
    catch up then: a glance may fall between both."""
    when = first_seen(views[0])
    ordered = sorted(views, key=lambda view: view.maps[0].at(when))
    first, last = (view.maps[0] for view in (ordered[0], ordered[-1]))
    moved_ticks = last.at(when) - first.at(when)
    return (ordered[len(ordered) // 2],
            round(float(moved_ticks / first.khz * 10 ** 6), 1))


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


def last_setting(guest, drift, pairs):
    """True time at which QEMU says it set the clock last: to which real time,
    or else after which reading."""
    stamps = [int(number) for number in re.findall(
        r"at realtime (\d+) ns", "\n".join(guest.trace("set")))]
    if stamps and stamps[-1]:
        return stamps[-1] - EPOCH_NS - drift.last.ns
    return max((restored for _, restored in pairs), default=None)


def reported(report, line, pairs):
    """What QEMU said less what is true; the sentences that are violated."""
    off, wrong = {}, []
    if pairs:
        off["elapsed_ns"] = elapsed_off_ns(report, line, pairs)
    else:
        wrong.append("QEMU's trace doesn't tell when it read the clocks")
    if "time-bound-ns" in report and pairs:
        step = line["tsc_step_ns"]
        off["time_bound_room_ns"] = report["time-bound-ns"] - abs(step)
        if off["time_bound_room_ns"] < 0:
            wrong.append("the TSC is off by %.0f ns, the report says at most "
                         "%d" % (step, report["time-bound-ns"]))
    known = SETTLED_NS + line["realtime_width_ns"]
    if report["tsc"] == "unverified":   # no instant from the kernel
        known += line["reading_ns"]
    if line["fast_ppm"]:                # the source doesn't quite know how fast
        known += report.get("time-bound-ns", 0)
    if abs(off.get("elapsed_ns", 0)) > known:
        wrong.append("elapsed-ns is off by %.0f ns" % off["elapsed_ns"])
    step = line["kvmclock_step_ns"]
    if "residual-ns" in report:
        off["residual_ns"] = report["residual-ns"] - step
    if "bound-ns" in report:
        room = off["bound_room_ns"] = report["bound-ns"] - abs(step)
        if report["rung"] == "plain":
            room += DISTURBED_NS
        if room < 0:
            wrong.append("kvmclock is off by %d ns, the report says at most "
                         "%d" % (step, report["bound-ns"]))
    if "rate-error-ppt" in report:
        true = line["tsc_rate_ppb"] * 1000
        off["rate_error_ppt"] = round(report["rate-error-ppt"] - true, 1)
        # Rounded away from zero, so up to 1 too much.
        if abs(off["rate_error_ppt"]) > 1 + abs(true) * 1e-9:
            wrong.append("the rate error is %.1f ppt, the report says %d"
                         % (true, report["rate-error-ppt"]))
    if "skew-ticks" in report:
        off["skew_ticks"] = report["skew-ticks"] - line["vcpu_skew_ticks"]
        if off["skew_ticks"]:
            wrong.append("vCPUs moved by %d ticks, the report says %d" % (
                line["vcpu_skew_ticks"], report["skew-ticks"]))
    return off, wrong


def elapsed_off_ns(report, line, pairs):
    """How far elapsed-ns is from the true time between stop and restore plus
    the error of the hosts' clocks, by the source's TSC; less than nothing
    counts as nothing. Where clocks don't count: from what the guest's TSC went
    on by."""
    told = 1 + line["fast_ppm"] / 10 ** 6
    if report["frozen"] or report["elapsed-from"] == "channel":
        return round(report["elapsed-ns"] - line["tsc_went_on_ns"] * told, 1)
    clocks_ns = 0 if report["elapsed-from"] == "tsc" \
        else line["realtime_error_ns"]
    offs = [report["elapsed-ns"] - max(0.0, float(restored - stopped)
                                       + clocks_ns) * told
            for stopped, restored in pairs]
    return round(min(offs, key=abs), 1)


def went_on(before, after, pairs):
    """How far both of the guest's clocks went from stop to restore; 0 if they
    were frozen. And how far off the TSC was at the restore: after that it runs
    as fast as its new host's."""
    def ticks_ns(pair):
        ticks = after.maps[0].at(pair[1]) - before.maps[0].at(pair[0])
        return float(ticks / before.maps[0].khz * 10 ** 6)

    if not pairs:
        return {}
    best = min(pairs, key=lambda pair: abs(ticks_ns(pair)))
    restored = max((when for _, when in pairs if when <= first_seen(after)),
                   default=best[1])
    return {"tsc_went_on_ns": round(ticks_ns(best), 1),
            "kvmclock_went_on_ns": round(clock_at(after, best[1])
                                         - clock_at(before, best[0]), 1),
            "tsc_step_ns": round(max(tsc_errors_ns(before, after, restored),
                                     key=abs), 1)}
