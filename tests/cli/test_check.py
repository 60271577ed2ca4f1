# SPDX-License-Identifier: GPL-2.0-or-later
"""clockferry check"""
import json
import os
import re
import tempfile

import oracle
import pool
from harness import places
from harness.command import (FAILURE, FINE, INEXACT, REFUSED, USAGE, fails,
                             output, run)
from harness.schemas import assert_fits

STATUS = {"go": FINE, "report": INEXACT, "warn": INEXACT, "refuse": REFUSED}


def good(**changes):
    """A good host, with changes; None takes a fact out."""
    facts = {"format": "clockferry-probe", "version": 1, "min_version": 1,
             "host": "a", "boot_id": "one", "host_khz": 2500000,
             "scaling": "works", "frac_bits": 48, "tolerance_ppm": 250,
             "has_offset": True, "offset": "sticks", "best_rung": "exact",
             "synchronised": True, "max_error_ns": "1000000",
             "tai_offset_s": 37}
    facts.update(changes)
    return {name: value for name, value in facts.items()
            if value is not None}


def other(**changes):
    return good(**{"host": "b", "boot_id": "two", **changes})


class Files:
    """A folder with a file for each fact sheet."""

    def __init__(self, *sheets):
        self._folder = tempfile.TemporaryDirectory()
        self.paths = pool.write(self._folder.name, sheets)

    def __enter__(self):
        return self.paths

    def __exit__(self, *why):
        self._folder.cleanup()


def check(source, destination, *options):
    """(exit status, what it says) of a check with --json."""
    with Files(source, destination) as files:
        done = run("check", *files, "--json", *options)
    assert not done.stderr, done.stderr
    return done.returncode, json.loads(done.stdout)


def finding(said, kind):
    found = [each for each in said["findings"] if each["kind"] == kind]
    assert found, (kind, said["findings"])
    return found[0]


def test_status():
    """0 go, 4 not exactly, 3 refused; so says the verdict"""
    for destination, options, verdict in (
            (other(), [], "go"),
            (other(host_khz=2500002), [], "report"),
            (other(host_khz=2500002), ["--policy", "strict"], "refuse"),
            (other(host_khz=2500102), [], "report"),
            (other(host_khz=2500102), ["--promised"], "refuse"),
            (other(host_khz=2500102), ["--promised", "-p", "lax"], "report"),
            (other(host_khz=3000000, scaling="none"), [], "refuse"),
            (other(host_khz=3000000, scaling="none"), ["-p", "lax"], "warn"),
            (other(best_rung="plain"), [], "report"),
            (other(best_rung="realtime"), [], "report"),
            (other(best_rung=None), [], "report"),
            (other(best_rung="closed-loop"), [], "go"),
            (other(best_rung="plain"), ["--require", "closed-loop"],
             "refuse")):
        status, said = check(good(), destination, *options)
        assert said["verdict"] == verdict, said
        assert status == STATUS[verdict], status


def test_inexact():
    """What can't be exact to the nanosecond, or in time, isn't "go"; nor do
    probe and matrix say so"""
    for destination in (other(best_rung="realtime"), other(best_rung="plain"),
                        other(has_offset=False), other(has_offset=None),
                        other(synchronised=False), other(synchronised=None),
                        other(max_error_ns="127000000")):
        status, said = check(good(), destination)
        assert (status, said["verdict"]) == (INEXACT, "report"), said
        status, said = check(good(), destination, "--policy=strict")
        assert (status, said["verdict"]) == (REFUSED, "refuse"), said
        assert all(each.get("cure") for each in said["findings"]
                   if each["verdict"] == "refuse"), said
        with Files(good(), destination) as files:
            assert output("matrix", *files, status=[INEXACT]).count(
                "interchangeable") < 2
            if "127" not in json.dumps(destination):
                # the sum of both clocks' errors is too large, neither alone
                output("probe", "--from", files[1], status=[INEXACT])
    assert check(good(), other(max_error_ns="126000000"))[0] == FINE
    said = check(good(), other(tai_offset_s=36))[1]
    assert "TAI offsets, 37 s and 36 s" in finding(said, "tai")["text"], said


def test_text():
    """A line for each finding and each cure, then figures with units"""
    with Files(good(), other(host_khz=2500002, best_rung="closed-loop")) \
            as files:
        text = output("check", *files, status=[INEXACT])
    head, lines, figures = text.split("\n\n")
    assert head == "From a to b, policy auto"
    for line in lines.splitlines():
        assert re.fullmatch(r"  (PASS|WARN|FAIL|NOTE)  \S.{14,}|"
                            r" {8}Cure: \S.{14,}", line), line
    assert "  WARN  the guest's TSC runs at 2500000 kHz and would run at " \
        "2500002 kHz: 800 ppb faster, 69.1 ms a day\n" \
        "        Cure: set kvm.tsc_tolerance_ppm to 0" in lines, lines
    assert "within 95 ns of its function of the TSC: 2 ns from setting it, " \
        "2 ns from rounding, 91 ns if the guest first runs 50 ms later\n" \
        in lines, lines
    assert figures.splitlines() == [
        "Verdict         : go, but not exactly",
        "Expected rung   : closed-loop, within 95 ns",
        "Rate error      : 800 ppb, 69.1 ms a day",
        "Clocks step     : up to 2 ms"], figures


def test_figures():
    """One quantity has one unit, of people's size, in findings and figures"""
    for khz, rate, drift in (
            (2500002, "800 ppb", "69.1 ms"), (2499750, "100 ppm", "8.64 s"),
            (2155172, "13.8 %", "3 h 19 min"), (2500025, "10 ppm", "864 ms"),
            (2500000 * 3, "200 %", "2 days"), (1, "100 %", "24 h")):
        with Files(good(), other(host_khz=khz, scaling="none")) as files:
            text = output("check", *files, status=[INEXACT, REFUSED])
        word, sign = ("faster", "") if khz > 2500000 else ("slower", "-")
        assert ": %s %s, %s a day\n" % (rate, word, drift) in text, text
        assert "\nRate error      : %s%s, %s%s a day\n" % (
            sign, rate, sign, drift) in text, text


def test_cures():
    """What can be done is said where it can be done"""
    for destination, kind, words in (
            (other(host_khz=2500002), "rate", "tsc_tolerance_ppm to 0"),
            (other(host_khz=2500002, scaling="none"), "rate",
             "whose own TSC runs at 2500000 kHz"),
            (other(host_khz=3000000, scaling="fails"), "rate",
             "can scale TSCs"),
            (other(scaling=None, host_khz=3000000), "rate-unknown",
             "clockferry probe"),
            (other(offset="ignored"), "offset-ignored", "keeps TSC offsets"),
            (other(offset="rewinds"), "tsc-unstable", "kernel log"),
            (other(offset=None), "offset-unknown", "clockferry probe"),
            (other(best_rung=None), "rung-unknown", "clockferry probe"),
            (other(synchronised=False), "time-unknown", "chronyd"),
            (other(tai_offset_s=None), "tai", "leapsectz"),
            (other(leap="insert"), "leap", "has passed"),
            (other(boot_id="one"), "unproven", "boot ids of their own")):
        _, said = check(good(), destination)
        assert words in finding(said, kind)["cure"], said["findings"]
    _, said = check(good(), other(best_rung="plain", master_clock=False))
    assert finding(said, "rung")["cure"] == \
        "make the TSC the destination's clocksource", said
    _, said = check(good(), other(best_rung="closed-loop", master_clock=True),
                    "--require", "exact")
    assert "newer kernel" in finding(said, "rung")["cure"]
    _, said = check(good(), other(best_rung="plain", master_clock=False),
                    "--require", "exact")
    assert "clocksource" in finding(said, "rung")["cure"]


def test_cured():
    """A host that takes the advice takes the guest"""
    assert check(good(), other(host_khz=2500002))[1]["verdict"] == "report"
    _, said = check(good(), other(host_khz=2500002, tolerance_ppm=0))
    assert said["verdict"] == "go", said


def test_guests():
    """A guest's own file: its frequency, promise, policy and rung count"""
    guest = {"format": "clockferry-guest", "version": 1, "min_version": 1,
             "host": "a", "host_khz": 2500000, "ratio": str(4 << 46),
             "frac_bits": 48, "promised": True, "policy": "auto",
             "require": "exact", "max_error_ns": "1000000"}
    assert check(guest, other())[0] == FINE
    slow = dict(guest, ratio=str(3 << 46))
    assert check(slow, other())[0] == FINE
    assert check(slow, other(scaling="none"))[0] == REFUSED
    assert check(slow, other(scaling="none"), "-p", "lax", "--require",
                 "plain")[0] == INEXACT
    assert check(guest, other(best_rung="closed-loop"))[0] == REFUSED
    assert check(guest, other(best_rung="closed-loop"), "--require",
                 "plain")[0] == FINE
    assert check(dict(guest, policy="strict", require="plain"),
                 other(host_khz=2500002))[0] == REFUSED
    with open(places.top("tests/codec/golden/state-1-full.json"),
              encoding="utf-8") as stream:
        status, said = check(dict(json.load(stream), max_error_ns="1000000"),
                             other(tolerance_ppm=0))
    assert status == FINE and said["tsc_here"]["ratio"] == "234562480592213"


def test_tsc_khz():
    """--tsc-khz: the guest's own frequency, and a promise"""
    for khz, verdict in (2000000, "go"), (2500000, "go"), (3000000, "refuse"):
        status, said = check(good(), other(host_khz=3000400),
                             "--tsc-khz", str(khz))
        assert said["verdict"] == verdict and said["promised"], (khz, said)
    with Files({"format": "clockferry-guest", "version": 1,
                "min_version": 1}, other()) as files:
        fails(FAILURE, "check", *files, "--tsc-khz", "1000",
              words=["clockferry-probe"])


def test_same_host():
    """A host that ignores offsets takes its own guests, if it is proven"""
    before = good(offset="ignored", instant={
        "host_ticks": str(10 ** 15), "realtime_ns": str(18 * 10 ** 17)})
    after = dict(before, instant={
        "host_ticks": str(10 ** 15 + 25 * 10 ** 9),
        "realtime_ns": str(18 * 10 ** 17 + 10 ** 10)})
    for pair in (before, after), (after, before):
        status, said = check(*pair)
        assert status == FINE and said["same_host"], said
        assert said["time_bound_ns"] == "0"
    after["instant"]["host_ticks"] = "5"
    status, said = check(before, after)
    assert status == REFUSED and finding(said, "unproven")


def test_kexec():
    """The same machine under another kernel, which takes its TSC for another"""
    before = good(machine="77", instant={
        "host_ticks": str(10 ** 15), "realtime_ns": str(18 * 10 ** 17)})
    after = dict(before, boot_id="another", host_khz=before["host_khz"] + 3,
                 instant={
                     "host_ticks": str(10 ** 15 + before["host_khz"] * 10 ** 4),
                     "realtime_ns": str(18 * 10 ** 17 + 10 ** 10)})
    status, said = check(before, after)
    assert status == FINE and said["same_host"] and said["kexec"], said
    assert said["rate_error_ppt"] == "0" and said["rung"] == "reanchored"
    assert "kexec" in finding(said, "same-host")["text"], said
    # as if it was a stranger: both clocks, and 500 ppm of 10 s
    assert 0 < int(said["time_bound_ns"]) - 7 * 10 ** 6 < 10 ** 4, said
    for reset in (dict(after, instant=dict(after["instant"],
                                           host_ticks="9000")),
                  dict(after, synchronised=False)):
        said = check(before, reset)[1]
        assert not said["same_host"] and "kexec" not in said, said
        assert "synchronise" in finding(said, "unproven")["cure"], said
    del after["machine"]
    assert not check(before, after)[1]["same_host"]


def test_bad_files():
    """Which file is wrong, and how"""
    with Files(good(), other(offset=7), {"format": "clockferry-state"}) \
            as (fine, bad, state):
        fails(FAILURE, "check", bad, fine, words=[bad, "offset"])
        fails(FAILURE, "check", fine, bad, words=[bad, "offset"])
        fails(FAILURE, "check", fine, state, words=[state,
                                                    "isn't clockferry-probe"])
        fails(FAILURE, "check", state, fine, words=[state])
        fails(FAILURE, "check", fine, fine + "x", words=[fine + "x"])
        fails(USAGE, "check", fine)
        fails(USAGE, "check", fine, fine, fine)
        fails(USAGE, "check", fine, fine, "--policy", "brave",
              words=["brave", "strict"])
        fails(USAGE, "check", fine, fine, "--require", "best",
              words=["best", "closed-loop"])
        for khz in "-1", "0", "", "x", "2e6", str(2 ** 32):
            fails(USAGE, "check", fine, fine, "--tsc-khz", khz,
                  words=["--tsc-khz", "'%s'" % khz])
        fails(USAGE, "check", "-", "-", words=["standard input"])
        fails(FAILURE, "check", fine, fine, "-o", "/dev/full")


def test_standard_input():
    """- is the standard input"""
    with Files(good(), other()) as (one, two):
        with open(one, encoding="utf-8") as stream:
            assert output("check", "-", two, stdin=stream)


def test_schema():
    """The JSON fits its schema, also where much is unknown"""
    nothing = {"format": "clockferry-probe", "version": 1, "min_version": 1}
    chance = places.chance()
    hosts = [good(), other(), nothing] + [pool.host(chance, i)
                                          for i in range(20)]
    for source in hosts[:5]:
        for host in hosts:
            assert_fits("check", check(source, host)[1])


def compare(said, wanted):
    for name, value in wanted.items():
        assert said.get(name) == value, (name, said.get(name), value)
    for name in ("rate_error_ppt", "drift_ns_per_day", "time_bound_ns",
                 "kvmclock_bound_ns", "tsc_here", "tsc_there"):
        assert (name in said) == (name in wanted), (name, said, wanted)


def test_oracle():
    """Random hosts: all figures are those of exact arithmetic"""
    chance = places.chance()
    for number in range(60):
        source, host = pool.host(chance, number), pool.host(chance, number)
        policy = chance.choice(["auto", "strict", "lax"])
        require = chance.choice(oracle.RUNGS + ["plain"] * 5)
        promised, khz = chance.random() < .5, chance.choice([0, 0, 2400000])
        options = ["--policy", policy, "--require", require]
        options += ["--promised"] if promised else []
        options += ["--tsc-khz", str(khz)] if khz else []
        status, said = check(source, host, *options)
        wanted = oracle.check(source, host, policy, require,
                              promised or bool(khz), khz)
        try:
            compare(said, wanted)
        except AssertionError as wrong:
            raise AssertionError("%s: %s -> %s, %s" % (
                wrong, json.dumps(source), json.dumps(host), options)) \
                from None
        assert status == STATUS[wanted["verdict"]], (status, wanted)


def test_names():
    """Hosts of the same name are called by their files"""
    with Files(good(), good(boot_id="two")) as files:
        said = json.loads(output("check", *files, "--json"))
    assert [said["source"], said["destination"]] == files
    assert os.path.basename(files[0]) == "0000.json"
