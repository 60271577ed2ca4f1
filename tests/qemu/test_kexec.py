# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest that is saved by cpr-reboot while its host gets another kernel.

The kernel after a kexec has another boot id and takes the TSC, which ran on,
for one of another frequency."""
import contextlib
import tempfile
import time

import modes
from harness import fakehost, measure
from harness.binaries import start

UUID = "5a1c1d4e-0d6b-4b1a-9c55-3f0b7c2d9e10"
KHZ = fakehost.KHZ


def kexeced(name, like="newest", **keys):
    """A host's name before and after."""
    before = fakehost.declare(name + "-before", like, machine=UUID)
    after = fakehost.declare(name + "-after", before, **{
        "khz": KHZ + 3, "tsc_khz": KHZ, **keys})
    return before, after


def young_start(seconds):
    """Where a TSC began that was reset so long ago, modulo 2^64."""
    age_ns = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW) - \
        int(seconds * 10 ** 9)
    return 2 ** 64 - age_ns * KHZ // 10 ** 6


class Crossed:
    """One that arrived: its report, QEMU's words, its clocks by the model."""

    def __init__(self, names, pid, destination):
        self.report = measure.own_report(destination)
        self.words = destination.stderr()
        self._logs = [fakehost.log(*pair) for pair in
                      zip(names, (pid, destination.pid))]

    def clocks(self, vcpu):
        return (fakehost.clocks(self._logs[0], vcpu),
                fakehost.clocks(self._logs[1], vcpu, which=0))

    def ticks(self, vcpu=0):
        return fakehost.tsc_step(*self.clocks(vcpu))

    def assert_continued(self, rung, tsc="copied"):
        """As on one host: not a tick, and kvmclock from where it was."""
        report = self.report
        assert report["same-host"] and report["elapsed-from"] == "tsc", report
        assert report["kexec-ppt"] == -(3 * 10 ** 12 // (KHZ + 3) + 1), report
        assert report["tsc"] == tsc and report["rung"] == rung, report
        assert abs(fakehost.clock_step(*self.clocks(0))) <= 3, report
        assert "kexec'ed host" in self.words, self.words
        assert "all the same" not in self.words, self.words

    def assert_stranger(self, *words):
        """By the hosts' clocks, and a bound that holds."""
        report = self.report
        assert not report["same-host"] and "kexec-ppt" not in report, report
        assert report["tsc"] == "computed", report
        assert report["elapsed-from"] == "tai", report
        for word in ("nothing proves that the TSC ran on", *words):
            assert word in self.words, self.words
        step_ns = abs(fakehost.tsc_step_ns(*self.clocks(0)))
        assert step_ns <= report.get("time-bound-ns", 1 << 63), report


@contextlib.contextmanager
def saved(before, vcpus=1, **kvmclock):
    """A guest there; what brings it to another host."""
    mode = modes.MODES["cpr-reboot"]
    with tempfile.TemporaryDirectory(prefix="clockferry-") as folder, \
            contextlib.ExitStack() as stack:
        ram = modes.memory(mode, folder)
        source = stack.enter_context(start(
            fakehost.side(before, **kvmclock), vcpus=vcpus, extra=ram))
        source.wait_up()
        pid = source.pid

        def to(after, **kvmclock):
            _, destination = mode.move(
                source, fakehost.side(after, **kvmclock), extra=ram)
            stack.enter_context(destination)
            return Crossed((before, after), pid, destination)
        yield to


def cross(names, vcpus=1, **kvmclock):
    with saved(names[0], vcpus) as to:
        return to(names[1], **kvmclock)


def test_copied():
    """Offsets and ratio bit for bit: 0 ticks, on every vCPU."""
    crossed = cross(kexeced("copied"), vcpus=2, policy="strict")
    crossed.assert_continued("reanchored")
    assert [crossed.ticks(0), crossed.ticks(1)] == [0, 0]
    assert crossed.report["rate-error-ppt"] == 0, crossed.report
    # as if it was a stranger that is alike, and no more
    assert 0 < crossed.report["time-bound-ns"] < 10 ** 8, crossed.report


def test_released():
    """The same with kernels of today."""
    crossed = cross(kexeced("kexec-released", "released"))
    crossed.assert_continued("closed-loop")
    assert crossed.ticks() == 0


def test_unscaled():
    """And with CPUs that can't scale, whichever frequency is higher."""
    crossed = cross(kexeced("kexec-unscaled", "unscaled"))
    crossed.assert_continued("closed-loop")
    assert crossed.ticks() == 0


def test_intolerant():
    """A kernel that would scale by 3 kHz is kept from it."""
    crossed = cross(kexeced("intolerant", tolerance_ppm=0))
    crossed.assert_continued("reanchored")
    assert crossed.ticks() == 0


def test_clone():
    """A machine that is alike to 20 us: the bound has room for that."""
    far = KHZ * 20 // 1000
    crossed = cross(kexeced("clone", tsc_start=10 ** 15 + far))
    crossed.assert_continued("reanchored")
    assert crossed.ticks() == far
    assert crossed.report["time-bound-ns"] > 20000


def test_reset():
    """The machine was reset: its TSC is younger than the time that passed."""
    crossed = cross(kexeced("reset", tsc_start=young_start(0)))
    crossed.assert_stranger("its TSC was reset")


def test_unsynchronised():
    """Without real time nothing is proven."""
    crossed = cross(kexeced("adrift", synchronised="false"))
    crossed.assert_stranger("synchronise it")


def test_unreadable():
    """QEMU isn't root, there or here."""
    names = kexeced("unreadable", machine="")
    cross(names).assert_stranger("QEMU can't read /sys/class/dmi")
    cross((names[1], names[0])).assert_stranger("couldn't read /sys/class/dmi")


def test_rights_given_up():
    """QEMU was root when it started (-run-with user=): it has asked by then."""
    names = kexeced("rights", machine=UUID)
    with saved(names[0]) as to:
        fakehost.declare(names[0], "newest", machine="")
        to(names[1]).assert_continued("reanchored")


def test_other_machine():
    """Another one, however alike the TSCs are."""
    names = kexeced("elsewhere", machine=UUID.replace("5", "6"))
    cross(names).assert_stranger("another machine")


def test_exact():
    """require=exact can't be had of another kernel, and QEMU says so."""
    crossed = cross(kexeced("exact"), require="exact")
    assert crossed.report["kexec-ppt"] and crossed.ticks() == 0
    assert "no better than 'reanchored'" in crossed.words, crossed.words


def test_former_format():
    """x-exchange=off leaves out which machine it was."""
    names = kexeced("former")
    with saved(names[0], **{"x-exchange": "off"}) as to:
        to(names[1]).assert_stranger("couldn't read")
