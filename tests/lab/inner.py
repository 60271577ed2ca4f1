# SPDX-License-Identifier: GPL-2.0-or-later
"""A QEMU with the test guest inside a lab host: harness.guest's Guest, started
and read through the host's agent."""
import itertools
import re
import shutil
import socket
import time

from agent import AgentError, Process, Stream
from harness import layout
from harness.guest import Guest, GuestError
from harness.published import parse_slot
from harness.qmp import Qmp, QmpClosed
from harness.wait import LIMIT_S
from host import EPOCH_NS

_numbers = itertools.count()
TRACES = "kvmclock_*"


class Inner(Guest):
    """`side` is "patched" or "stock"; what it writes is kept in its log."""

    def __init__(self, host, side, rom="guest", **options):
        self.host, self.side, self.rom = host, side, rom
        self.log = "/run/qemu%d" % next(_numbers)
        environment = {"LD_LIBRARY_PATH": "/lib/x86_64-linux-gnu"}
        environment.update(options.pop("environment", {}))
        self._environment = environment
        super().__init__("/bin/qemu-" + side, "/%s.rom" % rom, **options)

    def succeed(self, source):
        """Take over what is known of the guest that it takes over."""
        self.vcpus = source.vcpus

    # -- what differs from a QEMU on this machine --

    def _arguments(self, rom, incoming, kvmclock, extra, accel):
        args = super()._arguments(rom, incoming, kvmclock, extra, accel)
        if self.side == "patched":
            args += ["-trace", TRACES]
        return args + ["-L", "/firmware", "-msg", "timestamp=on"]

    def _start(self, command):
        monitor = self.log + ".qmp"
        command = command[:1] + ["-qmp", "unix:%s,server=on,wait=off"
                                 % monitor] + command[1:]
        self._proc = Process(self.host.agent, self.host.agent.spawn(
            self.log, command, self._environment))
        stream = self._connect(monitor)
        self._sockets = [stream]
        try:
            self.qmp = Qmp(stream)
        except (QmpClosed, TimeoutError) as error:
            raise GuestError("QEMU didn't start: %s"
                             % self.stderr()) from error

    def _connect(self, path):
        deadline = time.monotonic() + LIMIT_S
        while True:
            try:
                return Stream(self.host.agent, path)
            except AgentError:
                self._nap(deadline, "QEMU opens no monitor")

    def _open_ram(self):
        self._find_ram()
        self._memory = None

    @property
    def memory_file(self):
        return "/proc/%d/mem" % self.pid

    def read(self, address, size):
        try:
            return self.host.agent.read(self.memory_file,
                                        self._base + address, size)
        except AgentError:
            return bytes(size)

    def write(self, address, data):
        self.host.agent.ask("put", self.memory_file, self._base + address,
                            data=data)

    def glance(self, index=0, tries=20):
        for _ in range(tries):
            try:
                slot = parse_slot(self.host.agent.ask(
                    "steady", self.memory_file,
                    self._base + self.slot_address(index), layout.SLOT_SIZE))
            except AgentError:
                return None
            if slot.seq % 2 == 0 and slot.record.version % 2 == 0:
                return slot
        return None

    def stderr(self):
        try:
            return self.host.agent.text(self.log)
        except (AgentError, TimeoutError):
            return ""

    def close(self):
        try:
            super().close()
        except (AgentError, TimeoutError, OSError, socket.error):
            shutil.rmtree(self.dir, ignore_errors=True)

    # -- what some guests can tell of their way here --

    def noted(self, source, clock_map):
        """More fields of the line; clock_map is the source's of vCPU 0."""
        return {}

    def complaints(self, line):
        """What is wrong with these fields, as sentences."""
        return []

    # -- what is asked here only --

    def slots(self):
        """All slots, as they lie in memory; of a stopped guest."""
        data = self.read(layout.SLOTS, self.vcpus * layout.SLOT_SIZE)
        return [parse_slot(data[at:at + layout.SLOT_SIZE])
                for at in range(0, len(data), layout.SLOT_SIZE)]

    def steady_slots(self):
        """All slots of a guest that may be running."""
        return [self.slot(index) for index in range(self.vcpus)]

    def scaling(self):
        return self.host.scaling(self.pid)

    def state(self):
        """QEMU's run state, or None when it is gone."""
        try:
            return self.qmp.execute("query-status")["status"]
        except (QmpClosed, TimeoutError, AgentError):
            return None

    def event_ns(self, name):
        """The true time of the last QMP event of this name."""
        self.qmp.event_names()
        stamp = [event["timestamp"] for event in self.qmp.events
                 if event["event"] == name][-1]
        return (stamp["seconds"] * 10 ** 9 + stamp["microseconds"] * 1000
                - EPOCH_NS - self.host.realtime_error().ns)

    def trace(self, name):
        """The texts of one trace event, in order."""
        return re.findall(r"kvmclock_%s (.*)$" % name, self.stderr(), re.M)

    def sample(self, name, count, interval_us):
        """Record vCPU 0's slot over and over, into a file in the host."""
        path = "%s.%s" % (self.log, name)
        pid = self.host.agent.number(
            "sample", self.pid, self._base + self.slot_address(0),
            layout.SLOT_SIZE, count, interval_us, path)
        return Process(self.host.agent, pid), path

    def samples(self, path):
        data = self.host.agent.read_all(path)
        size = layout.SLOT_SIZE
        return [parse_slot(data[at:at + size])
                for at in range(0, len(data) - size + 1, size)]
