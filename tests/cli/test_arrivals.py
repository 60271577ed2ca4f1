# SPDX-License-Identifier: GPL-2.0-or-later
"""clockferry arrivals, and the records that state --watch --json makes"""
import json
import math
import re
import subprocess
import tempfile
import xml.etree.ElementTree as xml

from harness import migrate, process
from harness.command import FAILURE, FINE, INEXACT, fails, output, program
from harness.monitor import Monitor, Qemu, clocks
from harness.schemas import assert_fits
from harness.wait import LIMIT_S
from test_state import LOST, RESTORE

SVG = "{http://www.w3.org/2000/svg}"
EXACT, NOT_EXACT, NOT_CARRIED = "#3fa7a0", "#e88b4a", "#8c2f4d"
START_S = 1795860000
# Of a picture's panels, from the top: where 0 is, how high they are.
BOTTOMS, HEIGHT = (178, 332, 486), 120


def record(number, host="host-b", name="vm-7", lost=None, restore=None,
           **changes):
    """What state --json says of a guest's arrival, so many minutes later."""
    told = {"rung": "closed-loop", "tries": 2, "tsc": "computed",
            "residual_ns": "-1", "bound_ns": "3", "rate_error_ppt": "0",
            "skew_ticks": "0", "time_bound_ns": "20000",
            "elapsed_from": "channel", "same_host": False, "frozen": False,
            "elapsed_ns": str(1000000 + number), "duration_ns": "9", **changes}
    facts = {"format": "clockferry-guest", "version": 1, "min_version": 1,
             "host": host, "instant": {
                 "host_ticks": "7", "realtime_ns": "%d" % (
                     (START_S + 60 * number) * 10 ** 9)},
             "policy": "auto", "require": "plain", "name": name,
             "enabled": True, "blackout": "count", "status": "running"}
    facts.update({"not_carried": lost} if lost else
                 {"restore": told} if restore is None else restore)
    return facts


class Recorded:
    """Files with the records, as lines and as they are printed for people."""

    def __init__(self, *files):
        self._folder = tempfile.TemporaryDirectory()
        self._files = files

    def __enter__(self):
        paths = []
        for number, records in enumerate(self._files):
            paths.append("%s/%d.json" % (self._folder.name, number))
            with open(paths[-1], "w", encoding="utf-8") as stream:
                for one in records:
                    json.dump(one, stream, indent=number % 2 * 2 or None)
                    stream.write("\n")
        return paths

    def __exit__(self, *why):
        self._folder.cleanup()


def arrivals(*records, status=(FINE, INEXACT), form=()):
    with Recorded(records) as files:
        return output("arrivals", *form, *files, status=status,
                      env={"TZ": "UTC"})


def picture(*records):
    return xml.fromstring(arrivals(*records, form=["--svg"]))


def bars(root, panel):
    """(middle, height, colour) of what is drawn in a panel."""
    for rect in root.iter(SVG + "rect"):
        top, height = float(rect.get("y", 0)), rect.get("height")
        if rect.get("fill", "").startswith("#") and \
                abs(top + float(height) - BOTTOMS[panel]) < .2:
            yield (int(rect.get("x")) + int(rect.get("width")) // 2,
                   float(height), rect.get("fill"))


def test_lines():
    """A line for each arrival of all files, by their times, once each"""
    here = [record(0), record(1), record(1), record(5)]
    there = [record(3, "host-a", rung="realtime", residual_ns="4000"),
             record(4, "host-a", lost=LOST)]
    with Recorded(here, there) as files:
        lines = output("arrivals", *files, status=[INEXACT],
                       env={"TZ": "UTC"}).splitlines()
    assert [line[:27] for line in lines] == [
        "2026-11-28 10:%02d:00 %s:" % (minute, host)
        for minute, host in ((0, "host-b"), (1, "host-b"), (3, "host-a"),
                             (4, "host-a"), (5, "host-b"))], lines
    assert lines[0].endswith(": closed-loop, 2 tries, residual -1 ns, TSC "
                             "computed, rate error 0"), lines
    assert "realtime" in lines[2] and "residual 4 us" in lines[2], lines
    assert lines[3].endswith("not carried: " + LOST), lines


def test_status():
    """0 if each was exact, 4 if one wasn't"""
    arrivals(record(0), record(1), status=[FINE])
    arrivals(record(0), record(1, tsc="not-set"), status=[INEXACT])
    arrivals(record(0), record(1, lost=LOST), status=[INEXACT])


def test_twice():
    """A loss that is asked for twice counts once; two of one kind are two"""
    said = arrivals(record(0, lost=LOST), record(1, lost=LOST),
                    record(2, "host-a"), record(3, lost=LOST))
    assert said.count("not carried") == 2, said


def test_no_time():
    """Without times they stay in their order"""
    records = [record(number, host) for number, host in
               ((5, "x"), (3, "y"), (4, "z"))]
    for one in records:
        del one["instant"]
    said = arrivals(*records)
    assert re.findall(r"^(\w): ", said, re.M) == ["x", "y", "z"], said


def test_watch():
    """state --watch --json writes what this reads: a line for each arrival"""
    events = [{"event": "KVM_CLOCK_RESTORED", "data": RESTORE},
              {"event": "STOP"}, {"event": "KVM_CLOCK_NOT_CARRIED", "data": 1}]
    told = {**clocks(RESTORE), "query-cpus-fast": [{"qom-path": "/cpu"}],
            "qom-get": False}
    with Monitor(told, events=events) as path, \
            tempfile.NamedTemporaryFile("w+") as file:
        watching = subprocess.Popen([program(), "state", "--watch", "--json",
                                     "--qmp", path], text=True,
                                    stdout=subprocess.PIPE)
        # Each time it asks the monitor sends the events again.
        lines = [watching.stdout.readline() for _ in range(4)]
        process.end(watching)
        watching.communicate(timeout=LIMIT_S)
        for line in lines:
            assert_fits("guest", json.loads(line))
        file.write("".join(lines))
        file.flush()
        said = output("arrivals", file.name, status=[FINE])
    assert said.count("\n") == 1 and "residual -1 ns" in said, said


def test_migration():
    """What is recorded of a real migration is one arrival"""
    with Qemu("patched", incoming="defer") as (destination, path), \
            Qemu("patched") as (source, _):
        source.wait_up()
        uri = migrate.listen(destination)
        watching = subprocess.Popen([program(), "state", "--watch", "--json",
                                     "--qmp", path], text=True,
                                    stdout=subprocess.PIPE)
        started = watching.stdout.readline()
        assert migrate.go(source, uri)["status"] == "completed"
        migrate.arrive(destination)
        arrived = json.loads(watching.stdout.readline())
        destination.close()
        rest, _ = watching.communicate(timeout=LIMIT_S)
    assert not rest and watching.returncode == FINE, (rest, watching)
    assert_fits("guest", arrived)
    said = arrivals(json.loads(started), arrived)
    assert re.fullmatch(r"\S+ \S+ \S+: .*, TSC .*\n", said), said
    assert "not carried" not in said, said


def test_picture():
    """Every figure has its length on a scale, and its colour"""
    bounds = [0, 1, 2, 3, 1000, 20000]
    root = picture(*[record(number, bound_ns=str(bound), residual_ns="0")
                     for number, bound in enumerate(bounds)],
                   record(7, rung="realtime"), record(8, lost=LOST))
    drawn = list(bars(root, 0))
    assert [colour for _, _, colour in drawn] == \
        [EXACT] * 6 + [NOT_EXACT, NOT_CARRIED], drawn
    assert [x for x, _, _ in drawn] == [74 + 60 * i + 30 for i in range(8)]
    # Its lines: 0, and 1 ns to 100 us; between 0 and the first it is linear.
    for bound, (_, height, _) in zip(bounds, drawn):
        lines = bound and 1 + math.log10(bound)
        assert abs(height - lines * HEIGHT / 6) < .1, (bound, height)
    assert drawn[-1][1] == HEIGHT
    dots = [float(dot.get("cy")) for dot in root.iter(SVG + "circle")]
    assert dots == [BOTTOMS[0]] * 6 + [BOTTOMS[0] - HEIGHT / 6], dots
    for panel in 1, 2:
        assert len(list(bars(root, panel))) == 8
    texts = ["".join(text.itertext()) for text in root.iter(SVG + "text")]
    for wanted in "vm-7: 8 arrivals", "6 exactly", "1 not exactly", \
            "1 not carried", "100 us", "2026-11-28 10:08:00 host-b":
        assert wanted in texts, (wanted, texts)
    told = [title.text for title in root.iter(SVG + "title")]
    assert told[-1].endswith("host-b: not carried: " + LOST), told


def test_unknown():
    """What isn't known isn't drawn as 0"""
    one = record(0)
    del one["restore"]["bound_ns"], one["restore"]["time_bound_ns"]
    root = picture(one)
    assert [len(list(bars(root, panel))) for panel in range(3)] == [0, 0, 1]
    assert [text.text for text in root.iter(SVG + "text")].count("?") == 2


def test_lengths():
    """Of all lengths that can be, and of more than there is room for"""
    for bound in 0, 1, 10, 2 ** 63 - 1, -2 ** 63:
        for height in bars(picture(record(0, bound_ns=str(bound))), 0):
            assert 0 <= height[1] <= HEIGHT, (bound, height)
    root = picture(*[record(number) for number in range(401)])
    assert len(list(bars(root, 0))) == 400
    assert "vm-7: the last 400 of 401 arrivals" in [
        text.text for text in root.iter(SVG + "text")]
    assert float(root.get("width")) < 1400


def test_wrong():
    """Files that aren't records: one sentence, which names the file"""
    started = record(0, restore={})
    for records, words in (
            ([started], "never arrived"), ([], "JSON"),
            ([record(0), record(1, name="vm-8")], "vm-8"),
            ([record(0, bound_ns=3)], "bound_ns"),
            ([record(0, bound_ns="-0")], "bound_ns"),
            ([record(0, bound_ns="+1")], "bound_ns"),
            ([record(0, bound_ns="07")], "bound_ns"),
            ([record(0, bound_ns="-")], "bound_ns"),
            ([record(0, bound_ns=str(2 ** 63))], "bound_ns"),
            ([record(0, rung="best")], "rung"),
            ([{**record(0), "format": "clockferry-probe"}], "clockferry-guest"),
            ([{**record(0), "min_version": 2}], "version")):
        with Recorded(records) as files:
            fails(FAILURE, "arrivals", *files, words=[words])
    # A guest may have been started before it was moved.
    assert arrivals(started, record(1)).count("\n") == 1


def test_hostile_names():
    """Names are only text"""
    evil = '<script>alert("&")</script>'
    for form in [], ["--svg"]:
        said = arrivals(record(0, evil, evil, lost=evil), form=form)
        if form:
            assert "<script" not in said
            xml.fromstring(said)
