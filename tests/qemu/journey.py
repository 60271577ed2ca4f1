# SPDX-License-Identifier: GPL-2.0-or-later
"""One guest that goes from QEMU to QEMU, by any mode, with a fault now and
then, and what each hop does to its clocks.

A journey is on this machine's own KVM, where the guest's pages tell, or among
fake hosts, whose models do. It follows from its own random numbers, so that it
can be made again; the times at which something happens differ."""
import random
import tempfile
from collections import Counter, namedtuple

from faults import plan, tried
from harness import fakehost, measure, process
from harness.binaries import start
from harness.check import WORST_NS, assert_unharmed, patched
from harness.guest import GuestError
from harness.migrate import arrive, set_capabilities, set_parameters, wait_over
from harness.pvclock import exact_step_ns, signed64
from modes import MODES, memory

KINDS = ("newest", "newest-amd", "v6", "released")
HOSTS = 3
HOPS = 5, 25
STAYS = 4           # times as many of one that stays in its QEMU
ONE_IN = 8          # hops has a fault
DRIFT_NS = 15       # over a journey

# Which modes guests can take whose memory is shared like this: a file is that
# of both QEMUs. "stays": all in one QEMU, to see what that gathers.
SHARED = [name for name in MODES if name.startswith("cpr")]
STAYING = ["savevm", "snapshot-save"]
WAYS = {
    "plain": [name for name in MODES if name not in SHARED],
    "memfd": ["cpr-transfer", "cpr-transfer", "unix", "tcp", "multifd",
              "return-path", "file", "mapped-ram", "savevm"],
    "file": ["cpr-reboot", "cpr-reboot"] + STAYING,
    "stays": STAYING,
}
CHANCES = ["plain"] * 5 + ["memfd", "file", "stays"]

# A guest lives through these: what ends a migration, while the source can't
# have sent all yet; and what doesn't, at any place. With multifd all may be sent
# then: there two guests run after a cancel, with stock as often.
EARLY = ("setup", "answer")
FATAL = ["cancel", "yank", "cut", "cut behind", "half cut", "kill destination",
         "quit destination"]
HARMLESS = ["stall", "freeze", "delay", "delay back", "cancel",
            "stop destination", "stop source", "half cut back", "garbage back"]
# Of a QEMU without a guest.
TOLERATED = {"destination is deaf"}
CAPABILITIES = [(), ("multifd",), ("auto-converge", "xbzrle")]

# What one hop did. tsc_ns: by how much the TSC missed the true time (fake
# hosts), or stepped; drift_ns: kvmclock since the journey's beginning.
Hop = namedtuple("Hop", "journey number how here vcpus kind outcome step_ns "
                        "drift_ns tsc_ns bound_ns age held wrong")


def survivable(rng, vcpus, stays):
    """A plan after which the guest must run, here or there; stays: here."""
    found = plan(rng)._replace(vcpus=vcpus, postcopy=False, ballast=0,
                               capabilities=rng.choice(CAPABILITIES))
    if stays or found.place in EARLY:
        found = found._replace(act=rng.choice(FATAL), place=rng.choice(EARLY))
        return found._replace(capabilities=()) \
            if "multifd" in found.capabilities else found
    return found._replace(act=rng.choice(HARMLESS))


def calm_down(guest):
    """As a new QEMU's: nothing left of the last migration."""
    wait_over(guest)
    on = [one["capability"] for one in guest.qmp.execute(
        "query-migrate-capabilities") if one["state"]]
    set_capabilities(guest, *on, state=False)
    set_parameters(guest, **{"mode": "normal", "max-bandwidth": 0})


class Pages:
    """What the guests' pages tell, on this machine's own KVM."""

    hosts = [None]

    def side(self, _):
        return patched()

    def look(self, guest, _):
        return measure.view(guest)

    def left(self, source, _, view):
        """The guest at its end there. view: by then, if a mode took one; that
        QEMU may be gone."""
        return view or measure.view(source)

    def judge(self, before, now, bound_ns):
        """(kvmclock's step, the TSC's, what is wrong). Where vCPUs have to wait
        for a CPU, what the report warns of may come true."""
        result = measure.compare(before, now)
        ticks = measure.tsc_step(result)[0] or 0
        wrong = None
        try:
            assert_unharmed(result, worst_ns=max(WORST_NS, bound_ns))
        except AssertionError as error:
            wrong = str(error)
        return (measure.worst(result.steps_ns),
                now.slots[0].record.ticks_to_ns(ticks), wrong)

    def record(self, seen):
        return seen.slots[0].record


class Models:
    """What the fake hosts' models tell."""

    def __init__(self, rng, name):
        self.hosts = [fakehost.random(rng, rng.choice(KINDS),
                                      "%s-%d" % (name, number),
                                      tolerance_ppm=0)
                      for number in range(HOSTS)]

    def side(self, host):
        return fakehost.side(host)

    def look(self, guest, host):
        calls = fakehost.log(host, guest.pid)
        return [fakehost.clocks(calls, vcpu) for vcpu in range(guest.vcpus)]

    def left(self, source, host, _):
        return self.look(source, host)

    def judge(self, before, now, _):
        steps = [fakehost.clock_step(*pair) for pair in zip(before, now)]
        tsc_ns = [fakehost.tsc_step_ns(*pair) for pair in zip(before, now)]
        ran_ns = now[0].run.true_ns
        apart = [[signed64(one.guest_tsc(ran_ns) - side[0].guest_tsc(ran_ns))
                  for one in side] for side in (before, now)]
        wrong = None
        if abs(measure.worst(steps)) > WORST_NS:
            wrong = "kvmclock stepped %s" % steps
        elif apart[0] != apart[1]:
            wrong = "vCPUs that were %s ticks apart are %s" % tuple(apart)
        return measure.worst(steps), measure.worst(tsc_ns), wrong

    def record(self, seen):
        return seen[0].record


class Journey:
    """A guest, and where it is. Use as a context manager."""

    def __init__(self, seed, number):
        self._rng = random.Random("%s.%d" % (seed, number))
        self.number = number
        self.kind = self._rng.choice(CHANCES)
        self.length = self._rng.randint(*HOPS) * (
            STAYS if self.kind == "stays" else 1)
        self.vcpus = self._rng.choice((1, 1, 1, 2, 2, 4))
        self.world = Pages() if self._rng.random() < .5 else Models(
            self._rng, "soak-%d" % number)
        self.host = self._rng.choice(self.world.hosts)
        self._folder = tempfile.TemporaryDirectory(prefix="clockferry-")
        self._ram = memory(MODES[{"file": "cpr-reboot", "memfd": "cpr-transfer"
                                  }.get(self.kind, "unix")], self._folder.name)
        self.guest = None
        self._age = self._hops = self.drift_ns = 0
        self._record = None

    def __enter__(self):
        self.guest = start(self.world.side(self.host), vcpus=self.vcpus,
                           extra=self._ram)
        self.guest.wait_up()
        if self.vcpus > 1:
            self.guest.calm()       # or they only wait for each other
        self._seen(self.world.look(self.guest, self.host))
        return self

    def __exit__(self, *_):
        if self.guest:
            self.guest.close()
        self._folder.cleanup()

    def _choose(self):
        """What comes next: (where to, mode, fault or None). It depends on no
        outcome."""
        there = self._rng.choice(self.world.hosts)
        way = self._rng.choice(WAYS[self.kind])
        fault = survivable(self._rng, self.vcpus, self.kind == "stays") \
            if self._rng.random() < 1 / ONE_IN and self.kind != "file" else None
        stays = way in SHARED + STAYING and not fault or self.kind == "stays"
        return self.host if stays else there, way, fault

    def hop(self):
        """The next one; a Hop."""
        there, way, fault = self._choose()
        calm_down(self.guest)
        self._hops += 1
        before = self.world.look(self.guest, self.host)
        source, left = self.guest, self.host
        outcome, view = self._suffer(fault, there) if fault else \
            self._go(way, there)
        if self.guest is not source:
            before = self.world.left(source, left, view)
            source.close()
        self._age = self._age + 1 if self.guest is source else 0
        how = "fault, %s: %s" % (fault.act, fault.place) if fault else way
        return self._judged(how, before, outcome)

    def _go(self, way, there):
        view, self.guest = MODES[way].move(self.guest, self.world.side(there),
                                           extra=self._ram)
        self.host = there
        return "moved", view

    def _suffer(self, fault, there):
        with tried(self.world.side(there), fault, self.guest,
                   extra=self._ram) as trial:
            wrongs, words, outcome = trial.judge()
            if wrongs - TOLERATED or outcome == "ended":
                raise GuestError("%s; %s" % (words, fault))
            trial.kept = outcome == "moved"
        if trial.kept:
            self.guest, self.host = trial.destination, there
            arrive(self.guest)
        return outcome, None

    def _seen(self, what):
        """Adds up whatever changes kvmclock as a function, without rounding:
        between hosts whose KHz differ functions have different slopes."""
        record = self.world.record(what)
        if self._record:
            self.drift_ns += exact_step_ns(self._record, record)
        self._record = record
        return what

    def _judged(self, how, before, outcome):
        self._seen(before)
        now = self._seen(self.world.look(self.guest, self.host))
        bound_ns = measure.own_report(self.guest).get("bound-ns", 0)
        step, tsc_ns, wrong = self.world.judge(before, now, bound_ns)
        drift = round(float(self.drift_ns), 2)
        if not wrong and abs(drift) > DRIFT_NS:
            wrong = "kvmclock drifted %.1f ns in %d hops" % (drift, self._hops)
        here = self.host.rsplit("-soak-", 1)[0] if self.host else "this machine"
        return Hop(self.number, self._hops, how, here, self.vcpus, self.kind,
                   outcome, step, drift, round(tsc_ns), bound_ns, self._age,
                   process.held(process.folder(self.guest.pid)), wrong)


def distribution(steps):
    counts = Counter(steps)
    return ", ".join("%+d ns: %d" % (step, counts[step])
                     for step in sorted(counts))
