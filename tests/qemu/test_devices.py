# SPDX-License-Identifier: GPL-2.0-or-later
"""ACPI PM timer and HPET, which QEMU emulates, tell the TSC's story.

Each comparison is of two intervals: as the guest's TSC saw it, and as these
timers did."""
import os
import tempfile
import time

import modes
import stages
from harness import fakehost, measure, migrate
from harness.binaries import keeps_tsc_offsets, start
from harness.check import patched
from harness.migrate import (arrive, arrive_late, go, incoming, load,
                             wait_loaded, wait_running)
from harness.registers import Registers
from harness.tap import note
from snapshot import add_disk, monitor
from test_ahead import ahead

PM_HZ, PM_BITS = 3579545, 24        # it wraps after 4.7 s
HPET_HZ, HPET_BITS = 10 ** 8, 32    # after 43 s
LONG_S = 1.2
APART_NS = 5000000      # beside what reading them took; a busy host adds some
CLOSE_NS = 50000        # what one of some moves has to keep to on any host


def read(guest, tries=20):
    """Read within the shortest time of some tries."""
    return min((guest.devices() for _ in range(tries)),
               key=lambda seen: seen.tsc_after - seen.tsc_before)


def apart_ns(first, last, hz, bits, tsc_ns):
    """How far a timer's interval is from what the TSC says it is."""
    wrap_ns = 10 ** 9 * 2 ** bits / hz
    timer_ns = (last - first) % 2 ** bits * 10 ** 9 / hz
    return (timer_ns - tsc_ns + wrap_ns / 2) % wrap_ns - wrap_ns / 2


def assert_agree(before, after, khz, what, unseen_ns=0):
    """unseen_ns: by so much the TSC isn't what the guest reads."""
    early, late = (seen.tsc_after - seen.tsc_before for seen in (before, after))
    took_ns = (early + late) * 10 ** 6 / khz
    tsc_ns = (after.tsc_before - before.tsc_before) * 10 ** 6 / khz + unseen_ns
    found = [apart_ns(before.pm_ticks, after.pm_ticks, PM_HZ, PM_BITS, tsc_ns),
             apart_ns(before.hpet_ticks, after.hpet_ticks, HPET_HZ, HPET_BITS,
                      tsc_ns)]
    note("%s: %.3f s by the TSC, PM timer %+.3f ms, HPET %+.3f ms, read "
         "within %.3f ms" % (what, tsc_ns / 1e9, found[0] / 1e6,
                             found[1] / 1e6, took_ns / 1e6))
    worst_ns = max(0, max(abs(ns) for ns in found) - took_ns)
    assert worst_ns < APART_NS, \
        "%s: PM timer and HPET are %s ns from the TSC" % (what, found)
    return worst_ns


def watched(guest, action, what):
    """Do they agree after something that was done to a guest in its place?"""
    khz = measure.host_khz(guest)
    before = read(guest)
    action(guest)
    guest.wait_beating()
    assert_agree(before, read(guest), khz, what)


def test_they_do():
    """In a guest that nobody touches they agree."""
    with start(patched()) as guest:
        guest.wait_up()
        watched(guest, lambda _: time.sleep(LONG_S), "untouched")


def test_modes():
    """They agree after each way to move a guest."""
    for name, mode in modes.MODES.items():
        with tempfile.TemporaryDirectory(prefix="clockferry-") as folder:
            ram = modes.memory(mode, folder)
            with start(patched(), extra=ram) as source:
                source.wait_up()
                khz = measure.host_khz(source)
                before = read(source)
                _, destination = mode.move(source, patched(), extra=ram)
                with destination:
                    assert_agree(before, read(destination), khz, name)


def late(source, paused):
    """Moved to a QEMU that waits before it lets the guest run."""
    khz = measure.host_khz(source)
    before = read(source)
    if paused:
        migrate.pause(source)
    destination, uri = incoming(patched(), extra=["-S"])
    with destination:
        assert go(source, uri)["status"] == "completed"
        arrive_late(destination, LONG_S)
        after = read(destination)
        assert_agree(before, after, khz, "paused" if paused else "late")
    return (after.tsc_before - before.tsc_before) * 10 ** 6 / khz


def test_long():
    """They count a long blackout as the TSC does."""
    with start(patched()) as source:
        source.wait_up()
        assert late(source, paused=False) > LONG_S * 10 ** 9


def test_paused():
    """A pause counts for all of them or for none."""
    with start(patched()) as source:
        source.wait_up()
        counted_ns = late(source, paused=True)
        assert (counted_ns < LONG_S * 10 ** 9) == keeps_tsc_offsets()


def cancelled(source):
    with stages.switchover(source) as destination:
        time.sleep(LONG_S)
        stages.cancel(source, stages.switchover, destination)
        wait_running(source)


def pause(guest):
    guest.qmp.execute("stop")
    time.sleep(LONG_S)
    guest.qmp.execute("cont")


def test_cancelled():
    """A migration that is cancelled late leaves them together."""
    with start(patched()) as source:
        source.wait_up()
        watched(source, cancelled, "cancelled")


def test_stop_cont():
    """stop and cont, too, and again after a move."""
    with start(patched()) as source:
        source.wait_up()
        watched(source, pause, "stop, cont")
        destination, uri = incoming(patched())
        with destination:
            assert go(source, uri)["status"] == "completed"
            arrive(destination)
            watched(destination, pause, "stop, cont there")


def test_savevm():
    """savevm leaves them together; after loadvm they count on."""
    with start(patched()) as guest:
        add_disk(guest)
        guest.wait_up()
        khz = measure.host_khz(guest)
        watched(guest, lambda _: monitor(guest, "savevm here"), "savevm")
        before = read(guest)
        monitor(guest, "savevm here")
        guest.qmp.execute("stop")
        monitor(guest, "loadvm here")
        time.sleep(LONG_S)
        guest.qmp.execute("cont")
        guest.wait_beating()
        assert_agree(before, read(guest), khz, "loadvm")


def frozen(khz):
    """Between hosts that can freeze a TSC; how far apart they are then."""
    with start(fakehost.side("newest", blackout="freeze")) as source:
        source.wait_up()
        before = read(source)
        destination, uri = incoming(fakehost.side("newest-amd"),
                                    kvmclock={"blackout": "freeze"},
                                    extra=["-S"])
        with destination:
            assert go(source, uri)["status"] == "completed"
            arrive_late(destination, LONG_S)
            after = read(destination)
            there = fakehost.clocks(fakehost.log("newest", source.pid))
            here = fakehost.clocks(fakehost.log("newest-amd", destination.pid),
                                   which=0)
            stood_ns = -fakehost.tsc_step_ns(there, here)
            assert stood_ns > LONG_S * 10 ** 9
            return assert_agree(before, after, khz, "frozen", -stood_ns)


def test_freeze():
    """Where the blackout doesn't count, it doesn't for any of them."""
    with start(patched()) as guest:
        guest.wait_up()
        khz = measure.host_khz(guest)       # of this machine
    assert min(frozen(khz) for _ in range(3)) < CLOSE_NS


# -- Timers that were due while the guest was away --

AWAY_S = 540                        # less than the blackout-limit
# Of the HPET, and its first timer's: periodic, with the comparator set to 1.
OFF, ON = "writeq 0xfed00010 0", "writeq 0xfed00010 1"
TIMER = "writeq 0xfed00100 0x48", "writeq 0xfed00108 1"
COUNTER = "writeq 0xfed000f0 %#x"
# The PIT's first channel as a divider by 16.
PIT = "outb 0x43 0x34", "outb 0x40 16", "outb 0x40 0"


def write_registers(guest, *lines):
    with Registers(guest) as registers:
        for line in lines:
            registers.ask(line)


def load_effort_s(side, *lines):
    """The processor's time that it costs QEMU to load a guest that was away
    for long, until that runs and QEMU answers."""
    split = ["-machine", "kernel-irqchip=split"]    # the PIT is QEMU's
    with start(fakehost.side("newest"), extra=split) as source:
        source.wait_up()
        write_registers(source, *lines)
        uri = "file:" + source.path("stream")
        assert go(source, uri)["status"] == "completed"
        with load(side, uri, extra=split) as destination:
            assert wait_loaded(destination), destination.stderr()
            arrive(destination)
            elapsed_ns = measure.own_report(destination)["elapsed-ns"]
            assert elapsed_ns > AWAY_S * 10 ** 9, elapsed_ns
            return effort_s(destination.pid)


def effort_s(pid):
    with open("/proc/%d/stat" % pid, encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def test_short_periods():
    """Periods that HPET and PIT missed, millions of them, cost no time."""
    side = ahead(AWAY_S)
    without, hpet, pit = (load_effort_s(side, *lines) for lines in (
        [], [OFF, COUNTER % 0, *TIMER, ON], PIT))
    note("QEMU worked %.2f s with the HPET, %.2f s with the PIT, %.2f s "
         "without" % (hpet, pit, without))
    assert max(hpet, pit) < 100 * without, (hpet, pit, without)


def test_counter_ahead():
    """Nor does a comparator that the guest left far behind the counter."""
    with start(patched()) as guest:
        guest.wait_up()
        write_registers(guest, OFF, *TIMER, COUNTER % 2 ** 56, ON)
        for _ in range(10):
            guest.qmp.execute("query-status")
