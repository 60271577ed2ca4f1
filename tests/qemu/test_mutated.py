# SPDX-License-Identifier: GPL-2.0-or-later
"""Streams in which what is ours is wrong, at random and as it was found once.
`./run mutate` tries as many as you like."""
import os

import mutation
from harness import places
from harness.binaries import start
from harness.check import Untouched, crashed, tries
from harness.migrate import go, incoming
from harness.tap import note
from mutate import mutate
from mutated import (SMALL, Judge, Loader, reasons, saved, side_of, warnings)
from relay import Relay

STREAMS = 480


def test_random():
    """Some hundred of them: each is refused with a sentence or runs sanely."""
    findings = mutate(tries(STREAMS), places.seed(),
                      folder=os.environ.get("TMPDIR", "/tmp"), say=note)
    assert not findings.bad, "%d are bad; see above: %s" % (
        len(findings.bad), ", ".join(findings.bad))


class Lied:
    """One guest's stream, with a lie, and what became of both."""

    def __init__(self, there, here, vcpus):
        data, self._truth = saved(there, vcpus)
        self.recorded = mutation.Recorded(mutation.complete(data))
        self._loader = Loader(here, vcpus)
        self._good = self._loader.load(self.recorded.data, self._truth)
        self._judge = Judge(self._good)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._loader.close()

    def told(self, data):
        """What QEMU says besides; and nothing else may be wrong."""
        outcome = self._loader.load(data, self._truth)
        assert outcome.how == "runs", outcome
        assert not self._judge.fault(outcome), self._judge.fault(outcome)
        return warnings(outcome.words).union(reasons(outcome.words)) - \
            warnings(self._good.words)

    def refused(self, data):
        """Why it was."""
        outcome = self._loader.load(data, self._truth)
        assert outcome.how == "refused", outcome
        assert not self._judge.fault(outcome), self._judge.fault(outcome)
        return reasons(outcome.words)


def test_apart():
    """A TSC that is far from the first vCPU's isn't hidden behind "exact"."""
    with Lied("newest", "newest-amd", 2) as lied:
        offset = lied.recorded.number("cpu.1/cpu/guest_tsc/env.guest_tsc.offset")
        was = lied.recorded.get(offset)
        for ticks in mutation.KHZ * 1200, -mutation.KHZ * 1200, 1 << 63:
            told = lied.told(lied.recorded.put(lied.recorded.data, offset,
                                               was + ticks))
            assert any("from the first vCPU's" in words for words in told), \
                (ticks, told)


def test_stepped():
    """Where no function of kvmclock is known, a host TSC that isn't the one
    that was offered would set the guest's, years off: QEMU says so."""
    with Lied("newest", "released", 1) as lied:
        recorded = lied.recorded
        no_fn = recorded.put(recorded.data, recorded.number(CLOCKS + "flags"),
                             4)
        assert not lied.told(no_fn)
        ticks = recorded.number(CLOCKS + "anchor.instant.host_ticks")
        for off in mutation.KHZ * 1000 * mutation.YEAR_S, \
                mutation.KHZ * 1200, -mutation.KHZ * 1200:
            told = lied.told(recorded.put(no_fn, ticks,
                                          recorded.get(ticks) + off))
            assert any("went on by different times" in one for one in told), \
                (off, told)


# Numbers of the offer, and what no destination takes, whatever its policy.
NEVER = {"offer.from/flags": 1 << 4, "offer.from/host_khz": 0,
         "offer.from/anchor.clock_ns": 1 << 63,
         "offer.from/anchor.slack_ns": 3600 * 10 ** 9 + 1,
         "offer.from/anchor.instant.realtime_ns": 0,
         "offer.from/anchor.instant.tai_offset_s": 1 << 31,
         "offer.freq/host_khz": 0, "offer.freq/frac_bits": 64,
         "offer.freq/ratio": 0, "offer.policy": 3, "offer.require": 5}


class Altered:
    """What a relay does to a number in the offer as it passes."""

    def __init__(self, recorded, part, value):
        mark = b"kvmclock_offer"
        self._mark = mark
        self._at = part.start - recorded.data.index(mark)
        self._new = value.to_bytes(part.end - part.start, "big")
        self._kept = b""

    def watch(self, back, data):
        if back or self._kept is None:
            yield data
            return
        self._kept += data
        at = self._kept.find(self._mark) + self._at
        if self._mark in self._kept and len(self._kept) >= at + len(self._new):
            yield self._kept[:at] + self._new + \
                self._kept[at + len(self._new):]
            self._kept = None


def test_kept():
    """An offer that can't be true is refused in a sentence, and the source
    keeps its guest, which was never stopped."""
    recorded = mutation.Recorded(mutation.complete(saved("newest", 1)[0]))
    with start(side_of("newest"), extra=SMALL) as source:
        source.wait_up()
        untouched = Untouched(source)
        for name, value in NEVER.items():
            altered = Altered(recorded, recorded.number(name), value)
            there, uri = incoming(side_of("newest-amd"), extra=SMALL)
            with there, Relay(uri, altered.watch) as relay:
                assert go(source, relay.uri)["status"] == "failed", name
                assert not crashed(there.wait_exit()), there.stderr()
                said = [line for line in reasons(there.stderr())
                        if "kvmclock: " in line]
                assert len(said) == 1, (name, there.stderr())
                note("%s = %d: %s" % (name, value, said[0]))
            untouched.assert_still()


CLOCKS = "kvmclock/guest_clock/carried/"
S = 10 ** 9
# Number, what is added to it that is still believed, what isn't, and words of
# QEMU's then.
BOUNDS = (
    (CLOCKS + "flags", 0, 16, "flags that this QEMU doesn't know"),
    (CLOCKS + "fn.system_ns", 9 * S // 10, 12 * S // 10,
     "clock function and anchor contradict each other"),
    (CLOCKS + "fn.system_ns", 0, -12 * S // 10,
     "clock function and anchor contradict each other"),
    (CLOCKS + "fn.tsc_ticks", -mutation.KHZ * 900, -mutation.KHZ * 1200,
     "clock function and anchor contradict each other"),
    (CLOCKS + "fn.mul", 1 << 20, 1 << 26, "clock function and TSC frequency "
     "contradict each other"),
    (CLOCKS + "fn.shift", 0, 33, "the clock function is impossible"),
    (CLOCKS + "anchor.clock_ns", 9 * S // 10, 12 * S // 10,
     "clock function and anchor contradict each other"),
    (CLOCKS + "anchor.slack_ns", 3600 * S, 3600 * S + 1,
     "kvmclock or its slack is impossible"),
    (CLOCKS + "anchor.instant.host_ticks", mutation.KHZ * 50,
     mutation.KHZ * 1200, "clock function and anchor contradict each other"),
    (CLOCKS + "anchor.instant.tai_offset_s", 0, 1000,
     "real time or TAI offset is impossible"),
    (CLOCKS + "anchor.instant.realtime_ns", -S // 20, -601 * S,
     "more than blackout-limit"),
    (CLOCKS + "anchor.instant.realtime_ns", S // 20, 3600 * S,
     "the blackout counts as N"),
    (CLOCKS + "anchor.instant.realtime_ns", 0, -S // 5,
     "went on by different times"),
    (CLOCKS + "host_khz", 0, 1, "isn't the one that was announced"),
    ("cpu.0/cpu/guest_tsc/env.guest_tsc.offset", mutation.KHZ * 900,
     mutation.KHZ * 1200, "clock function and anchor contradict each other"),
    ("cpu.1/cpu/guest_tsc/env.guest_tsc.offset", mutation.KHZ * 900,
     mutation.KHZ * 1100, "from the first vCPU's"),
    ("cpu.1/cpu/guest_tsc/env.guest_tsc.ratio", 1 << 17, 1 << 19,
     "the TSCs of its vCPUs have different frequencies"),
    ("exchange/sent0", 1 << 63, None, None),
    ("rate/carried.rate.ppt", 10 ** 8, 10 ** 10,
     "the rate of its TSC can't be true"),
    ("rate/carried.rate.doubt_ppt", 10 ** 8, 10 ** 10,
     "the rate of its TSC can't be true"),
    ("ahead/carried.ahead_ns", 2, 3, "kvmclock was too far ahead of its function"),
    ("utc/carried.utc.ns", 0, 1 << 63, "UTC is impossible"),
    ("utc/carried.utc.error_ns", 1 << 62, None, None),
)
# These end the load, with these words.
REFUSED = (
    ("cpu.0/cpu/guest_tsc/env.guest_tsc.frac_bits", 64, "The TSC ratio of vCPU"),
    ("cpu.1/cpu/guest_tsc/env.guest_tsc.ratio", 0, "The TSC ratio of vCPU"),
    ("exchange/n_exchanges", 9, "are corrupt: 9 exchanges"),
    ("offer.tells_time", 1, "refusing the guest: its source has"),
)


def test_bounds():
    """What docs/reliability.rst calls plausible is believed without a word,
    and what is beyond it isn't."""
    wrong = []
    with Lied("newest", "newest-amd", 2) as lied:
        recorded = lied.recorded
        for name, good, bad, words in BOUNDS:
            part = recorded.number(name)
            was = recorded.get(part)
            told = lied.told(recorded.put(recorded.data, part, was + good))
            if told:
                wrong.append((name, good, told))
            if words:
                told = lied.told(recorded.put(recorded.data, part, was + bad))
                if not any(words in one for one in told):
                    wrong.append((name, bad, told))
    assert not wrong, "\n".join(str(one) for one in wrong)


def test_refused():
    """What can't be of any guest ends the load, in one sentence."""
    with Lied("newest", "newest-amd", 2) as lied:
        recorded = lied.recorded
        for name, value, words in REFUSED:
            said = lied.refused(recorded.put(recorded.data,
                                             recorded.number(name), value))
            assert any(words in line for line in said), (name, said)
