# SPDX-License-Identifier: GPL-2.0-or-later
"""What the test guest publishes, read from its QEMU's memory, whoever started
that QEMU."""
import os
import re
import struct
import time
from collections import namedtuple

from harness import layout, vmclock
from harness.pvclock import Record
from harness.wait import LIMIT_S

Slot = namedtuple("Slot", "record seq apic_id tsc copy heartbeat clock_ns "
                          "tsc_warps clock_warps pong flags")


# What the guest's first vCPU read at once; the TSC before and after the others.
Devices = namedtuple("Devices", "pm_ticks hpet_ticks tsc_before tsc_after")


class GuestError(Exception):
    """The guest or its QEMU didn't do what every guest does."""


def parse_slot(data):
    seq, apic_id, tsc = struct.unpack_from("<IIQ", data, layout.SLOT_SEQ)
    heartbeat, clock = struct.unpack_from("<QQ", data, layout.SLOT_HEARTBEAT)
    rest = struct.unpack_from("<IIII", data, layout.SLOT_TSC_WARPS)
    return Slot(Record.parse(data[layout.SLOT_RECORD:]), seq, apic_id, tsc,
                Record.parse(data[layout.SLOT_COPY:]), heartbeat, clock, *rest)


class Published:
    """A guest to look at. What makes one has .qmp, .pid and .vcpus, tells
    why_gone() and last_words(), and calls _open_ram() and _close_ram()."""

    _base = _memory = None

    def _hva(self, address):
        words = self.qmp.execute("human-monitor-command",
                                 {"command-line": "gpa2hva %#x" % address})
        found = re.search(r"is 0x([0-9a-f]+)", words)
        if not found:
            raise GuestError("no guest memory at %#x: %s" % (address, words))
        return int(found.group(1), 16)

    def _find_ram(self):
        self._base = self._hva(0)

    def _open_ram(self):
        """Through /proc, so that the guest has ordinary anonymous memory: with
        shared memory the blackout is ten times as long."""
        self._find_ram()
        self._memory = os.open("/proc/%d/mem" % self.pid,
                               os.O_RDWR | os.O_CLOEXEC)

    def _close_ram(self):
        if self._memory is not None:
            os.close(self._memory)
            self._memory = None

    def running(self):
        return self.qmp.execute("query-status")["status"] == "running"

    def read(self, address, size):
        """Guest memory; zeros if QEMU is gone."""
        try:
            return os.pread(self._memory, size, self._base + address)
        except OSError:
            return bytes(size)

    def write(self, address, data):
        os.pwrite(self._memory, data, self._base + address)

    def _u32(self, address):
        return struct.unpack("<I", self.read(address, 4))[0]

    def slot_address(self, index):
        return layout.SLOTS + index * layout.SLOT_SIZE

    def glance(self, index=0, tries=50):
        """A consistent slot of a running guest, or None if it is busy."""
        start = self.slot_address(index)
        for _ in range(tries):
            data = self.read(start, layout.SLOT_SIZE)
            slot = parse_slot(data)
            if slot.seq % 2 == 0 and slot.record.version % 2 == 0 \
                    and data == self.read(start, layout.SLOT_SIZE):
                return slot
        return None

    def slot(self, index=0):
        """A consistent slot of a running guest."""
        deadline = time.monotonic() + LIMIT_S
        while True:
            slot = self.glance(index)
            if slot:
                return slot
            self._nap(deadline, "the guest never finishes writing")

    def vcpus_up(self):
        if self.read(layout.HEADER, 8) != layout.MAGIC:
            return 0
        return self._u32(layout.HEADER + layout.HDR_VCPUS_UP)

    def heartbeats(self):
        return [struct.unpack("<Q", self.read(
            self.slot_address(index) + layout.SLOT_HEARTBEAT, 8))[0]
                for index in range(self.vcpus)]

    def wrmsr(self, msr, value, index=0):
        """Let vCPU `index` write an MSR, as a guest of its own mind would."""
        at = self.slot_address(index)
        self.write(at + layout.SLOT_MSR_VALUE, struct.pack("<Q", value))
        self._ask(at + layout.SLOT_WRMSR, msr)

    def rdmsr(self, msr, index=0):
        at = self.slot_address(index)
        self._ask(at + layout.SLOT_RDMSR, msr)
        return struct.unpack("<Q", self.read(at + layout.SLOT_MSR_VALUE, 8))[0]

    def devices(self):
        """ACPI PM timer and HPET, read by the first vCPU."""
        self._ask(layout.HEADER + layout.HDR_DEVICES, 1)
        pm, hpet, _, before, after = struct.unpack("<IIIQQ", self.read(
            layout.HEADER + layout.HDR_PM_TICKS, 28))
        return Devices(pm, hpet, before, after)

    def watch_vmclock(self):
        """Let the first vCPU read the vmclock page again and again."""
        self.write(layout.HEADER + layout.HDR_VMCLOCK, struct.pack("<I", 1))

    def vmclock_read(self, where):
        """(TSC, page) as the first vCPU read them: BEFORE or FIRST of this
        disruption marker, or LAST."""
        start = getattr(layout, "VMCLOCK_" + where)
        size = layout.VMCLOCK_READ_SIZE
        data = self.read(start, size)
        while data != self.read(start, size):
            data = self.read(start, size)
        return struct.unpack_from("<Q", data)[0], vmclock.Page.parse(data[8:])

    def vmclock_page(self):
        """The page itself, as the host has it."""
        at = self._hva(layout.VMCLOCK_PAGE)
        while True:
            page, again = (vmclock.Page.parse(os.pread(
                self._memory, layout.VMCLOCK_SIZE, at)) for _ in range(2))
            if page == again and page.seq % 2 == 0:
                return page

    def _ask(self, address, what):
        self.write(address, struct.pack("<I", what))
        deadline = time.monotonic() + LIMIT_S
        while self._u32(address):
            self._nap(deadline, "the guest doesn't do what it is asked (%#x)"
                      % what)

    def calm(self):
        """Let the vCPUs sleep most of the time: with many of them the host
        does nothing else."""
        self.write(layout.HEADER + layout.HDR_CALM, struct.pack("<I", 1))

    def ping(self, number):
        self.write(layout.HEADER + layout.HDR_PING, struct.pack("<I", number))

    def pong(self, index=0):
        return self._u32(self.slot_address(index) + layout.SLOT_PONG)

    def wait_up(self, timeout=LIMIT_S):
        """Until every vCPU is up and its heartbeat counts."""
        deadline = time.monotonic() + timeout
        while self.vcpus_up() != self.vcpus:
            self._nap(deadline, "%d of %d vCPUs came up"
                      % (self.vcpus_up(), self.vcpus))
        self.wait_beating(timeout)

    def reset(self):
        """Reset the machine and wait until the guest is up again."""
        self.qmp.execute("stop")
        self.begin_reset()
        self.qmp.execute("cont")
        self.wait_up()

    def begin_reset(self):
        """Reset the machine; what it published before is void."""
        self.write(layout.HEADER, bytes(16))
        self.qmp.execute("system_reset")

    def wait_beating(self, timeout=LIMIT_S, beats=2):
        """Until every vCPU has published `beats` times from now on."""
        deadline = time.monotonic() + timeout
        before = self.heartbeats()
        while any(now < then + beats
                  for now, then in zip(self.heartbeats(), before)):
            self._nap(deadline, "the guest doesn't count")

    def _nap(self, deadline, complaint):
        gone = self.why_gone()
        if gone or time.monotonic() > deadline:
            raise GuestError("%s; QEMU says: %s"
                             % (gone or complaint, self.last_words()))
        time.sleep(0.0005)
