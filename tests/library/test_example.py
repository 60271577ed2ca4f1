# SPDX-License-Identifier: GPL-2.0-or-later
"""The example VMM, here and between hosts that this machine hasn't got.

What it does there must be what clockferry check foretold."""
import json
import os
import subprocess
import tempfile

from harness import fakehost, places
from harness.tap import note

HOSTS = ["newest", "newest-amd", "v6", "released", "fast", "fast-amd",
         "slow", "2-khz", "2-khz-exact", "100-ppm", "unscaled", "hpet",
         "unscaled-100-ppm", "ignoring", "old", "busy-for-ever"]


def clockferry(*arguments, env=None, status=(0, 3, 4)):
    done = subprocess.run([places.build("src/cli/clockferry"), *arguments],
                          capture_output=True, text=True, env=env)
    assert done.returncode in status and not done.stderr, done
    return done.stdout


class Move:
    """One guest from one host to another; None is this host."""

    def __init__(self, source=None, destination=None, exchange=True):
        with tempfile.TemporaryDirectory() as folder:
            self._folder = folder
            self._way = [folder + "/back"] if exchange else []
            os.mkfifo(folder + "/back")
            self._run(source, destination)
            self.diff = json.loads(clockferry(
                "diff", "--json", folder + "/source",
                folder + "/destination"))

    def _run(self, *hosts):
        source = self._start("source", hosts[0])
        destination = self._start("destination", hosts[1], source.stdout)
        source.stdout = None
        self.words = self._finish(destination, hosts)
        self._finish(source, hosts)

    def _start(self, role, host, stream=None):
        process = subprocess.Popen(
            [places.build("docs/examples/vmm"), role,
             self._folder + "/" + role, *self._way], stdin=stream,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=environment(host))
        if stream:
            stream.close()
        return process

    @staticmethod
    def _finish(process, hosts):
        words, errors = process.communicate(timeout=60)
        assert not process.returncode, (hosts, process.args, errors)
        return words

    @property
    def rung(self):
        return self.words.split()[1].rstrip(",")

    @property
    def time(self):
        return self.words.split("time by ")[1].split()[0]


def environment(host):
    return fakehost.environment(host) if host else None


def test_here():
    """From one process to another: 3 ns at most, and the guest goes on"""
    places.need_kvm()
    for _ in range(5):
        move = Move()
        assert "went round 10000 times" in move.words, move.words
        assert move.diff["same_host"]
        assert abs(int(move.diff["mismatch_ns"])) <= 3, move.diff
        assert abs(int(move.diff["tsc_step_ticks"])) <= 1, move.diff


def test_wrong_clocks():
    """To a host whose clock is nine minutes ahead: messages tell, if there is
    a way back for them"""
    places.need_kvm()
    late = fakehost.declare("nine-minutes", "released", khz=3000000,
                            realtime=1800000540 * 10 ** 9)
    move, deaf = Move("released", late), Move("released", late, False)
    assert (move.time, deaf.time) == ("channel", "tai"), (move.words,
                                                          deaf.words)


def test_short():
    """It is short enough to be read"""
    with open(places.top("docs/examples/vmm.c"), encoding="utf-8") as stream:
        assert len(stream.readlines()) <= 150


def probe(host, folder):
    path = os.path.join(folder, host + ".json")
    clockferry("probe", "--json", "-o", path, env=environment(host))
    return path


def foretold(source, destination, folder):
    return json.loads(clockferry("check", "--json", "--policy", "lax",
                                 probe(source, folder),
                                 probe(destination, folder)))


def compare(said, move, destination):
    """What check foretold against what happened."""
    diff = move.diff
    # where the rates are far apart the loop may well not settle
    rung = "closed-loop" if move.rung == "realtime" and \
        said["verdict"] == "warn" else move.rung
    assert said["rung"] == rung, (said, move.words)
    if "rate_error_ppt" not in diff:
        # before Linux 5.16 a frequency that was set can't be confirmed
        assert destination == "old", diff
        return
    assert said["rate_error_ppt"] == diff["rate_error_ppt"]
    if "kvmclock_bound_ns" in said:
        assert abs(int(diff["mismatch_ns"])) <= drift(said, diff) + \
            int(said["kvmclock_bound_ns"]), (said, diff)
    if "time_bound_ns" in said:
        # the captures are apart in time: what the rates add isn't a step
        assert abs(int(diff["tsc_step_ns"])) <= drift(said, diff) + \
            int(said["time_bound_ns"]) + 2, (said, diff)


def drift(said, diff):
    """What the rate error, and KVM's whole kHz, add between the captures."""
    ppt = abs(int(said["rate_error_ppt"])) + 10 ** 6
    return int(diff["elapsed_ns"]) * ppt // 10 ** 12 + 1


def test_foretold():
    """Between fake hosts of all kinds: rung, rate and bounds as foretold"""
    places.need_kvm()
    chance = places.chance()
    pairs = [(a, b) for a in HOSTS for b in HOSTS if a != b]
    chance.shuffle(pairs)
    with tempfile.TemporaryDirectory() as folder:
        for source, destination in pairs[:40]:
            said = foretold(source, destination, folder)
            move = Move(source, destination)
            try:
                compare(said, move, destination)
            except AssertionError as wrong:
                raise AssertionError("%s -> %s: %s" % (
                    source, destination, wrong)) from None
    note("40 of %d pairs" % len(pairs))
