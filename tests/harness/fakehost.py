# SPDX-License-Identifier: GPL-2.0-or-later
"""Fake hosts: programs on this machine's KVM with another host's clocks.

tests/fake-kvm/README.rst tells how. A host is named as in tests/fake-kvm/hosts,
or declared here, as another one with some keys changed."""
import atexit
import functools
import os
import shutil
import tempfile
from collections import namedtuple
from fractions import Fraction

from harness import check
from harness.binaries import Side
from harness.pvclock import MASK64, Record, signed64
from harness.tap import Missing

KHZ = 2596120       # of most hosts

# Of random hosts.
RANDOM_KHZ = (2596120, 2596121, 2596122, 2596380, 2000000, 1999999, 3000000,
              4999999)
STARTS = (0, 1, 10 ** 15, 2 ** 63, 2 ** 64 - 10 ** 13)

# One modelled call: when, on which VM ("vm0") or vCPU ("vm0.1"), which one of
# its name, what came of it (a number or an errno's name), and its values.
Call = namedtuple("Call", "true_ns where name number result values")


def library():
    path = os.path.join(os.environ.get("CLOCKFERRY_BUILD", ""), "tests",
                        "fake-kvm", "libfake-kvm.so")
    if not os.path.exists(path):
        raise Missing("qemu", "the fake hosts aren't built (CLOCKFERRY_BUILD)")
    return path


@functools.lru_cache(None)
def folder():
    """Where this process keeps its hosts, their libraries' links and logs."""
    path = tempfile.mkdtemp(prefix="clockferry-hosts-")
    atexit.register(shutil.rmtree, path, True)
    return path


def path(name):
    """A file there."""
    return os.path.join(folder(), name)


def _link(name):
    return os.path.join(folder(), "libfake-kvm-%s.so" % name)


def declare(name, like, **keys):
    """A host like another one but for these keys (with _ for -).

    Declared once more it changes, also under programs that run there."""
    with open(path("hosts"), "a", encoding="utf-8") as file:
        print("[%s]\nlike = %s" % (name, like), file=file)
        for key, value in keys.items():
            print("%s = %s" % (key.replace("_", "-"), value), file=file)
    return name


def describe(name):
    """What was declared of it, in a line; of others nothing."""
    if not os.path.exists(path("hosts")):
        return ""
    with open(path("hosts"), encoding="utf-8") as file:
        groups = file.read().split("[")
    return next(("[" + ", ".join(group.splitlines()) for group in groups
                 if group.startswith(name + "]")), "")


def random(rng, kind, name, **more):
    """One of which nobody thought, like one of the kinds that are there."""
    keys = {"khz": rng.choice(RANDOM_KHZ + (rng.randrange(800000, 6000000),)),
            "tsc_start": rng.choice(STARTS + (rng.randrange(2 ** 64),)),
            "tolerance_ppm": rng.choice((0, 1, 250, 1000)),
            "late_ns": rng.choice((0, 5, 40, 300))}
    if kind in ("newest", "v6", "hpet-newest"):
        keys["frac_bits"] = rng.choice((32, 48))
    if kind in ("unscaled", "ignoring"):
        # With less QEMU itself makes KVM let TSCs stutter.
        keys["tolerance_ppm"] = 250
    return declare("%s-%s" % (kind, name), kind, **dict(keys, **more))


def preload(name):
    """What LD_PRELOAD has to be on that host."""
    if not os.path.lexists(_link(name)):
        os.symlink(library(), _link(name))
    return _link(name)


def environment(name):
    return dict(os.environ, LD_PRELOAD=preload(name))


def side(name, **kvmclock):
    """The patched QEMU on that host."""
    binary = os.path.join(folder(), "qemu-" + name)
    with open(binary, "w", encoding="utf-8") as script:
        script.write('#!/bin/sh\nLD_PRELOAD=%s exec %s "$@"\n'
                     % (preload(name), check.patched().binary))
    os.chmod(binary, 0o755)
    return Side(name, binary, dict(check.patched().kvmclock, **kvmclock))


def sample(things, count=None):
    """All of them, or about so many, or fewer on wish (CLOCKFERRY_PERCENT)."""
    wanted = check.tries(count or len(things))
    return things[::max(1, len(things) // wanted)]


# -- What happened there --

def parse(line):
    """A line of a log."""
    true_ns, where, name, _, result, *values = line.split()
    name, _, number = name.partition("#")
    values = dict(pair.split("=") for pair in values)
    return Call(int(true_ns), where, name, int(number or 0),
                int(result) if result.lstrip("-").isdigit() else result,
                {key: int(value, 0) for key, value in values.items()})


def log(name, pid):
    """The modelled calls of a program, and first of all the host itself."""
    path = os.path.join(folder(), "%s.%d.log" % (name, pid))
    with open(path, encoding="utf-8") as lines:
        return [parse(line) for line in lines]


class Clocks:
    """What one vCPU's guest sees from a run on: functions of the true time."""

    def __init__(self, host, run):
        self._host = host.values
        self.run = run
        self.values = run.values
        self.record = Record(0, *(run.values[key] for key in (
            "tsc_timestamp", "system_time", "mul", "shift", "flags")))

    def tai_ns(self):
        """What the host's clock says when the true time is 0."""
        return self._host["realtime_base"] + \
            self._host["tai_offset"] * 10 ** 9

    def host_tsc(self, true_ns):
        fast_ns = true_ns * (10 ** 6 + self._host["rate_ppm"])
        return self._host["tsc_base"] + fast_ns * self._host["tsc_khz"] \
            // 10 ** 12 & MASK64

    def frequency(self):
        """Of the guest TSC, in Hz, as the kernel tells it, exactly."""
        return Fraction(self._host["khz"] * 1000 * self.values["ratio"],
                        1 << self._host["frac_bits"])

    def true_hz(self):
        """And really."""
        return self.frequency() * (10 ** 6 + self._host["rate_ppm"]) / 10 ** 6

    def guest_tsc(self, true_ns):
        scaled = self.host_tsc(true_ns) * self.values["ratio"]
        return (scaled >> self._host["frac_bits"]) + self.values["offset"] \
            & MASK64

    def clock_ns(self, true_ns):
        return self.record.at(self.guest_tsc(true_ns))


def clocks(calls, vcpu=0, which=-1):
    """A vCPU's clocks at one of its runs in a log; the last one's usually."""
    host = next(call for call in calls if call.where == "host")
    runs = [call for call in calls if call.name == "KVM_RUN"
            and call.where == "vm0.%d" % vcpu]
    return Clocks(host, runs[which])


def tsc_step(source, destination):
    """Ticks, when the guest runs first on the destination."""
    now = destination.run.true_ns
    return signed64(destination.guest_tsc(now) - source.guest_tsc(now))


def tsc_step_ns(source, destination):
    """The same as a time, by the guest's own frequency."""
    return float(tsc_step(source, destination) * 10 ** 9 / source.frequency())


def clock_step(source, destination):
    """kvmclock's step as a function of the guest TSC, in ns, at the instant
    from which the destination's record counts."""
    tsc = destination.record.tsc_timestamp
    return signed64(destination.record.at(tsc) - source.record.at(tsc))


def time_step(source, destination):
    """kvmclock's step against the true time, then, in ns."""
    now = destination.run.true_ns
    return signed64(destination.clock_ns(now) - source.clock_ns(now))
