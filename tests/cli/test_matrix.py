# SPDX-License-Identifier: GPL-2.0-or-later
"""clockferry matrix"""
import html.parser
import json
import os
import re
import subprocess
import tempfile
import xml.etree.ElementTree as xml
from fractions import Fraction

import oracle
import pool
from harness import places
from harness.command import (FAILURE, FINE, INEXACT, REFUSED, USAGE, fails,
                             leftovers, on_terminal, output, program, run)
from harness.schemas import assert_fits
from harness.tap import note
from test_check import Files, compare, good

SIGNS = {"go": "+", "report": "~", "warn": "!", "refuse": "-"}


def matrix(hosts, *options):
    """What --json says of hosts."""
    with Files(*hosts) as files:
        done = run("matrix", "--json", *options, *files)
    assert done.returncode in (FINE, INEXACT, REFUSED) and not done.stderr, \
        done.stderr
    return json.loads(done.stdout)


def fleet():
    """Three alike, one 2 kHz off, one that ignores offsets, two that scale
    exactly."""
    def named(name, **changes):
        return good(host=name, boot_id="boot-" + name, **changes)

    return [named("a1"), named("a2"), named("a3"),
            named("b", host_khz=2500002, scaling="none"),
            named("c", offset="ignored", scaling="none"),
            named("d1", host_khz=3000000, tolerance_ppm=0),
            named("d2", host_khz=3000000, tolerance_ppm=0)]


def test_text():
    """Table, groups, spoilers and a frequency for a small pool"""
    with Files(*fleet()) as files:
        text = output("matrix", *files, status=[REFUSED])
    assert text.splitlines()[:6] == [
        "Guests of, to         1  2  3  4",
        "  1 a1 and 2 like it  +  +  ~  -",
        "  2 d1 and 1 like it  +  +  -  -",
        "  3 b                 ~  +  .  -",
        "  4 c                 +  +  ~  .",
        ""], text
    assert "7 hosts, 4 kinds, 42 moves:" in text
    assert "\n  5 hosts: a1, a2, a3, d1, d2\n" in text
    assert "\n  b: guests from d1 are refused: the guest's TSC runs at " \
        "3000000 kHz and would run at 2500002 kHz" in text, text
    assert "\n  c: guests from a1 are refused: the destination's KVM " \
        "ignores TSC offsets" in text
    assert text.endswith("Best common TSC frequency: 2500000 kHz, exact on "
                         "6 of 7 hosts\n"), text


def test_status():
    """0 if all may go everywhere, 4 not exactly, 3 some are refused"""
    for hosts, status in ((fleet()[:3], FINE), (fleet()[:1], FINE),
                          (fleet()[:4], INEXACT), (fleet(), REFUSED)):
        with Files(*hosts) as files:
            for form in [], ["--json"], ["--svg"], ["--html"]:
                output("matrix", *form, *files, status=[status])


def test_alone():
    """One host has nobody to be compared with"""
    with Files(good()) as files:
        text = output("matrix", *files, status=[FINE])
    assert text.startswith("Only one host is given"), text
    assert "moves" not in text and "interchangeable" not in text, text


def test_pairs():
    """10,000 random pairs, three policies: every figure is exact"""
    chance = places.chance()
    hosts = [pool.host(chance, number) for number in range(100)]
    for policy, require, promised, khz in (
            ("auto", "plain", False, 0), ("strict", "realtime", True, 0),
            ("lax", "plain", False, 2400000)):
        options = ["--pairs", "--policy", policy, "--require", require]
        options += ["--promised"] if promised else []
        options += ["--tsc-khz", str(khz)] if khz else []
        said = matrix(hosts, *options)
        assert len(said["pairs"]) == 10000
        for pair in said["pairs"]:
            source, host = hosts[pair["from"]], hosts[pair["to"]]
            try:
                compare(pair, oracle.check(source, host, policy, require,
                                           promised or bool(khz), khz))
            except AssertionError as wrong:
                raise AssertionError("%s: %s -> %s, %s" % (
                    wrong, json.dumps(source), json.dumps(host), options)) \
                    from None
            if source is not host:
                assert said["rows"][pair["from"]][pair["to"]] == \
                    SIGNS[pair["verdict"]]


def test_like_check():
    """A cell is what check says of that pair"""
    chance = places.chance()
    hosts = [pool.host(chance, number) for number in range(7)]
    with Files(*hosts) as files:
        rows = json.loads(run("matrix", "--json", *files).stdout)["rows"]
        for i, source in enumerate(files):
            for j, destination in enumerate(files):
                if i != j:
                    said = run("check", "--json", source, destination).stdout
                    assert rows[i][j] == \
                        SIGNS[json.loads(said)["verdict"]], (i, j)
                else:
                    assert rows[i][j] == "."


def alike(rows, a, b):
    """By the definition."""
    others = [i for i in range(len(rows)) if i not in (a, b)]
    return rows[a][b] == rows[b][a] and all(
        rows[a][i] == rows[b][i] and rows[i][a] == rows[i][b]
        for i in others)


def test_narrow():
    """No table that a terminal would have to fold"""
    with Files(*fleet()) as files:
        for columns, fits in (80, True), (32, True), (31, False), (5, False):
            text = on_terminal("matrix", *files, columns=columns,
                               NO_COLOR="1").decode()
            assert ("Guests of, to" in text) == fits, (columns, text)
            assert ("this terminal has" in " ".join(text.split())) != fits, \
                (columns, text)
            assert max(map(len, text.split("\r\n"))) \
                <= max(columns, 31), text


def test_twins():
    """Every host has a name of its own: its file's, where it shares its own"""
    with tempfile.TemporaryDirectory() as folder:
        os.mkdir(folder + "/r1")
        os.mkdir(folder + "/r2")
        files = pool.write(folder + "/r1", [good(), good(), good(host="c")]) \
            + pool.write(folder + "/r2", [good(), good(host="0001")])
        said = json.loads(run("matrix", "--json", *files).stdout)
    names = [host["name"] for host in said["hosts"]]
    # two files are called 0000.json; and 0001.json's host isn't host 0001
    assert names == [files[0], files[1], "c", files[3], files[4]], names


def random_pools():
    chance = places.chance()
    for number in range(12):
        kinds = [pool.host(chance, i) for i in range(chance.randrange(1, 9))]
        hosts = []
        for i in range(chance.randrange(1, 25)):
            facts = dict(chance.choice(kinds), host="h%d" % i)
            facts["boot_id"] = "boot-%d" % i
            hosts.append(facts)
        yield hosts


def test_kinds():
    """Hosts are of one kind if, and only if, they are alike"""
    for hosts in random_pools():
        said = matrix(hosts)
        kinds = [host["kind"] for host in said["hosts"]]
        for a in range(len(hosts)):
            for b in range(a):
                assert (kinds[a] == kinds[b]) == alike(said["rows"], a, b), \
                    (a, b, said["rows"])


def test_groups():
    """In a group all is well both ways; who is outside doesn't fit"""
    for hosts in random_pools():
        said = matrix(hosts)
        number = {h["name"]: i for i, h in enumerate(said["hosts"])}
        rows, seen = said["rows"], set()
        for index, group in enumerate(said["groups"]):
            members = [number[name] for name in group]
            assert len(members) >= 2 and not seen & set(members)
            seen |= set(members)
            assert all(rows[a][b] == "+" for a in members for b in members
                       if a != b)
            assert all(said["hosts"][i]["group"] == index for i in members)
        sizes = [len(group) for group in said["groups"]]
        assert sizes == sorted(sizes, reverse=True)
        check_spoilers(said, rows, number)


def check_spoilers(said, rows, number):
    if not said["groups"]:
        assert not said["spoilers"]
        # nobody was overlooked
        assert not any(rows[a][b] == rows[b][a] == "+"
                       for a in range(len(rows)) for b in range(a))
        return
    largest = [number[name] for name in said["groups"][0]]
    outside = {host["kind"] for host in said["hosts"]
               if host.get("group") != 0}
    assert {each["kind"] for each in said["spoilers"]} == outside
    for spoiler in said["spoilers"]:
        host = next(i for i, h in enumerate(said["hosts"])
                    if h["kind"] == spoiler["kind"])
        worst = max((rows[a][b] for i in largest
                     for a, b in ((i, host), (host, i))), key="+~!-".index)
        assert SIGNS[spoiler["verdict"]] == worst != "+", (spoiler, rows)


def test_frequency():
    """No host's own frequency is run exactly by more hosts, or by as many and
    closely by more others"""
    def count(hosts, khz):
        exact = close = 0
        for host in hosts:
            tsc = oracle.given(host, Fraction(khz))
            ppt = oracle.error(tsc, oracle.Tsc(khz)) if tsc else oracle.NOT
            exact += ppt is not oracle.NOT and abs(ppt) <= 1000
            close += ppt is not oracle.NOT and 1000 < abs(ppt) <= 10 ** 6
        return exact, close

    for hosts in random_pools():
        own = [host["host_khz"] for host in hosts if "host_khz" in host]
        common = matrix(hosts).get("common_frequency")
        if not own:
            assert not common
            continue
        served = common["exact_hosts"], common["close_hosts"]
        assert served == count(hosts, common["khz"])
        assert served == max(
            count(hosts, khz)
            for khz in set(own) | {min(own) - min(own) // 1000})
        assert len(common["other_hosts"]) == \
            len(hosts) - common["exact_hosts"]


def test_tied_frequencies():
    """Of two that as many run exactly, the one that others nearly run"""
    hosts = [good(host_khz=khz, scaling="works" if khz == 2600000 else "none")
             for khz in (2600000, 2600000, 2394454, 2394455, 1995312)]
    common = matrix(hosts)["common_frequency"]
    assert common["khz"] == 2394454, common
    assert (common["exact_hosts"], common["close_hosts"]) == (3, 1), common
    assert common["next_best"] == {"khz": 2394455, "exact_hosts": 3,
                                   "close_hosts": 1}, common
    with Files(*hosts) as files:
        text = run("matrix", *files).stdout
    assert text.endswith(
        "TSC frequency: 2394454 kHz, exact on 3 of 5 hosts, within 1 ppm on 1 "
        "more; next best: 2394455 kHz, exact on 3, within 1 ppm on 1 more\n"), text


def test_wishes():
    """The options of check count for all pairs"""
    rows = matrix(fleet()[:4], "--policy", "strict")["rows"]
    assert rows[0] == ".++-", rows
    rows = matrix(fleet()[:4], "--policy", "lax")["rows"]
    assert rows[0] == ".++~", rows
    rows = matrix(fleet()[:4], "--tsc-khz", "2000000")["rows"]
    assert rows[0] == ".++-", rows


SVG = "{http://www.w3.org/2000/svg}"
COLOURS = {"+": "#3fa7a0", "~": "#f2d56b", "!": "#e88b4a", "-": "#8c2f4d"}


def squares(picture, count):
    """The colours of the squares, row by row."""
    rows = [[None] * count for _ in range(count)]
    for rect in picture.iter(SVG + "rect"):
        if rect.get("height") != "30":
            continue
        row = (int(rect.get("y")) - 190) // 30
        column = (int(rect.get("x")) - 240) // 30
        for i in range(int(rect.get("width")) // 30):
            assert rows[row][column + i] is None
            rows[row][column + i] = rect.get("fill")
    return rows


def test_svg():
    """The picture has each verdict in its place, and all names"""
    hosts = fleet()
    distinct = [hosts[0], hosts[3], hosts[4], hosts[5]]
    with Files(*distinct) as files:
        picture = xml.fromstring(run("matrix", "--svg", *files).stdout)
        rows = json.loads(run("matrix", "--json", *files).stdout)["rows"]
    names = [text.text for text in picture.iter(SVG + "text")
             if text.get("text-anchor") == "end"
             and text.get("class") is None]
    assert sorted(names) == sorted(host["host"] for host in distinct)
    order = [[host["host"] for host in distinct].index(name)
             for name in names]
    for row, colours in zip(order, squares(picture, len(distinct))):
        assert colours == [COLOURS.get(rows[row][column], "#e0e0e0")
                           for column in order], (rows, colours)


def test_picture_tells():
    """Which way to read it, what each kind is, how many, and what spoils it"""
    with Files(*fleet()) as files:
        picture = xml.fromstring(run("matrix", "--svg", *files).stdout)
        told = json.loads(run("matrix", "--json", *files).stdout)
    texts = ["".join(text.itertext()) for text in picture.iter(SVG + "text")]
    for wanted in "a guest is on \u2193", "a guest goes to \u2192":
        assert wanted in texts, texts
    assert any("kHz, scales" in text for text in texts), texts
    assert any("kHz, can't scale" in text for text in texts), texts
    signs = [text for text in texts if text in COLOURS]
    kinds = [text for text in texts if "kHz, " in text]
    alone = [text for text in texts if text == "1"]
    assert len(signs) == len(kinds) ** 2 - len(alone), (signs, kinds, alone)
    assert any("guests from" in text for text in texts), texts
    assert told["rows"]


def test_blocks():
    """Of more kinds than a picture has room for blocks show the worst"""
    hosts = [good(host="h%d" % i, boot_id="b%d" % i, scaling="none",
                  host_khz=2000000 + i * 300) for i in range(450)]
    with Files(*hosts) as files:
        source = run("matrix", "--svg", *files).stdout
    picture = xml.fromstring(source)
    fills = {rect.get("fill") for rect in picture.iter(SVG + "rect")
             if rect.get("height") == "2"}
    # each fits its neighbours, but not exactly, and nobody else
    assert fills == {COLOURS["-"], COLOURS["~"], "#e0e0e0"}, fills
    assert max(int(rect.get("y")) for rect in picture.iter(SVG + "rect")
               if rect.get("height") == "2") == 30 + 399 * 2
    assert len(source) < 200000, len(source)


class Page(html.parser.HTMLParser):
    """All text of a page, and that its tags are closed."""

    def __init__(self, text):
        super().__init__()
        self.text, self.open = "", []
        self.feed(text)
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag

    def handle_data(self, data):
        self.text += data


def test_html():
    """The page says all that the text says, and is whole"""
    with Files(*fleet()) as files:
        source = run("matrix", "--html", *files).stdout
        text = run("matrix", *files).stdout
    page = Page(source).text
    for line in re.findall(r"guests from .*|(?<=Cure: ).*", text):
        assert line in page, line
    assert "exact on 6 of 7 hosts" in page
    for host in fleet():
        assert host["host"] in page
    assert "http" not in source.replace("http://www.w3.org/2000/svg", "")


def test_hostile_names():
    """A host's name is only text, in a page, a picture, on a terminal"""
    evil = '<script>alert("&")</script>'
    hosts = [good(host=evil, boot_id="x"), good(host=evil[::-1], boot_id="y"),
             good(host=evil + "2", boot_id="z", offset="ignored")]
    with Files(*hosts) as files:
        for form in "--svg", "--html":
            source = run("matrix", form, *files).stdout
            assert "<script" not in source and ">tpircs" not in source
            assert "&lt;script&gt;" in source
        xml.fromstring(run("matrix", "--svg", *files).stdout)
        assert json.loads(run("matrix", "--json", *files).stdout)["hosts"][
            0]["name"] == evil
    with tempfile.TemporaryDirectory() as folder:
        file = folder + "/a\033[2J\n.json"
        with open(file, "w", encoding="utf-8") as stream:
            json.dump(good(host=None), stream)
        for form in [], ["--svg"], ["--html"]:
            text = run("matrix", *form, file).stdout
            assert not re.search(r"[\0-\x08\x0b-\x1f\x7f]", text), text


def test_names():
    """Hosts without a name, or with the same one, are called by their files"""
    hosts = [good(host="same", boot_id="x"), good(host="same", boot_id="y"),
             good(host=None, boot_id="z"), good(host="own", boot_id="w")]
    assert [host["name"] for host in matrix(hosts)["hosts"]] == \
        ["0000", "0001", "0002", "own"]


def test_usage():
    """Forms that contradict, wrong and missing files"""
    with Files(good(), good(host_khz="x")) as (fine, bad):
        fails(USAGE, "matrix", words=["HOST.json"])
        fails(USAGE, "matrix", "--json", "--svg", fine, words=["only one of"])
        fails(USAGE, "matrix", "--pairs", fine, words=["--json"])
        fails(USAGE, "matrix", "--json", "--pairs", *[fine] * 301,
              words=["300"])
        for twin in fine, os.path.dirname(fine) + "/./0000.json":
            fails(USAGE, "matrix", fine, twin, words=[twin, "twice"])
        fails(FAILURE, "matrix", fine, bad, words=[bad, "host_khz"])
        fails(FAILURE, "matrix", fine, fine + "x", words=[fine + "x"])
        folder = os.path.dirname(fine)
        fails(FAILURE, "matrix", fine, bad, "-o", folder + "/out")
        leftovers(folder, *map(os.path.basename, (fine, bad)))


def test_schema():
    """The JSON fits its schema"""
    assert_fits("matrix", matrix(fleet()))
    assert_fits("matrix", matrix(fleet(), "--pairs"))
    nothing = {"format": "clockferry-probe", "version": 1, "min_version": 1}
    assert_fits("matrix", matrix([nothing]))
    for hosts in random_pools():
        assert_fits("matrix", matrix(hosts))


def cost(*arguments):
    """(CPU seconds, MiB, bytes written) of a run."""
    with subprocess.Popen([program(), *arguments],
                          stdout=subprocess.PIPE) as process:
        size = len(process.stdout.read())
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode in (FINE, INEXACT, REFUSED)
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, size


def test_thousands():
    """2,000 hosts, 4 million pairs: 200 MB, in all forms; twice as long for
    each pair as with 500 hosts at most"""
    chance = places.chance()
    alike_hosts = [good(host="n%d" % i, boot_id="b%d" % i,
                        host_khz=chance.choice([2500000, 2500002, 3000000]))
                   for i in range(2000)]
    unlike = [dict(pool.host(chance, i), host="n%d" % i)
              for i in range(2000)]
    for hosts in alike_hosts, unlike:
        with Files(*hosts) as files:
            for form in [], ["--json"], ["--svg"], ["--html"]:
                few = cost("matrix", *form, *files[:500])[0]
                seconds, mib, size = cost("matrix", *form, *files)
                note("%-7s %.2f s CPU, %.0f times that of 500, %.0f MiB, "
                     "%.0f KiB of output" % (
                         form[0][2:] if form else "text", seconds,
                         seconds / few, mib, size / 1024))
                assert seconds < 2 * 16 * few and mib < 200, (form, few,
                                                              seconds, mib)
