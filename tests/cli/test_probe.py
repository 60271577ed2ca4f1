# SPDX-License-Identifier: GPL-2.0-or-later
"""clockferry probe"""
import json
import os
import re
import resource
import shutil
import signal
import stat
import subprocess
import tempfile
import time

from harness import fakehost, places, strace
from harness.command import (FAILURE, FINE, INEXACT, USAGE, fails, output,
                             program, run)
from harness.tap import Missing, note

METRIC = re.compile(
    r'(?P<name>[a-z_]+)(\{(?P<labels>[a-z_]+="([^"\\\n]|\\[\\"n])*"'
    r'(,[a-z_]+="([^"\\\n]|\\[\\"n])*")*)\})? (?P<value>[-+0-9.e]+)')


def facts():
    return json.loads(output("probe", "--json"))


def test_text():
    """Facts in one column, then a line for each check and each cure"""
    places.need_kvm()
    above, below = output("probe").split("\n\n")
    for line in above.splitlines():
        assert re.fullmatch(r"[A-Z][\w \-]{15}: \S.*", line), line
    lines = below.splitlines()
    for line, after in zip(lines, lines[1:] + ["  PASS"]):
        assert re.fullmatch(r"  (PASS|WARN|FAIL)  \S.{20,}|"
                            r" {8}Cure: \S.{10,}", line), line
        cured = re.match("  (WARN|FAIL)", line) is not None
        assert after.startswith(" " * 8 + "Cure: ") == cured, (line, after)
    assert len([line for line in lines if line[2] != " "]) >= 11, lines
    assert "%d kHz" % facts()["host_khz"] in above


def test_formats_agree():
    """The same facts in all formats"""
    places.need_kvm()
    known = facts()
    prometheus = output("probe", "--format", "prometheus")
    assert "clockferry_tsc_hertz %d\n" % (known["host_khz"] * 1000) \
        in prometheus
    assert 'offset="%s"' % known["offset"] in prometheus
    assert 'best_rung="%s"' % known["best_rung"] in prometheus
    text = output("probe", "--format", "text")
    assert re.search(r"^Best rung +: %s$" % known["best_rung"], text, re.M)
    warnings = len(re.findall("WARN|FAIL", text))
    assert warnings == len(re.findall(
        r"^clockferry_check_level\{.*\} [12]$", prometheus, re.M))


def test_prometheus():
    """Every line is what the textfile collector reads, each metric once"""
    places.need_kvm()
    typed, seen = [], []
    for line in output("probe", "-f", "prometheus").splitlines():
        if line.startswith("# TYPE "):
            typed.append(line.split()[2])
            assert line.endswith(" gauge"), line
        elif not line.startswith("# HELP "):
            match = METRIC.fullmatch(line)
            assert match, line
            float(match["value"])
            if match["name"] not in seen:
                seen.append(match["name"])
            assert seen[-1] == match["name"], "scattered: %s" % line
    assert typed == seen and len(seen) > 5, (typed, seen)


def test_prometheus_fails():
    """A probe that fails takes the old figures' place, and says when"""
    with tempfile.TemporaryDirectory() as folder:
        path = folder + "/clockferry.prom"
        for how in (["--device", "/dev/null"],
                    ["--device", folder + "/none"],
                    ["--device", folder], ["--from", folder + "/none"]):
            output("probe", "--from", "-", "-f", "prometheus", "-o", path,
                   input=host())
            with open(path, encoding="utf-8") as file:
                assert "clockferry_probe_success 1\n" in file.read()
            fails(FAILURE, "probe", "-f", "prometheus", "-o", path, *how)
            with open(path, encoding="utf-8") as file:
                told = dict(line.split() for line in file if line[0] != "#")
            assert told.pop("clockferry_probe_success") == "0", (how, told)
            assert abs(float(told.pop("clockferry_probe_time_seconds")) -
                       time.time()) < 60
            assert not told, told


def test_tricks():
    """Names that would turn or hide text on a terminal are refused"""
    for bad in "\u202e", "\u2066", "\u200b", "\u2028", "\u2029", "\x85":
        fails(FAILURE, "probe", "--from", "-", input=host(kernel="6" + bad),
              words=["kernel has a control character"])


def test_kubevirt():
    """The labels of a node, with a frequency in Hz"""
    places.need_kvm()
    hz = facts()["host_khz"] * 1000
    scalable = "true" if facts()["scaling"] == "works" else "false"
    assert output("probe", "--format=kubevirt").splitlines() == [
        "cpu-timer.node.kubevirt.io/tsc-frequency=%d" % hz,
        "cpu-timer.node.kubevirt.io/tsc-scalable=%s" % scalable,
        "scheduling.node.kubevirt.io/tsc-frequency-%d=true" % hz]


def test_nfd():
    """A feature file of what is known; a label takes each of its values"""
    with open(places.top("tests/codec/golden/probe-1-full.json"),
              encoding="utf-8") as stream:
        full = stream.read()
    told = output("probe", "-f", "nfd", "--from", "-", input=full)
    assert told.splitlines() == [
        "clockferry.tsc-khz=2599998", "clockferry.tsc-scaling=works",
        "clockferry.tsc-offset=sticks", "clockferry.best-rung=closed-loop",
        "clockferry.time-synchronised=true", "clockferry.takes-guests=true"]
    ignored = full.replace('"sticks"', '"ignored"')
    told = output("probe", "-f", "nfd", "--from", "-", input=ignored)
    assert "takes-guests=false\n" in told, told
    with open(places.top("tests/codec/golden/probe-1-minimal.json"),
              encoding="utf-8") as stream:
        minimal = stream.read()
    for line in output("probe", "-f", "nfd", "--from", "-",
                       input=minimal).splitlines():
        assert re.fullmatch(r"clockferry\.[a-z-]+=[a-z0-9-]+", line), line


def test_nfd_fails():
    """A host that can't be probed loses the labels of better days"""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "features")
        with open(path, "w", encoding="utf-8") as stream:
            stream.write("clockferry.takes-guests=true\n")
        fails(FAILURE, "probe", "-f", "nfd", "--device", "/dev/null",
              "-o", path)
        with open(path, encoding="utf-8") as stream:
            assert stream.read() == "clockferry.takes-guests=false\n"


def test_killed():
    """What stays behind is hidden: NFD reads all files of its folder"""
    with tempfile.TemporaryDirectory() as folder, \
            open(places.top("tests/codec/golden/probe-1-full.json"),
                 encoding="utf-8") as full:
        limit = (1, resource.RLIM_INFINITY)
        done = run("probe", "-f", "nfd", "--from", "-", "-o",
                   folder + "/features", stdin=full, preexec_fn=lambda:
                   resource.setrlimit(resource.RLIMIT_FSIZE, limit))
        assert done.returncode == -signal.SIGXFSZ, done
        left = os.listdir(folder)
        assert len(left) == 1 and left[0].startswith(".features."), left


def test_host():
    """Names, kernel, clocksource and tolerance are the host's own"""
    places.need_kvm()
    known = facts()

    def read(path):
        with open(path, encoding="utf-8") as stream:
            return stream.read().strip()

    assert known["boot_id"] == read("/proc/sys/kernel/random/boot_id")
    assert known["host"] == read("/proc/sys/kernel/hostname")
    assert known["kernel"] == read("/proc/sys/kernel/osrelease")
    assert known["clocksource"] == read(
        "/sys/devices/system/clocksource/clocksource0/current_clocksource")
    try:
        tolerance = int(read("/sys/module/kvm/parameters/tsc_tolerance_ppm"))
    except OSError:
        tolerance = None
    assert known.get("tolerance_ppm") == tolerance
    now = time.clock_gettime_ns(time.CLOCK_REALTIME)
    assert 0 <= now - int(known["instant"]["realtime_ns"]) < 60e9


def host(**changes):
    """A file with a good host's facts, with changes; None takes one out."""
    with open(places.top("tests/codec/golden/probe-1-full.json"),
              encoding="utf-8") as stream:
        known = json.load(stream)
    known.update({"clock_guest": "present", "best_rung": "exact",
                  "tolerance_ppm": 0, "leap": "none",
                  "max_error_ns": "100000"})
    del known["clock_guest_errno"]
    known.update(changes)
    return json.dumps({name: value for name, value in known.items()
                       if value is not None})


def level_of(check, **changes):
    """PASS, WARN or FAIL of one check, and what to do about it."""
    text = output("probe", "--from", "-", input=host(**changes))
    found = re.findall(r"^  (PASS|WARN|FAIL)  ([^\n]*%s[^\n]*)"
                       r"(?:\n {8}Cure: ([^\n]*))?$" % check, text, re.M)
    assert len(found) == 1, (check, text)
    return found[0][0], found[0][1] + found[0][2]


def test_good_host():
    """A host that can do all passes everything"""
    text = output("probe", "--from", "-", input=host(), status=[FINE])
    assert not re.search("WARN|FAIL", text), text
    assert len(re.findall("^  PASS  ", text, re.M)) == 14, text


def test_levels():
    """Each thing that is wrong is found, with its cure"""
    for check, level, word, changes in (
            ("change its rate", "WARN", "newer", {"invariant_tsc": False}),
            ("clocksource", "WARN", "log", {"clocksource": "hpet"}),
            ("be a guest itself", "WARN", "migrated", {"is_guest": True}),
            ("an offset", "FAIL", "ignores", {"offset": "ignored"}),
            ("an offset", "WARN", "unstable", {"offset": "rewinds"}),
            ("an offset", "FAIL", "nobody", {"offset": None}),
            ("read exactly", "WARN", "5.16", {"has_offset": False}),
            ("be scaled", "WARN", "same", {"scaling": "none"}),
            ("be scaled", "WARN", "didn't take", {"scaling": "fails"}),
            ("small diff", "WARN", "set kvm.tsc_tolerance_ppm to 0",
             {"tolerance_ppm": 250}),
            ("ratio of", "WARN", "newer", {"has_scale": False}),
            ("master clock", "WARN", "clocksource", {"master_clock": False}),
            ("take the real time", "WARN", "5.16", {"set_realtime": False}),
            ("KVM_SET_CLOCK_GUEST", "WARN", "newer",
             {"clock_guest": "absent"}),
            ("KVM_SET_CLOCK_GUEST", "WARN", "failed",
             {"clock_guest": "unusable"}),
            ("isn't synchronised", "WARN", "chronyd", {"synchronised": False}),
            ("TAI", "WARN", "leapsectz", {"tai_offset_s": None}),
            ("since 2017", "WARN", "leapsectz", {"tai_offset_s": 36}),
            ("leap second is near", "WARN", "has passed", {"leap": "insert"}),
            ("boot id", "WARN", "readable", {"boot_id": None})):
        found, cure = level_of(check, **changes)
        assert found == level and word in cure, (check, changes, found, cure)


def test_leap():
    """What the kernel says of a leap second"""
    places.need_kvm()
    for leap in "none", "insert", "delete", "now":
        fake = fakehost.declare("leap-" + leap, "newest", leap=leap)
        said = json.loads(output("probe", "--json",
                                 env=fakehost.environment(fake)))
        assert said["leap"] == leap, (leap, said)


def test_old_kernel():
    """Linux 5.10: everything that is said about kvmclock agrees"""
    old = {"has_offset": False, "set_realtime": False, "clock_guest": "absent",
           "best_rung": "plain"}
    text = output("probe", "--from", "-", input=host(**old), status=[INEXACT])
    assert "only to within about 1 us" in text and "2 ns" not in text, text
    new = dict(old, set_realtime=True, best_rung="closed-loop")
    text = output("probe", "--from", "-", input=host(**new), status=[INEXACT])
    assert "1 us" not in text and "2 ns instead of exactly" in text, text


def test_status():
    """Exit status 4 where guests can't come exactly"""
    for status, changes in ((FINE, {"best_rung": "closed-loop"}),
                            (INEXACT, {"best_rung": "realtime"}),
                            (INEXACT, {"best_rung": None}),
                            (INEXACT, {"offset": "rewinds"}),
                            (INEXACT, {"offset": None}),
                            (INEXACT, {"has_offset": False}),
                            (INEXACT, {"synchronised": False}),
                            (INEXACT, {"max_error_ns": "128000001"}),
                            (FINE, {"scaling": "none"})):
        for form in "text", "json", "prometheus", "kubevirt":
            output("probe", "--from", "-", "-f", form, status=[status],
                   input=host(**changes))


def test_unknown():
    """Of a host of which nothing is known nothing is claimed"""
    nothing = '{"format": "clockferry-probe", "version": 1, "min_version": 1}'
    text = output("probe", "--from", "-", input=nothing)
    assert "PASS" not in text and " 0 kHz" not in text, text
    assert text.split("\n\n")[0].count("unknown") >= 9, text
    metrics = output("probe", "--from", "-", "-f", "prometheus",
                     input=nothing)
    assert "hertz" not in metrics and "seconds" not in metrics, metrics
    assert not output("probe", "--from", "-", "-f", "kubevirt", input=nothing)
    assert json.loads(output("probe", "--from", "-", "--json",
                             input=nothing)) == json.loads(nothing)


def test_labels():
    """Quotes and backslashes in a label are escaped"""
    metrics = output("probe", "--from", "-", "-f", "prometheus",
                     input=host(kernel='6."\\x'))
    line = next(line for line in metrics.splitlines() if 'kernel="' in line)
    assert METRIC.fullmatch(line) and r'kernel="6.\"\\x"' in line, line


def test_bad_files():
    """Files that aren't a host's facts, by name"""
    with tempfile.TemporaryDirectory() as folder:
        file = folder + "/host.json"
        with open(file, "w", encoding="utf-8") as stream:
            stream.write(host(host_khz="fast"))
        fails(FAILURE, "probe", "--from", file,
              words=[file, "host_khz must be a whole number"])
        fails(FAILURE, "probe", "--from", folder + "/none", words=["none"])
        fails(FAILURE, "probe", "--from", folder, words=[folder])
        fails(FAILURE, "probe", "--from", "-", input="[1]",
              words=["isn't a JSON object"])
        fails(FAILURE, "probe", "--from", "/dev/zero", words=["/dev/zero"])


def test_quick():
    """It asks KVM some dozen times, and waits for nobody"""
    places.need_kvm()
    done, found = strace.calls([program(), "probe"])
    assert done.returncode in (FINE, INEXACT), done
    note("%d ioctls of %d system calls" % (found["ioctl"], found.total()))
    strace.assert_prompt(found, ioctls=100, others=1000)


def test_formats():
    """An unknown format, and two formats at once"""
    fails(USAGE, "probe", "--format", "xml", words=["xml", "kubevirt"])
    fails(USAGE, "probe", "--from", "x", "--device", "/dev/null",
          words=["--from", "--device"])
    fails(USAGE, "probe", "--json", "--format", "text", words=["can't be combined"])


def test_closed_by_a_pipe():
    """Who closes the pipe ends it, without a trace"""
    places.need_kvm()
    done = subprocess.run("%s probe | true" % program(), shell=True,
                          capture_output=True, text=True)
    assert not done.stderr and done.returncode == 0, done.stderr


def test_no_rights():
    """A device that may not be opened"""
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        raise Missing("root", "only root can make a device that is forbidden")
    with tempfile.TemporaryDirectory() as folder:
        device = folder + "/kvm"
        os.mknod(device, stat.S_IFCHR | 0o600, os.makedev(10, 232))
        os.chown(device, 65534, 65534)
        done = subprocess.run(
            ["setpriv", "--bounding-set=-dac_override,-dac_read_search",
             program(), "probe", "--device", device],
            capture_output=True, text=True)
    assert done.returncode == FAILURE, done
    assert "group that owns it" in done.stderr and \
        done.stderr.count("\n") == 1, done.stderr
