# SPDX-License-Identifier: GPL-2.0-or-later
"""What a terminal shows: width, wrapping, colours, columns"""
import os
import pty
import re
import subprocess
import tempfile
import unicodedata

import pool
from harness import places
from harness.command import on_terminal, output, program
from harness.wait import LIMIT_S
from test_check import Files, good, other

SHEETS = (good(), other(host_khz=2500002, best_rung="plain", leap="insert",
                        synchronised=False))
COMMANDS = ["check"], ["matrix"], ["probe", "--from"]


def columns_of(text):
    """How many columns a terminal needs for it."""
    return sum(0 if unicodedata.combining(c) else
               2 if unicodedata.east_asian_width(c) in "WF" else 1
               for c in text)


def on_screen(command, files, columns, **variables):
    files = files[1:] if command[0] == "probe" else files
    return on_terminal(*command, *files, columns=columns,
                       **{"TERM": "xterm", "LC_ALL": "C.UTF-8", **variables}) \
        .decode().replace("\r\n", "\n")


def test_wrapped():
    """No line is wider than the terminal, and no word is lost"""
    with Files(*SHEETS) as files:
        for command in COMMANDS:
            whole = on_screen(command, files, 1000, NO_COLOR="1")
            for columns in 40, 60, 80, 132:
                text = on_screen(command, files, columns, NO_COLOR="1")
                longest = max(text.split("\n"), key=columns_of)
                assert not re.search(r"\d\n +(ppb|ns|us|ms|s|kHz)\b", text), \
                    text
                # a path is a word
                assert columns_of(longest) <= max(columns, 54), longest
                if columns >= 80:
                    assert columns_of(longest) <= columns, longest
                if command[0] != "matrix" or columns > 40:
                    assert text.split() == whole.split(), (command, columns)


def test_indented():
    """The rest of a finding stands below its beginning"""
    with Files(*SHEETS) as files:
        for command in ["check"], ["probe", "--from"]:
            text = on_screen(command, files, 60, NO_COLOR="1")
            findings = text.split("\n\n")[1].splitlines()
            assert len(findings) > 15, text
            for line in findings:
                assert re.match(r"  [A-Z]{4}  \S| {8}\S", line), line


def test_pipe():
    """A pipe and a file get whole lines, without colours"""
    with Files(*SHEETS) as files, tempfile.TemporaryDirectory() as folder:
        for command in COMMANDS:
            named = files[1:] if command[0] == "probe" else files
            text = output(*command, *named, status=range(5))
            assert "\033" not in text
            if command[0] != "matrix":
                assert max(map(len, text.splitlines())) > 100, text
            assert not on_terminal(*command, *named, "-o", folder + "/out")
            with open(folder + "/out", encoding="utf-8") as stream:
                assert stream.read() == text, command


def test_colours():
    """Colours on a terminal, unless it or its user doesn't want them"""
    with Files(*SHEETS) as files:
        for command in COMMANDS:
            for wanted, variables in (
                    (True, {}), (True, {"NO_COLOR": ""}),
                    (False, {"NO_COLOR": "1"}), (False, {"TERM": "dumb"})):
                text = on_screen(command, files, 80, **variables)
                assert ("\033[3" in text) == wanted, (command, variables)
                assert text.count("\033[0m") == \
                    len(re.findall(r"\033\[3\dm", text)), text


def test_wide_names():
    """Names with wide characters and with accents keep the columns"""
    names = "\u6771\u4eac1", "\u6771\u4eac2\u4eac", "e\u0301t\u00e9", "plain"
    kinds = {}, {"offset": "ignored"}, {"best_rung": "plain"}, \
        {"scaling": "none", "host_khz": 3000000}
    hosts = [good(host=name, boot_id=name, **kind)
             for name, kind in zip(names, kinds)]
    with Files(*hosts) as files:
        lines = on_screen(["matrix"], files, 80, NO_COLOR="1").splitlines()
    table = lines[:lines.index("")]
    assert len(table) >= 4, table
    assert len({columns_of(line) for line in table}) == 1, table


def test_corner():
    """The columns of a table stand below their numbers, also of short names"""
    with Files(good(host="a"), other(host="b", offset="ignored")) as files:
        lines = output("matrix", *files, status=range(5)).splitlines()
    assert lines[0].startswith("Guests of, to")
    assert len({len(line) for line in lines[:3]}) == 1, lines


def progress(*arguments):
    """What the standard error shows, a terminal, by tests/cli/steady-clock.c."""
    ours, theirs = pty.openpty()
    subprocess.run([program(), *arguments], stdout=subprocess.DEVNULL,
                   stderr=theirs, timeout=LIMIT_S, env=dict(
                       os.environ, LD_PRELOAD=places.build(
                           "tests/cli/libsteady-clock.so")))
    os.close(theirs)
    text = b""
    try:
        while True:
            text += os.read(ours, 65536)
    except OSError:
        os.close(ours)
    return text.decode()


def test_progress():
    """What takes long shows how far it is, and wipes that away"""
    places.need_kvm()
    text = progress("selftest", "--rounds=600")
    assert re.search(r"\r\d+ of 600 rounds ", text), text
    assert re.search(r"\r +\r$", text), text
    assert not progress("selftest", "--rounds=1")


def test_matrix_progress():
    """matrix shows progress, too, and nothing where it is quick"""
    chance = places.chance()
    sheets = [dict(pool.host(chance, i), host="n%d" % i) for i in range(600)]
    for count, shown in (600, True), (400, False):
        with Files(*sheets[:count]) as files:
            text = progress("matrix", *files)
        assert ("moves checked" in text) == shown, text
