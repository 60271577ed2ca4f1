#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a build for coverage has counted (tests/coverage/build): which lines
and branches of our code were run, beside what is wanted. ./run coverage runs
this after the suites. Status 1: it is less than wanted.

Usage: coverage.py [--json FILE] [--series TREE BUILD]"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import namedtuple

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(1, os.path.dirname(HERE))

import measured
from harness import places

# name: of what; folders: where that is from the top; what is wanted, in percent
Part = namedtuple("Part", "name folders lines branches")
OURS = [Part("library", ("include", "src/carry", "src/check", "src/domain",
                         "src/kvm", "src/text", "src/version.c"), 95, 85),
        Part("command", ("src/cli",), 95, 85),
        Part("hook", ("libvirt-hooks",), 95, 85)]
SERIES = [Part("series", ("qemu-patches/files",), 90, None)]

COLUMN = 40


def gcovr(root, build, filters, objects):
    """gcovr's own report on the objects in a folder of this build."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "gcovr.json")
        subprocess.run(
            ["gcovr", "--root", root, "--object-directory", build, "--json",
             path, *("--filter=" + each for each in filters), objects],
            cwd=build, check=True)
        with open(path, encoding="utf-8") as file:
            return json.load(file)


def ours():
    found = gcovr(places.top(), places.build(),
                  [os.path.join(places.top(), "(src|include|libvirt-hooks)/"),
                   os.path.join(places.top(), "tests/unit/as-in-qemu/")],
                  places.build())
    return measured.files(found, lambda path: os.path.relpath(
        os.path.realpath(places.top(path)), os.path.realpath(places.top())))


def series_files():
    """Paths in QEMU of what the series brings that is C and no test."""
    top = places.top("qemu-patches/files")
    return [os.path.relpath(os.path.join(folder, name), top)
            for folder, _, names in os.walk(top) for name in names
            if name.endswith((".c", ".h"))
            and not os.path.relpath(folder, top).startswith("tests")]


def series(tree, build):
    """Only from the objects of its files: QEMU has thousands."""
    paths = series_files()
    names = {path.replace("/", "_") for path in paths}
    with tempfile.TemporaryDirectory(dir=build) as objects:
        for folder, _, found in os.walk(build):
            for name in found:
                stem, kind = os.path.splitext(name)
                if stem in names and kind in (".gcda", ".gcno") and \
                        folder != objects:
                    os.link(os.path.join(folder, name),
                            os.path.join(objects, name))
        found = gcovr(tree, build, [os.path.join(tree, path)
                                    for path in paths], objects)
    assert found["files"], "no QEMU of %s has ended by itself" % build
    return measured.files(found, lambda path: os.path.join(
        "qemu-patches/files", path))


def belongs(path, part):
    return any(path == folder or path.startswith(folder + "/")
               for folder in part.folders)


def percent(ran, of):
    return 100.0 * ran / of if of else 100.0


def row(name, files, gaps=""):
    lines, lines_ran, branches, taken = measured.total(files)
    return "%-*s %6d %6.1f %%  %6d %6.1f %%  %s" % (
        COLUMN, name, lines, percent(lines_ran, lines), branches,
        percent(taken, branches), gaps)


def wrapped(words, indent, width=119):
    """A list, in as many lines as it takes."""
    lines, line = [], ""
    for word in words:
        if line and indent + len(line) + len(word) + 2 > width:
            lines.append(line)
            line = ""
        line += (", " if line else "") + word
    return ("\n" + " " * indent).join(lines + [line])


def shown(path):
    """A file of the series' by its path in QEMU."""
    return path.removeprefix("qemu-patches/files/")


def show(part, files):
    print()
    print(row(part.name, files))
    for file in files:
        ranges = wrapped(map(measured.spelled, file.gaps()), COLUMN + 33)
        print(row("  " + shown(file.path), [file], ranges).rstrip())


def short_of(part, files):
    """What is less than wanted, as sentences; the worst files first."""
    lines, ran, branches, taken = measured.total(files)
    bad = []
    for what, of, done, wanted in (("lines", lines, ran, part.lines),
                                   ("branches", branches, taken,
                                    part.branches)):
        if wanted is None or percent(done, of) >= wanted:
            continue
        at = 0 if what == "lines" else 2
        worst = sorted(files, key=lambda file, at=at: measured.total([file])[
            at + 1] - measured.total([file])[at])[:3]
        bad.append("%s: %.1f %% of the %s are run, and %d %% are wanted; most "
                   "are missing in %s" % (
                       part.name, percent(done, of), what, wanted,
                       ", ".join(shown(file.path) for file in worst)))
    return bad


def explained(files, reasons):
    """Prints why lines aren't run. Returns how many lines have no reason."""
    unexplained = 0
    print("\nNot run, for a reason:")
    for file in files:
        for gap in file.gaps():
            why = reasons.of(file, gap)
            if why:
                print("  %s:%s: %s" % (shown(file.path),
                                       measured.spelled(gap), why))
            else:
                unexplained += file.count(gap)
    return unexplained


def as_json(parts, files, reasons):
    return {"format": "clockferry-coverage", "version": 1, "parts": [
        {"name": part.name, "wanted": {"lines": part.lines,
                                       "branches": part.branches},
         **measured.figures([file for file in files
                             if belongs(file.path, part)]),
         "files": [{"path": file.path, **measured.figures([file]),
                    "not_run": [{"first": gap[0], "last": gap[1],
                                 "reason": reasons.of(file, gap)}
                                for gap in file.gaps()],
                    "branches_not_taken": file.untaken()}
                   for file in files if belongs(file.path, part)]}
        for part in parts]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--json", metavar="FILE", help="all, for programs")
    parser.add_argument("--series", nargs=2, metavar=("TREE", "BUILD"),
                        help="of a QEMU of the flavour gcov instead")
    options = parser.parse_args()
    parts = SERIES if options.series else OURS
    files = series(*options.series) if options.series else ours()
    reasons = measured.Reasons(os.path.join(HERE, "reasons"), places.top())
    bad = list(reasons.stale())
    print("%-*s %15s  %15s  %s" % (COLUMN, "", "lines", "branches",
                                   "lines that aren't run"))
    for part in parts:
        mine = [file for file in files if belongs(file.path, part)]
        show(part, mine)
        bad += short_of(part, mine)
    print("Not run, without a reason: %d lines" % explained(
        [file for file in files
         if any(belongs(file.path, part) for part in parts)], reasons))
    if options.json:
        with open(options.json, "w", encoding="utf-8") as out:
            json.dump(as_json(parts, files, reasons), out, indent=2)
            out.write("\n")
    for sentence in bad:
        print("coverage: " + sentence, file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
