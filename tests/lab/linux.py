# SPDX-License-Identifier: GPL-2.0-or-later
"""A Linux guest in a lab host, which watches its clocks and timers itself; see
linuxguest.c for what it writes on its console."""
import re
import time

from agent import AgentError
from harness.published import GuestError, Slot
from harness.pvclock import Record
from harness.wait import LIMIT_S
from host import EPOCH_NS
from inner import Inner

COMMAND_LINE = "console=ttyS0 loglevel=4 rdinit=/init panic=-1"
RECORD_SIZE = 32
BEATS_BEFORE, BEATS_AFTER = 8, 6
# How late a timer may be beside the blackout, what others are late, and what
# this machine let the host wait. A guest that has just arrived on an emulated
# host crawls: all of its code is translated anew.
LATE_NS = 50 * 10 ** 6
# How well a guest can read two clocks at once, beside the width it tells.
READ_NS = 2000
BAD = re.compile(r"unstable|skew|lockup|stall|WARNING|BUG|Oops|hung")


class LinuxGuest(Inner):
    """What the test guest publishes in memory is got in other ways: the
    pvclock records' addresses from its console, the TSC at its stop from the
    time at which QEMU says that it stopped it."""

    KERNEL, MEMORY_MB = "/guest", 96

    def __init__(self, host, side, words="", **options):
        self._words = "%s %s" % (COMMAND_LINE, words)
        self._records = None
        self._starved = 0
        super().__init__(host, side, **options)

    def _arguments(self, rom, incoming, kvmclock, extra, accel):
        args = super()._arguments(rom, incoming, kvmclock, extra, accel)
        at = args.index("-bios")
        args[at:at + 2] = ["-kernel", self.KERNEL + ".bzImage",
                           "-initrd", self.KERNEL + ".cpio",
                           "-append", self._words,
                           "-serial", "file:" + self._console,
                           "-trace", "runstate_set"]
        args[args.index("-m") + 1] = str(self.MEMORY_MB)
        return args

    @property
    def _console(self):
        return self.log + ".console"

    def console(self):
        return self.host.agent.text(self._console)

    # -- what the test guest has in its slots --

    def wait_up(self, timeout=LIMIT_S):
        wait_beats(self, BEATS_BEFORE, timeout)

    def wait_beating(self, timeout=LIMIT_S, beats=BEATS_AFTER):
        wait_beats(self, 1, timeout)
        self._starved = self.host.delayed_ns() - self._starved
        wait_beats(self, beats, timeout)

    def succeed(self, source):
        super().succeed(source)
        self._records = source.records
        self._starved = self._starved or self.host.delayed_ns()

    @property
    def records(self):
        """Guest addresses of the pvclock records; told once, at boot."""
        if not self._records:
            found = re.search(r"CF records=(\S+)", self.console())
            self._records = [int(word, 16) for word in found[1].split(",")]
        return self._records

    def steady_slots(self):
        slots = []
        for address in self.records:
            record = self._steady_record(address)
            slots.append(_slot(record, record.tsc_timestamp))
        return slots

    def _steady_record(self, address, tries=100):
        for _ in range(tries):
            record = Record.parse(self.host.agent.ask(
                "steady", self.memory_file, self._base + address, RECORD_SIZE))
            if record.whole:
                return record
        raise GuestError("a pvclock record never comes to rest")

    def slots(self):
        maps, stopped = self.scaling(), self._stopped_ns()
        return [_slot(Record.parse(self.read(address, RECORD_SIZE)),
                      int(maps[vcpu].at(stopped)))
                for vcpu, address in enumerate(self.records)]

    def _stopped_ns(self):
        """The true time just before QEMU stopped it last."""
        stamps = re.findall(r"\d+@(\d+)\.(\d+):runstate_set .*new_state "
                            r"\d+ \(finish-migrate",
                            self.stderr())
        if not stamps:
            raise GuestError("QEMU doesn't tell when it stopped")
        seconds, micros = stamps[-1]
        return (int(seconds) * 10 ** 9 + int(micros) * 1000 - EPOCH_NS
                - self.host.realtime_error().ns)

    # -- what it has seen itself --

    def noted(self, source, clock_map):
        there, here = told(source.console())[3:], told(self.console())
        ticks = here[0]["tsc"] - there[-1]["tsc"]
        step = (here[0]["raw"] - there[-1]["raw"]
                - ticks * 10 ** 6 / clock_map.khz)
        said = re.findall(r"CF said (.*)", source.console() + self.console())
        return {
            "timer_early_ns": min(beat["early"] for beat in there + here),
            "host_starved_ns": self._starved,
            "timer_late_before_ns": max(beat["late"] for beat in there),
            "timer_late_ns": here[0]["late"],
            "timer_late_after_ns": max(beat["late"] for beat in here[1:]),
            "guest_step_ns": round(step),
            "guest_width_ns": there[-1]["width"] + here[0]["width"],
            "guest_saw_back": here[-1]["back"],
            "clocksources": sorted({beat["source"] for beat in there + here}),
            "said": [line.strip() for line in said if BAD.search(line)]}

    def complaints(self, line):
        wrong = []
        if line["guest_saw_back"]:
            wrong.append("the guest saw a clock go back %d times"
                         % line["guest_saw_back"])
        if abs(line["guest_step_ns"]) > READ_NS + line["guest_width_ns"]:
            wrong.append("the guest saw its clock step by %d ns"
                         % line["guest_step_ns"])
        if len(line["clocksources"]) != 1:
            wrong.append("the clocksource changed: %s" % line["clocksources"])
        if line["said"]:
            wrong.append("the guest's kernel says: %s" % line["said"][0])
        if line["timer_early_ns"] < 0:
            wrong.append("a timer fired %d ns early" % -line["timer_early_ns"])
        limit = (LATE_NS + line["blackout_ns"] + line["host_starved_ns"]
                 + max(line["timer_late_before_ns"],
                       line["timer_late_after_ns"]))
        if line["timer_late_ns"] > limit:
            wrong.append("a timer fired %d ns late, the bound is %d"
                         % (line["timer_late_ns"], limit))
        return wrong


def _slot(record, tsc):
    return Slot(record, 0, 0, tsc, record, 0, 0, 0, 0, 0, 0)


def told(text):
    """[{name: value}] of the whole "CF beat" lines; numbers as such."""
    found = []
    for line in re.findall(r"CF (beat=.*source=\S+)\r?\n", text):
        pairs = dict(word.split("=", 1) for word in line.split())
        found.append({name: int(value) if name != "source" else value
                      for name, value in pairs.items()})
    return found


def wait_beats(guest, count, timeout):
    deadline = time.monotonic() + timeout
    while True:
        try:
            text = guest.console()
        except AgentError:          # it isn't there yet
            text = ""
        if len(told(text)) >= count:
            return
        if time.monotonic() > deadline:
            raise GuestError("the Linux guest is silent: %s" % text[-500:])
        time.sleep(0.05)
