# SPDX-License-Identifier: GPL-2.0-or-later
"""docs/operating.rst as something to follow: its commands, chapter by chapter,
and what it shows of what its reader gets to see."""
import re

from harness import places

PAGE = "docs/operating.rst"


def text(path):
    with open(places.top(path), encoding="utf-8") as stream:
        return stream.read()


def commands(chapter=None):
    """What the page, or one chapter of it, has its reader type, with the
    prompt."""
    page = text(PAGE)
    if chapter:
        found = re.search(r"^%s\n=+\n(.*?)(?=^[^\n]+\n===|\Z)" % chapter, page,
                          re.M | re.S)
        assert found, "the page has no chapter " + chapter
        page = found[1]
    return re.findall(r"^ +([$#] .+)$", page, re.M)


def _step(steps, command):
    """The one with the longest name that fits."""
    found = [name for name in steps if command.startswith(name)]
    assert found, "how to run this isn't known: " + command
    return max(found, key=len)


def follow(hosts, steps, lines):
    """Runs these commands; {first words of a command: how it is run}. The
    steps that were of use."""
    done = set()
    for line in lines:
        name = _step(steps, line[2:])
        steps[name](hosts, line[2:])
        done.add(name)
    return done


def shaped(first):
    """A line that the page shows, as a pattern: what differs is in capitals
    or left out."""
    line = re.search(r"^    (error: %s.*)$" % first, text(PAGE), re.M)[1]
    line = re.escape(line).replace("…", ".*")
    return re.sub(r"REASON|WHAT\\ TO\\ DO", ".+", line).replace(
        "host\\-b", "[^']+")


def restored_line():
    """The line in a guest's log that tells how its clocks arrived."""
    line = re.search(r"^ +info: (kvmclock: restored .+)$", text(PAGE),
                     re.M)[1]
    return re.sub(r"(-?\d+(\\\.\d+)?|closed\\-loop|copied|same)",
                  r"[\\w.-]+", re.escape(line))
