# SPDX-License-Identifier: GPL-2.0-or-later
"""Loads streams that may be wrong into real QEMUs, and judges what becomes of
the guest's clocks, by the truth and not by QEMU's word.

The truth is what the fake hosts' models say of the guest's runs; on this
machine's own KVM, what the guest publishes."""
import contextlib
import os
import re
import socket
import threading
import time
from collections import namedtuple

import snapshot
from harness import fakehost, stream
from harness.binaries import start
from harness.check import crashed, patched
from harness.guest import GuestError
from harness.migrate import go, wait_loaded
from harness.process import folder, rss_kb
from harness.pvclock import signed64
from harness.qmp import QmpClosed, QmpError

SMALL = ["-m", "1", "-machine", "hpet=off,acpi=off"]    # what is loaded fast
LAX = {"policy": "lax"}
TAG = "container"
SECOND_NS = 10 ** 9
SILENT_NS = 11 * SECOND_NS // 10    # a second, and 0.1 % of what isn't old
LIMIT_NS = 600 * SECOND_NS      # blackout-limit
# More than any stream needs; the sanitizers keep what was freed for a while.
GROWTH_KB = (512 if os.environ.get("CLOCKFERRY_FLAVOUR") == "asan" else 32) << 10
SLOWER = 100                    # times as much CPU as a good stream: a hang
AT_LEAST_NS = 50 * 10 ** 6      # and this much, for a good one needs very little

# What became of a stream. how: "runs", "refused", "crashed", "hangs" or "dead";
# told: QEMU's report, None if there was none; not_carried: the event was sent;
# errors_ns: (kvmclock, TSC) of each vCPU against the truth; passed_ns: since
# the guest stopped, by the truth.
Outcome = namedtuple("Outcome", "how words told not_carried errors_ns "
                                "passed_ns cpu_ns rss_kb",
                     defaults=(None, False, (), 0, 0, 0))


def side_of(host):
    """The patched QEMU on a fake host; None: on this machine's own KVM."""
    return fakehost.side(host, **LAX) if host else \
        patched()._replace(kvmclock=dict(patched().kvmclock, **LAX))


def cpu_ns(pid):
    """What its main thread, which loads streams, has used."""
    with open("/proc/%d/schedstat" % pid, encoding="ascii") as file:
        return int(file.read().split()[0])


class Log:
    """What the model of a fake host says, read once: the last run of each
    vCPU, and when the clock was read last."""

    def __init__(self, host, pid):
        self._path = os.path.join(fakehost.folder(), "%s.%d.log" % (host, pid))
        self._at = 0
        self._host = None
        self.runs = {}
        self.read_ns = None

    def look(self):
        with open(self._path, encoding="utf-8") as file:
            file.seek(self._at)
            for line in file:
                self._take(line)
            self._at = file.tell()
        return self

    def _take(self, line):
        where, name = line.split(None, 3)[1:3]
        if where == "host":
            self._host = fakehost.parse(line)
        elif where.startswith("vm0.") and name.startswith("KVM_RUN#"):
            self.runs[int(where[4:])] = line
        elif where == "vm0" and name.startswith("KVM_GET_CLOCK#"):
            self.read_ns = int(line.split()[0])

    def clocks(self, vcpu):
        return fakehost.Clocks(self._host, fakehost.parse(self.runs[vcpu]))


class Published:
    """On this machine's own KVM: what one vCPU's guest says at an instant."""

    def __init__(self, guest, vcpu):
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
        slot = guest.slot(vcpu)
        self.true_ns = (before + time.clock_gettime_ns(
            time.CLOCK_MONOTONIC_RAW)) // 2
        self.record, self.tsc, self.ns = slot.record, slot.tsc, slot.clock_ns

    def guest_tsc(self, true_ns):
        return self.tsc + self.record.ns_to_ticks(true_ns - self.true_ns)

    def clock_ns(self, true_ns):
        return self.ns + true_ns - self.true_ns

    def frequency(self):
        return self.record.ns_to_ticks(SECOND_NS)


class Taken:
    """Takes a stream and does as if it was accepted: each PING is answered."""

    PING = re.compile(rb"\x08\x00\x02\x00\x04(....)", re.S)
    PONG = b"\x00\x02\x00\x04"

    def __init__(self, listener):
        self._listener = listener
        self._data = b""
        self._thread = threading.Thread(target=self._take, daemon=True)
        self._thread.start()

    def _take(self):
        answered = 0
        source, _ = self._listener.accept()
        with source:
            while data := source.recv(1 << 16):
                self._data += data
                for ping in self.PING.finditer(self._data, answered):
                    source.sendall(self.PONG + ping.group(1))
                    answered = ping.end()

    def wait(self):
        self._thread.join()
        return self._data


def saved(host, vcpus):
    """(stream, truth) of a new guest that is saved to a file. It doesn't stay:
    its vCPUs would take the CPU from all that is loaded."""
    with _running(host, vcpus) as guest:
        path = guest.path("stream")

        def read():
            with open(path, "rb") as file:
                return file.read()

        return _moved(guest, host, "file:" + path, read)


def sent(host, vcpus):
    """The same, as it is sent over a socket."""
    with _running(host, vcpus) as guest, \
            socket.socket(socket.AF_UNIX) as listener:
        listener.bind(guest.path("line"))
        listener.listen()
        return _moved(guest, host, "unix:" + guest.path("line"),
                      Taken(listener).wait)


@contextlib.contextmanager
def _running(host, vcpus):
    with start(side_of(host), vcpus=vcpus, extra=SMALL) as guest:
        guest.wait_up()
        yield guest


def _moved(guest, host, uri, read):
    vcpus = range(guest.vcpus)
    now = not host and [Published(guest, vcpu) for vcpu in vcpus]
    info = go(guest, uri)
    assert info["status"] == "completed", info
    if now:
        return read(), Truth(now, now[0].true_ns)
    log = Log(host, guest.pid).look()
    return read(), Truth([log.clocks(vcpu) for vcpu in vcpus], log.read_ns)


class Truth(namedtuple("Truth", "clocks stopped_ns")):
    """A guest's clocks as they would be had it never moved."""

    def errors_ns(self, now, vcpu, true_ns):
        """How far kvmclock and TSC of a vCPU are from it at a true time."""
        then = self.clocks[vcpu]
        ticks = signed64(int(now.guest_tsc(true_ns)) -
                         int(then.guest_tsc(true_ns)))
        return (signed64(now.clock_ns(true_ns) - then.clock_ns(true_ns)),
                int(ticks * SECOND_NS / then.frequency()))


class Loader:
    """One QEMU that takes one stream after the other, as a snapshot whose
    content is written anew: some hundred a second, where a QEMU for each
    manages twenty."""

    def __init__(self, host, vcpus):
        self.host, self.vcpus = host, vcpus
        self.guest = start(side_of(host), vcpus=vcpus, extra=SMALL)
        self.guest.wait_up()
        self._log = host and Log(host, self.guest.pid)
        snapshot.add_disk(self.guest)
        snapshot.snapshot(self.guest, "save", TAG)
        self._disk = os.open(snapshot.path(self.guest), os.O_RDWR)
        self._at, self._room = self._find_room()
        self._said = len(self.guest.stderr())

    def close(self):
        os.close(self._disk)
        self.guest.close()

    def _find_room(self):
        """Where the saved stream lies in the image, all in one piece."""
        image = os.pread(self._disk, 1 << 30, 0)
        at = image.index(b"QEVM")
        for size in range(len(image) - at, 0, -512):
            try:
                whole = image[at:at + size].rstrip(b"\0")
                if stream.fields(whole):
                    return at, len(whole)
            except stream.NoDescription:
                pass
        raise GuestError("the snapshot isn't in one piece")

    def fits(self, data):
        return len(data) <= self._room

    def load(self, data, truth):
        """What becomes of it; every "hangs" and "crashed" ends this QEMU."""
        os.pwrite(self._disk, data.ljust(self._room, b"\0"), self._at)
        guest, pid = self.guest, self.guest.pid
        guest.qmp.events.clear()
        began = cpu_ns(pid)
        try:
            said = guest.qmp.execute("human-monitor-command",
                                     {"command-line": "loadvm " + TAG})
            refused = "Error" in said
            if not refused:
                guest.qmp.execute("cont")
                guest.wait_beating()
                guest.qmp.execute("query-kvm-clock")    # after the events
        except TimeoutError:
            return self._ended("hangs", "")
        except QmpClosed:
            return self._ended("crashed", "")
        except (GuestError, QmpError) as error:
            return self._ended("crashed" if guest.why_gone() else "dead",
                               str(error))
        words = said.replace("\r", "") + self._new_words()
        used = cpu_ns(pid) - began
        if refused:
            return Outcome("refused", words, cpu_ns=used, rss_kb=rss_kb(folder(pid)))
        return self._ran(words, truth, used)

    def _ran(self, words, truth, used):
        events = {event["event"]: event["data"]
                  for event in self.guest.qmp.events if "data" in event}
        errors, passed = look(self.guest, self._log, truth)
        self.guest.qmp.execute("stop")      # or it takes the CPU meanwhile
        return Outcome("runs", words, events.get("KVM_CLOCK_RESTORED"),
                       "KVM_CLOCK_NOT_CARRIED" in events, errors, passed,
                       used, rss_kb(folder(self.guest.pid)))

    def _ended(self, how, why):
        if how == "crashed":
            why += "exit status %s" % self.guest.wait_exit()
        return Outcome(how, why + self._new_words())

    def _new_words(self):
        said = self.guest.stderr()
        new, self._said = said[self._said:], len(said)
        return new


class Arrivals:
    """A new QEMU for each stream, which comes over a socket."""

    def __init__(self, host, vcpus):
        self.host, self.vcpus = host, vcpus

    def close(self):
        pass

    @staticmethod
    def fits(_):
        return True

    def load(self, data, truth):
        with start(side_of(self.host), vcpus=self.vcpus, extra=SMALL,
                   incoming="defer") as guest:
            try:
                return self._load(guest, data, truth)
            except TimeoutError:
                how, why = "hangs", ""
            except (GuestError, QmpClosed, QmpError) as error:
                how, why = "dead", str(error)
                if guest.wait_exit(1) is not None:
                    how = "crashed"
            return Outcome(how, why + guest.stderr())

    def _load(self, guest, data, truth):
        path = guest.path("migration")
        guest.qmp.execute("migrate-incoming", {"uri": "unix:" + path})
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(path)
            try:
                line.sendall(data)
                line.shutdown(socket.SHUT_WR)
            except OSError:
                pass                    # it has refused by now
            if not wait_loaded(guest):
                status = guest.wait_exit()
                return Outcome("crashed" if crashed(status) or status != 1
                               else "refused", guest.stderr())
        guest.wait_beating()
        answer = guest.qmp.execute("query-kvm-clock")
        errors, passed = look(guest, self.host and Log(self.host, guest.pid),
                              truth)
        return Outcome("runs", guest.stderr(), answer.get("restore"),
                       "not-carried" in answer, errors, passed,
                       cpu_ns(guest.pid), rss_kb(folder(guest.pid)))


def look(guest, log, truth):
    """Each vCPU's errors, and how much time has passed when it ran."""
    found, run_ns = [], truth.stopped_ns
    for vcpu in range(guest.vcpus):
        if log:
            now = log.look().clocks(vcpu)
            run_ns = now.run.true_ns
        else:
            now = Published(guest, vcpu)
            run_ns = now.true_ns
        found.append(truth.errors_ns(now, vcpu, run_ns))
    return found, run_ns - truth.stopped_ns


# -- The verdict --

def warnings(words):
    """What QEMU warned of, without the figures."""
    return {re.sub(r"-?\d+(\.\d+)?", "N", line.split(": ", 1)[-1])
            for line in words.splitlines() if "warning: kvmclock" in line or
            "warning: the guest's" in line}


def reasons(words):
    """Sentences that say why a stream was refused."""
    return [line for line in words.splitlines()
            if line.strip() and not re.match(r"Error: Error -?\d+ while", line)
            and " info: " not in line and "warning: " not in line]


def counted_ns(told):
    return 0 if told["frozen"] else told["elapsed-ns"]


class Judge:
    """Compares with what became of the stream as it was sent."""

    def __init__(self, good):
        assert good.how == "runs" and good.told, good
        self._good = good
        self._warned = warnings(good.words)

    def fault(self, outcome):
        """What is wrong, or None."""
        if outcome.how in ("crashed", "hangs", "dead"):
            return outcome.how
        if outcome.how == "refused":
            said = reasons(outcome.words)
            if not said:
                return "refused without a word"
            if sum("kvmclock: " in line for line in said) > 1:
                return "refused in more than one sentence"
        if outcome.cpu_ns > max(SLOWER * self._good.cpu_ns, AT_LEAST_NS):
            return "took %d times as much CPU as a good stream" % (
                outcome.cpu_ns // self._good.cpu_ns)
        if outcome.rss_kb > self._good.rss_kb + GROWTH_KB:
            return "grew from %d to %d KB" % (self._good.rss_kb,
                                              outcome.rss_kb)
        return self._silent(outcome) if outcome.how == "runs" else None

    def kind(self, outcome):
        """What becomes of a stream without a fault: it is refused, or runs,
        told that something isn't as it should be, or without a word."""
        if outcome.how == "runs" and (
                outcome.not_carried or
                warnings(outcome.words) - self._warned):
            return "told"
        return outcome.how

    def _silent(self, outcome):
        """Is a clock wrong that QEMU didn't say is?"""
        told = outcome.told
        if self.kind(outcome) == "told":
            return None
        if told is None:
            return None if is_stock_like(outcome) else "no report"
        if not 0 <= counted_ns(told) <= LIMIT_NS:
            return "counts %.3f s" % (counted_ns(told) / SECOND_NS)
        if told["tsc"] == "not-set" != self._good.told["tsc"]:
            return "the TSC jumps"
        for vcpu, (now, good) in enumerate(zip(untold_ns(outcome),
                                               untold_ns(self._good))):
            for what, ns, good_ns in zip(("kvmclock", "the TSC"), now, good):
                jumps = what == "the TSC" and told["tsc"] == "not-set"
                if abs(ns - good_ns) > SILENT_NS and not jumps:
                    return "vCPU %d: %s is %.3f s off, silently" % (
                        vcpu, what, ns / SECOND_NS)
        return None


def untold_ns(outcome):
    """The errors but for what QEMU tells: how much time counts."""
    told_ns = counted_ns(outcome.told) - outcome.passed_ns
    return [(clock_ns - told_ns, tsc_ns - told_ns)
            for clock_ns, tsc_ns in outcome.errors_ns]


def is_stock_like(outcome):
    """A stream with nothing of ours is one of a QEMU without the feature, and
    its guest is taken as QEMU has always done: without a word."""
    return "kvmclock" not in outcome.words
