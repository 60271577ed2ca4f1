# SPDX-License-Identifier: GPL-2.0-or-later
"""The test guest as one that believes to be on Hyper-V: reference time, its
page, and a synthetic timer that crosses with it. KVM does all of it."""
import struct
import time
from collections import namedtuple

from harness.pvclock import signed64
from harness.wait import LIMIT_S
from host import Spec
from inner import Inner

KHZ = Spec().khz            # promised, for re-enlightenment needs that
CPU = ("host,hv-time=on,hv-frequencies=on,hv-reenlightenment=on,"
       "hv-vpindex=on,hv-synic=on,hv-stimer=on,hv-stimer-direct=on,"
       "tsc-frequency=%d" % (KHZ * 1000))
PAGE = 0x50000
UNIT_NS = 100
OLD_NS = 4 * 10 ** 9        # much older than the VM that it moves to
TIMER_UNITS = 15 * 10 ** 7  # 15 s later: hosts may be busy
LATE_NS = 2 * 10 ** 9       # nor is it seen at once

MSR_APIC_BASE, X2APIC = 0x1b, 0xfee00d00
MSR_X2APIC_SPURIOUS, APIC_ON = 0x80f, 0x1ff
MSR_KVMCLOCK = 0x4b564d01
MSR_GUEST_OS_ID = 0x40000000
MSR_REFERENCE_TSC = 0x40000021
MSR_SCONTROL = 0x40000080
MSR_TIMER_CONFIG, TIMER_ONCE = 0x400000b0, 0x1ed1
MSR_TIMER_COUNT = 0x400000b1
MSR_REENLIGHTENMENT, REENLIGHTENED = 0x40000106, 1 << 16 | 0xee
MSR_EMULATION_CONTROL = 0x40000107


class ReferencePage(namedtuple("ReferencePage",
                               "sequence reserved scale offset")):
    """Reference time as a function of the guest TSC."""

    def units(self, tsc):
        return (tsc * self.scale >> 64) + self.offset

    def ns(self, tsc):
        return self.units(tsc) * UNIT_NS


class HypervGuest(Inner):
    """Its boot vCPU uses the page, and has a timer armed."""

    def __init__(self, host, side, rom, extra=(), **options):
        self.reenlightened = rom == "hyperv-reenlightened"
        self.count = None
        super().__init__(host, side, rom="guest",
                         extra=[*extra, "-cpu", CPU], **options)

    def page(self):
        return ReferencePage(*struct.unpack("<IIQq", self.read(PAGE, 24)))

    def now_units(self):
        return self.page().units(self.slot().tsc)

    def succeed(self, source):
        super().succeed(source)
        self.count = source.count

    # -- as its operating system would --

    def wait_up(self, timeout=LIMIT_S):
        super().wait_up(timeout)
        for index in range(self.vcpus):
            self.wrmsr(MSR_KVMCLOCK, self.slot_address(index) + 1, index)
        self.wrmsr(MSR_GUEST_OS_ID, 1)
        if self.reenlightened:
            self.wrmsr(MSR_REENLIGHTENMENT, REENLIGHTENED)
            self.wrmsr(MSR_EMULATION_CONTROL, 1)
        self.wrmsr(MSR_REFERENCE_TSC, PAGE + 1)
        while self.now_units() * UNIT_NS < OLD_NS:
            time.sleep(0.1)
        self._arm()

    def _arm(self):
        self.wrmsr(MSR_APIC_BASE, X2APIC)
        self.wrmsr(MSR_X2APIC_SPURIOUS, APIC_ON)
        self.wrmsr(MSR_SCONTROL, 1)
        self.count = self.now_units() + TIMER_UNITS
        self.wrmsr(MSR_TIMER_COUNT, self.count)
        self.wrmsr(MSR_TIMER_CONFIG, TIMER_ONCE)

    def _timer_is_on(self):
        return self.rdmsr(MSR_TIMER_CONFIG) & 1

    # -- what became of that --

    def noted(self, source, clock_map):
        """Steps at the instant from which the new record counts."""
        there, here, record = source.page(), self.page(), self.slot().record
        tsc = record.tsc_timestamp
        crossed = self._timer_is_on()
        due = self.now_units() >= self.count
        return {"reference_step_ns": signed64(here.ns(tsc) - there.ns(tsc)),
                "reference_behind_ns": signed64(record.at(tsc) - here.ns(tsc)),
                "page_stayed": here == there,
                "reference_timer_crossed": bool(crossed),
                "reference_timer_due": due,
                "reference_timer_late_ns": self._late_ns()}

    def _late_ns(self):
        """How late its end was seen; None: not at all."""
        deadline = time.monotonic() + LIMIT_S
        while self._timer_is_on():
            if time.monotonic() > deadline:
                return None
            time.sleep(0.02)
        return (self.now_units() - self.count) * UNIT_NS

    def complaints(self, line):
        """KVM rounds to 100 ns, and may do so in either direction."""
        wrong = []
        step = line["reference_step_ns"] - (0 if self.reenlightened
                                            else line["kvmclock_step_ns"])
        if abs(step) >= 2 * UNIT_NS:
            wrong.append("reference time stepped %d ns"
                         % line["reference_step_ns"])
        if abs(line["reference_behind_ns"]) >= 2 * UNIT_NS + \
                abs(line["kvmclock_step_ns"]):
            wrong.append("reference time isn't kvmclock, by %d ns"
                         % line["reference_behind_ns"])
        if line["page_stayed"] != self.reenlightened:
            wrong.append("the page %s" % ("stayed" if line["page_stayed"]
                                          else "was made anew"))
        late = line["reference_timer_late_ns"]
        if not line["reference_timer_crossed"]:
            # On a busy machine its time may have come at the source.
            if not line["reference_timer_due"]:
                wrong.append("the timer was over before its time")
        elif late is None or not 0 <= late <= LATE_NS:
            wrong.append("the timer came %s ns late" % late)
        return wrong
