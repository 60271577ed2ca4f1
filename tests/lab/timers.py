# SPDX-License-Identifier: GPL-2.0-or-later
"""When the timer guest's timers fired (timers.S), before the blackout and
after it: from its memory, in terms of its own TSC."""
import os
import struct
import time
import types
from collections import namedtuple

from harness import layout
from harness.wait import LIMIT_S
from inner import Inner

AFTER = 2                   # so many more timers of each vCPU
MARGIN = 8                  # entries of a ring that may be overwritten
# How late a timer may be beside what other timers are, which were armed and
# fired on one host; and one that was due when its vCPU ran first.
LATE_NS = 50 * 10 ** 6
AT_ONCE_NS = 0
# KVM arms a deadline by two clocks that it reads one after the other. If the
# emulator is stopped between, the timer comes as much too early. With some
# thousand timers in a run that is seen (279 us, once in 60 runs), but not with
# the three that cross.
EARLY_NS = 10 * 10 ** 6

header = types.SimpleNamespace(**layout.numbers(os.path.join(
    os.path.dirname(os.path.abspath(__file__)), "timers.h")))

# A timer in terms of its vCPU's TSC; `fired` is 0 while it is armed.
Timer = namedtuple("Timer", "vcpu number armed due fired")
Gap = namedtuple("Gap", "before after")


def _ring(data, at, kept, shift, count, form):
    """[(number, fields)] of the youngest ones of `count` entries."""
    for number in range(max(0, count - kept + MARGIN), count):
        yield number, struct.unpack_from(
            form, data, at + ((number % kept) << shift))


class Notes:
    """What one vCPU has noted down. It may go on meanwhile: so the counts are
    read first, and the oldest entries, which may be overwritten, left out."""

    def __init__(self, guest, vcpu, khz):
        at = header.NOTES + vcpu * header.NOTES_SIZE
        self.fired, gaps = struct.unpack(
            "<II", guest.read(at + header.TIMERS_FIRED, 8))
        data = guest.read(at, header.TIMERS_FIRED)
        self.gaps = [Gap(*fields) for _, fields in _ring(
            data, header.GAPS, header.GAPS_KEPT, header.GAP_SHIFT, gaps, "<QQ")]
        scale = khz / 10 ** 6 if guest.counts_down else 1
        self.timers = [
            Timer(vcpu, number, armed, armed + int(ahead * scale), fired)
            for number, (armed, ahead, fired) in _ring(
                data, header.TIMERS, header.TIMERS_KEPT, header.TIMER_SHIFT, self.fired, "<QQQ")]


def _fired(guest, vcpu):
    return struct.unpack("<I", guest.read(
        header.NOTES + vcpu * header.NOTES_SIZE + header.TIMERS_FIRED, 4))[0]


def _wait_fired(guest, wanted):
    """Until each vCPU's timers have fired so often: a chain goes on only if
    none is lost. The vCPUs whose chain doesn't."""
    deadline = time.monotonic() + LIMIT_S
    while True:
        late = [vcpu for vcpu, count in wanted.items()
                if _fired(guest, vcpu) < count]
        if not late or time.monotonic() > deadline:
            return late
        time.sleep(0.01)


def _first_run(source, destination, clock_map):
    """The first TSC that vCPU 0 read on the destination: it follows a gap, in
    which the source was stopped. A guest that was frozen may show none."""
    stopped = clock_map.at(source.event_ns("STOP"))
    for gap in Notes(destination, 0, clock_map.khz).gaps:
        if gap.before <= stopped <= gap.after:
            return gap.after
    return source.slots()[0].tsc


class TimerGuest(Inner):
    """Its vCPUs always have a timer armed."""

    @property
    def counts_down(self):
        """By the LAPIC's count, in ns, instead of by a TSC deadline."""
        return self.rom == "timers-count-down"

    def noted(self, source, clock_map):
        khz = clock_map.khz
        vcpus = range(header.TIMER_VCPUS)
        there = {vcpu: Notes(source, vcpu, khz) for vcpu in vcpus}
        lost = _wait_fired(self, {vcpu: there[vcpu].fired + AFTER
                                  for vcpu in vcpus})
        first = _first_run(source, self, clock_map)
        here = [timer for vcpu in vcpus
                for timer in Notes(self, vcpu, khz).timers]

        def nth(number):
            """Of each vCPU, counted from the stop."""
            return [timer for timer in here
                    if timer.number == there[timer.vcpu].fired + number]

        # KVM can't tell a count that ended from one whose interrupt is on its
        # way, too; to be safe the interrupt comes once more.
        doubled = [timer for timer in nth(1)
                   if self.counts_down and timer.fired < timer.due]
        after = [timer for timer in here if timer not in doubled
                 and timer.number > there[timer.vcpu].fired]
        return dict(_figures(khz, first, [timer for vcpu in vcpus
                                          for timer in there[vcpu].timers],
                             nth(0), after),
                    timers_lost=len(lost), timers_doubled=len(doubled))

    def complaints(self, line):
        wrong = []
        if line["timers_lost"]:
            wrong.append("%d vCPUs' timers fire no more" % line["timers_lost"])
        for name, bound in (("timer_early_ns", 0),
                            ("timer_early_others_ns", -EARLY_NS)):
            if line[name] is not None and line[name] < bound:
                wrong.append("a timer fired %d ns early" % -line[name])
        limit = LATE_NS + max(line["timer_late_before_ns"],
                              line["timer_late_after_ns"])
        if self.counts_down:        # it stood still like its vCPU
            limit += line["blackout_ns"]
        for vcpu, due, late in line["timers_crossed"]:
            # A vCPU that wasn't asleep does nothing else before.
            bound = AT_ONCE_NS if vcpu == 0 and due < 0 \
                and not self.counts_down else limit
            if late > bound:
                wrong.append("vCPU %d's timer fired %d ns late, the bound is "
                             "%d" % (vcpu, late, bound))
        return wrong


def _figures(khz, first, before, crossed, after):
    """The lateness of timers that fired on the source, of those that were
    armed there and fired on the destination, and of its own."""
    def ns(ticks):
        return round(float(ticks / khz * 10 ** 6))

    def late(timers):
        return [ns(timer.fired - timer.due) for timer in timers]

    def crossing(timer):
        """[vCPU, when it was due after the guest ran first, how late it was
        after both]"""
        return [timer.vcpu, ns(timer.due - first),
                ns(timer.fired - max(timer.due, first))]

    return {
        "timers_fired": len(before) + len(crossed) + len(after),
        "timers_crossed": [crossing(timer) for timer in crossed],
        "timer_early_ns": min(late(crossed), default=None),
        "timer_early_others_ns": min(late(before + after)),
        "timer_late_before_ns": max(late(before)),
        "timer_late_ns": max((crossing(timer)[2] for timer in crossed),
                             default=None),
        "timer_late_after_ns": max(late(after)),
    }
