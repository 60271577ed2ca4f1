# SPDX-License-Identifier: GPL-2.0-or-later
"""The test guest with a vmclock device, whose page it reads all the time: the
last time on the source, and the first time here."""
from harness.picture import human_ns
from harness.published import GuestError
from host import EPOCH_NS
from inner import Inner

DEVICE = ["-device", "vmclock,host-time=on"]


class VmclockGuest(Inner):
    """Judged by the emulator's truth alone: QEMU's page against true time."""

    def __init__(self, host, side, rom, extra=(), **options):
        super().__init__(host, side, rom="guest", extra=[*extra, *DEVICE],
                         **options)
        self._maps = None

    def wait_up(self, **options):
        super().wait_up(**options)
        self.watch_vmclock()
        self.wait_beating()

    def noted(self, source, clock_map):
        (before_tsc, before), (first_tsc, first) = (
            self.vmclock_read(which) for which in ("BEFORE", "FIRST"))
        if before.marker == first.marker or not before.ticks:
            raise GuestError("the guest read no other marker here")
        here = self.scaling()[0]
        return {"utc_before_ns": _off_ns(before_tsc, before, clock_map),
                "utc_before_bound_ns": _bound_ns(before_tsc, before),
                "utc_ns": _off_ns(first_tsc, first, here),
                "utc_bound_ns": _bound_ns(first_tsc, first),
                "utc_in_time": before_tsc < first.ticks <= first_tsc}

    def complaints(self, line):
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
