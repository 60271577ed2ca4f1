# SPDX-License-Identifier: GPL-2.0-or-later
"""One emulated host: its machine, its agent, and the truth about its clocks.

Its TSC is an exact function of the clock of the machine that emulates it:
    TSC = start + CLOCK_MONOTONIC * kHz / 10^6
so every TSC value that is read inside is a reading of true time."""
import ctypes
import os
import re
import signal
import socket
import subprocess
import time
import uuid
from collections import namedtuple
from fractions import Fraction
from statistics import median

from agent import Agent, AgentError
from harness import emulator
from harness.pvclock import MASK64, signed64
from harness.wait import LIMIT_S

PR_SET_PDEATHSIG = 1
MEMORY_MB = 448
KEXEC_MB = 320          # what it takes to load another kernel
CLOCK_SET_NS = 100
CLOCK_SETTLES_S = 0.3

# Where true time begins in the hosts' CLOCK_REALTIME: any day will do. And TAI
# minus UTC, then.
EPOCH_NS = 1800000000 * 10 ** 9
TAI_S = 37

# What a host is like. `tai` is TAI minus UTC as it is told, `clock_ns` by how
# much its CLOCK_REALTIME is put wrong, `claim_us` how far off its kernel
# believes that to be at most (-1: it isn't synchronised), `fast_ppm` how much
# faster than `khz` its TSC really is, `cpu` more CPU flags, `arguments` more
# words for the kernel's command line. `disks`: it has some, so it can be booted
# anew, by kexec or reset. `emulator`: "qemu", an AMD host, or "bochs", an Intel.
Spec = namedtuple("Spec", "kernel khz start tai clock_ns claim_us fast_ppm cpu "
                          "arguments hpet disks emulator",
                  defaults=("v6", 2500000, 0, TAI_S, 0, -1, 0, "", "", False,
                            False, "qemu"))

# A host's disks: for a guest's memory, for a stream, and what it boots.
RAM_DISK, STREAM_DISK, *BOOT_DISKS = ("/dev/vd" + letter for letter in "abcd")
RAM_DISK_MB, STREAM_DISK_MB = 32, 64

CLOCKSOURCE = ("/sys/devices/system/clocksource/clocksource0/"
               "current_clocksource")


class ClockError(namedtuple("ClockError", "ns half when tai reading_ns")):
    """CLOCK_REALTIME minus true time: ns, known to half a width, at a true
    time; TAI minus UTC as the host knew it then; and how long it usually took
    to read the clock."""

    @property
    def tai_ns(self):
        """The error by TAI: a leap second doesn't change it."""
        return self.ns + (self.tai - TAI_S) * 10 ** 9


class HostError(Exception):
    """A host doesn't do what every host does."""


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Host:
    """Use as a context manager. tests/hosts has others, which boot something
    else."""

    BOOT_LIMIT_S = LIMIT_S

    def __init__(self, name, spec, paths, folder, link):
        self.name, self.spec = name, spec
        # As they are by now: what the TSC was at true time 0, and what the
        # kernel takes its frequency for.
        self.start, self.told_khz = spec.start, spec.khz
        self._paths, self._folder = paths, folder
        self.console = os.path.join(folder, "host-%s.log" % name)
        self._emulator_log = os.path.join(folder, "emulator-%s.log" % name)
        self._address = "10.0.0.%d" % (1 if link.server else 2)
        self._begin(paths, link)

    def _begin(self, paths, link):
        ours, theirs = socket.socketpair()
        with open(self._emulator_log, "wb") as log:
            self._proc = subprocess.Popen(
                self._command(paths, link, theirs.fileno()),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                pass_fds=[theirs.fileno()], preexec_fn=die_with_parent)
        theirs.close()
        self._sock = ours
        self.agent = Agent(ours, self._why_gone)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._proc.kill()
        self._proc.wait()
        self._sock.close()

    def _why_gone(self):
        if self._proc.poll() is None:
            return None
        return "host %s's emulator ended with %d" % (self.name,
                                                     self._proc.returncode)

    def _command_line(self, khz):
        line = ("console=ttyS0 loglevel=5 panic=-1 rdinit=/init "
                "tsc_early_khz=%d pmtmr=0 no_timer_check %s" % (
                    khz, self.spec.arguments))
        return line if "tsc=" in line else line + " tsc=reliable"

    def _boots(self):
        """The files of kernel and initramfs."""
        return self._paths.kernels[self.spec.kernel], self._paths.initramfs

    def _disks(self):
        for number, size_mb in enumerate((RAM_DISK_MB, STREAM_DISK_MB)):
            path = os.path.join(self._folder,
                                "disk-%s%d" % (self.name, number))
            with open(path, "wb") as disk:
                disk.truncate(size_mb << 20)
            yield path, ""
        for path in self._boots():
            yield path, ",readonly=on"

    def _memory_mb(self):
        return MEMORY_MB + KEXEC_MB * self.spec.disks

    def _drives(self):
        """What a host has that can be booted anew, and the others haven't."""
        if not self.spec.disks:
            return ["-no-reboot"]
        return [word for path, more in self._disks() for word in (
            "-drive", "if=virtio,format=raw,file=%s%s" % (path, more))]

    def _command(self, paths, link, fd):
        spec = self.spec
        return [paths.emulator,
                "-machine", "pc,hpet=%s" % ("on" if spec.hpet else "off"),
                "-accel", "tcg,thread=multi", "-smp", "1",
                "-m", str(self._memory_mb()), "-nodefaults", "-display", "none",
                "-uuid", str(uuid.uuid5(uuid.NAMESPACE_DNS, self.name)),
                *self._drives(), "-L", "/usr/share/seabios",
                "-L", "/usr/share/qemu",
                "-cpu", emulator.cpu(self.khz, spec.start, spec.cpu),
                "-kernel", self._boots()[0], "-initrd", self._boots()[1],
                "-append", self._command_line(spec.khz),
                "-serial", "file:" + self.console,
                "-chardev", "socket,id=agent,fd=%d" % fd,
                "-serial", "chardev:agent",
                "-netdev", link.argument, "-device",
                "virtio-net-pci,netdev=net,romfile=,mac=52:54:00:00:00:0%d"
                % (1 if link.server else 2)]

    def wait_up(self):
        """Boot, network, right time."""
        try:
            self.agent.wait_ready(self.BOOT_LIMIT_S)
        except (TimeoutError, AgentError) as error:
            raise HostError("host %s doesn't boot: %s; %s" % (
                self.name, error, self.last_words())) from error
        self._set_up()

    def _set_up(self):
        self.agent.ask("net", "lo", "127.0.0.1")
        self.agent.ask("net", "eth0", self._address)
        # What keeps a clock right that is computed from such a TSC.
        self.agent.ask("rate", round((self.told_khz / self.khz - 1)
                                     * 10 ** 6 * 65536))
        self._wait_clocksource()
        self.set_clock()

    def kexec(self, khz):
        """Another kernel, which takes the TSC for one of this frequency."""
        files = "/run/kernel", "/run/initramfs"
        for disk, path, file in zip(BOOT_DISKS, self._boots(), files):
            self.agent.ask("copy", disk, file, os.path.getsize(path))
        self.agent.restart("kexec", *files,
                           data=self._command_line(khz).encode())
        self.told_khz = khz
        self._set_up()

    def reset(self):
        """The machine begins anew, and so does its TSC."""
        self.agent.restart("reset")
        with open(self._emulator_log, encoding="utf-8") as log:
            self.start = signed64(int(re.findall(r"x-tsc-start is (\d+)",
                                                 log.read())[-1]))
        self.told_khz = self.spec.khz
        self._set_up()

    def _wait_clocksource(self):
        """Not one that the kernel only starts with."""
        deadline = time.monotonic() + LIMIT_S
        while self.agent.text(CLOCKSOURCE) in ("tsc-early", "jiffies"):
            if time.monotonic() > deadline:
                raise HostError("host %s keeps a provisional clocksource"
                                % self.name)
            time.sleep(0.05)

    def last_words(self):
        try:
            with open(self.console, encoding="utf-8", errors="replace") as log:
                return log.read()[-500:]
        except OSError:
            return ""

    @property
    def uri(self):
        return "tcp:%s:4444" % self._address

    def delayed_ns(self):
        """How long this machine has let the emulator's threads wait for a CPU,
        all together."""
        total = 0
        folder = "/proc/%d/task" % self._proc.pid
        for thread in os.listdir(folder):
            with open("%s/%s/schedstat" % (folder, thread),
                      encoding="ascii") as stat:
                total += int(stat.read().split()[1])
        return total

    @property
    def khz(self):
        """The frequency at which its TSC really runs."""
        return self.spec.khz * (10 ** 6 + self.spec.fast_ppm) // 10 ** 6

    @property
    def changed(self):
        """It was booted anew, and isn't what was asked for."""
        return (self.start, self.told_khz) != (self.spec.start, self.spec.khz)

    @property
    def tsc(self):
        """Two hosts, before and after, for which it is equal have one TSC."""
        return self.name, self.start

    @property
    def unstable(self):
        return "tsc=unstable" in self.spec.arguments

    def sent_bytes(self):
        """What has gone out by any network so far, with all headers."""
        return sum(int(self.agent.text(path)) for path in self.agent.glob(
            "/sys/class/net/*/statistics/tx_bytes"))

    # -- truth --

    def true_ns(self, tsc):
        """The machine's CLOCK_MONOTONIC when this host's TSC was this."""
        return Fraction((tsc - self.start) * 10 ** 6, self.khz)

    def ns(self, ticks):
        return ticks * 10 ** 6 / self.khz

    def now_ns(self):
        """True time, by a look at this host's TSC."""
        return self.true_ns(self.agent.clocks(1)[0][0])

    def tsc_at(self, true_ns):
        return self.start + true_ns * self.khz / 10 ** 6

    def realtime_error(self, samples=1000):
        """CLOCK_REALTIME minus true time.

        Each sample bounds it from both sides by the TSC before and after;
        all together bound it narrowly."""
        low, high, took, after, tai = [], [], [], 0, 0
        for before, real, after, tai in self.agent.clocks(samples):
            tai = round((tai - real) / 10 ** 9)
            took.append(self.ns(after - before))
            real -= EPOCH_NS
            low.append(real - self.true_ns(after))
            high.append(real + 1 - self.true_ns(before))
        best = max(low), min(high)
        if best[0] > best[1]:       # it was slewed meanwhile
            best = min(zip(low, high), key=lambda pair: pair[1] - pair[0])
        return ClockError(float(sum(best) / 2),
                          float((best[1] - best[0]) / 2), self.true_ns(after),
                          tai, median(took))

    def set_clock(self):
        """CLOCK_REALTIME to true time, plus what the scenario wants.

        A young kernel may yet move its clock by some us, for reasons of its
        own: so it must have been right for a while."""
        self.agent.ask("tai", self.spec.tai)
        right_since = None
        while right_since is None or \
                time.monotonic() - right_since < CLOCK_SETTLES_S:
            wrong = self.spec.clock_ns - self.realtime_error(100).ns
            if abs(wrong) > CLOCK_SET_NS:
                right_since = None
                self.agent.ask("step", round(wrong))
            else:
                right_since = right_since or time.monotonic()
        self.agent.ask("claim", self.spec.claim_us)     # a step unsays it

    def join(self, true_ns):
        """Wait until it is so late here."""
        time.sleep(max(0, true_ns - time.monotonic_ns()) / 10 ** 9)

    def scaling(self, pid):
        """{vCPU: TscMap} of a QEMU, by KVM's debugfs."""
        maps = {}
        folder = "/sys/kernel/debug/kvm/%d-*/vcpu*" % pid
        for path in self.agent.glob(folder + "/tsc-offset"):
            vcpu = int(re.search(r"vcpu(\d+)/", path).group(1))
            ratio = path.replace("tsc-offset", "tsc-scaling-ratio")
            bits = path.replace("tsc-offset", "tsc-scaling-ratio-frac-bits")
            scales = self.agent.glob(ratio)
            maps[vcpu] = TscMap(
                self, int(self.agent.text(path)) & MASK64,
                int(self.agent.text(ratio)) if scales else 1 << 32,
                int(self.agent.text(bits)) if scales else 32)
        return maps


class TscMap(namedtuple("TscMap", "host offset ratio frac_bits")):
    """A vCPU's TSC as a function of its host's: exact, modulo 2^64."""

    @property
    def factor(self):
        return Fraction(self.ratio, 1 << self.frac_bits)

    @property
    def khz(self):
        """The frequency at which the guest's TSC really runs."""
        return self.host.khz * self.factor

    @property
    def told_khz(self):
        """What it is by what the host's kernel tells."""
        return self.host.told_khz * self.factor

    def at(self, true_ns):
        """The guest's TSC at a true time, not rounded, not wrapped."""
        offset = self.offset - (1 << 64) * (self.offset >> 63)
        return self.host.tsc_at(true_ns) * self.factor + offset

    def when(self, tsc):
        """The true time at which the guest's TSC was this."""
        offset = self.offset - (1 << 64) * (self.offset >> 63)
        return self.host.true_ns((tsc - offset) / self.factor)


class Link(namedtuple("Link", "path server")):
    """One end of the wire between two hosts."""

    @property
    def argument(self):
        return ("stream,id=net,addr.type=unix,addr.path=%s,server=%s" % (
            self.path, "on" if self.server else "off,reconnect-ms=50"))
