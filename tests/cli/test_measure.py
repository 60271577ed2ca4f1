# SPDX-License-Identifier: GPL-2.0-or-later
"""clockferry measure: between fake hosts, whose clocks are known exactly, over
real pipes; and other ends that fail, lie or are silent"""
import functools
import json
import os
import shlex
import stat
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

from harness import fakehost, places
from harness.command import (FAILURE, FINE, INEXACT, USAGE, fails, output,
                             program)
from harness.schemas import assert_fits

REAL_NS = 1800000000 * 10 ** 9
MS = 10 ** 6
HERE = {"khz": 2600000, "tsc_start": 10 ** 15}
THERE = {"khz": 2596120, "tsc_start": 2 ** 64 - 10 ** 13}
SLOW = "while read -r x; do sleep 0.02; echo; done | "
SLOW_BACK = " | while IFS= read -r x; do case $x in '}') sleep 0.02;; esac; " \
    "printf '%s\\n' \"$x\"; done"


def other_end(host, before="", after=""):
    """The command line that starts it on that host."""
    return "sh -c " + shlex.quote(
        "%sLD_PRELOAD=%s %s measure --answer%s" % (
            before, fakehost.preload(host), shlex.quote(program()), after))


@functools.lru_cache(None)
def here():
    return fakehost.declare("measure-here", "newest", realtime=REAL_NS, **HERE)


def there(name, apart_ns, **keys):
    return fakehost.declare("measure-" + name, "newest",
                            realtime=REAL_NS + apart_ns, **dict(THERE, **keys))


def measured(via, status, *options):
    places.need_kvm()
    said = json.loads(output(
        "measure", "--json", "--seconds", "1", "--via", via, *options,
        "host-b", status=[status], env=fakehost.environment(here())))
    assert_fits("measure", said)
    return {name: int(value) if isinstance(value, str) and
            value.lstrip("-").isdigit() else value
            for name, value in said.items()}


def assert_true(said, apart_ns):
    """The limits contain what the model knows."""
    assert said["clocks_least_ns"] <= apart_ns <= said["clocks_greatest_ns"], \
        said
    for one in said["readings"]:
        assert int(one["clocks_least_ns"]) <= apart_ns <= \
            int(one["clocks_greatest_ns"]), one
    assert said["rate_least_ppt"] <= 0 <= said["rate_greatest_ppt"], said
    true_ns = ((said["there_ticks"] - THERE["tsc_start"]) % 2 ** 64
               ) * 10 ** 6 / THERE["khz"]
    ticks = HERE["tsc_start"] + true_ns * HERE["khz"] / 10 ** 6
    assert said["here_least_ticks"] - 2 <= ticks <= \
        said["here_greatest_ticks"] + 2, (ticks, said)


def test_apart():
    """Clocks that are apart: by how much, whoever is to blame, with bounds"""
    for name, apart_ns in (("ahead", 3 * MS), ("behind", -540 * 10 ** 9),
                           ("day", 86400 * 10 ** 9)):
        said = measured(other_end(there(name, apart_ns)), INEXACT)
        assert_true(said, apart_ns)
        assert said["contradicted"] and said["elapsed_from"] == "channel", said
        assert abs(apart_ns) - said["clocks_wrong_ns"] < 3 * MS, said
        assert said["time_bound_ns"] < 3 * MS, said


def test_right():
    """Clocks that are right: these tell the time, and nothing is wrong"""
    said = measured(other_end(there("right", 0)), FINE)
    assert_true(said, 0)
    assert said["elapsed_from"] == "tai" and not said["clocks_wrong_ns"], said
    assert said["time_bound_ns"] <= said["clocks_bound_ns"] == 200000, said


def test_unsynchronised():
    """A clock whose kernel doesn't know how far it is off contradicts itself
    only by being off"""
    said = measured(other_end(there("unsynchronised", 0,
                                    synchronised="false")), FINE)
    assert_true(said, 0)
    assert "clocks_bound_ns" not in said, said


def test_unstable():
    """A TSC that the kernel gave up proves nothing, and blames no clock"""
    places.need_kvm()
    unstable = fakehost.declare("measure-unstable", "unstable-newest",
                                realtime=REAL_NS)
    steady = there("steady", 0)
    for one, other in (unstable, steady), (steady, unstable):
        fails(FAILURE, "measure", "-s", "1", "--via", other_end(other),
              "host-b", env=fakehost.environment(one),
              words=["host-b: ", "the TSC of one host is unstable"])


def test_delay():
    """A way that takes 20 ms longer than the other: wide limits, that hold. By
    a long way there a clock can't seem farther behind, so one ahead shows"""
    for name, status, ways in (("there", INEXACT, {"before": SLOW}),
                               ("back", FINE, {"after": SLOW_BACK})):
        said = measured(other_end(there("delay-" + name, 7 * MS), **ways),
                        status)
        assert_true(said, 7 * MS)
        assert said["round_trip_ns"] >= 20 * MS, said


def test_text():
    """For people: what differs, and a chart with a line for each round"""
    places.need_kvm()
    text = output("measure", "-s", "1", "--via",
                  other_end(there("text", 540 * 10 ** 9)), "host-b",
                  status=[INEXACT], env=fakehost.environment(here()))
    for words in ("WARN  the clocks are wrong by ", ": 9 min",
                  "2600000 kHz here, 2596120 kHz there", "time by channel"):
        assert words in text, (words, text)
    chart = [line for line in text.splitlines() if line.count("|") == 2]
    assert len(chart) == 20 and all("*" in line for line in chart), text


def test_ssh():
    """It is ssh that starts the other end"""
    places.need_kvm()
    with tempfile.TemporaryDirectory() as folder:
        ssh = folder + "/ssh"
        with open(ssh, "w", encoding="utf-8") as script:
            script.write('#!/bin/sh\necho "$*" >%s.log\nshift 3\nexec %s "$@"\n'
                         % (ssh, shlex.quote(program())))
        os.chmod(ssh, stat.S_IRWXU)
        output("measure", "-s", "1", "user@host-b", env=dict(
            os.environ, PATH=folder + ":" + os.environ["PATH"]))
        with open(ssh + ".log", encoding="utf-8") as log:
            assert log.read() == \
                "-- user@host-b clockferry measure --answer\n"


def test_usage():
    """What doesn't go together"""
    for words, arguments in (
            ("HOST", []), ("--answer", ["--answer", "host-b"]),
            ("--seconds", ["-s", "0", "host-b"]),
            ("--seconds", ["-s", "3601", "host-b"])):
        fails(USAGE, "measure", *arguments, words=[words])


def test_before():
    """What fails here fails before the other host is asked"""
    never = ["--via", "sh -c 'echo asked >&2'", "host-b"]
    fails(FAILURE, "measure", "--output=/nowhere/file", *never,
          words=["/nowhere/file"])
    fails(FAILURE, "measure", "--device=/nowhere/kvm", *never,
          words=["/nowhere/kvm"])


def wrong(script, *words):
    """This other end makes it fail, in a sentence that names the host."""
    fails(FAILURE, "measure", "-s", "1", "--via", "sh -c " +
          shlex.quote(script), "host-b", words=("host-b: ",) + words)


def answers(*instants):
    """A script that gives these instants, the last one again and again."""
    probe = '{"format": "clockferry-probe", "version": 1, "min_version": 1, ' \
        '"host_khz": 2600000%s\n}\n'
    texts = [probe % ', "synchronised": true, "max_error_ns": "1", "instant":'
             ' {"host_ticks": "%d", "realtime_ns": "%d"}' % one
             for one in instants]
    texts.insert(0, probe % "")
    lines = [("read -r x; " if i else "") + "printf %s " + shlex.quote(text)
             for i, text in enumerate(texts)]
    return "; ".join(lines) + "; while read -r x; do printf %s " + \
        shlex.quote(texts[-1]) + "; done"


def test_wrong():
    """An end that isn't there, ends, isn't ours, or tells what can't be"""
    places.need_kvm()
    fails(FAILURE, "measure", "--via", "/nowhere/ssh", "host-b",
          words=["host-b: ", "/nowhere/ssh"])
    fails(FAILURE, "measure", "--via", "sh '", "host-b", words=["host-b: "])
    wrong("exit 0", "the connection ended")
    wrong("echo Welcome; echo '{'; echo '}'", "can't read")
    wrong("yes", "aren't clockferry's")
    wrong("printf '{\\n}\\n'; sleep 100", "format")
    wrong(answers(), "doesn't tell its TSC")
    wrong(answers((5, REAL_NS)).replace("host_khz", "other"), "the frequency")
    wrong(answers((0, 0)), "contradict")
    wrong(answers((2 ** 63, REAL_NS)), "contradict")
    wrong(answers((5, 2 ** 64 - 1)), "can't be true")
    wrong("printf '%s\\n' '{\"format\": \"clockferry-probe\", \"version\": 1,"
          " \"min_version\": 1' '}'; read -r x", "connection ended")


def test_silent():
    """An end that is silent, or never ends a sentence: a limit"""
    places.need_kvm()
    hello = "printf '{\"format\": \"clockferry-probe\", \"version\": 1, " \
        "\"min_version\": 1\\n}\\n'; "
    start = time.monotonic()
    with ThreadPoolExecutor() as pool:
        for done in [pool.submit(wrong, hello + script, "doesn't answer")
                     for script in ("exec sleep 60", "while :; do printf x; "
                                    "sleep 0.1; done", "kill -STOP $$",
                                    "trap '' TERM; exec sleep 60")]:
            done.result()
    assert time.monotonic() - start < 50
