# SPDX-License-Identifier: GPL-2.0-or-later
"""One migration in which something goes wrong at random, and what became of
the guest.

A plan says where in the stream what happens, in the same words for every QEMU,
so that it can be done again with another."""
import contextlib
import os
import random
import signal
import threading
import time
import weakref
from collections import namedtuple

from harness import measure
from harness.binaries import start
from harness.check import WORST_NS, assert_unharmed
from harness.guest import GuestError
from harness.migrate import (DONE, incoming, set_capabilities,
                             set_parameters)
from harness.qmp import QmpClosed, QmpError
from relay import Relay

# vCPUs, MiB of RAM that isn't zero, capabilities, whether postcopy is asked
# for, bytes a second (0: as fast as it can); where: a place and how far into
# it; what, with its number of bytes or its seconds.
Plan = namedtuple("Plan", "vcpus ballast capabilities postcopy bandwidth "
                          "place share act bytes seconds")

# What went wrong, words to print, whether the place was reached, and where the
# guest is: it "moved", "stayed", or "ended" with a QEMU that we ended; or what
# went wrong with that.
Result = namedtuple("Result", "wrongs words hit outcome")
TWO, NONE, CLOCKS = "two run", "none runs", "clocks are off"

# Places, and how many bytes they have, about. What the destination says at
# set-up are one or two PONGs; its last word is SHUT. A plan has to lie within
# the stream of each QEMU, or it is another plan there: stock's devices have
# 112,100 bytes, and the series' some 2,500 more.
SETUP_BYTES = 700
RAM_BYTES = 70_000
DEVICES_BYTES = 112_000
MESSAGE_BYTES = 8
# What the devices and the last word begin with.
MARKS = {"devices": b"\x0acpu_common", "last word": b"\0\1\0\4"}
PLACES = ["setup", "ram", "devices", "devices", "sent", "sent", "answer",
          "last word"]

CAPABILITIES = [(), (), (), ("return-path",), ("multifd",), ("postcopy-ram",),
                ("multifd", "return-path"), ("auto-converge", "xbzrle"),
                ("postcopy-ram", "postcopy-preempt")]
WAY_BACK = {"return-path", "postcopy-ram"}
# What happens in the line, and what happens at its ends.
LINE = ["cut", "cut behind", "half cut", "half cut back", "stall", "freeze",
        "drop", "garbage", "garbage back", "delay", "delay back"]
ENDS = ["cancel", "cancel", "yank", "kill destination", "kill source",
        "quit destination", "stop destination", "stop source"]
# After these the guest's memory may not be what it was.
DAMAGE = {"drop", "garbage"}

# An operator who sees that nothing moves cancels.
PATIENCE_S = 2
SETTLES_S = 20
STUCK_S = 5         # a postcopy without its other half stays as it is
DEAF_S = 30         # without an answer a QEMU is stuck
DELAY_S = .1        # at most, for each piece of up to 64 KB


def plan(chance):
    capabilities = chance.choice(CAPABILITIES)
    return Plan(chance.choice((1, 1, 2, 4)), chance.choice((0, 0, 1, 4)),
                capabilities,
                "postcopy-ram" in capabilities and chance.random() < .5,
                chance.choice((0, 0, 4 << 20)), chance.choice(PLACES),
                chance.random(), chance.choice(LINE + ENDS),
                chance.choice((1, 2, 8, 30, 1000)),
                chance.choice((.01, .1, .5)))


DEAF = weakref.WeakSet()


def numbered(seed, number):
    """One plan of those that a seed makes."""
    return plan(random.Random("%s.%d" % (seed, number)))


def pongs(side, plan):
    """How often the destination says PONG at set-up."""
    if side.kvmclock:
        return 2
    return int(not WAY_BACK.isdisjoint(plan.capabilities))


class Trigger:
    """Watches a relay; holds one direction where the plan wants it."""

    def __init__(self, plan, answers):
        """answers: how many the source gets at set-up. If it's none, what was
        to happen then happens as soon as set-up is over."""
        self._plan = plan
        self._back = plan.place == "last word" or \
            plan.place == "answer" and answers > 0
        self._mark = MARKS.get(plan.place)
        self._at = self._first_place(answers)
        self._seen = 0
        self._last = b""
        self.hit, self.go_on = threading.Event(), threading.Event()
        self.drop = 0       # bytes to swallow from here
        self.delay_s = [0, 0]       # for each piece, there and back

    def _first_place(self, answers):
        """In bytes; None where the stream itself has to tell."""
        share = self._plan.share
        if self._plan.place == "setup":
            return int(share * SETUP_BYTES)
        if self._plan.place == "ram":
            return SETUP_BYTES + int(
                share * (RAM_BYTES + (self._plan.ballast << 20)))
        if self._plan.place == "answer":
            return int(share * answers * MESSAGE_BYTES) if answers \
                else SETUP_BYTES
        return None

    def _look_for_mark(self, data):
        """It may lie across two pieces."""
        joined = self._last + data
        found = joined.find(self._mark)
        self._last = joined[-len(self._mark):]
        if found >= 0:
            size = MESSAGE_BYTES if self._back else DEVICES_BYTES
            self._at = self._seen - (len(joined) - len(data)) + found \
                + int(self._plan.share * size)

    def watch(self, back, data):
        """What a relay asks: yields what is to be delivered."""
        time.sleep(self.delay_s[back])
        if back != self._back or self.hit.is_set():
            yield self._swallow(data) if back == self._back else data
            return
        if self._at is None and self._mark:
            self._look_for_mark(data)
        if self._at is None or self._seen + len(data) <= self._at:
            self._seen += len(data)
            yield data
            return
        split = max(0, self._at - self._seen)
        yield data[:split]
        self.hold()
        yield self._swallow(data[split:])

    def hold(self):
        self.hit.set()
        self.go_on.wait()

    def _swallow(self, data):
        dropped = min(self.drop, len(data))
        self.drop -= dropped
        return data[dropped:]


class Trial:
    """A source, a destination and the line between them."""

    def __init__(self, side, plan, source, destination, relay, trigger):
        self.plan, self.side = plan, side
        self.source, self.destination = source, destination
        self.relay, self.trigger = relay, trigger
        self.ended_by_us = set()
        self.killed_the_guest = False
        self.acted = False      # the place was reached
        self.kept = False       # the destination outlives the trial
        self.here = None        # where the guest runs, once that is known

    # -- what may happen --

    def act(self):
        name = self.plan.act.replace(" ", "_")
        getattr(self, "_" + name)()
        if self.plan.act != "freeze":
            self.trigger.go_on.set()

    def _cut(self):
        self.relay.cut()

    def _cut_behind(self):
        self.relay.cut(lossy=False)

    def _half_cut(self):
        self.relay.half_cut(back=False)

    def _half_cut_back(self):
        self.relay.half_cut(back=True)

    def _stall(self):
        time.sleep(self.plan.seconds)

    def _freeze(self):
        """Held until the operator gives up."""

    def _drop(self):
        self.trigger.drop = self.plan.bytes

    def _garbage(self):
        self._babble(back=False)

    def _garbage_back(self):
        self._babble(back=True)

    def _babble(self, back):
        """The same each time."""
        self.relay.say(back, random.Random(str(self.plan)).randbytes(
            self.plan.bytes))

    def _delay(self):
        self.trigger.delay_s[False] = min(self.plan.seconds, DELAY_S)

    def _delay_back(self):
        self.trigger.delay_s[True] = min(self.plan.seconds, DELAY_S)

    def _cancel(self):
        ask(self.source, "migrate_cancel")

    def _yank(self):
        ask(self.source, "yank", {"instances": [{"type": "migration"}]})

    def _kill_destination(self):
        self._end(self.destination, signal.SIGKILL)

    def _kill_source(self):
        """While the guest still runs there it goes with it. Stock's may have
        left by then: it doesn't wait for an answer at set-up."""
        self.killed_the_guest = state(self.source) == "running"
        self._end(self.source, signal.SIGKILL)

    def _quit_destination(self):
        self._end(self.destination, signal.SIGTERM)

    def _end(self, guest, number):
        self.ended_by_us.add(guest)
        guest.signal(number)

    def _stop_destination(self):
        self._stop(self.destination)

    def _stop_source(self):
        self._stop(self.source)

    def _stop(self, guest):
        guest.signal(signal.SIGSTOP)
        time.sleep(self.plan.seconds)
        guest.signal(signal.SIGCONT)

    # -- the course of it --

    def run(self):
        self.source.qmp.execute("migrate", {"uri": self.relay.uri})
        if self.plan.postcopy:
            ask(self.source, "migrate-start-postcopy")
        began = time.monotonic()
        while not self._source_done() or self._hit_late():
            if not self.acted and self._reached():
                self.acted = True
                self.act()
                began = time.monotonic()
            if time.monotonic() > began + (PATIENCE_S if self.acted
                                           else SETTLES_S):
                ask(self.source, "migrate_cancel")
                break
            time.sleep(0.001)
        self.trigger.go_on.set()
        self._settle()

    def _reached(self):
        if self.plan.place == "sent":
            return self.relay.whole.is_set()
        return self.trigger.hit.is_set()

    def _hit_late(self):
        """A source that is done with it may have sent more than arrived."""
        return not self.acted and self._reached()

    def _source_done(self):
        return migration(self.source) in DONE + (
            "postcopy-paused", "none", "deaf")

    def _settle(self):
        """Until neither of them is on its way to something else."""
        patience_s = STUCK_S if self.plan.postcopy else SETTLES_S
        before, since = None, 0
        while not before or time.monotonic() < since + patience_s:
            now = state(self.source), state(self.destination), \
                migration(self.source)
            if self._source_done() and now[0] != "finish-migrate" \
                    and now[1] not in ("inmigrate", "restore-vm"):
                return
            if now != before:
                before, since = now, time.monotonic()
            time.sleep(0.005)

    # -- what became of it --

    def judge(self):
        """(what went wrong, words to print, where the guest is)"""
        ends = {"source": self.source, "destination": self.destination}
        states = {name: state(guest) for name, guest in ends.items()}
        runs = [guest for name, guest in ends.items()
                if states[name] == "running" and beats(guest)]
        self.here = runs[0] if len(runs) == 1 else None
        outcome = self._outcome(runs)
        wrongs = {outcome} & {TWO, NONE}
        for name, guest in ends.items():
            if states[name] == "deaf":
                wrongs.add(name + " is deaf")
            if states[name] == "killed" and guest not in self.ended_by_us:
                wrongs.add(name + " crashed")
        words = ["%s %s" % item for item in states.items()] + [
            "migration " + migration(self.source)]
        return wrongs, "; ".join(words), outcome

    def _outcome(self, runs):
        if len(runs) > 1:
            return TWO
        if runs:
            return "moved" if self.destination in runs else "stayed"
        return "ended" if self.killed_the_guest or \
            self._killed_after_the_move() else NONE

    def _killed_after_the_move(self):
        """We ended the QEMU to which the guest had gone, and the guest."""
        return self.destination in self.ended_by_us \
            and state(self.source) == "postmigrate"

    def clock_wrong(self, before):
        """Where it runs now: no clock stepped, whatever happened."""
        if self.here is None or not self.side.kvmclock \
                or self.plan.act in DAMAGE:
            return None
        bound_ns = measure.own_report(self.here).get("bound-ns", 0)
        result = measure.compare(before, measure.view(self.here))
        try:
            assert_unharmed(result, worst_ns=max(WORST_NS, bound_ns))
        except AssertionError as error:
            return str(error)
        return None


def ask(guest, command, arguments=None):
    """Whatever comes of it."""
    with contextlib.suppress(QmpError, QmpClosed, TimeoutError):
        guest.qmp.execute(command, arguments, limit_s=DEAF_S)


def answer(guest, command):
    """What a QEMU says, or "deaf"; a deaf one isn't asked again."""
    if guest in DEAF:
        return "deaf"
    try:
        return guest.qmp.execute(command, limit_s=DEAF_S)["status"]
    except TimeoutError:
        DEAF.add(guest)
        return "deaf"


def migration(guest):
    """Its migration's status, if there is one."""
    try:
        return answer(guest, "query-migrate")
    except (QmpClosed, KeyError):
        return "none"


def state(guest):
    """Its run state, or what its QEMU came to."""
    try:
        return answer(guest, "query-status")
    except QmpClosed:
        ended = guest.wait_exit()
        return "killed" if ended is not None and ended < 0 else "gone"


def beats(guest):
    """A guest in postcopy may wait for a page that never comes."""
    try:
        guest.wait_beating(timeout=3)
    except GuestError:
        return False
    return True


@contextlib.contextmanager
def tried(side, plan, source, **options):
    """The plan with a guest that runs: a Trial that is over. Who keeps its
    destination says so (kept)."""
    trigger = Trigger(plan, pongs(side, plan))
    destination, uri = incoming(side, plan.vcpus, plan.capabilities, **options)
    trial = None
    try:
        with Relay(uri, trigger.watch) as relay:
            set_capabilities(source, *plan.capabilities)
            set_parameters(source, **{"max-bandwidth": plan.bandwidth})
            trial = Trial(side, plan, source, destination, relay, trigger)
            trial.run()
            yield trial
    finally:
        if not (trial and trial.kept):
            destination.close()


def try_plan(side, plan):
    """The plan, once, with a new guest on this QEMU."""
    with start(side, vcpus=plan.vcpus) as source:
        source.wait_up()
        if plan.vcpus > 1:
            source.calm()           # or they only wait for each other
        source.write(0x100000, os.urandom(plan.ballast << 20))
        before = measure.view(source)
        with tried(side, plan, source) as trial:
            wrongs, words, outcome = trial.judge()
            if wrongs:
                return Result(wrongs, words, trial.acted, outcome)
            off = trial.clock_wrong(before)
            return Result({CLOCKS} if off else set(),
                          "; ".join([words] + [off] * bool(off)),
                          trial.acted, outcome)
