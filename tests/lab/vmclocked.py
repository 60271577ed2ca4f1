# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests that are told the time: what they read on the vmclock page the last
time on the source and the first time here, judged by true time alone."""
import re

from harness.picture import human_ns
from harness.published import GuestError
from harness.vmclock import Page
from harness.wait import LIMIT_S
from host import EPOCH_NS
from inner import Inner
from linux import LinuxGuest

DEVICE = ["-device", "vmclock,host-time=on"]


class VmclockGuest(Inner):
    """The test guest."""

    def __init__(self, host, side, rom, extra=(), **options):
        super().__init__(host, side, rom="guest", extra=[*extra, *DEVICE],
                         **options)

    def wait_up(self, **options):
        super().wait_up(**options)
        self.watch_vmclock()
        self.wait_beating()

    def noted(self, source, clock_map):
        return _noted(self, clock_map, *(self.vmclock_read(which)
                                         for which in ("BEFORE", "FIRST")))

    def complaints(self, line):
        return _complaints(line)


class LinuxVmclockGuest(LinuxGuest):
    """Linux with its own driver: the page as a program has it, and the PTP
    clock that the kernel makes of it, if it makes one of UTC."""

    KERNEL, MEMORY_MB = "/vmclock", 192

    def __init__(self, host, side, words="", extra=(), **options):
        super().__init__(host, side, words="mitigations=off nokaslr " + words,
                         extra=[*extra, *DEVICE], **options)

    def wait_up(self, timeout=4 * LIMIT_S):
        super().wait_up(timeout)

    def noted(self, source, clock_map):
        told = re.findall(r"CF vmclock last=(\d+),(\w+) first=(\d+),(\w+) "
                          r"ptp=(\d+),(\d+),(\d+)", self.console())
        if not told:
            raise GuestError("the guest read no other marker here: %s"
                             % self.console()[-500:])
        last, last_page, first, first_page, *ptp = told[0]
        line = _noted(self, clock_map, *(
            (int(tsc), Page.parse(bytes.fromhex(page)))
            for tsc, page in ((last, last_page), (first, first_page))))
        before, ns, after = map(int, ptp)
        here = self.scaling()[0]
        if ns:
            line["ptp_ns"] = [round(float(ns - EPOCH_NS - here.when(tsc)), 1)
                              for tsc in (after, before)]
        return dict(super().noted(source, clock_map), **line)

    def complaints(self, line):
        wrong = super().complaints(line) + _complaints(line)
        low, high = line.get("ptp_ns", (0, 0))
        bound = line["utc_bound_ns"] or 0
        if low > bound or high < -bound:
            wrong.append("the guest's PTP clock is %s to %s off"
                         % (human_ns(low), human_ns(high)))
        return wrong


def _noted(guest, there, before, first):
    (before_tsc, before), (first_tsc, first) = before, first
    if before.marker == first.marker or not before.ticks:
        raise GuestError("the guest read no other marker here")
    here = guest.scaling()[0]
    return {"utc_before_ns": _off_ns(before_tsc, before, there),
            "utc_before_bound_ns": _bound_ns(before_tsc, before),
            "utc_ns": _off_ns(first_tsc, first, here),
            "utc_bound_ns": _bound_ns(first_tsc, first),
            "utc_in_time": before_tsc < first.ticks <= first_tsc}


def _complaints(line):
    wrong = []
    for name in "utc_before", "utc":
        off, bound = line[name + "_ns"], line[name + "_bound_ns"]
        if bound is not None and abs(off) > bound:
            wrong.append("the guest was told UTC %s off, at most %s"
                         % (human_ns(off), human_ns(bound)))
    if line["utc_bound_ns"] is None:
        wrong.append("the guest isn't told how far UTC may be off")
    if not line["utc_in_time"]:
        wrong.append("the guest read the source's page here")
    return wrong


def _off_ns(tsc, page, clock_map):
    true_ns = clock_map.when(tsc)
    return round(float(page.utc_ns(tsc) - EPOCH_NS - true_ns), 1)


def _bound_ns(tsc, page):
    bound = page.bound_ns(tsc)
    return None if bound is None else round(float(bound))
